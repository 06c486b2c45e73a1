package console_test

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/nacl/box"

	"causeway.dev/activities"
	"causeway.dev/console"
	"causeway.dev/internal/access"
	"causeway.dev/internal/optout"
	"causeway.dev/workflows"
)

const optOutFlow = "acme/optout"

// carriesOptOuts has acme carry opt-outs both ways, and its flow answer.
func carriesOptOuts(w *world) {
	w.settings = func(o *console.Options) {
		c := o.Instances[0].Config
		c.OptOut.Mode, c.OptOut.Deadline = optout.Bidirectional, 15*time.Minute
		c.OptOut.Pairs = []optout.PairSetting{{Campaign: "denyListEmail", Dynamics: "donotbulkemail"}}
	}
	w.acme.Seen = noon
	w.acme.On("Run "+activities.ListQuarantine, activities.QuarantineListResult{})
	w.acme.On("Query "+optOutFlow+" Status", workflows.Status{
		Instance: "acme", Table: activities.FlowOptOut, State: workflows.StateRunning, Phase: "waiting for choices", Quarantined: 2, Warnings: []string{activities.TypologyWarning},
		OptOut: &workflows.OptOutStatus{Mode: "bidirectional", Source: "sftp", Pairs: 1, Waiting: 5, Export: &workflows.ExportStatus{Workflow: "WKF17", State: "finished", Newest: noon.Add(-30 * time.Hour), Alarm: "no file came for 26 h", Looked: noon}},
	})
	w.acme.On("Run "+activities.Totals, activities.TotalsResult{Flows: []activities.FlowTotals{{Flow: activities.FlowOptOut, Table: activities.FlowOptOut, Quarantined: 2, CarriedUpTo: noon.Add(-20 * time.Minute)}}})
}

// decides has the worker know of decisions about opt-outs, sealed to whoever asks.
func (w *world) decides() {
	w.acme.On("Run "+activities.OptOutEvidence, func(request any) any {
		in := request.(activities.EvidenceInput)
		doc, err := json.Marshal([]activities.Evidence{{Contact: in.Contact, At: noon, Run: "optout-1", Attribute: "denyListEmail", Column: "donotbulkemail", Rule: "campaign-newer", OptedOut: true, Effect: "dynamics",
			Dynamics: activities.Choice{Known: true, At: noon.Add(-time.Hour)}, Campaign: activities.Choice{Known: true, OptedOut: true, At: noon.Add(-time.Minute)}}})
		require.NoError(w.t, err)
		sealed, err := box.SealAnonymous(nil, doc, (*[32]byte)(in.RevealTo), rand.Reader)
		require.NoError(w.t, err)
		return activities.EvidenceResult{Rows: 1, Sealed: sealed}
	})
}

func TestOptOutsAndPrivacy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, carriesOptOuts, as(access.Operator))
	w.signIn()
	p := w.get("/i/acme/optouts")
	require.Equal(t, http.StatusOK, p.status, p.body)
	for _, text := range []string{
		"both ways", "an opt-out on either side counts", "donotbulkemail", "20 min", "Later than the deadline of 15 min", "No file came for 26 h.", "WKF17", "Ask for the privacy delete at Adobe.",
		"3 years", `href="/i/acme/quarantine?table=optout">2</a>`, "I have looked at them",
	} {
		require.Contains(t, p.body, text)
	}

	// The typology rules are looked at once, for all.
	w.acme.On("Run "+activities.Acknowledge, activities.LogEnd{Seq: 9})
	p = w.post("/i/acme/optouts/typology", nil)
	require.Equal(t, http.StatusSeeOther, p.status, p.body)
	require.Equal(t, activities.AcknowledgeInput{Text: activities.TextTypology, By: "ada", At: noon, Once: true}, w.acme.Requests["Run "+activities.Acknowledge][0])
	w.acme.On("Run "+activities.Totals, activities.TotalsResult{Typology: &activities.Operation{By: "Ada Lovelace <6f0c>", At: noon.Add(-time.Hour)}})
	p = w.get("/i/acme/optouts")
	require.NotContains(t, p.body, "I have looked at them")
	require.Contains(t, p.body, "Ada Lovelace &lt;6f0c&gt; looked at them")

	p = w.get("/i/acme-stage/optouts")
	require.Equal(t, http.StatusNotFound, p.status, "a role in one instance is none in the other")

	off := newWorld(t)
	off.signIn()
	require.Contains(t, off.get("/i/acme/optouts").body, "Opt-outs are not kept equal")
}

func TestOptOutsAreCompared(t *testing.T) {
	t.Parallel()
	w := newWorld(t, carriesOptOuts, as(access.Support))
	w.signIn()
	w.acme.On("Run "+activities.CheckOptOuts, activities.CheckOptOutsResult{Profiles: 20_000, Waiting: 3, Different: []activities.OptOutDifference{{Contact: refusedID, Attribute: "denyListEmail", Column: "donotbulkemail"}}})
	p := w.post("/i/acme/optouts/compare", nil)
	require.Equal(t, http.StatusOK, p.status, p.body)
	for _, text := range []string{"1 choice on which they do not agree", "20,000 profiles compared", "Opt-outs that wait for a profile: 3", refusedID} {
		require.Contains(t, p.body, text)
	}
	w.acme.On("Run "+activities.CheckOptOuts, activities.CheckOptOutsResult{Profiles: 20_000})
	require.Contains(t, w.post("/i/acme/optouts/compare", nil).body, "Both systems agree")
}

// What people chose is shown to those who may see it, and asked for in their name.
func TestEvidenceOfOnePerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t, carriesOptOuts, as(access.Support))
	w.decides()
	w.signIn()
	form := url.Values{"contact": {" " + strings.ToUpper(refusedID) + " "}}
	p := w.post("/i/acme/optouts/evidence", form)
	require.Equal(t, http.StatusOK, p.status, p.body)
	for _, text := range []string{refusedID, "Campaign is newer", "<b>opted out</b>", "2026-03-02 11:59:00", "for somebody who says to be ada", "data-print"} {
		require.Contains(t, p.body, text)
	}
	p = w.post("/i/acme/optouts/evidence.csv", form)
	require.Equal(t, http.StatusOK, p.status, p.body)
	require.Contains(t, p.header.Get("Content-Disposition"), "opt-outs-acme-")
	require.Contains(t, p.body, refusedID+",2026-03-02T12:00:00.000Z,denyListEmail,donotbulkemail,may contact,")
	for _, request := range w.acme.Requests["Run "+activities.OptOutEvidence] {
		in := request.(activities.EvidenceInput)
		require.Equal(t, "ada", in.By)
		require.Equal(t, refusedID, in.Contact)
	}
	require.Equal(t, http.StatusBadRequest, w.post("/i/acme/optouts/evidence", url.Values{"contact": {"ada@example.test"}}).status)
	require.Equal(t, http.StatusBadRequest, w.post("/i/acme/optouts/evidence.csv", nil).status, "never of everybody")
	require.Len(t, w.acme.Requests["Run "+activities.OptOutEvidence], 2)
	require.Equal(t, http.StatusForbidden, w.post("/i/acme/optouts/typology", nil).status)

	viewer := newWorld(t, carriesOptOuts, as(access.Viewer))
	viewer.decides()
	viewer.signIn()
	body := viewer.get("/i/acme/optouts").body
	for _, action := range []string{"compare", "evidence", "evidence.csv", "typology"} {
		require.NotContains(t, body, "/optouts/"+action)
		require.Equal(t, http.StatusForbidden, viewer.post("/i/acme/optouts/"+action, form).status, action)
	}
	require.Empty(t, viewer.acme.Requests["Run "+activities.OptOutEvidence])
}
