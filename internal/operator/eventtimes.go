package operator

import (
	"context"
	"time"

	historypb "go.temporal.io/api/history/v1"

	"causeway.dev/activities"
)

// EventTime is one event of a history: what it is and when, and nothing of what it carries.
type EventTime struct {
	ID       int64     `json:"id"`
	At       time.Time `json:"at"`
	Event    string    `json:"event"`
	Activity string    `json:"activity,omitempty"`
}

// EventTimes visits the events of an execution, up to most. What they carry stays unread.
func (i *Instance) EventTimes(ctx context.Context, x Execution, most int, each func(EventTime) error) error {
	seen := 0
	return asFailed(i.temporal.History(ctx, x.WorkflowID, x.RunID, func(e *historypb.HistoryEvent) error {
		if seen++; seen > most {
			return ErrEnough
		}
		return each(EventTime{ID: e.GetEventId(), At: e.GetEventTime().AsTime(), Event: e.GetEventType().String(),
			Activity: e.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName()})
	}))
}

// LogBundle enters into the audit trail that a support bundle is about to be handed out.
func (i *Instance) LogBundle(ctx context.Context, run, reason string) error {
	return i.enter(ctx, activities.Operation{What: activities.OpBundle, Flow: "support", Run: run, Reason: reason})
}
