package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/mapping"
	"causeway.dev/internal/operator"
	"causeway.dev/sandbox/kit"
	"causeway.dev/workflows"
)

// An initial load, then edits, inserts, deletes and deactivations take one engine call
// a change, and none for an unchanged record. R15.4: changes come without a schedule.
func TestContactsStayInStep(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{contacts: 10_000, pageSize: 2000})
	w.startWorker()
	w.startFlow()
	st := w.loaded()
	require.Equal(t, activities.Counts{Read: 10_000, Created: 10_000}, withoutRepeats(st.Totals))
	require.Empty(t, w.differences(10))
	require.Equal(t, int64(10_000+keyProbe), w.engineCalls())

	rng := rand.New(rand.NewPCG(1, 2))
	ids := w.ids()
	for i := range 200 { // edits
		w.edit(ids[i], map[string]any{"address1_city": fmt.Sprintf("Nebelheim %d", rng.IntN(1000))})
	}
	for i := 200; i < 250; i++ { // R14.1
		w.remove(ids[i])
	}
	for i := 250; i < 280; i++ { // R15.1: a deactivated contact stays
		w.edit(ids[i], map[string]any{"statecode": 1, "statuscode": 2})
	}
	for i := range 100 {
		w.insert(fmt.Sprintf("Quibblethorn%c%c", 'a'+i/26, 'a'+i%26))
	}
	w.inStep()
	require.Equal(t, int64(10_000+200+50+100+keyProbe), w.engineCalls(), "one call per insert, update and delete")

	// A backfill of everything finds nothing to do and makes no call to Campaign.
	calls := w.campaignRequests()
	var answer workflows.BackfillAnswer
	w.update(workflows.UpdateRequestBackfill, workflows.BackfillRequest{By: "test"}, &answer)
	st = w.until("the backfill", func(st workflows.Status) bool {
		return st.LastRun != nil && st.LastRun.Run == answer.Run && st.Run == ""
	})
	require.Equal(t, "COMPLETED", st.LastRun.State)
	require.Equal(t, activities.Counts{Read: 10_050, Unchanged: 10_050}, st.LastRun.Counts)
	require.Equal(t, calls, w.campaignRequests(), "an unchanged backfill makes no Campaign call")
	w.noPersonalData()
}

// withoutRepeats removes the records that the catch-up query read again.
func withoutRepeats(c activities.Counts) activities.Counts {
	c.Read -= c.Unchanged
	c.Unchanged = 0
	return c
}

// The worker is killed at random moments during the initial load.
func TestKilledWorkersLoseAndRepeatNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{contacts: 6_000, pageSize: 500})
	w.boxes.Campaign.SetLatency(15 * time.Millisecond)
	p := w.startWorker()
	w.startFlow()
	rng := rand.New(rand.NewPCG(3, 4))
	kills := 0
	for kills < 10 {
		mark := w.profileCount()
		want := mark + int64(rng.IntN(400)) + 1
		if want >= 6_000 {
			break
		}
		require.Eventually(t, func() bool { return w.profileCount() >= want }, settleWithin, 5*time.Millisecond)
		p.kill()
		kills++
		p = w.startWorker()
	}
	require.Equal(t, 10, kills)
	w.loaded()
	require.Empty(t, w.differences(10))
	repeats := w.repeatedWrites()
	t.Logf("%d kills, %d repeated writes", kills, repeats)
	require.LessOrEqual(t, repeats, int64(100*kills))
}

// With faults of every kind on both sides, the end is the same.
func TestFaultsLeadToTheSameEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{contacts: 3_000, pageSize: 300})
	for _, rule := range []kit.Rule{
		{Service: "campaign", Action: kit.Respond, Status: 503, Body: `{"error_code":"503010","message":"Could not validate the oauth token"}`, Probability: 0.05, Seed: 1},
		{Service: "campaign", Action: kit.Delay, LatencyMS: 7000, Probability: 0.02, Seed: 5, Times: 15}, // a timeout
		{Service: "campaign", Action: kit.ResetAfter, Method: http.MethodPost, Probability: 0.02, Seed: 2},
		{Service: "campaign", Action: kit.Respond, Status: 429, Headers: map[string]string{"Retry-After": "1"}, Body: `{"error_code":"429050","message":"Too many requests"}`, After: 500, Times: 5},
		{Service: "campaign", Action: kit.Respond, Status: 401, Body: `{"error_code":"401013","message":"Oauth token is not valid"}`, After: 900, Times: 1},
		{Service: "dataverse", Action: kit.Respond, Status: 503, Probability: 0.2, Seed: 3, Path: "/contacts"},
		{Service: "dataverse", Action: kit.Respond, Status: 429, Headers: map[string]string{"Retry-After": "1"}, Body: `{"error":{"code":"0x80072322","message":"Number of requests exceeded the limit of 6000 over time window of 300 seconds."}}`, After: 4, Times: 2, Path: "/contacts"},
		{Service: "dataverse", Action: kit.Named, Name: "repeat_record", Times: 3},
		{Service: "dataverse", Action: kit.Named, Name: "empty_page_with_next", Times: 2},
		{Service: "dataverse", Action: kit.Truncate, Path: "/contacts", After: 6, Times: 1},
	} {
		_, err := w.boxes.Faults.Add(rule)
		require.NoError(t, err)
	}
	w.startWorker()
	w.startFlow()
	require.Eventually(t, func() bool { return w.profileCount() > 1000 }, settleWithin, 10*time.Millisecond)
	w.boxes.IMS.ExpireAll()
	w.loaded()
	require.Empty(t, w.differences(10))
	for _, rule := range w.boxes.Faults.List() {
		require.NotZero(t, rule.Hits, "%+v never hit", rule)
	}

	// The delta link expires while records are changed, created and deleted.
	ids := w.ids()
	_, err := w.boxes.Faults.Add(kit.Rule{Service: "dataverse", Action: kit.Named, Name: "expired_delta_link", Status: 410, Times: 1})
	require.NoError(t, err)
	for i := range 50 {
		w.edit(ids[i], map[string]any{"address1_city": fmt.Sprintf("Ostwaldsruh %d", i)})
		w.remove(ids[100+i])
		w.insert(fmt.Sprintf("Zwickelmoos%c%c", 'a'+i/26, 'a'+i%26))
	}
	w.inStep()
	w.noPersonalData()
}

// A record that Campaign refuses goes to quarantine with its reason. The rest is
// written.
func TestRefusedRecordsAreQuarantined(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{contacts: 2_000, pageSize: 500})
	ids := w.ids()
	for i := range 20 { // a last name Campaign cannot take
		w.edit(ids[i], map[string]any{"emailaddress1": fmt.Sprintf("not-an-address-%d", i)})
	}
	refused := func(row map[string]any) bool {
		s, _ := row["emailaddress1"].(string)
		return len(s) > 15 && s[:15] == "not-an-address-"
	}
	w.startWorker()
	w.startFlow()
	st := w.loaded()
	require.Empty(t, w.differencesBut(10, refused))
	require.Equal(t, int64(20), st.Quarantined)
	require.Equal(t, "COMPLETED", st.LastRun.State)
	require.Equal(t, st.LastRun.Counts.Read, st.LastRun.Counts.Settled())
	list := w.quarantine()
	require.Len(t, list.Records, 20)
	for _, q := range list.Records {
		require.NotEmpty(t, q.Code)
		require.NotEmpty(t, q.Message)
		require.NotContains(t, q.Message, "not-an-address")
	}
	w.noPersonalData()
}

// A wrong mapping is refused before anything is written.
func TestAWrongMappingIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{contacts: 10})
	w.startWorker()
	table := w.cfg.Ingress.Tables["contacts"]
	for name, c := range map[string]struct {
		field mapping.Field
		want  string
	}{
		"unknown column":        {mapping.Field{From: "emailadress1", To: "cusX"}, "emailadress1"},
		"unknown target":        {mapping.Field{From: "jobtitle", To: "jobTitel"}, "jobTitel"},
		"impossible conversion": {mapping.Field{From: "annualincome", To: "birthDate"}, "birthDate"},
	} {
		wrong := table
		wrong.Fields = append(append([]mapping.Field{}, table.Fields...), c.field)
		st, err := w.tryStart(workflows.StartRequest{Table: &wrong, Revision: wrong.Revision(), Tuning: operator.StartRequest(w.cfg, "contacts", "").Tuning})
		require.NoError(t, err, name)
		require.Equal(t, workflows.StateFailed, st.State, name)
		require.Contains(t, st.Reason, c.want, name)
		require.Contains(t, st.Reason, "fields[", name)
	}
	require.Zero(t, w.profileCount())
	require.Zero(t, w.engineCalls())
}

// R8.17: a stopped load goes on where it was; R8.12 with a real worker.
func TestStopDrainsAndStartGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{contacts: 4_000, pageSize: 500})
	w.boxes.Campaign.SetLatency(20 * time.Millisecond)
	w.startWorker()
	w.startFlow()
	require.Eventually(t, func() bool { return w.profileCount() > 300 }, settleWithin, 10*time.Millisecond)
	var st workflows.Status
	w.update(workflows.UpdateStop, workflows.StopRequest{By: "test"}, &st)
	require.Equal(t, workflows.StateStopped, st.State)
	at := w.profileCount()
	require.Less(t, at, int64(4_000))
	require.Equal(t, at+keyProbe, w.engineCalls(), "stopping repeats nothing")
	w.startFlow()
	w.loaded()
	require.Empty(t, w.differences(10))
	require.Equal(t, int64(4_000+keyProbe), w.engineCalls())
}
