package commands

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
)

// R15.9: a plan of a big load advises to stop other processes in Campaign.
func TestPlan(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.on("Run "+activities.ListQuarantine, activities.QuarantineListResult{})
	w.on("Run "+activities.Plan, activities.PlanResult{
		Run: "new baseline", Revision: "0123456789ab", EngineCalls: 12_500, NeedApproval: true, Adopted: 3,
		Counts:   activities.Counts{Read: 40_000, Created: 10_000, Updated: 1_000, Unchanged: 27_000, Filtered: 498, Deleted: 1_500, Quarantined: 2},
		Fields:   []activities.PlanCount{{What: "lastName", Records: 900}, {What: "location.city", Records: 150}},
		Rules:    []activities.PlanCount{{What: "filter.where[0]: statecode equals", Records: 498}},
		Refusals: []activities.PlanCount{{What: "TooLong: firstname -> firstName: text too long, want at most 30 characters", Records: 2}},
		Examples: []activities.PlanExample{
			{ID: "6f0c1d2e-0000-4000-8000-000000000001", Outcome: "created"},
			{ID: "6f0c1d2e-0000-4000-8000-000000000002", Outcome: "updated", Changes: map[string]string{"lastName": "text of 6 -> text of 9", "email": "nothing -> text of 20"}},
		},
	})
	code, out, stderr := w.run(t, "plan", "contacts", "--sample", "40000", "--all-new")
	require.Equal(t, 2, code, "it would write")
	golden(t, "plan.txt", out+"--- stderr\n"+stderr)
	in := w.Requests["Run "+activities.Plan][0].(activities.PlanInput)
	require.Equal(t, revision("contacts"), in.Table.Revision())
	require.Equal(t, 40_000, in.Sample)
	require.True(t, in.AllNew)

	w.on("Run "+activities.Plan, activities.PlanResult{Run: "replay", Counts: activities.Counts{Read: 5, Unchanged: 5}})
	code, out, _ = w.run(t, "plan", "contacts", "-o", "json")
	require.Zero(t, code, "nothing to write")
	require.True(t, json.Valid([]byte(out)))

	code, _, stderr = w.run(t, "plan", "contacts", "--sample", "-1")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "--sample: got -1, want 0 or more")
	code, _, _ = w.run(t, "plan", "kontakte")
	require.Equal(t, 2, code)
}

func TestExplainARecord(t *testing.T) {
	t.Parallel()
	const id = "6f0c1d2e-0000-4000-8000-000000000001"
	w := newWorld()
	w.on("Run "+activities.Explain, activities.ExplainResult{
		Table: "contacts", ID: id, State: "quarantined", Meaning: "its last change was refused; Campaign keeps what was written before",
		Version: "1234", CampaignKey: id, Held: true, LastRun: "contacts-20260102T030405.000Z", LastRunAt: noon.Add(-time.Hour), Created: "contacts-20260101T030405.000Z",
		Quarantine: &activities.QuarantinedRecord{Code: "TooLong", Field: "mobilePhone", Message: "longer than 32 characters", FirstSeen: noon.Add(-time.Hour), LastSeen: noon.Add(-time.Minute), Attempts: 2},
		Waits:      &activities.ExplainWait{For: "its parent, which Campaign does not hold yet", Parent: "accounts/" + id, Since: noon.Add(-time.Hour), Run: "r1"},
		Live: &activities.ExplainLive{InDynamics: true, Version: "1240", InCampaign: true, Decision: "update", Why: "Dynamics has changed since the last write",
			Differences: map[string]string{"lastName": "text of 6 -> text of 9"}},
	})
	code, out, stderr := w.run(t, "explain", "contacts", "{6F0C1D2E-0000-4000-8000-000000000001}", "--live")
	require.Zero(t, code, stderr)
	golden(t, "explain.txt", out)
	in := w.Requests["Run "+activities.Explain][0].(activities.ExplainInput)
	require.Equal(t, id, in.ID)
	require.True(t, in.Live)

	w.on("Run "+activities.Explain, activities.ExplainResult{
		Table: "contacts", ID: id, State: "quarantined", Meaning: "it was refused",
		Quarantine: &activities.QuarantinedRecord{State: "discarded", Code: "TooLong", Message: "longer", FirstSeen: noon, LastSeen: noon, Attempts: 1,
			Discarded: &activities.Discard{By: "ada", Reason: "agreed with sales", At: noon.Add(-time.Minute)}},
	})
	_, out, _ = w.run(t, "explain", "contacts", id)
	require.Contains(t, out, "discarded by somebody who says to be ada 2026-03-02")
	require.Contains(t, out, ": agreed with sales; more: causeway quarantine show contacts "+id)
	require.NotContains(t, out, "next try")

	// As with an event, scripts learn from the exit code that nothing is known of it.
	w.on("Run "+activities.Explain, activities.ExplainResult{Table: "contacts", ID: id, State: activities.NeverSeen, Meaning: "no run has met this record"})
	for _, args := range [][]string{nil, {"--live"}, {"-o", "json"}} {
		code, out, _ = w.run(t, append([]string{"explain", "contacts", id}, args...)...)
		require.Equal(t, exitFailed, code)
		require.Contains(t, out, "no run has met this record")
	}

	code, _, stderr = w.run(t, "explain", "contacts", "quibble")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, `id: got "quibble", want the id of one record in Dynamics`)
}
