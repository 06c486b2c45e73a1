package workflows

import (
	"fmt"
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
			// After a failure the worker says how long to wait, and longer each time. This
			// one follows the death of a worker, and does not grow.
			InitialInterval:    time.Second,
			BackoffCoefficient: 1,
			// An oversized result would come out the same again.
			NonRetryableErrorTypes: []string{"payloadSizeError"},
		},
		Summary:  summary,
		Priority: temporal.Priority{PriorityKey: priority},
	}
}

// Where no setting says so:
const (
	readAhead     = 2                // pages staged but not yet written
	deltaInterval = 15 * time.Second // during a backfill: look for changes this often
)

// complete fills what no setting says.
func (t Tuning) complete() Tuning {
	if t.ReadAhead == 0 {
		t.ReadAhead = readAhead
	}
	if t.DeltaInterval == 0 {
		t.DeltaInterval = activities.Duration(deltaInterval)
	}
	return t
}

// problem says what is wrong with a tuning; "" when it can be used.
func (t Tuning) problem() string {
	if t.Lanes < 1 {
		return fmt.Sprintf("tuning.lanes: got %d, want 1 or more", t.Lanes)
	}
	if t.Poll <= 0 {
		return fmt.Sprintf("tuning.poll: got %s, want more than 0", time.Duration(t.Poll))
	}
	return ""
}
