package histories_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"causeway.dev/internal/histories"
	"causeway.dev/workflows"
)

func recorded(t *testing.T, name string) *historypb.History {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "workflows", "testdata", "histories", name))
	require.NoError(t, err)
	defer f.Close()
	h, err := client.HistoryFromJSON(f, client.HistoryJSONOptions{})
	require.NoError(t, err)
	return h
}

func product(r worker.WorkflowReplayer) { workflows.Register(r) }

// Every recorded history replays with this build. So does every part of it that a worker
// could have been given; with -short, every fourth of them.
func TestRecordedHistoriesAreDeterministic(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", "workflows", "testdata", "histories", "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		h := recorded(t, filepath.Base(file))
		d, err := histories.Verify(h, "", product)
		require.NoError(t, err)
		require.Nil(t, d, "%s: %v", file, d)
		parts := 0
		for i, e := range h.Events {
			if e.EventType == enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED {
				if parts++; testing.Short() && parts%4 != 1 {
					continue
				}
				d, err := histories.Verify(&historypb.History{Events: h.Events[:i+1]}, "", product)
				require.NoError(t, err)
				require.Nil(t, d, "%s up to event %d: %v", file, i+1, d)
				d, err = histories.Verify(&historypb.History{Events: h.Events[:i]}, "", product)
				require.NoError(t, err)
				require.Nil(t, d, "%s up to event %d: %v", file, i, d)
			}
		}
	}
}

// auditLike is Audit with a given sequence of activities. "" sleeps, "panic" panics, and
// "slow" keeps the code busy for longer than a worker would allow.
func auditLike(steps ...string) func(worker.WorkflowReplayer) {
	return func(r worker.WorkflowReplayer) {
		r.RegisterWorkflowWithOptions(func(ctx workflow.Context, in workflows.AuditInput) error {
			ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
			for _, step := range steps {
				var err error
				switch step {
				case "":
					err = workflow.Sleep(ctx, time.Minute)
				case "panic":
					panic("nobody thought of this")
				case "slow":
					time.Sleep(1500 * time.Millisecond)
				case "signal":
					err = workflow.SignalExternalWorkflow(ctx, workflows.TableFlow(in.Instance, in.Table.Name).WorkflowID(), "", workflows.SignalRepair, nil).Get(ctx, nil)
				default:
					err = workflow.ExecuteActivity(ctx, step, in).Get(ctx, nil)
				}
				if err != nil {
					return err
				}
			}
			return nil
		}, workflow.RegisterOptions{Name: workflows.TypeAudit})
	}
}

// The place of a difference is the first event that the code does not cause.
func TestVerifyNamesThePlace(t *testing.T) {
	t.Parallel()
	h := recorded(t, "audit.json")
	at := func(name string) int64 {
		for _, e := range h.Events {
			if histories.Named(e) == name {
				return e.EventId
			}
		}
		require.Fail(t, "no event "+name)
		return 0
	}
	pages, sum := at("ActivityTaskScheduled AuditPages"), at("ActivityTaskScheduled EndAudit")
	signal := at("SignalExternalWorkflowExecutionInitiated Repair")
	tests := map[string]struct {
		steps []string
		event int64
		has   string
		does  string
	}{
		"the same":                 {steps: []string{"OpenAudit", "AuditPages", "AuditMissing", "Plan", "EndAudit", "signal"}},
		"a timer in between":       {[]string{"OpenAudit", "", "AuditPages"}, pages, "ActivityTaskScheduled AuditPages", "does StartTimer"},
		"another activity":         {[]string{"OpenAudit", "AuditPages", "AuditMissing", "Plan", "Plan"}, sum, "ActivityTaskScheduled EndAudit", "does ScheduleActivityTask Plan"},
		"another one first":        {[]string{"AuditPages"}, at("ActivityTaskScheduled OpenAudit"), "ActivityTaskScheduled OpenAudit", "does ScheduleActivityTask AuditPages"},
		"an end too early":         {[]string{"OpenAudit", "AuditPages", "AuditMissing", "Plan"}, sum, "ActivityTaskScheduled EndAudit", "does nothing, or ends"},
		"a step that is left out":  {[]string{"OpenAudit", "AuditPages", "AuditMissing", "Plan", "EndAudit"}, signal, "SignalExternalWorkflowExecutionInitiated Repair", "does nothing, or ends"},
		"a step more at the end":   {[]string{"OpenAudit", "AuditPages", "AuditMissing", "Plan", "EndAudit", "signal", "ApplyFindings"}, h.Events[len(h.Events)-2].EventId, "nothing more in the task that it completes", "goes on with ScheduleActivityTask ApplyFindings"},
		"the same, a busy machine": {steps: []string{"OpenAudit", "slow", "AuditPages", "AuditMissing", "Plan", "EndAudit", "signal"}},
		"a panic":                  {[]string{"OpenAudit", "panic"}, pages - 1, "WorkflowTaskCompleted", "fails: nobody thought of this"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := histories.Verify(h, "", auditLike(tc.steps...))
			require.NoError(t, err)
			if tc.event == 0 {
				require.Nil(t, d, "%v", d)
				return
			}
			require.NotNil(t, d)
			t.Log(d, d.Message)
			require.Equal(t, tc.event, d.Event)
			require.Equal(t, tc.has, d.History)
			require.Contains(t, d.Code, tc.does)
		})
	}
}

// A workflow that is stuck has not completed the task that fails. The difference may be
// in the commands of the task before it.
func TestVerifyComparesTheLastTask(t *testing.T) {
	t.Parallel()
	h := recorded(t, "audit.json")
	for i, e := range h.Events {
		if e.EventType != enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED {
			continue
		}
		for _, ends := range []int{i + 1, i + 2, i + 3, i + 4, i + 5} { // open, completed, the next task started
			changed := &historypb.History{Events: slices.Clone(h.Events[:ends])}
			step := proto.Clone(e).(*historypb.HistoryEvent)
			step.GetActivityTaskScheduledEventAttributes().ActivityType.Name = "Renamed"
			changed.Events[i] = step
			d, err := histories.Verify(changed, "", product)
			require.NoError(t, err)
			require.NotNil(t, d, "step at %d, up to %d", i+1, ends)
			require.Equal(t, step.EventId, d.Event)
		}
	}
}

// Whichever step of a history is renamed, Verify names that place.
func TestVerifyNamesAnyPlace(t *testing.T) {
	t.Parallel()
	all := map[string]*historypb.History{}
	for _, name := range []string{"changes.json", "audit.json", "initial-load.json", "table.json"} {
		all[name] = recorded(t, name)
	}
	rapid.Check(t, func(t *rapid.T) {
		h := all[rapid.SampledFrom(slices.Sorted(maps.Keys(all))).Draw(t, "history")]
		var steps []int
		for i, e := range h.Events {
			if e.EventType == enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED {
				steps = append(steps, i)
			}
		}
		at := rapid.SampledFrom(steps).Draw(t, "step")
		changed := &historypb.History{Events: slices.Clone(h.Events)}
		e := proto.Clone(h.Events[at]).(*historypb.HistoryEvent)
		e.GetActivityTaskScheduledEventAttributes().ActivityType.Name = "Renamed"
		changed.Events[at] = e
		d, err := histories.Verify(changed, "", product)
		if err != nil || d == nil || d.Event != e.EventId || d.Task != e.GetActivityTaskScheduledEventAttributes().WorkflowTaskCompletedEventId {
			t.Fatalf("want event %d: got %v, %v", e.EventId, d, err)
		}
	})
}
