package egress

import (
	"context"
	"errors"
	"fmt"

	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/timeline"
)

// This file takes up what an administrator changes in the activity tables while the flow
// runs: rows are made by what the tables say now, before an event is refused.

// makeFittingRow is makeRow. A text that is too long for what its column took at the start
// may fit by now.
func (w *timelineWriter) makeFittingRow(ctx context.Context, o *eventState) (*timeline.Row, error) {
	for {
		row, err := w.makeRow(o)
		fail, ok := errors.AsType[*apierr.Error](err)
		if !ok || fail.Reason != apierr.ReasonTooLong {
			return row, err
		}
		switch again, readErr := w.replan(ctx, o, fail); {
		case readErr != nil:
			return nil, readErr
		case !again:
			return nil, err
		}
	}
}

// afterChange is for a row that Dynamics refused for what its table is like. It is made
// anew by what the tables say now, if that is something else. If not, or if the settings do
// not fit any more, every event of the type would fail: the flow stops. A text that is too
// long is the event's own.
func (w *timelineWriter) afterChange(ctx context.Context, a *run.Attempt[*eventState], u *eventUnit, fail *apierr.Error) {
	o := u.State
	again, err := w.replan(ctx, o, fail)
	if err == nil && again {
		if o.row, err = w.makeFittingRow(ctx, o); err == nil {
			a.WriteAgain(u)
			return
		}
	}
	if err == nil {
		e := *fail
		if err = &e; e.Reason == apierr.ReasonSchema {
			e.Class = apierr.Blocked
		}
	}
	a.Fail(u, err)
}

// replan has an event go by what the tables say now; false when that is nothing new. It
// fails when the settings do not fit any more.
func (w *timelineWriter) replan(ctx context.Context, o *eventState, why *apierr.Error) (bool, error) {
	question := fmt.Sprint(o.event.Type, " ", why.Reason, " ", why.Field)
	fresh, err := w.fresh.Newer(o.plan, question, func() (*timeline.Plan, error) {
		schemas, err := w.readTables(ctx, w.plan.Settings)
		if err != nil {
			return nil, err
		}
		found, err := w.fit(w.plan.Settings, w.plan.Owner, schemas)
		if err != nil {
			return nil, &apierr.Error{Class: apierr.Blocked, Reason: apierr.ReasonSchema, Service: "dataverse", Op: "read tables again", Code: why.Code,
				Message: "the data models changed while it ran: " + err.Error()}
		}
		if timeline.Same(o.plan, found) {
			return nil, nil
		}
		w.o.Logger.Info("the activity tables are not as they were when the flow started", "flow", "egress")
		return found, nil
	})
	if err != nil || fresh == o.plan {
		return false, err
	}
	o.plan = fresh
	return true, nil
}
