package console_test

import (
	"crypto/rand"
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
	"causeway.dev/workflows"
)

const soughtAddress = "quibblethorn@example.test"

// finds is a worker that finds these people, whoever is looked for.
func (w *world) finds(more bool, hits ...activities.FoundRecord) (asked *activities.Question) {
	public, private, err := box.GenerateKey(rand.Reader)
	require.NoError(w.t, err)
	asked = &activities.Question{}
	w.acme.On("Run "+activities.QuestionKey, activities.QuestionKeyResult{Public: public[:]})
	w.acme.On("Run "+activities.FindRecords, func(request any) any {
		in := request.(activities.FindInput)
		plain, ok := box.OpenAnonymous(nil, in.Question, public, private)
		require.True(w.t, ok)
		require.NoError(w.t, json.Unmarshal(plain, asked))
		doc, err := json.Marshal(activities.Found{Hits: hits, More: more, At: noon})
		require.NoError(w.t, err)
		answer, err := box.SealAnonymous(nil, doc, (*[32]byte)(in.AnswerTo), rand.Reader)
		require.NoError(w.t, err)
		return activities.FindResult{Sealed: answer}
	})
	return asked
}

func hit(n int) activities.FoundRecord {
	return activities.FoundRecord{ID: fmt.Sprintf("6f0c1d2e-0000-4000-8000-%012d", n), InDynamics: true, InCampaign: n%2 == 1, Fields: []activities.FoundField{{To: "email", InDynamics: "text of 25", InCampaign: "text of 3"}}}
}

// showsPerson is a worker that shows a person, who was refused and opted out.
func (w *world) showsPerson() {
	w.acme.On("Run "+activities.ShowPerson, func(request any) any {
		in := request.(activities.ShowPersonInput)
		q := refusedRecord(1)
		out := activities.ShowPersonResult{At: noon,
			Record: activities.ExplainResult{Table: "contacts", ID: in.ID, State: "quarantined", Meaning: "its last change was refused", Held: true, Quarantine: &q, Live: &activities.ExplainLive{InDynamics: true, InCampaign: true, Decision: "refuse"}},
			Fields: []activities.SideField{{From: "emailaddress1", To: "email", InDynamics: "text of 25", InCampaign: "text of 9", Compared: true, Differs: true}},
			History: []activities.Happening{
				{At: noon.Add(-time.Minute), What: activities.HappenedRefused, Run: "contacts-3", Detail: "text too long", Field: "email"}, {At: noon.Add(-time.Hour), What: activities.HappenedEvent, Detail: "click", Run: "egress-1"},
				{At: noon.Add(-2 * time.Hour), What: activities.HappenedOptOut, Detail: "blackListEmail", Run: "optout-1"}, {At: noon.Add(-3 * time.Hour), What: activities.HappenedRestored, Run: "rollback-contacts-2"},
				{At: noon.Add(-4 * time.Hour), What: activities.HappenedCreated, Run: "contacts-1"},
			},
		}
		if in.RevealTo != nil {
			doc, err := json.Marshal([]activities.SideValues{{InDynamics: json.RawMessage(`"` + secretName + `"`)}})
			require.NoError(w.t, err)
			out.Sealed, err = box.SealAnonymous(nil, doc, (*[32]byte)(in.RevealTo), rand.Reader)
			require.NoError(w.t, err)
		}
		return out
	})
}

func TestAPersonIsFound(t *testing.T) {
	t.Parallel()
	const at = "/i/acme/people"
	w := newWorld(t, as(access.Support))
	asked := w.finds(true, hit(1), hit(2), activities.FoundRecord{InCampaign: true, Fields: hit(1).Fields})
	w.signIn()
	require.Contains(t, w.get("/i/acme/").body, `<a href="/i/acme/people">`)
	require.Contains(t, w.get(at).body, `method="post"`, "an address in the address of a page would be kept by browsers")
	p := w.post(at, url.Values{"q": {" " + soughtAddress + " "}})
	require.Equal(t, http.StatusOK, p.status, p.body)
	require.Equal(t, soughtAddress, asked.Text)
	require.NotContains(t, p.body, soughtAddress)
	require.Contains(t, p.body, `href="/i/acme/people/`+hit(2).ID+`"`)
	require.Contains(t, p.body, "in Dynamics 365 alone")
	require.Contains(t, p.body, "no id of Dynamics")
	require.Contains(t, p.body, "There are more; say more of the name.")
	for question, requests := range w.acme.Requests {
		require.NotContains(t, fmt.Sprintf("%+v", requests), "quibblethorn", question)
	}
	in := w.acme.Requests["Run "+activities.FindRecords][0].(activities.FindInput)
	require.Equal(t, activities.ByEmail, in.How)
	require.Equal(t, "ada", in.By)

	// One alone, and an id, lead to the person.
	asked = w.finds(false, hit(1))
	p = w.post(at, url.Values{"q": {"inga quill"}})
	require.Equal(t, http.StatusSeeOther, p.status)
	require.Equal(t, at+"/"+hit(1).ID, p.header.Get("Location"))
	require.Equal(t, "inga quill", asked.Text)
	p = w.post(at, url.Values{"q": {strings.ToUpper(hit(1).ID)}})
	require.Equal(t, at+"/"+hit(1).ID, p.header.Get("Location"))
	w.finds(false)
	require.Contains(t, w.post(at, url.Values{"q": {"inga quill"}}).body, "Nobody fits")
	require.Equal(t, http.StatusBadRequest, w.post(at, url.Values{"q": {"q"}}).status)
	require.Equal(t, http.StatusForbidden, w.post(at, url.Values{"q": {"quill"}}, "Sec-Fetch-Site", "cross-site").status)
}

func TestOnePerson(t *testing.T) {
	t.Parallel()
	const at = "/i/acme/people/" + refusedID
	w := newWorld(t, as(access.Support))
	w.showsPerson()
	w.signIn()
	p := w.get(at)
	require.Equal(t, http.StatusOK, p.status, p.body)
	for _, want := range []string{
		"Campaign is behind Dynamics", `href="/i/acme/quarantine/contacts/records/` + refusedID + `"`, "text of 25", "differs", "1 of 1 fields differ", "Clicked in a mail", "Text too long: field email.",
		"A choice about being contacted was decided", "Restored by a rollback", "Created in Campaign", `href="/i/acme/runs/contacts-3"`, `<input type="hidden" name="contact" value="` + refusedID + `">`,
	} {
		require.Contains(t, p.body, want)
	}
	require.NotContains(t, p.body, secretName)
	require.NotContains(t, p.body, "/forget", "an admin forgets people")
	require.Equal(t, http.StatusForbidden, w.get(at+"/forget").status)
	require.Equal(t, http.StatusForbidden, w.post(at+"/forget", nil).status)

	require.Contains(t, w.get(at+"/reveal", "HX-Request", "true").body, "are written to the operations log")
	require.Equal(t, http.StatusBadRequest, w.post(at+"/reveal", url.Values{"reason": {" "}}).status, "without a reason nothing is shown")
	p = w.post(at+"/reveal", url.Values{"reason": {"ticket 4711"}})
	require.Equal(t, http.StatusOK, p.status)
	require.Contains(t, p.body, secretName)
	require.Equal(t, "no-store", p.header.Get("Cache-Control"))
	asked := w.acme.Requests["Run "+activities.ShowPerson]
	last := asked[len(asked)-1].(activities.ShowPersonInput)
	require.Equal(t, "ticket 4711", last.Reason)
	require.Equal(t, "ada", last.By)
	require.NotEmpty(t, last.RevealTo)
	require.NotContains(t, w.get(at).body, secretName, "each look is hidden again")
	require.Equal(t, http.StatusBadRequest, w.get("/i/acme/people/nobody").status)
}

func TestAPersonIsForgotten(t *testing.T) {
	t.Parallel()
	const at = "/i/acme/people/" + refusedID
	w := newWorld(t, as(access.Admin))
	w.showsPerson()
	w.signIn()
	require.Contains(t, w.get(at).body, at+"/forget")
	traces := activities.TracesResult{Table: "contacts", ID: refusedID, InCampaign: true}
	w.acme.On("Run "+activities.FindTraces, traces)
	require.Contains(t, w.get(at+"/forget", "HX-Request", "true").body, "Nothing is erased while Campaign has the person")
	traces.InCampaign, traces.Ledger = false, []activities.Trace{{Where: "record", Rows: 1}, {Where: "optout", Rows: 1, Kept: true}}
	w.acme.On("Run "+activities.FindTraces, traces)
	p := w.get(at+"/forget", "HX-Request", "true")
	require.Contains(t, p.body, "Forget the person "+refusedID+"?")
	require.Contains(t, p.body, "of what was written last")
	require.Contains(t, p.body, "which stay where an opt-out was chosen")
	require.NotContains(t, w.acme.Asked, "Run "+activities.Forget)

	w.acme.On("Run "+activities.Forget, activities.ForgetResult{Done: true, Erasure: "ab12"})
	p = w.post(at+"/forget", nil)
	require.Contains(t, p.body, "erased, as erasure ab12")
	require.Equal(t, refusedID, w.acme.Requests["Run "+activities.Forget][0].(activities.ForgetInput).ID)
	w.acme.On("Run "+activities.Forget, activities.ForgetResult{Waits: "the run contacts-9"})
	require.Contains(t, w.post(at+"/forget", nil).body, "It waits for the run contacts-9")
}

// What happened can be narrowed by its kind, and the fields to those that differ.
func TestAPersonIsNarrowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, as(access.Support))
	w.showsPerson()
	w.signIn()
	body := w.get("/i/acme/people/" + refusedID).body
	for _, want := range []string{`id="only-differences"`, `value="writes"><span>Writes 2<`, `value="refusals"><span>Refusals 1<`, `value="events"><span>E-mail events 1<`, `value="choices"><span>Choices 1<`, `<li class="k-refusals">`, `<li class="k-choices">`} {
		require.Contains(t, body, want)
	}
	css := w.get("/static/style.css").body
	for _, kind := range []string{"writes", "refusals", "events", "choices"} {
		require.Contains(t, css, `[value="`+kind+`"]:checked) .line li:not(.k-`+kind+`)`)
	}
}

// One record is synced as a backfill of its id, by whoever may ask for backfills.
func TestOneRecordIsSynced(t *testing.T) {
	t.Parallel()
	const at = "/i/acme/people/" + refusedID
	w := newWorld(t, as(access.Operator))
	w.showsPerson()
	w.acme.On("Update "+contactsFlow+" RequestBackfill", workflows.BackfillAnswer{Run: aRun})
	w.signIn()
	require.Contains(t, w.get(at).body, `href="`+at+`/sync"`)
	require.Contains(t, w.get(at+"/sync", "HX-Request", "true").body, "Sync this record?")
	require.Empty(t, w.acme.Requests["Update "+contactsFlow+" RequestBackfill"])
	p := w.post(at+"/sync", nil)
	require.Equal(t, at+"?done=sync", p.header.Get("Location"), p.body)
	require.Equal(t, []any{workflows.BackfillRequest{Window: activities.Window{IDs: []string{refusedID}}, By: "ada"}}, w.acme.Requests["Update "+contactsFlow+" RequestBackfill"])
	require.Contains(t, w.get(at+"?done=sync").body, "The record is read and written again")
	require.Equal(t, http.StatusBadRequest, w.post("/i/acme/people/nobody/sync", nil).status)

	support := newWorld(t, as(access.Support))
	support.showsPerson()
	support.signIn()
	require.NotContains(t, support.get(at).body, at+"/sync")
	require.Equal(t, http.StatusForbidden, support.get(at+"/sync").status)
	require.Equal(t, http.StatusForbidden, support.post(at+"/sync", nil).status)
	require.Empty(t, support.acme.Requests["Update "+contactsFlow+" RequestBackfill"])
}

// A viewer is not offered the search, and is refused all of it.
func TestAViewerFindsNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, as(access.Viewer))
	w.finds(false, hit(1))
	w.showsPerson()
	w.signIn()
	require.NotContains(t, w.get("/i/acme/").body, "/i/acme/people")
	for _, path := range []string{"", "/" + refusedID, "/" + refusedID + "/reveal", "/" + refusedID + "/forget"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			p := w.do(method, "/i/acme/people"+path, url.Values{"q": {soughtAddress}, "reason": {"x"}})
			require.Contains(t, []int{http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusNotFound}, p.status, path)
			require.NotContains(t, p.body, secretName)
		}
	}
	for _, question := range []string{activities.FindRecords, activities.QuestionKey, activities.ShowPerson, activities.FindTraces, activities.Forget} {
		require.NotContains(t, w.acme.Asked, "Run "+question)
	}
}
