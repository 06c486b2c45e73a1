package egress

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/events"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/timeline"
)

// WriteTimeline writes one lane of a staged page to the timeline: one row for each event,
// under an id of its own, so that nothing is written twice however often it is tried
// (R18.14). Events that have a result from an earlier attempt, or that are known to be on
// the timeline, cost no request. See run.WriteLane.
func (a *Activities) WriteTimeline(ctx context.Context, in activities.LaneInput) (*activities.LaneResult, error) {
	plan, err := a.plan(ctx, in.RunRef)
	if err != nil {
		return nil, err
	}
	w := &timelineWriter{Activities: a, plan: plan, fresh: a.reread.Of(in.PlanKey())}
	out, err := run.WriteLane(ctx, a.lanes, in, func(_ context.Context, lane *ledger.Lane) (run.Writer[*eventState], error) {
		w.lane = lane
		return w, nil
	})
	if err != nil {
		return nil, err
	}
	out.Unknown = w.unknown.Load()
	return out, nil
}

// timelineWriter writes the events of a lane in one attempt. It is the run.Writer of this
// flow.
type timelineWriter struct {
	*Activities
	plan  *timeline.Plan
	fresh *run.Reread[timeline.Plan] // what the tables say since plan was resolved
	lane  *ledger.Lane

	unknown atomic.Int64 // events quarantined because Dynamics has no such contact
}

// eventUnit is one event that is to be written. One that is in the lane twice is written
// once.
type eventUnit = run.Unit[*eventState]

// eventState is what is known of an event while it is written.
type eventState struct {
	event                *events.MarketingEvent
	raw                  []byte
	refused              bool   // it was, before: its item in quarantine is settled with it
	contact              string // whom it goes to
	row                  *timeline.Row
	plan                 *timeline.Plan // by which row was made
	faults               int            // times that the service failed at this very row
	contactResolvedAgain bool           // its contact was looked up again
}

// Units records what needs no request, and makes the rows of the rest.
func (w *timelineWriter) Units(ctx context.Context, a *run.Attempt[*eventState]) ([]*eventUnit, error) {
	units, err := w.sortEntries(ctx, a)
	if err != nil {
		return nil, err
	}
	return w.addressRows(ctx, a, units)
}

// GroupSize is how many rows a request may carry at this moment.
func (w *timelineWriter) GroupSize() int { return w.batchSize.size() }

// Refuse sets an event aside.
func (w *timelineWriter) Refuse(u *eventUnit, entry int, why *apierr.Error) ledger.Result {
	return w.refused(entry, u.State.event, u.State.raw, why)
}

// Count counts in the metrics of the flow.
func (w *timelineWriter) Count(what run.Happened, results ...ledger.Result) {
	switch what {
	case run.Committed:
		w.metrics.countOutcomes(results)
	case run.Throttled:
		w.metrics.throttled.Inc(1)
	case run.Transient:
		w.metrics.transient.Inc(1)
	case run.Split:
		w.metrics.split.Inc(1)
	}
}

// sortEntries records what needs no request, and returns a unit for each other event.
func (w *timelineWriter) sortEntries(ctx context.Context, a *run.Attempt[*eventState]) ([]*eventUnit, error) {
	var keys []string
	for i, e := range w.lane.Entries {
		if w.lane.Outcomes[i] == ledger.Pending && e.Verdict == ledger.Verdict(timeline.Eligible) {
			keys = append(keys, e.Key)
		}
	}
	known, err := w.o.Ledger.Events(ctx, keys)
	if err != nil {
		return nil, err
	}
	var group []ledger.Result
	var units []*eventUnit
	byKey := map[string]*eventUnit{}
	for i := range w.lane.Entries {
		e := &w.lane.Entries[i]
		if w.lane.Outcomes[i] != ledger.Pending {
			continue
		}
		if e.Verdict != ledger.Verdict(timeline.Eligible) {
			r, err := w.leftOut(i, e)
			if err != nil {
				return nil, err
			}
			group = append(group, r)
			continue
		}
		if u := byKey[e.Key]; u != nil {
			u.Entries = append(u.Entries, i)
			continue
		}
		event, err := events.Decode(e.Raw)
		if err != nil {
			return nil, fmt.Errorf("entry %d of %s: %w", i, w.lane.ID, err)
		}
		if known[e.Key].Written() {
			group = append(group, ledger.Result{Index: i, Outcome: ledger.Unchanged, Event: eventRecord(event, ledger.Unchanged)})
			continue
		}
		was := known[e.Key]
		u := &eventUnit{Entries: []int{i}, State: &eventState{event: event, raw: e.Raw, refused: was != nil && was.Outcome == ledger.Refused}}
		byKey[e.Key] = u
		units = append(units, u)
	}
	a.Record(group...)
	return units, nil
}

// leftOut is the result of an event that does not go to the timeline, because of the
// settings or of what it is.
func (w *timelineWriter) leftOut(i int, e *ledger.Entry) (ledger.Result, error) {
	if e.Verdict == verdictIgnored {
		return ledger.Result{Index: i, Outcome: ledger.Ignored}, nil
	}
	if e.Verdict == ledger.VerdictUnreadable {
		return ledger.Result{
			Index: i, Outcome: ledger.Refused,
			Quarantine: &ledger.QuarantineItem{Key: e.Key, Class: string(apierr.Rejected), Code: apierr.ReasonInvalidValue, Message: e.Problem, Payload: e.Raw},
			Event:      &ledger.Event{Key: e.Key, Outcome: ledger.Refused, Code: apierr.ReasonInvalidValue},
		}, nil
	}
	event, err := events.Decode(e.Raw)
	if err != nil {
		return ledger.Result{}, fmt.Errorf("entry %d of %s: %w", i, w.lane.ID, err)
	}
	if timeline.Verdict(e.Verdict) == timeline.NoContact {
		return w.withoutContact(i, event, e.Raw), nil
	}
	outcome := map[timeline.Verdict]ledger.Outcome{
		timeline.Disabled: ledger.Disabled, timeline.SoftBounce: ledger.SoftBounce, timeline.SeedOrProof: ledger.SeedOrProof,
	}[timeline.Verdict(e.Verdict)]
	return ledger.Result{Index: i, Outcome: outcome, Event: eventRecord(event, outcome)}, nil
}

// withoutContact is the result of an event whose contact Dynamics does not have (R18.11).
func (w *timelineWriter) withoutContact(i int, e *events.MarketingEvent, raw []byte) ledger.Result {
	// A profile without an external id is no contact, which is no mistake.
	if w.plan.Settings.UnknownContact != timeline.UnknownQuarantine || e.ContactID == "" {
		return ledger.Result{Index: i, Outcome: ledger.NoContact, Event: eventRecord(e, ledger.NoContact)}
	}
	w.unknown.Add(1)
	return w.refused(i, e, raw, &apierr.Error{Class: apierr.Rejected, Reason: apierr.ReasonNotFound, Message: "Dynamics has no contact with the profile's external id"})
}

// refused is the result of an event that cannot be written. Its message holds no value.
func (w *timelineWriter) refused(i int, e *events.MarketingEvent, raw []byte, why *apierr.Error) ledger.Result {
	n := eventRecord(e, ledger.Refused)
	n.Code = why.Reason
	return ledger.Result{Index: i, Outcome: ledger.Refused, Event: n, Quarantine: &ledger.QuarantineItem{
		Key: e.Key, Class: string(why.Class), Code: why.Reason, Field: why.Field, Message: why.Message, Payload: raw,
	}}
}

// eventRecord is what the ledger keeps of an event.
func eventRecord(e *events.MarketingEvent, outcome ledger.Outcome) *ledger.Event {
	return &ledger.Event{Key: e.Key, Type: string(e.Type), Contact: e.ContactID, Outcome: outcome, Time: e.Time}
}

// addressRows finds the contact that each event goes to, and makes its row.
func (w *timelineWriter) addressRows(ctx context.Context, a *run.Attempt[*eventState], units []*eventUnit) ([]*eventUnit, error) {
	var ids []string
	seen := map[string]bool{}
	for _, u := range units {
		if id := u.State.event.ContactID; !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	to, err := w.retryResolveContacts(ctx, ids)
	if err != nil {
		return nil, err
	}
	var out []*eventUnit
	for _, u := range units {
		if u.State.contact = to[u.State.event.ContactID]; u.State.contact == "" {
			a.Record(w.withoutContactResults(u)...)
			continue
		}
		u.State.plan = w.fresh.Newest(w.plan)
		u.State.row, err = w.makeFittingRow(ctx, u.State)
		if fail, ok := errors.AsType[*apierr.Error](err); ok && fail.Class == apierr.Rejected {
			a.Refuse(u, fail)
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, u)
	}
	return out, nil
}

// withoutContactResults are the results of an event whose contact Dynamics does not have.
func (w *timelineWriter) withoutContactResults(u *eventUnit) []ledger.Result {
	var out []ledger.Result
	for _, i := range u.Entries {
		out = append(out, w.withoutContact(i, u.State.event, u.State.raw))
	}
	u.Entries = nil
	return out
}

// retryResolveContacts is resolveContacts with a few tries.
func (w *timelineWriter) retryResolveContacts(ctx context.Context, ids []string) (map[string]string, error) {
	return run.Retry(ctx, w.o.DynamicsGate, func() (map[string]string, error) { return w.resolveContacts(ctx, ids) })
}

// makeRow makes the row of an event. A panic becomes a refusal of that event.
func (w *timelineWriter) makeRow(o *eventState) (row *timeline.Row, err error) {
	defer func() {
		if p := recover(); p != nil {
			w.o.Logger.Error("panic at an event", "flow", activities.FlowEgress, "record_id", o.event.Key, "panic", run.PanicText(p), "stack", string(debug.Stack()))
			err = run.PanicRefusal(p)
		}
	}()
	row, err = o.plan.Row(o.event, o.contact)
	if tooLong, ok := errors.AsType[*timeline.TooLong](err); ok {
		return nil, &apierr.Error{Class: apierr.Rejected, Reason: apierr.ReasonTooLong, Field: tooLong.Column, Message: tooLong.Error()}
	}
	return row, err
}
