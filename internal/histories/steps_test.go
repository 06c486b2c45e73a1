package histories_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/types/known/timestamppb"

	"causeway.dev/internal/histories"
)

// story builds a history and numbers its events.
type story struct{ history historypb.History }

func (s *story) add(kind enumspb.EventType, fill func(*historypb.HistoryEvent)) int64 {
	e := &historypb.HistoryEvent{EventId: int64(len(s.history.Events) + 1), EventType: kind,
		EventTime: timestamppb.New(time.Date(2026, 3, 1, 12, 0, len(s.history.Events), 0, time.UTC))}
	if fill != nil {
		fill(e)
	}
	s.history.Events = append(s.history.Events, e)
	return e.EventId
}

func (s *story) start(from string) {
	s.add(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{
			WorkflowType: &commonpb.WorkflowType{Name: "Backfill"}, WorkflowId: "acme/x", ContinuedExecutionRunId: from}}
	})
}

func (s *story) task() int64 {
	s.add(enumspb.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED, nil)
	s.add(enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED, nil)
	return s.add(enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, nil)
}

func (s *story) schedule(task int64, name string) int64 {
	return s.add(enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_ActivityTaskScheduledEventAttributes{ActivityTaskScheduledEventAttributes: &historypb.ActivityTaskScheduledEventAttributes{
			ActivityType: &commonpb.ActivityType{Name: name}, WorkflowTaskCompletedEventId: task}}
	})
}

func (s *story) attempt(scheduled int64, n int32, last *failurepb.Failure) {
	s.add(enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_ActivityTaskStartedEventAttributes{ActivityTaskStartedEventAttributes: &historypb.ActivityTaskStartedEventAttributes{
			ScheduledEventId: scheduled, Attempt: n, LastFailure: last}}
	})
}

func (s *story) complete(scheduled int64) {
	s.add(enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_ActivityTaskCompletedEventAttributes{ActivityTaskCompletedEventAttributes: &historypb.ActivityTaskCompletedEventAttributes{ScheduledEventId: scheduled}}
	})
}

func (s *story) giveUp(scheduled int64, why *failurepb.Failure) {
	s.add(enumspb.EVENT_TYPE_ACTIVITY_TASK_FAILED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_ActivityTaskFailedEventAttributes{ActivityTaskFailedEventAttributes: &historypb.ActivityTaskFailedEventAttributes{ScheduledEventId: scheduled, Failure: why}}
	})
}

func (s *story) fail(why *failurepb.Failure) {
	s.add(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_WorkflowExecutionFailedEventAttributes{WorkflowExecutionFailedEventAttributes: &historypb.WorkflowExecutionFailedEventAttributes{Failure: why}}
	})
}

func because(message string, cause *failurepb.Failure) *failurepb.Failure {
	return &failurepb.Failure{Message: message, Cause: cause}
}

func ofActivity(scheduled int64, cause *failurepb.Failure) *failurepb.Failure {
	return &failurepb.Failure{Message: "activity error", Cause: cause, FailureInfo: &failurepb.Failure_ActivityFailureInfo{
		ActivityFailureInfo: &failurepb.ActivityFailureInfo{ScheduledEventId: scheduled}}}
}

// failedLoad fails at WriteLane, and ends the run in the ledger afterwards.
func failedLoad(t *testing.T) (h *historypb.History, wroteIn int64) {
	t.Helper()
	var s story
	s.start("before")
	task := s.task()
	fetch := s.schedule(task, "FetchPage")
	s.attempt(fetch, 3, because("outer", because("503 from Dynamics", nil)))
	s.complete(fetch)
	wroteIn = s.task()
	write := s.schedule(wroteIn, "WriteLane")
	other := s.schedule(wroteIn, "WriteLane")
	s.attempt(write, 2, nil)
	s.attempt(other, 1, nil)
	s.complete(other)
	s.giveUp(write, because("too many refused", nil))
	end := s.schedule(s.task(), "EndRun")
	s.attempt(end, 1, nil)
	s.complete(end)
	s.task()
	s.fail(because("writing page 1", ofActivity(write, because("too many refused", nil))))
	return &s.history, wroteIn
}

func TestStepsAreSummedUp(t *testing.T) {
	t.Parallel()
	var sum histories.Summary
	h, _ := failedLoad(t)
	for _, e := range h.Events {
		sum.Add(e)
	}
	require.Equal(t, "Backfill", sum.Type)
	require.Equal(t, "before", sum.ContinuedFrom)
	require.Equal(t, "too many refused", sum.Failure)
	require.EqualValues(t, len(h.Events), sum.Events)
	got := map[string]histories.Step{}
	for _, step := range sum.Steps {
		require.Zero(t, step.Open())
		step.First, step.Last = time.Time{}, time.Time{}
		got[step.Name] = *step
	}
	require.Equal(t, map[string]histories.Step{
		"FetchPage": {Name: "FetchPage", Times: 1, Attempts: 3, Done: 1, LastFailure: "503 from Dynamics"},
		"WriteLane": {Name: "WriteLane", Times: 2, Attempts: 3, Done: 1, Failed: 1, LastFailure: "too many refused"},
		"EndRun":    {Name: "EndRun", Times: 1, Attempts: 1, Done: 1},
	}, got)

	var real histories.Summary // the counts of a real history add up
	for _, e := range recorded(t, "table.json").Events {
		real.Add(e)
	}
	require.NotEmpty(t, real.Steps)
	for _, step := range real.Steps {
		require.GreaterOrEqual(t, step.Open(), 0, step.Name)
		require.GreaterOrEqual(t, step.Attempts, step.Done, step.Name)
	}
}

// A reset goes to the step that failed, not to a step that followed because of that.
func TestTheResetPointIsTheStepThatFailed(t *testing.T) {
	t.Parallel()
	h, wroteIn := failedLoad(t)
	point, ok := histories.PointOf(h)
	require.True(t, ok)
	require.Equal(t, wroteIn, point.Event)
	require.Contains(t, point.Why, "WriteLane failed")

	var s story // the code itself failed
	s.start("")
	s.complete(s.schedule(s.task(), "FetchPage"))
	last := s.task()
	s.fail(because("index out of range", nil))
	point, ok = histories.PointOf(&s.history)
	require.True(t, ok)
	require.Equal(t, last, point.Event)

	var none story
	none.start("")
	_, ok = histories.PointOf(&none.history)
	require.False(t, ok)
}

// One by one, activities say what they were asked, how they ended, and how often they were
// tried.
func TestCallsAreCollectedOneByOne(t *testing.T) {
	t.Parallel()
	calls := histories.Calls{Of: map[string]bool{"WriteLane": true}}
	h, _ := failedLoad(t)
	for _, e := range h.Events {
		calls.Add(e)
	}
	require.Len(t, calls.All, 2)
	failed, done := *calls.All[0], *calls.All[1]
	require.Equal(t, []any{"failed", 2, "too many refused"}, []any{failed.Outcome, failed.Attempts, failed.Failure})
	require.Equal(t, []any{"done", 1, ""}, []any{done.Outcome, done.Attempts, done.Failure})
	require.True(t, failed.Ended.After(failed.Began))

	real := histories.Calls{Of: map[string]bool{"WriteLane": true}}
	events := recorded(t, "backfill.json").Events
	for _, e := range events[:len(events)-60] { // while it goes on
		real.Add(e)
	}
	open := 0
	for _, c := range real.All {
		require.Contains(t, string(c.Input), `"lane":`)
		if c.Outcome == "" {
			open++
			continue
		}
		require.Contains(t, string(c.Result), `"counts":`)
		require.Positive(t, c.Attempts)
	}
	require.Positive(t, open)
	require.Less(t, open, len(real.All))
}
