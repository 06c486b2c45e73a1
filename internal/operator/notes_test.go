package operator_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

// The notes of a flow say what matters and what to do, in the same order for every face.
func TestNotesOfAFlow(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		report operator.FlowReport
		want   []operator.Note
	}{
		"never started": {operator.FlowReport{Flow: "contacts"}, []operator.Note{{operator.Hint, "run: causeway start contacts"}}},
		"nobody answers": {operator.FlowReport{Flow: "contacts", Known: true, Problem: "no worker answers"},
			[]operator.Note{{operator.Alarm, "no worker answers"}}},
		"well": {operator.FlowReport{Flow: "contacts", Status: &workflows.Status{State: workflows.StateRunning}}, nil},
		"models that changed": {operator.FlowReport{Flow: "contacts", Status: &workflows.Status{State: workflows.StateRunning, ModelChanges: []string{"option 4 is new"}}},
			[]operator.Note{{operator.Caution, "changed while it runs: option 4 is new; the next start takes it up"}}},
		"failed": {operator.FlowReport{Flow: "contacts", ChangesPending: true, Status: &workflows.Status{State: workflows.StateFailed, Reason: "no field\nemial"}},
			[]operator.Note{
				{operator.Alarm, "no field emial"}, {operator.Hint, "when that is put right: causeway start contacts"},
				{operator.Caution, "changes pending: the mapping on file differs from the last one run; the next start applies it"},
			}},
		"failed, and tries again": {operator.FlowReport{Flow: "contacts", Status: &workflows.Status{State: workflows.StateFailed, Reason: "got status 302", RetryAt: noon.Add(4 * time.Minute), Retries: 3}},
			[]operator.Note{
				{operator.Alarm, "got status 302"},
				{operator.Hint, "tries again by itself at 2026-03-02 12:04:00 UTC (in 4 min); not to wait for it: causeway start contacts; to end that: causeway stop contacts"},
			}},
		"work that is tried again, and records set aside": {
			operator.FlowReport{Flow: "contacts", Waiting: []operator.Pending{{Activity: "WriteLane", Attempt: 7, LastFailure: "503", Since: noon.Add(-time.Minute)}},
				Status: &workflows.Status{State: workflows.StateRunning, Parked: 3, Quarantined: 1}},
			[]operator.Note{
				{operator.Caution, "waiting: WriteLane, attempt 7, last failure: 503, since 2026-03-02 11:59:00 UTC (1 min ago)"},
				{operator.Hint, "3 records parked: what waits for a parent, or for children to go, goes on by itself; causeway explain contacts <id>"},
				{operator.Hint, "1 record in quarantine: causeway quarantine list --table contacts; when the mapping is mended, stop and start try them again, else: causeway quarantine release contacts --all"},
			}},
		"a service that asks to wait for hours": {
			operator.FlowReport{Flow: "contacts", Waiting: []operator.Pending{{Activity: "FetchPage", Attempt: 2, LastFailure: "the service asked to wait", Since: noon, NextTry: noon.Add(3 * time.Hour)}},
				Status: &workflows.Status{State: workflows.StateRunning}},
			[]operator.Note{{operator.Caution, "waiting: FetchPage, attempt 2, last failure: the service asked to wait, since 2026-03-02 12:00:00 UTC (just now); next try at 2026-03-02 15:00:00 UTC (in 3 h)"}},
		},
		"choices that are late": {
			operator.FlowReport{Flow: "optout", CarriedUpTo: noon.Add(-16 * time.Minute), Deadline: 15 * time.Minute, Status: &workflows.Status{State: workflows.StateRunning}},
			[]operator.Note{{operator.Alarm, "choices about opt-outs since 2026-03-02 11:44:00 UTC (16 min ago) are not carried over, or a system refuses one of then, and the deadline is 15m0s (opt_out.deadline): people may be contacted against their will; causeway quarantine list optout"}},
		},
		"choices that are in time": {
			operator.FlowReport{Flow: "optout", CarriedUpTo: noon.Add(-14 * time.Minute), Deadline: 15 * time.Minute, Status: &workflows.Status{State: workflows.StateRunning}}, nil,
		},
		"a record that came back": {
			operator.FlowReport{Flow: "contacts", Status: &workflows.Status{State: workflows.StateRunning, Returned: &activities.Returned{Count: 1, Last: "7d3c"}}},
			[]operator.Note{{operator.Caution, "1 record that somebody had deleted in Campaign came back, with the opt-outs that are known, because Dynamics changed; the last was 7d3c; erased: leave in the mapping leaves them deleted"}},
		},
		"a profile that stays deleted": {
			operator.FlowReport{Flow: "contacts", Status: &workflows.Status{State: workflows.StateRunning, Erased: &activities.Erased{Count: 1}}},
			[]operator.Note{{operator.Hint, "1 record that somebody deleted in Campaign, and that stay deleted, whatever changes in Dynamics; to bring them back: erased: restore in the mapping, or causeway backfill contacts"}},
		},
		"a ledger that was restored": {
			operator.FlowReport{Flow: "contacts", Status: &workflows.Status{State: workflows.StateRunning, Restored: "the ledger was restored"}},
			[]operator.Note{{operator.Alarm, "the ledger was restored; the flow compares everything anew by itself, and until that is through deletes wait and opt-outs count as of unknown age"}},
		},
		"events that wait, well before they are lost": {
			operator.FlowReport{Flow: "egress", LagAlarm: 5 * 24 * time.Hour, Status: &workflows.Status{State: workflows.StateRunning, Watermark: noon.Add(-3 * 24 * time.Hour), Events: &workflows.EventStatus{Source: "journal"}}},
			[]operator.Note{{operator.Caution, "nothing was handled since 2026-02-27 12:00:00 UTC (3 d ago), and the journal forgets events after 7 days: those of then in 4 d"}},
		},
		"events that wait in exported files, which are not forgotten": {
			operator.FlowReport{Flow: "egress", LagAlarm: 5 * 24 * time.Hour, Status: &workflows.Status{State: workflows.StateRunning, Watermark: noon.Add(-3 * 24 * time.Hour), Events: &workflows.EventStatus{Source: "sftp"}}}, nil,
		},
		"events that wait for hours": {
			operator.FlowReport{Flow: "egress", LagAlarm: 5 * 24 * time.Hour, Status: &workflows.Status{State: workflows.StateRunning, Watermark: noon.Add(-59 * time.Hour), Events: &workflows.EventStatus{Source: "both"}}}, nil,
		},
		"events that may be lost": {
			operator.FlowReport{Flow: "egress", Status: &workflows.Status{State: workflows.StatePaused, Since: noon, Reason: "release", Watermark: noon.Add(-6 * 24 * time.Hour), Events: &workflows.EventStatus{Lagging: true}}},
			[]operator.Note{
				{operator.Caution, "paused since 2026-03-02 12:00:00 UTC (just now): release"}, {operator.Hint, "to go on: causeway resume egress"},
				{operator.Alarm, "nothing was handled since 2026-02-24 12:00:00 UTC (6 d ago), and the journal forgets events after 7 days; resume it: causeway resume egress"},
			}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tc.want, tc.report.Notes(noon))
		})
	}
}
