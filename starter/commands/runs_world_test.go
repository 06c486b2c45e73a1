package commands

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/proto"

	"causeway.dev/activities"
	"causeway.dev/internal/histories"
	"causeway.dev/internal/operator"
)

const (
	loadRun  = "contacts-20260302T100000.000Z"
	auditRun = "audit-contacts-20261124T145622.010Z" // as recordedHistory calls it
)

var recordedAudit = regexp.MustCompile(`audit-contacts-\d{8}T\d{6}\.\d{3}Z`)

// recordedHistory is a history that a real server recorded. Its audit is always
// called auditRun, whenever it was recorded; the names are of one length.
func recordedHistory(t *testing.T, name string) *historypb.History {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "workflows", "testdata", "histories", name))
	require.NoError(t, err)
	defer f.Close()
	h, err := histories.Read(f)
	require.NoError(t, err)
	data, err := proto.Marshal(h)
	require.NoError(t, err)
	renamed := &historypb.History{}
	require.NoError(t, proto.Unmarshal(recordedAudit.ReplaceAll(data, []byte(auditRun)), renamed))
	return renamed
}

// eventOf is the first event so named.
func eventOf(t *testing.T, h *historypb.History, name string) int64 {
	t.Helper()
	for _, e := range h.Events {
		if histories.Named(e) == name {
			return e.EventId
		}
	}
	require.Fail(t, "no event "+name)
	return 0
}

// failsAt makes a history end in the failure of one of its activities, as an audit
// fails: its run is ended in the ledger first.
func failsAt(t *testing.T, h *historypb.History, activity string) *historypb.History {
	t.Helper()
	scheduled := eventOf(t, h, "ActivityTaskScheduled "+activity)
	out := &historypb.History{Events: append([]*historypb.HistoryEvent{}, h.Events[:scheduled+1]...)} // and started
	add := func(e *historypb.HistoryEvent) {
		e.EventId, e.EventTime = int64(len(out.Events)+1), h.Events[scheduled].EventTime
		out.Events = append(out.Events, e)
	}
	why := &failurepb.Failure{Message: "index out of range", FailureInfo: &failurepb.Failure_ApplicationFailureInfo{
		ApplicationFailureInfo: &failurepb.ApplicationFailureInfo{Type: "runtimeError", NonRetryable: true}}}
	add(&historypb.HistoryEvent{EventType: enumspb.EVENT_TYPE_ACTIVITY_TASK_FAILED, Attributes: &historypb.HistoryEvent_ActivityTaskFailedEventAttributes{
		ActivityTaskFailedEventAttributes: &historypb.ActivityTaskFailedEventAttributes{ScheduledEventId: scheduled, StartedEventId: scheduled + 1, Failure: why,
			RetryState: enumspb.RETRY_STATE_NON_RETRYABLE_FAILURE}}})
	task := func() {
		for _, e := range h.Events[1:4] {
			add(proto.Clone(e).(*historypb.HistoryEvent))
		}
	}
	task()
	ended := int64(len(out.Events) + 1)
	for _, e := range h.Events[scheduled-1 : scheduled+2] { // scheduled, started, completed
		add(proto.Clone(e).(*historypb.HistoryEvent))
	}
	ends := out.Events[ended-1].GetActivityTaskScheduledEventAttributes()
	ends.ActivityId, ends.ActivityType.Name, ends.WorkflowTaskCompletedEventId = strconv.FormatInt(ended, 10), activities.EndRun, ended-1
	out.Events[ended].GetActivityTaskStartedEventAttributes().ScheduledEventId = ended
	completed := out.Events[ended+1].GetActivityTaskCompletedEventAttributes()
	completed.ScheduledEventId, completed.StartedEventId = ended, ended+1
	task()
	add(&historypb.HistoryEvent{EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED, Attributes: &historypb.HistoryEvent_WorkflowExecutionFailedEventAttributes{
		WorkflowExecutionFailedEventAttributes: &historypb.WorkflowExecutionFailedEventAttributes{Failure: &failurepb.Failure{Message: "audit of contacts: activity error",
			Cause: &failurepb.Failure{Message: "activity error", Cause: why, FailureInfo: &failurepb.Failure_ActivityFailureInfo{
				ActivityFailureInfo: &failurepb.ActivityFailureInfo{ScheduledEventId: scheduled}}}}}}})
	return out
}

// runsWorld knows a load whose history is initial-load, an audit that failed, and
// the owner of contacts.
func runsWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld()
	w.Histories = map[string]*historypb.History{
		"run-load":  recordedHistory(t, "initial-load.json"),
		"run-owner": recordedHistory(t, "table.json"),
		"run-audit": failsAt(t, recordedHistory(t, "audit.json"), "EndAudit"),
	}
	w.Runs = []operator.Execution{
		{WorkflowID: contactsFlow, RunID: "run-owner", Type: "TableSync", Status: "Running", Started: noon.Add(-3 * time.Hour), TaskAttempt: 0},
		{WorkflowID: contactsFlow + "/audit", RunID: "run-audit", Type: "Audit", Status: "Failed", Started: noon.Add(-time.Hour), Closed: noon.Add(-time.Hour)},
		{WorkflowID: contactsFlow + "/backfill/" + loadRun, RunID: "run-load", Type: "Backfill", Status: "Completed", Started: noon.Add(-2 * time.Hour)},
	}
	return w
}

// run is a run of contacts as the ledger tells of it.
func runInfo(change func(*activities.RunInfo)) activities.RunInfo {
	r := activities.RunInfo{
		Run: loadRun, Flow: activities.FlowIngress, Table: "contacts", Kind: activities.KindInitial, State: "COMPLETED", Revision: "2d711642b726b044",
		Workflow: contactsFlow + "/backfill/" + loadRun, Started: noon.Add(-2 * time.Hour), Ended: noon.Add(-2*time.Hour + 4*time.Second), Expected: 10_000,
		Counts: activities.Counts{Read: 10_000, Created: 9_900, Quarantined: 100},
	}
	if change != nil {
		change(&r)
	}
	return r
}

// knows makes the ledger know a run.
func (w *world) knows(change func(*activities.RunInfo)) {
	w.on("Run "+activities.ShowRun, activities.ShowRunResult{Found: true, Info: runInfo(change)})
}
