package console_test

import (
	"crypto/rand"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/nacl/box"

	"causeway.dev/activities"
	"causeway.dev/internal/access"
	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

const refusedID = "6f0c1d2e-0000-4000-8000-000000000001"

// secretName is a value of a person, which is on no page before it was revealed.
const secretName = "Quibblethorn-of-the-Marsh"

// as has somebody with one role in acme alone.
func as(role access.Role) func(*world) {
	return func(w *world) { w.who.Roles = map[string]access.Role{"acme": role} }
}

func refusedRecord(n int) activities.QuarantinedRecord {
	return activities.QuarantinedRecord{
		Table: "contacts", ID: fmt.Sprintf("6f0c1d2e-0000-4000-8000-%012d", n), State: "open", Run: "contacts-20260302T100000.000Z", Code: "TooLong", Field: "email",
		Message: "text too long, want at most 30 characters", FirstSeen: noon.Add(-time.Hour), LastSeen: noon.Add(-time.Minute), Attempts: 2, NextTry: noon.Add(time.Hour), Version: "1",
	}
}

// refuses has a number of contacts in quarantine, paged as the worker does.
func (w *world) refuses(total int) {
	w.acme.On("Run "+activities.ListQuarantine, func(request any) any {
		in := request.(activities.QuarantineListInput)
		if in.Table == activities.FlowEgress {
			return activities.QuarantineListResult{}
		}
		out, n := activities.QuarantineListResult{Total: int64(total), Elsewhere: []activities.QuarantineElsewhere{{Table: activities.FlowEgress, Records: 3}}}, 1
		if in.After != nil {
			_, err := fmt.Sscanf(in.After.ID[24:], "%d", &n)
			require.NoError(w.t, err)
			n++
		} else if total > 0 {
			out.Groups = []activities.QuarantineGroup{{Table: "contacts", Code: "TooLong", Field: "email", Message: "text too long, want at most 30 characters", Records: int64(total), FirstSeen: noon.Add(-time.Hour)}}
		}
		if len(in.IDs) > 0 {
			out.Total = int64(len(in.IDs))
		}
		for ; n <= total && len(out.Records) < in.Limit; n++ {
			out.Records = append(out.Records, refusedRecord(n))
		}
		return out
	})
}

// showsRefused has the worker answer what it knows of a refused record, and seal its values.
func (w *world) showsRefused() {
	w.acme.On("Run "+activities.ShowQuarantined, func(request any) any {
		in := request.(activities.ShowQuarantinedInput)
		out := activities.ShowQuarantinedResult{
			Record: refusedRecord(1), Rule: "emailaddress1 -> email", Held: true, Live: activities.ExplainLive{InDynamics: true, Version: "2", Decision: "update"},
			Fields: []activities.ShownField{{From: "emailaddress1", To: "email", InDynamics: "text of 25", WouldSend: "text of 25"}},
		}
		if in.RevealTo != nil {
			doc, err := json.Marshal([]activities.RevealedField{{InDynamics: json.RawMessage(`"` + secretName + `"`), WouldSend: json.RawMessage(`"` + secretName + `"`)}})
			require.NoError(w.t, err)
			out.Sealed, err = box.SealAnonymous(nil, doc, (*[32]byte)(in.RevealTo), rand.Reader)
			require.NoError(w.t, err)
		}
		return out
	})
}

func TestRefusedRecordsByReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.refuses(120)
	w.signIn()
	p := w.get("/i/acme/quarantine")
	require.Equal(t, http.StatusOK, p.status, p.body)
	require.Contains(t, p.body, "Text too long, want at most 30 characters.")
	require.Contains(t, p.body, "<code>emailaddress1 → email</code>", "as the mapping has it")
	require.Contains(t, p.body, `href="/i/acme/mappings/contacts#to-email"`, "where it is mended")
	require.Contains(t, p.body, "Campaign → Dynamics 365: 3 records", "where else there is something")
	require.Contains(t, p.body, `href="/i/acme/quarantine/contacts?code=TooLong&amp;field=email"`)
	require.Contains(t, p.body, `href="/i/acme/quarantine" aria-current="page"`)

	// All records, page by page.
	seen, at := 0, "/i/acme/quarantine/contacts?code=TooLong&field=email"
	for pages := 1; ; pages++ {
		p = w.get(at)
		require.Equal(t, http.StatusOK, p.status, p.body)
		require.Contains(t, p.body, "120 records")
		seen += strings.Count(p.body, `name="ids"`)
		_, next, more := strings.Cut(p.body, `aria-label="Pages"><a class="btn small" href="`)
		if !more {
			require.Equal(t, 3, pages)
			break
		}
		at, _, _ = strings.Cut(strings.ReplaceAll(next, "&amp;", "&"), `"`)
	}
	require.Equal(t, 120, seen)

	require.Equal(t, http.StatusBadRequest, w.get("/i/acme/quarantine?table=none").status)
	require.Contains(t, w.get("/i/acme/quarantine/egress").body, "Events are not released one by one")
	w.refuses(0)
	p = w.get("/i/acme/quarantine")
	require.Contains(t, p.body, "Nothing is in quarantine")
	require.Contains(t, p.body, "There is nothing to do.")
	require.Contains(t, w.get("/i/acme/quarantine/contacts").body, "Nothing of this is in quarantine any more")
}

func TestRefusedRecordsAsAFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.refuses(2_345)
	w.signIn()
	p := w.get("/i/acme/quarantine.csv?table=contacts")
	require.Equal(t, http.StatusOK, p.status)
	require.Contains(t, p.header.Get("Content-Disposition"), `filename="quarantine-acme-20260302-120000.csv"`)
	rows, err := csv.NewReader(strings.NewReader(p.body)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 2_346)
	require.Equal(t, []string{"contacts", refusedID, "open", "TooLong", "email", "text too long, want at most 30 characters", "2026-03-02T11:00:00Z", "2026-03-02T11:59:00Z", "2", "2026-03-02T13:00:00Z", "contacts-20260302T100000.000Z"}, rows[1])

	// A text of the other side is no formula.
	bad := refusedRecord(1)
	bad.Message = `=HYPERLINK("https://evil.example")`
	w.acme.On("Run "+activities.ListQuarantine, activities.QuarantineListResult{Total: 1, Records: []activities.QuarantinedRecord{bad}})
	require.Contains(t, w.get("/i/acme/quarantine.csv").body, `"'=HYPERLINK(`)
}

// Values are on no page, and in no answer, before somebody with the role has revealed them.
func TestValuesAreRevealedByThoseWhoMay(t *testing.T) {
	t.Parallel()
	const at = "/i/acme/quarantine/contacts/records/" + refusedID
	w := newWorld(t, as(access.Viewer))
	w.refuses(3)
	w.showsRefused()
	w.signIn()
	p := w.get(at)
	require.Equal(t, http.StatusOK, p.status, p.body)
	require.Contains(t, p.body, "text of 25")
	require.Contains(t, p.body, "changed since it was refused")
	require.NotContains(t, p.body, "/reveal")
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		require.Equal(t, http.StatusForbidden, w.do(method, at+"/reveal", url.Values{}).status)
	}
	for _, request := range w.acme.Requests["Run "+activities.ShowQuarantined] {
		require.Empty(t, request.(activities.ShowQuarantinedInput).RevealTo)
	}

	w = newWorld(t, as(access.Support))
	w.refuses(3)
	w.showsRefused()
	w.signIn()
	require.NotContains(t, w.get(at).body, secretName)
	require.Contains(t, w.get(at+"/reveal", "HX-Request", "true").body, "The operations log keeps who revealed them")
	p = w.post(at+"/reveal", nil)
	require.Equal(t, http.StatusOK, p.status)
	require.Contains(t, p.body, secretName)
	require.Equal(t, "no-store", p.header.Get("Cache-Control"))
	asked := w.acme.Requests["Run "+activities.ShowQuarantined]
	last := asked[len(asked)-1].(activities.ShowQuarantinedInput)
	require.Equal(t, "ada", last.By)
	require.NotEmpty(t, last.RevealTo, "sealed to a key of this answer")
	require.NotContains(t, w.get(at).body, secretName, "each look is hidden again")
	w.acme.On("Run "+activities.ShowQuarantined, &operator.Error{Kind: operator.BadInput, Text: "values are not shown, because quarantine.reveal is off"})
	require.Contains(t, w.post(at+"/reveal", nil).body, "quarantine.reveal is off")
}

func TestRefusedRecordsAreReleasedAndDiscarded(t *testing.T) {
	t.Parallel()
	const at = "/i/acme/quarantine/contacts"
	w := newWorld(t, as(access.Support))
	w.refuses(120)
	w.signIn()
	p := w.get(at+"/release?which=chosen&code=TooLong&field=email&ids="+refusedID, "HX-Request", "true")
	require.Contains(t, p.body, "Try 1 record again?")
	require.Contains(t, p.body, `<input type="hidden" name="ids" value="`+refusedID+`">`)
	p = w.get(at+"/discard?which=all&code=TooLong&field=email", "HX-Request", "true")
	require.Contains(t, p.body, "Discard 120 records?")
	require.Contains(t, p.body, `name="reason" required`)
	p = w.get(at+"/release?which=chosen", "HX-Request", "true")
	require.Equal(t, http.StatusOK, p.status, "it is told in the dialog")
	require.Contains(t, p.body, "No record was chosen")
	require.Equal(t, http.StatusBadRequest, w.get(at+"/release?which=chosen").status)
	require.Equal(t, http.StatusNotFound, w.get(at+"/explode?which=all").status)

	w.acme.On("Update "+contactsFlow+" Release", workflows.ReleaseAnswer{Run: "contacts-r"})
	p = w.post(at+"/release", url.Values{"which": {"chosen"}, "ids": {refusedID}})
	require.Equal(t, http.StatusSeeOther, p.status, p.body)
	require.Contains(t, w.get(p.header.Get("Location")).body, "are being tried again")
	require.Equal(t, workflows.ReleaseRequest{Selection: activities.Selection{IDs: []string{refusedID}}, By: "ada"}, w.acme.Requests["Update "+contactsFlow+" Release"][0])
	require.Equal(t, http.StatusSeeOther, w.post(at+"/release", url.Values{"which": {"all"}, "code": {"TooLong"}, "field": {"email"}}).status)
	require.Equal(t, workflows.ReleaseRequest{Selection: activities.Selection{Code: "TooLong", Field: "email"}, By: "ada"}, w.acme.Requests["Update "+contactsFlow+" Release"][1])
	require.Equal(t, http.StatusBadRequest, w.post(at+"/release", url.Values{"which": {"chosen"}}).status, "nothing chosen is not everything")
	require.Len(t, w.acme.Requests["Update "+contactsFlow+" Release"], 2)

	w.acme.On("Run "+activities.DiscardQuarantined, activities.DiscardResult{Discarded: 1})
	require.Equal(t, http.StatusBadRequest, w.post(at+"/discard", url.Values{"which": {"all"}, "reason": {" "}}).status)
	p = w.post(at+"/discard", url.Values{"which": {"chosen"}, "ids": {refusedID}, "reason": {"test records"}})
	require.Equal(t, http.StatusSeeOther, p.status, p.body)
	require.Contains(t, w.get(p.header.Get("Location")).body, "Discarded: 1.")
	done := w.acme.Requests["Run "+activities.DiscardQuarantined][0].(activities.DiscardInput)
	require.Equal(t, activities.Discard{By: "ada", Reason: "test records", At: noon}, done.Discard)
	require.Equal(t, []string{refusedID}, done.IDs)

	viewer := newWorld(t, as(access.Viewer))
	viewer.refuses(3)
	viewer.signIn()
	body := viewer.get(at).body
	require.NotContains(t, body, "/release")
	require.NotContains(t, body, "/discard")
	for _, action := range []string{"release", "discard"} {
		require.Equal(t, http.StatusForbidden, viewer.post(at+"/"+action, url.Values{"which": {"all"}, "reason": {"x"}}).status)
		require.Equal(t, http.StatusForbidden, viewer.get(at+"/"+action+"?which=all").status)
	}
	require.Equal(t, http.StatusForbidden, w.post(at+"/discard", url.Values{"which": {"all"}, "reason": {"x"}}, "Sec-Fetch-Site", "cross-site").status)
}

// Nothing that a viewer can open or ask for has a value of a person in it.
func TestAViewerSeesNoValues(t *testing.T) {
	t.Parallel()
	w := newWorld(t, carriesOptOuts, as(access.Viewer))
	w.runs(nil)
	w.refuses(3)
	w.showsRefused()
	w.decides()
	w.acme.On("Run "+activities.ListOperations, activities.OperationsResult{})
	w.signIn()
	const record = "/quarantine/contacts/records/" + refusedID
	for _, path := range []string{
		"/", "/overview/live", "/quarantine", "/quarantine?table=optout", "/quarantine.csv", "/quarantine/contacts", "/quarantine/contacts?code=TooLong&field=email", record, record + "/reveal", record + "?reveal=true",
		"/log", "/log/chain", "/optouts", "/optouts/evidence", "/docs", "/about",
	} {
		for _, header := range [][]string{nil, {"HX-Request", "true"}} {
			require.NotContains(t, w.get("/i/acme"+path, header...).body, secretName, path)
		}
		body := w.post("/i/acme"+path, url.Values{"contact": {refusedID}, "reveal": {"true"}}).body
		require.NotContains(t, body, secretName, path)
		require.NotContains(t, body, "<b>opted out</b>", path)
	}
	for _, request := range w.acme.Requests["Run "+activities.ShowQuarantined] {
		require.Empty(t, request.(activities.ShowQuarantinedInput).RevealTo)
	}
	require.Empty(t, w.acme.Requests["Run "+activities.OptOutEvidence])
}
