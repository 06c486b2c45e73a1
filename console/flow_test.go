package console_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/console/session"
	"causeway.dev/internal/access"
	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

const aRun = "contacts-20260302T100000.000Z"

// busy has contacts at a load, with deletes that wait, and a few runs behind it.
func (w *world) busy() {
	w.runs(func(st *workflows.Status) {
		st.Run, st.RunKind, st.Phase, st.StartedBy, st.Quarantined, st.Parked = "contacts-20260302T115900.000Z", activities.KindBackfill, "backfill", "Olga <o1>", 382, 3
		st.Progress = &workflows.Progress{Started: noon.Add(-time.Minute), Expected: 20_000, Read: 5_000, Backlog: 243, Counts: activities.Counts{Read: 5_000, Created: 4_000, Updated: 757}}
		st.Totals = activities.Counts{Read: 32_183, Created: 10_212, Updated: 1_092, Unchanged: 19_336, Filtered: 1_020, Deleted: 60, Parked: 81, Quarantined: 382}
		st.Approvals = []activities.Approval{{Run: aRun, Deletes: 700}}
		st.Revision, st.FiledRevision = "r14", "r15"
		st.Queue = []workflows.QueuedRequest{{Kind: "backfill", Run: "contacts-20260302T115959.000Z"}}
	})
	w.acme.On("Run "+activities.CompareMapping, activities.CompareMappingResult{Known: true, Differences: []activities.MappingDifference{{Sentence: "Field emailaddress1 -> email: apply updates is now off"}}})
	w.acme.On("Run "+activities.ListDeletes, func(in any) any {
		out := activities.DeleteListResult{Total: 700}
		for n := range in.(activities.DeleteListInput).Limit {
			out.Deletes = append(out.Deletes, activities.WaitingDelete{Table: "contacts", ID: fmt.Sprintf("6f0c1d2e-0000-4000-8000-%012d", n), Run: aRun, Why: activities.DeleteGone})
		}
		return out
	})
	w.acme.On("Run "+activities.ListRuns, func(in any) any { return manyRuns(in.(activities.RunListInput)) })
	w.shows(nil)
	w.acme.On("Run "+activities.MayRollback, activities.MayRollbackResult{Run: aRun, Table: "contacts", Created: 212, Existed: 2_007, Since: 17})
	w.acme.On("Run "+activities.EstimateBackfill, activities.EstimateResult{Records: 10_000, Calls: new(int64(1_200)), Runs: 2, Quick: 60, Slow: 120, PerHour: 5_000})
	w.acme.Runs = []operator.Execution{{WorkflowID: contactsFlow + "/backfill/" + aRun, RunID: "x1", Type: "Backfill", Status: "Failed", Started: noon.Add(-2 * time.Hour)}}
}

// shows has a worker tell of a failed run.
func (w *world) shows(change func(*activities.ShowRunResult)) {
	r := activities.ShowRunResult{
		Found: true, Info: activities.RunInfo{
			Run: aRun, Flow: activities.FlowIngress, Table: "contacts", Kind: activities.KindBackfill, State: "FAILED", Reason: "Dynamics refused our sign-in", Revision: "r14",
			Started: noon.Add(-2 * time.Hour), Ended: noon.Add(-2*time.Hour + 44*time.Second),
			Counts: activities.Counts{Read: 10_000, Created: 212, Updated: 1_964, Unchanged: 6_921, Filtered: 380, Deleted: 60, Parked: 81, Quarantined: 382},
		},
		Window: &activities.Window{IDs: make([]string, 42)}, NotFound: []string{"0819f3c2-55a1-4c07-9f43-1b2f0a77d0e4"}, Quarantined: 382,
		Rollback: &activities.MayRollbackResult{Run: aRun, Table: "contacts", Created: 212, Existed: 2_007, Since: 17}, Until: noon.Add(14 * 24 * time.Hour),
		Asked: []activities.Operation{{At: noon.Add(-2 * time.Hour), By: "Olga <o1>", What: activities.OpBackfill}},
	}
	if change != nil {
		change(&r)
	}
	w.acme.On("Run "+activities.ShowRun, r)
}

// manyRuns are 120 runs, a minute apart, as a worker lists them.
func manyRuns(in activities.RunListInput) activities.RunListResult {
	out := activities.RunListResult{}
	for n := range 120 {
		at := noon.Add(-time.Duration(n) * time.Minute)
		r := activities.RunInfo{Run: "contacts-" + at.Format("20060102T150405.000Z"), Flow: activities.FlowIngress, Table: "contacts", Kind: activities.KindDelta, State: "COMPLETED", Started: at, Ended: at.Add(5 * time.Second), Counts: activities.Counts{Read: int64(n), Unchanged: int64(n)}}
		if n%10 == 3 {
			r.State, r.Reason = "FAILED", "Campaign refused our sign-in"
		}
		if (in.Before == nil || at.Before(in.Before.Started)) && (len(in.States) == 0 || in.States[0] == r.State) && len(out.Runs) < in.Limit {
			out.Runs = append(out.Runs, r)
		}
	}
	return out
}

func TestAFlowIsShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.busy()
	w.signIn()
	body := html.UnescapeString(w.get("/i/acme/flows/contacts").body)
	for _, want := range []string{
		"Contacts", "Started by Olga <o1>", "At work: Backfill", "23 %", "5,000 of about 20,000 read",
		"It adds up.", "Read 32,183 = 10,212 + 1,092 + 19,336 + 1,020 + 60 + 81 + 382.", "Read 5,000 = 4,000 + 757 + 243 that have no outcome yet.",
		"700 deletes wait for approval", "6f0c1d2e-0000-4000-8000-000000000003", "and 688 more", `href="/i/acme/runs/` + aRun + `/approve"`, `href="/i/acme/runs/` + aRun + `/reject"`,
		"<code>r14</code> runs, <code>r15</code> is on file", "Saved edits are not running yet", "<li>Field emailaddress1 -> email: apply updates is now off</li>", "Run contacts-20260302T115959.000Z waits for its turn.", "3 records wait for their parents",
		"contact in Dynamics 365", `href="/i/acme/flows/contacts/stop"`, `href="/i/acme/flows/contacts/restart"`, `href="/i/acme/runs?table=contacts"`, "contacts-20260302T120000.000Z",
	} {
		require.Contains(t, body, want)
	}
	part := w.get("/i/acme/flows/contacts/live", "HX-Request", "true")
	require.NotContains(t, part.body, "<html")
	require.Contains(t, part.body, `hx-trigger="every 5s"`)
	require.Contains(t, w.get("/i/acme/").body, `href="/i/acme/flows/contacts"`)
	require.Equal(t, http.StatusNotFound, w.get("/i/acme/flows/none").status)
	require.Equal(t, http.StatusOK, w.get("/i/acme/flows/optout").status)

	// What is done there is told there, and nowhere else than on our own pages.
	w.acme.On("Update "+contactsFlow+" Stop", contacts(nil))
	for from, to := range map[string]string{
		w.server.URL + "/i/acme/flows/contacts":        "/i/acme/flows/contacts?done=stop&of=contacts",
		w.server.URL + "/i/acme/flows/contacts/stop":   "/i/acme/?done=stop&of=contacts",
		"https://evil.example/i/acme/flows/contacts":   "/i/acme/?done=stop&of=contacts",
		w.server.URL + "/i/acme-stage/flows/contacts":  "/i/acme/?done=stop&of=contacts",
		w.server.URL + "/i/acme/flows/%2F%2Fevil.test": "/i/acme/?done=stop&of=contacts",
	} {
		p := w.post("/i/acme/flows/contacts/stop", nil, "Referer", from)
		require.Equal(t, to, p.header.Get("Location"), from)
	}
	require.Contains(t, w.get("/i/acme/flows/contacts?done=stop&of=contacts").body, "Contacts was stopped.")
}

func TestAFlowThatNobodyAnswersForIsSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.runs(nil)
	w.signIn()
	w.acme.On("Describe "+contactsFlow, operator.Description{Running: true})
	w.acme.On("Query "+contactsFlow+" Status", operator.ErrNoWorker)
	w.acme.On("Run "+activities.ListRuns, operator.ErrNoWorker)
	for _, path := range []string{"/i/acme/flows/contacts", "/i/acme/runs"} {
		p := w.get(path)
		require.Equal(t, http.StatusOK, p.status)
		require.Contains(t, p.body, "No worker answers", path)
	}
	w.acme.On("Describe "+contactsFlow, &operator.Error{Kind: operator.Unreachable, Text: "no Temporal server answers"})
	require.Contains(t, w.get("/i/acme/flows/contacts").body, "Temporal does not answer")
}

func TestRunsAreListedNarrowedAndPaged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.busy()
	w.signIn()
	seen := map[string]bool{}
	path, pages := "/i/acme/runs?table=contacts&kind=delta&since=7d&state=", 0
	for path != "" {
		body := html.UnescapeString(w.get(path).body)
		for _, line := range strings.Split(body, `class="mono">`)[1:] {
			run, _, _ := strings.Cut(line, "<")
			require.False(t, seen[run], run)
			seen[run] = true
		}
		path = ""
		if _, rest, more := strings.Cut(body, `pager`); more {
			if before, _, older := strings.Cut(rest, `">Older`); older {
				path = before[strings.LastIndex(before, `href="`)+6:]
			}
		}
		pages++
	}
	require.Equal(t, 3, pages)
	require.Len(t, seen, 120)
	last := w.acme.Requests["Run "+activities.ListRuns][2].(activities.RunListInput)
	require.Equal(t, "contacts", last.Table)
	require.Equal(t, "delta", last.Kind)
	require.Equal(t, noon.Add(-7*24*time.Hour), last.Since)

	body := w.get("/i/acme/runs?state=FAILED").body
	require.Contains(t, body, `<option value="FAILED" selected>`)
	require.Equal(t, 12, strings.Count(body, `class="mono"`))
	w.get("/i/acme/runs?table=optout&state=%3Cscript%3E&kind=x&since=9y&before=yesterday")
	in := w.acme.Requests["Run "+activities.ListRuns]
	require.Equal(t, activities.RunListInput{Limit: 51}, in[len(in)-1])
	w.acme.On("Run "+activities.ListRuns, activities.RunListResult{})
	require.Contains(t, w.get("/i/acme/runs?state=FAILED").body, "No run is like that")
	require.Contains(t, w.get("/i/acme/runs").body, "Nothing has run yet")
}

func TestARunIsShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.busy()
	w.signIn()
	body := html.UnescapeString(w.get("/i/acme/runs/" + aRun).body)
	for _, want := range []string{
		"Backfill of Contacts", "Failed", "It stopped because of this", "Dynamics refused our sign-in.", "Took 44 s",
		"Read 10,000 = 212 + 1,964 + 6,921 + 380 + 60 + 81 + 382.", "It adds up.", "Found 41 of 42", "0819f3c2-55a1-4c07-9f43-1b2f0a77d0e4",
		`It can be undone until <time datetime="2026-03-16T12:00:00Z" title="2026-03-16 12:00:00 UTC" data-clock>16 March 2026, 12:00 UTC</time>.`, "<b>2,007</b>", "<b>17</b>", "700 deletes wait for approval", "Olga <o1>",
		`href="/i/acme/runs/` + aRun + `/replay"`, `href="/i/acme/runs/` + aRun + `/rollback"`, `href="/i/acme/flows/contacts"`,
	} {
		require.Contains(t, body, want)
	}
	require.NotContains(t, body, "hx-trigger", "it has ended")
	w.shows(func(r *activities.ShowRunResult) { r.Info.State, r.Info.Reason = "RUNNING", "" })
	body = w.get("/i/acme/runs/" + aRun).body
	require.Contains(t, body, `hx-trigger="every 5s"`)
	require.Contains(t, body, `/cancel"`)
	w.acme.On("Run "+activities.ShowRun, activities.ShowRunResult{})
	require.Equal(t, http.StatusNotFound, w.get("/i/acme/runs/none-20260302T100000.000Z").status)
}

// Undoing a run shows first what would be restored, and is done by whoever confirms it.
func TestARunIsRolledBackFromThePage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.busy()
	w.signIn()
	body := w.get("/i/acme/runs/"+aRun+"/rollback", "HX-Request", "true").body
	for _, want := range []string{"Roll back 2,202 records", "<b>212</b>", "left alone", "cannot be undone", "Contacts is running"} {
		require.Contains(t, body, want)
	}
	require.Empty(t, w.acme.Requests["Update "+contactsFlow+" RequestRollback"])
	w.acme.On("Update "+contactsFlow+" RequestRollback", contacts(nil))
	p := w.post("/i/acme/runs/"+aRun+"/rollback", nil, "Referer", w.server.URL+"/i/acme/runs/"+aRun)
	require.Equal(t, "/i/acme/runs/"+aRun+"?done=rollback&of=", p.header.Get("Location"), p.body)
	require.Equal(t, workflows.RollbackRequest{Run: aRun, By: "ada"}, w.acme.Requests["Update "+contactsFlow+" RequestRollback"][0])
	require.Contains(t, w.get(p.header.Get("Location")).body, "The rollback was accepted")

	w.acme.On("Run "+activities.MayRollback, activities.MayRollbackResult{Run: aRun, Table: "contacts", UndoneBy: "rollback-" + aRun})
	require.Equal(t, http.StatusBadRequest, w.get("/i/acme/runs/"+aRun+"/rollback").status)
	w.acme.On("Update "+contactsFlow+" RequestRollback", &operator.Error{Kind: operator.Failed, Text: "nothing was done yet: it waits for a second person"})
	require.Contains(t, w.post("/i/acme/runs/"+aRun+"/rollback", nil).body, "A second person has to confirm it")
}

func TestARunIsGivenUpFromThePage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.busy()
	w.shows(func(r *activities.ShowRunResult) { r.Info.State = "RUNNING" })
	w.acme.Runs[0].Status = "Running"
	w.signIn()
	require.Contains(t, w.get("/i/acme/runs/"+aRun+"/cancel").body, "Give this run up?")
	w.acme.On("Update "+contactsFlow+" CancelBackfill", contacts(nil))
	require.Equal(t, http.StatusSeeOther, w.post("/i/acme/runs/"+aRun+"/cancel", nil).status)
	require.Equal(t, workflows.CancelBackfillRequest{Run: aRun, By: "ada"}, w.acme.Requests["Update "+contactsFlow+" CancelBackfill"][0])
}

func TestABackfillIsAskedForInTwoSteps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.busy()
	w.signIn()
	require.Contains(t, w.get("/i/acme/backfill").body, "Say what it costs")
	ask := func(form url.Values) page {
		form.Set("table", "contacts")
		return w.post("/i/acme/backfill", form)
	}
	body := ask(url.Values{"what": {"all"}}).body
	for _, want := range []string{"Read about 10,000 records again", "1,200", "It takes about 1 min to 2 min", "5,000 engine calls an hour"} {
		require.Contains(t, body, want)
	}
	require.Empty(t, w.acme.Requests["Update "+contactsFlow+" RequestBackfill"], "only what it costs was asked")

	w.acme.On("Update "+contactsFlow+" RequestBackfill", workflows.BackfillAnswer{Run: aRun})
	w.acme.On("Run "+activities.CheckFilter, activities.CheckFilterResult{})
	w.acme.On("Run "+activities.CheckNamed, activities.CheckNamedResult{Found: 1})
	id := "6f0c1d2e-0000-4000-8000-000000000001"
	for _, c := range []struct {
		form url.Values
		want activities.Window
	}{
		{url.Values{"what": {"all"}, "ids": {id}}, activities.Window{}},
		{url.Values{"what": {"window"}, "since": {"2026-01-31T08:00"}}, activities.Window{Since: time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC)}},
		{url.Values{"what": {"where"}, "column": {"statecode"}, "is": {"equals"}, "value": {"Active"}}, activities.Window{Where: []activities.Condition{{Column: "statecode", Is: "equals", Value: "Active"}}}},
		{url.Values{"what": {"ids"}, "ids": {id + "\r\n" + strings.ToUpper(id)}}, activities.Window{IDs: []string{id}}},
	} {
		require.Contains(t, ask(c.form).body, "Nothing is read yet", c.form)
		c.form.Set("step", "begin")
		p := ask(c.form)
		require.Equal(t, "/i/acme/flows/contacts?done=backfill", p.header.Get("Location"), p.body)
		asked := w.acme.Requests["Update "+contactsFlow+" RequestBackfill"]
		require.Equal(t, workflows.BackfillRequest{Window: c.want, By: "ada"}, asked[len(asked)-1])
	}
	n := len(w.acme.Requests["Update "+contactsFlow+" RequestBackfill"])
	for what, want := range map[string]string{
		"what=window": "Say since when", "what=window&since=2026-02-01T00:00&until=2026-01-01T00:00": "is not before", "what=window&since=soon": "A time is not one",
		"what=where": "Say a column", "what=where&column=x&is=equals": "Say a value", "what=ids&ids=5": "One of the ids is none", "what=ids": "want 1 to 1,000",
	} {
		form, err := url.ParseQuery(what + "&step=begin")
		require.NoError(t, err)
		p := ask(form)
		require.Equal(t, http.StatusBadRequest, p.status, what)
		require.Contains(t, p.body, want, what)
	}
	w.acme.On("Run "+activities.CheckFilter, activities.CheckFilterResult{Misfit: "contact has no column x"})
	require.Contains(t, ask(url.Values{"what": {"where"}, "column": {"x"}, "is": {"empty"}, "step": {"begin"}}).body, "contact has no column x")
	require.Len(t, w.acme.Requests["Update "+contactsFlow+" RequestBackfill"], n)
}

// How many of the named records there are is known before the backfill is asked for.
func TestNamedRecordsAreFoundFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.busy()
	w.signIn()
	var ids []string
	for n := range 42 {
		ids = append(ids, fmt.Sprintf("6f0c1d2e-0000-4000-8000-%012d", n))
	}
	form := url.Values{"table": {"contacts"}, "what": {"ids"}, "ids": {strings.Join(ids, "\n")}}
	w.acme.On("Run "+activities.CheckNamed, activities.CheckNamedResult{Found: 41, NotFound: ids[5:6]})
	body := w.post("/i/acme/backfill", form).body
	for _, want := range []string{"Found 41 of 42. Read 41 records again?", "Not in Dynamics", "<code>" + ids[5] + "</code>", "≤ 82", ">Read 41 records again</button>"} {
		require.Contains(t, body, want)
	}
	require.Equal(t, ids, w.acme.Requests["Run "+activities.CheckNamed][0].(activities.CheckNamedInput).IDs)
	require.Empty(t, w.acme.Requests["Update "+contactsFlow+" RequestBackfill"])

	w.acme.On("Run "+activities.CheckNamed, activities.CheckNamedResult{NotFound: ids})
	body = w.post("/i/acme/backfill", form).body
	require.Contains(t, body, "Dynamics has none of them")
	require.NotContains(t, body, `id="begin"`)
	w.acme.On("Run "+activities.CheckNamed, operator.ErrNoWorker)
	body = w.post("/i/acme/backfill", form).body
	require.Contains(t, body, "How many of them Dynamics has, is not known")
	require.Contains(t, body, `id="begin"`)
}

// A viewer sees flows and runs, is offered nothing, and is refused by address.
func TestAViewerLooksAtRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) {
		w.who = session.Who{Subject: "v", Name: "vera", Roles: map[string]access.Role{"acme": access.Viewer}}
	})
	w.busy()
	w.signIn()
	for _, path := range []string{"/flows/contacts", "/runs", "/runs/" + aRun} {
		p := w.get("/i/acme" + path)
		require.Equal(t, http.StatusOK, p.status, path)
		for _, verb := range []string{"/stop", "/approve", "/rollback", "/replay", "/backfill"} {
			require.NotContains(t, p.body, verb+`"`, path)
		}
	}
	for _, path := range []string{"/runs/" + aRun + "/rollback", "/runs/" + aRun + "/replay", "/runs/" + aRun + "/cancel", "/backfill"} {
		require.Equal(t, http.StatusForbidden, w.get("/i/acme"+path).status, path)
		require.Equal(t, http.StatusForbidden, w.post("/i/acme"+path, nil).status, path)
	}
}
