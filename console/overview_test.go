package console_test

import (
	"errors"
	"html"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

// Nothing but the privacy text is there on a first visit; it is kept in the ledger, with who
// and when, and not asked again.
func TestThePrivacyTextComesFirst(t *testing.T) { // R6.6, R6.7, R6.8
	t.Parallel()
	w := newWorld(t)
	w.runs(nil)
	w.get(w.link.New())
	p := w.get("/i/acme/")
	require.Equal(t, "/i/acme/acknowledge?next=%2Fi%2Facme%2F", p.header.Get("Location"))
	require.Equal(t, http.StatusSeeOther, w.post("/i/acme/flows/contacts/stop", nil).status)
	require.NotContains(t, w.acme.Asked, "Update "+contactsFlow+" Stop")
	text := w.get("/i/acme/acknowledge").body
	require.Contains(t, text, "made twice:</b> in Campaign and in Dynamics 365, separately")
	require.Contains(t, text, "Your organisation is responsible")

	require.Equal(t, http.StatusBadRequest, w.post("/i/acme/acknowledge", nil).status)
	require.Empty(t, w.acme.Requests["Later Acknowledge"])
	p = w.post("/i/acme/acknowledge", url.Values{"read": {"yes"}, "next": {"/i/acme/"}})
	require.Equal(t, "/i/acme/", p.header.Get("Location"))
	require.Equal(t, []any{activities.AcknowledgeInput{Text: "privacy-1", By: "ada", At: noon}}, w.acme.Requests["Later Acknowledge"])
	require.Equal(t, http.StatusOK, w.get("/i/acme/").status)
	require.Equal(t, http.StatusSeeOther, w.get("/i/acme-stage/").status, "each instance has its own")

	w.acme.On("Run "+activities.ListOperations, activities.OperationsResult{Operations: []activities.Operation{{By: "ada", What: activities.OpAcknowledge}}})
	w.browser = newBrowser(t)
	w.get(w.link.New())
	require.Equal(t, http.StatusOK, w.get("/i/acme/").status, "the ledger knows")
	require.Equal(t, activities.OperationsInput{By: "ada", What: "acknowledge", Limit: 1}, w.acme.Requests["Run "+activities.ListOperations][0])
}

func TestTheOverviewShowsTheThreeWorkflows(t *testing.T) { // R8.1
	t.Parallel()
	w := newWorld(t)
	w.runs(func(st *workflows.Status) {
		st.Run, st.RunKind, st.Phase, st.Quarantined = "contacts-20260302T115900.000Z", activities.KindInitial, "initial load", 100
		st.Progress = &workflows.Progress{Started: noon.Add(-time.Minute), Expected: 20_000, Backlog: 6_243, Counts: activities.Counts{Read: 5_000, Created: 5_000}}
		st.Approvals = []activities.Approval{{Run: "contacts-20260302T100000.000Z", Deletes: 1_700}}
	})
	w.acme.On("Run "+activities.Meter, activities.MeterResult{Budget: 20_000, Hours: []activities.MeterCalls{{Hour: noon, Changes: 100, Loads: 14_218}}, Workers: []activities.WorkerState{
		{Name: "acme@host-1:7", Since: noon.Add(-time.Hour), Lanes: 5, Shares: map[string]float64{"campaign.concurrency": 5, "campaign.rate": 10.0 / 3, "dynamics.concurrency": 8}},
		{Name: "acme@host-2:7", Since: noon.Add(-time.Hour), Lanes: 3, Shares: map[string]float64{"campaign.concurrency": 3, "dynamics.concurrency": 8}},
	}})
	body := html.UnescapeString(w.signIn().get("/i/acme/").body)
	for _, want := range []string{
		"Dynamics 365 → Campaign", "Campaign → Dynamics 365", "Opt-in/out", "contact → profile", "Running", "initial load 25 %",
		"6,243", "1,700 deletes wait for your approval", "100 records in quarantine", "14,318", "of 20,000", "acme@host-1:7", ">3.3<", ">no limit<", "Nothing of it is switched on",
		`<time datetime="2026-03-02T11:59:00Z" title="2026-03-02 11:59:00 UTC">1 min ago</time>`,
		`href="/i/acme/flows/contacts/stop"`, `href="/i/acme/runs/contacts-20260302T100000.000Z/approve"`,
	} {
		require.Contains(t, body, want)
	}
	part := w.get("/i/acme/overview/live", "HX-Request", "true")
	require.Equal(t, http.StatusOK, part.status)
	require.NotContains(t, part.body, "<html")
	require.Contains(t, part.body, `hx-trigger="every 5s"`)
}

func TestSavedEditsThatAreNotRunningAreMarked(t *testing.T) { // R8.15
	t.Parallel()
	w := newWorld(t)
	w.runs(func(st *workflows.Status) { st.Revision, st.FiledRevision = "r14", "r15" })
	body := w.signIn().get("/i/acme/").body
	require.Contains(t, body, "small marked")
	require.Contains(t, body, "Saved edits of Contacts are not running yet")
	require.Contains(t, body, "/flows/contacts/restart")
	w.runs(func(st *workflows.Status) {
		st.Revision = configured(t, "acme").Ingress.Tables["contacts"].Revision()
		st.FiledRevision = st.Revision
	})
	require.NotContains(t, w.get("/i/acme/").body, "small marked")
}

// Each button does one thing with the flow that it stands beside, in the name of who is
// signed in, and the page says what was done.
func TestButtonsReachTheFlow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.runs(nil)
	w.signIn()
	for verb, question := range map[string]string{
		"stop": "Update " + contactsFlow + " Stop", "pause": "Update " + contactsFlow + " Pause", "resume": "Update " + contactsFlow + " Resume",
		"sync-now": "Update " + contactsFlow + " SyncNow", "start": "Start " + contactsFlow,
	} {
		w.acme.On(question, contacts(nil))
		p := w.post("/i/acme/flows/contacts/"+verb, url.Values{"reason": {"Campaign release"}})
		require.Equal(t, http.StatusSeeOther, p.status, "%s: %s", verb, p.body)
		require.Len(t, w.acme.Requests[question], 1, verb)
		require.Contains(t, w.get(p.header.Get("Location")).body, `role="status"`, verb)
	}
	require.Equal(t, workflows.PauseRequest{Reason: "Campaign release", By: "ada"}, w.acme.Requests["Update "+contactsFlow+" Pause"][0])
	require.Equal(t, "ada", w.acme.Requests["Start "+contactsFlow][0].(workflows.StartRequest).By)
	require.Empty(t, w.stage.Requests["Start "+contactsFlow])

	p := w.post("/i/acme/flows/contacts/pause", url.Values{"reason": {"  "}})
	require.Equal(t, http.StatusBadRequest, p.status)
	require.Len(t, w.acme.Requests["Update "+contactsFlow+" Pause"], 1)
	require.Equal(t, http.StatusBadRequest, w.post("/i/acme/flows/none/stop", nil).status)
	require.Equal(t, http.StatusNotFound, w.post("/i/acme/flows/contacts/explode", nil).status)
	require.Equal(t, http.StatusNotFound, w.do(http.MethodDelete, "/i/acme/flows/contacts/stop", nil).status)

	w.acme.On("Start "+contactsFlow, contacts(func(st *workflows.Status) { st.State, st.Reason = workflows.StateFailed, "no field emial" }))
	p = w.post("/i/acme/flows/contacts/start", nil)
	require.Equal(t, http.StatusInternalServerError, p.status)
	require.Contains(t, p.body, "no field emial")
}

// A confirmation names what is touched, as a page and as a dialog.
func TestConfirmationsNameWhatIsTouched(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.runs(func(st *workflows.Status) { st.Quarantined = 341 })
	w.signIn()
	whole := w.get("/i/acme/flows/contacts/stop")
	require.Contains(t, whole.body, "<html")
	part := w.get("/i/acme/flows/contacts/stop", "HX-Request", "true")
	require.NotContains(t, part.body, "<html")
	for _, p := range []page{whole, part} {
		require.Contains(t, p.body, "Stop Contacts?")
		require.Contains(t, p.body, "<b>341</b>")
		require.Contains(t, p.body, `action="/i/acme/flows/contacts/stop"`)
	}
	require.Equal(t, http.StatusNotFound, w.get("/i/acme/flows/contacts/start").status, "a start asks nothing")

	const run = "contacts-20260302T100000.000Z"
	w.acme.On("Run "+activities.ListDeletes, activities.DeleteListResult{Total: 700, Deletes: []activities.WaitingDelete{{Table: "contacts", ID: "6f0c1d2e-0000-4000-8000-000000000001", Run: run}}})
	p := w.get("/i/acme/runs/"+run+"/approve", "HX-Request", "true")
	require.Contains(t, p.body, "Approve 700 deletes")
	require.Contains(t, p.body, "6f0c1d2e-0000-4000-8000-000000000001")
	w.acme.On("Update "+contactsFlow+" Approve", contacts(nil))
	require.Equal(t, http.StatusSeeOther, w.post("/i/acme/runs/"+run+"/approve", nil).status)
	require.Equal(t, workflows.ApproveRequest{Run: run, By: "ada"}, w.acme.Requests["Update "+contactsFlow+" Approve"][0])
}

func TestAllAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.runs(nil)
	w.signIn()
	require.Contains(t, w.get("/i/acme/all/stop").body, "Stop all workflows?")
	w.acme.On("Update "+contactsFlow+" Stop", contacts(nil))
	require.Equal(t, http.StatusSeeOther, w.post("/i/acme/all/stop", nil).status)
	require.Len(t, w.acme.Requests["Update "+contactsFlow+" Stop"], 1)
	w.runs(func(st *workflows.Status) { st.State = workflows.StateStopped })
	w.acme.On("Start "+contactsFlow, contacts(nil))
	require.Equal(t, http.StatusSeeOther, w.post("/i/acme/all/start", nil).status)
	require.Len(t, w.acme.Requests["Start "+contactsFlow], 1)
	require.Equal(t, http.StatusNotFound, w.post("/i/acme/all/pause", nil).status)
}

// What one instance tells is on no page of the other.
func TestInstancesAreKeptApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.runs(func(st *workflows.Status) { st.State, st.Reason = workflows.StatePaused, "reason of acme" })
	w.stage.On("Query acme-stage/ingress/contacts Status", contacts(func(st *workflows.Status) { st.State, st.Reason = workflows.StatePaused, "reason of stage" }))
	w.signIn()
	acme, stage := w.get("/i/acme/").body, w.get("/i/acme-stage/").body
	require.Contains(t, acme, "Reason of acme")
	require.NotContains(t, acme, "eason of stage")
	require.Contains(t, stage, "Reason of stage")
	require.NotContains(t, stage, "eason of acme")
	require.Contains(t, acme, `href="/i/acme-stage/"`, "the header switches")
	w.stage.On("Update acme-stage/ingress/contacts Resume", contacts(nil))
	require.Equal(t, http.StatusSeeOther, w.post("/i/acme-stage/flows/contacts/resume", nil).status)
	require.Empty(t, w.acme.Requests["Update "+contactsFlow+" Resume"])
}

// Who does not answer is said, with what to do, and the page goes on asking.
func TestWhoDoesNotAnswerIsSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.runs(nil)
	w.signIn()
	w.acme.On("Describe "+contactsFlow, operator.Description{Running: true, State: "RUNNING", Quarantined: 7})
	w.acme.On("Query "+contactsFlow+" Status", operator.ErrNoWorker)
	w.acme.On("Run "+activities.Meter, operator.ErrNoWorker)
	body := w.get("/i/acme/").body
	require.Contains(t, body, "No worker answers")
	require.Contains(t, body, "see whether the worker runs")
	require.Contains(t, body, "hx-trigger")
	w.acme.On("Update "+contactsFlow+" Stop", operator.ErrNoWorker)
	p := w.post("/i/acme/flows/contacts/stop", nil)
	require.Equal(t, http.StatusServiceUnavailable, p.status)
	require.Contains(t, p.body, "No worker answers")

	w.dialErr = &operator.Error{Kind: operator.Unreachable, Text: "no Temporal server answers at 127.0.0.1:7233"}
	away := newWorld(t, func(n *world) { n.dialErr = w.dialErr })
	away.get(away.link.New())
	p = away.post("/i/acme/acknowledge", url.Values{"read": {"yes"}})
	require.Equal(t, http.StatusServiceUnavailable, p.status)
	require.Contains(t, p.body, "Temporal does not answer")
	w.acme.On("Describe "+contactsFlow, w.dialErr)
	body = w.get("/i/acme/").body
	require.Contains(t, body, "Temporal does not answer")
	require.Contains(t, body, "hx-trigger")
	w.acme.On("Describe "+contactsFlow, errors.New("odd"))
	require.Contains(t, w.get("/i/acme/").body, "That did not work")
}

func TestTheThemeIsACookie(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.signIn()
	require.NotContains(t, w.get("/i/acme/").body, "data-theme=")
	require.Equal(t, "/i/acme/", w.post("/theme", url.Values{"theme": {"dark"}, "back": {"/i/acme/"}}).header.Get("Location"))
	require.Contains(t, w.get("/i/acme/").body, `data-theme="dark"`)
	w.post("/theme", url.Values{"theme": {`"><script>`}, "back": {"/"}})
	require.Contains(t, w.get("/i/acme/").body, `data-theme="dark"`)
}
