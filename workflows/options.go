package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
)

// Priorities: a change somebody just made goes before the millionth row of a
// backfill on the same queue, and that before what was refused already.
const (
	priorityDelta    = 2
	priorityBackfill = 4
	priorityRelease  = 5
)

// Budgets. They are times, not attempt counts: a service that is down for days
// is waited for, and Status says since when and why.
const (
	waitBudget       = 14 * 24 * time.Hour
	attemptBudget    = 30 * time.Minute
	heartbeatTimeout = 10 * time.Second
	idleWait         = 15 * time.Minute // one activity polls this long: an idle hour costs tens of events
)

// activityOptions are those of every activity; queue says which system it calls.
func activityOptions(queue string, kind activities.Kind, summary string) workflow.ActivityOptions {
	priority := priorityBackfill
	switch kind {
	case activities.KindDelta:
		priority = priorityDelta
	case activities.KindRelease:
		priority = priorityRelease
	}
	return workflow.ActivityOptions{
		TaskQueue:              queue,
		ScheduleToCloseTimeout: waitBudget,
		StartToCloseTimeout:    attemptBudget,
		HeartbeatTimeout:       heartbeatTimeout,
		// A cancelled activity settles what it has in flight before it returns.
		WaitForCancellation: true,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:    time.Second,
			BackoffCoefficient: 2,
			MaximumInterval:    time.Minute,
			// An oversized result would come out the same again.
			NonRetryableErrorTypes: []string{"payloadSizeError"},
		},
		Summary:  summary,
		Priority: temporal.Priority{PriorityKey: priority},
	}
}

// withDefaults fills the zero values of a tuning.
func (t Tuning) withDefaults() Tuning {
	if t.Lanes == 0 {
		t.Lanes = 8
	}
	if t.ReadAhead == 0 {
		t.ReadAhead = 2
	}
	if t.Poll == 0 {
		t.Poll = activities.Duration(3 * time.Second)
	}
	if t.StopRatio == 0 {
		t.StopRatio = 0.2
	}
	if t.StopMin == 0 {
		t.StopMin = 100
	}
	if t.DeltaInterval == 0 {
		t.DeltaInterval = activities.Duration(15 * time.Second)
	}
	return t
}
