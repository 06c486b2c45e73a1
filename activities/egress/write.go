package egress

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/events"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/timeline"
)

// WriteTimeline writes one lane of a staged page to the timeline: one activity
// for each event, under an id of its own, so that nothing is written twice
// however often it is tried (R18.14). Events that an earlier attempt settled, or
// that Dynamics is known to have, cost no request.
func (a *Activities) WriteTimeline(ctx context.Context, in activities.LaneInput) (*activities.LaneResult, error) {
	plan, err := a.plan(ctx, in.RunRef)
	if err != nil {
		return nil, err
	}
	id := ledger.LaneID{Run: in.Run, Page: in.Page, Lane: in.Lane}
	lane, err := a.o.Ledger.OpenLane(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("opening lane %d of page %d of %s: %w", in.Lane, in.Page, in.Run, err)
	}
	w := &timelineWriter{Activities: a, in: in, plan: plan, lane: lane}
	if !lane.Done {
		defer w.putDown(ctx)
		if err := w.write(ctx); err != nil {
			return nil, err
		}
		if lane.Counts, err = a.o.Ledger.CloseLane(ctx, id, lane.Token); err != nil {
			return nil, fmt.Errorf("closing lane %d of page %d of %s: %w", in.Lane, in.Page, in.Run, err)
		}
	}
	return &activities.LaneResult{Counts: run.FromLedger(lane.Counts), Unknown: w.unknown}, nil
}

// timelineWriter is one attempt at a lane.
type timelineWriter struct {
	*Activities
	in   activities.LaneInput
	plan *timeline.Plan
	lane *ledger.Lane

	mu      sync.Mutex
	unknown int64 // events quarantined because Dynamics has no such contact
	settled int   // by this attempt
	failed  []*occurrence
	lastErr error
	fatal   error // ends the attempt: Blocked, schema, storage, cancellation
	streak  int   // requests that failed in a row, over all workers
}

// occurrence is one event of the lane that is to be written, wherever it stands
// there: what comes twice in a lane is written once.
type occurrence struct {
	event   *events.MarketingEvent
	raw     []byte
	indices []int  // first the one that is written
	refused bool   // it was, before: its item in quarantine is settled with it
	contact string // whom it goes to
	row     *timeline.Row
	limit   int           // most rows of a request it may be in; 0 = any
	faults  int           // times that the service failed at this very row
	alone   *apierr.Error // how it failed when it was sent alone
	asked   bool          // its contact was looked up again
}

func (w *timelineWriter) write(ctx context.Context) error {
	defer run.KeepBeating(ctx, func() any {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.settled
	})()
	todo, err := w.sort(ctx)
	if err == nil {
		todo, err = w.address(ctx, todo)
	}
	if err == nil {
		err = w.send(ctx, todo)
	}
	return err
}

// sort settles what needs no request, and returns the rest, each event once.
func (w *timelineWriter) sort(ctx context.Context) ([]*occurrence, error) {
	var keys []string
	for i, e := range w.lane.Entries {
		if w.lane.Outcomes[i] == ledger.Pending && e.Verdict == ledger.VerdictNone {
			keys = append(keys, e.Key)
		}
	}
	known, err := w.o.Ledger.Events(ctx, keys)
	if err != nil {
		return nil, err
	}
	var group []ledger.Result
	var todo []*occurrence
	byKey := map[string]*occurrence{}
	for i := range w.lane.Entries {
		e := &w.lane.Entries[i]
		if w.lane.Outcomes[i] != ledger.Pending {
			continue
		}
		if e.Verdict != ledger.VerdictNone {
			s, err := w.leftOut(i, e)
			if err != nil {
				return nil, err
			}
			group = append(group, s)
			continue
		}
		if o := byKey[e.Key]; o != nil {
			o.indices = append(o.indices, i)
			continue
		}
		event, err := events.Decode(e.Raw)
		if err != nil {
			return nil, fmt.Errorf("entry %d of %s: %w", i, w.lane.ID, err)
		}
		if known[e.Key].Written() {
			group = append(group, ledger.Result{Index: i, Outcome: ledger.Unchanged, Event: note(event, ledger.Unchanged)})
			continue
		}
		o := &occurrence{event: event, raw: e.Raw, indices: []int{i}}
		if was := known[e.Key]; was != nil && was.Outcome == ledger.Refused {
			o.refused = true
		}
		byKey[e.Key] = o
		todo = append(todo, o)
	}
	return todo, w.settle(ctx, group)
}

// leftOut settles an event that the settings, or what it is, keep from the timeline.
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
	return ledger.Result{Index: i, Outcome: outcome, Event: note(event, outcome)}, nil
}

// withoutContact settles an event of nobody that Dynamics has (R18.11).
func (w *timelineWriter) withoutContact(i int, e *events.MarketingEvent, raw []byte) ledger.Result {
	// A profile that is no contact is nobody's mistake.
	if w.plan.Settings.UnknownContact != timeline.UnknownQuarantine || e.ContactID == "" {
		return ledger.Result{Index: i, Outcome: ledger.NoContact, Event: note(e, ledger.NoContact)}
	}
	w.mu.Lock()
	w.unknown++
	w.mu.Unlock()
	return w.refused(i, e, raw, &apierr.Error{Class: apierr.Rejected, Reason: apierr.ReasonNotFound, Message: "Dynamics has no contact with the profile's external id"})
}

// refused settles an event that cannot be written; the message holds no value.
func (w *timelineWriter) refused(i int, e *events.MarketingEvent, raw []byte, why *apierr.Error) ledger.Result {
	n := note(e, ledger.Refused)
	n.Code = why.Reason
	return ledger.Result{Index: i, Outcome: ledger.Refused, Event: n, Quarantine: &ledger.QuarantineItem{
		Key: e.Key, Class: string(why.Class), Code: why.Reason, Field: why.Field, Message: why.Message, Payload: raw,
	}}
}

func note(e *events.MarketingEvent, outcome ledger.Outcome) *ledger.Event {
	return &ledger.Event{Key: e.Key, Type: string(e.Type), Contact: e.ContactID, Outcome: outcome, Time: e.Time}
}

// address finds out whom each event goes to and makes its row.
func (w *timelineWriter) address(ctx context.Context, todo []*occurrence) ([]*occurrence, error) {
	var ids []string
	seen := map[string]bool{}
	for _, o := range todo {
		if !seen[o.event.ContactID] {
			seen[o.event.ContactID] = true
			ids = append(ids, o.event.ContactID)
		}
	}
	to, err := w.patiently(ctx, ids)
	if err != nil {
		return nil, run.ToTemporal(ctx, err)
	}
	var group []ledger.Result
	var out []*occurrence
	for _, o := range todo {
		if o.contact = to[o.event.ContactID]; o.contact == "" {
			for _, i := range o.indices {
				group = append(group, w.withoutContact(i, o.event, o.raw))
			}
			continue
		}
		var tooLong *timeline.TooLong
		if o.row, err = w.row(o); errors.As(err, &tooLong) {
			group = append(group, w.refusedAll(o, &apierr.Error{Class: apierr.Rejected, Reason: apierr.ReasonTooLong, Field: tooLong.Column, Message: tooLong.Error()})...)
			continue
		}
		if panicked, ok := errors.AsType[*apierr.Error](err); ok {
			group = append(group, w.refusedAll(o, panicked)...)
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, w.settle(ctx, group)
}

// patiently looks contacts up, waiting for a closed gate as long as is sensible.
func (w *timelineWriter) patiently(ctx context.Context, ids []string) (map[string]string, error) {
	for try := 1; ; try++ {
		to, err := w.whereTo(ctx, ids)
		switch class := apierr.ClassOf(err); {
		case class == apierr.Throttled && w.openSoon(ctx):
			continue
		case class == apierr.Retryable && try < run.ReadTries && run.Pause(ctx, time.Duration(try)*run.ReadPause):
			continue
		}
		return to, err
	}
}

// openSoon waits for the gate; false when that would take too long.
func (w *timelineWriter) openSoon(ctx context.Context) bool {
	if w.o.DynamicsGate == nil || time.Until(w.o.DynamicsGate.Until()) > run.MaxGateTry {
		return false
	}
	w.metrics.throttled.Inc(1)
	return w.o.DynamicsGate.Wait(ctx) == nil
}

// settle commits outcomes.
func (w *timelineWriter) settle(ctx context.Context, group []ledger.Result) error {
	const most = 500
	for len(group) > 0 {
		n := min(most, len(group))
		// What was written has happened, whatever became of the activity.
		if err := w.o.Ledger.Commit(context.WithoutCancel(ctx), w.lane.ID, w.lane.Token, group[:n]); err != nil {
			return w.commitFailure(err)
		}
		w.metrics.settled(group[:n])
		w.mu.Lock()
		w.settled += n
		w.mu.Unlock()
		group = group[n:]
	}
	return nil
}

func (w *timelineWriter) commitFailure(err error) error {
	if errors.Is(err, ledger.ErrFenced) {
		return run.ErrFencedLane()
	}
	return fmt.Errorf("committing outcomes of %s: %w", w.lane.ID, err)
}
