package egress

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/activity"

	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
)

// rowFaults is how often the service may fail at a row by itself, while it
// writes others, before the row is taken for the cause.
const rowFaults = 3

// LastResort sets aside the rows that fail although they are sent alone, if the
// service answers otherwise: one bad event never stops a flow.
func (w *timelineWriter) LastResort(ctx context.Context, a *run.Attempt[*occurrence], failed []*eventUnit) []*eventUnit {
	if int(activity.GetInfo(ctx).Attempt) < w.o.HopelessAfter {
		return failed
	}
	first := failed[0].Of.event.ContactID
	w.contacts.forget(first)
	if _, err := w.whereTo(ctx, []string{first}); err != nil {
		return failed // it is the service
	}
	var still []*eventUnit
	for _, u := range failed {
		if fail, ok := errors.AsType[*apierr.Error](u.Failure); ok && u.Alone {
			a.Refuse(u, fail)
			continue
		}
		still = append(still, u)
	}
	return still
}

// Write sends one group of rows in a request.
func (w *timelineWriter) Write(ctx context.Context, a *run.Attempt[*occurrence], group []*eventUnit) error {
	ops := make([]dataverse.Operation, len(group))
	for i, u := range group {
		row := u.Of.row
		ops[i] = dataverse.Operation{Kind: dataverse.OpUpsert, Write: dataverse.Write{
			Row: dataverse.Row{EntitySet: row.EntitySet, ID: row.ID}, Body: row.Body, CreateOnly: true,
		}}
	}
	began := time.Now()
	results, err := w.o.Dynamics.Batch(ctx, ops, dataverse.BatchOptions{ContinueOnError: true})
	took := time.Since(began)
	if ctx.Err() != nil && err != nil {
		return err
	}
	if err == nil {
		w.sizes.answered(len(group), took)
		w.metrics.batch.Update(float64(w.sizes.size()))
	} else if asWhole(results, err) {
		if apierr.ClassOf(err) == apierr.Throttled || len(group) > 1 {
			w.sizes.failed(len(group))
		}
		return err
	}
	w.answered(ctx, a, group, results)
	return nil
}

// asWhole says that a group has one failure for all.
func asWhole(results []dataverse.Result, err error) bool {
	for _, r := range results {
		if r.Err == nil || r.Err.Reason != apierr.ReasonOf(err) {
			return false
		}
	}
	return true
}

// answered brings each row of a group to a result by its own answer.
func (w *timelineWriter) answered(ctx context.Context, a *run.Attempt[*occurrence], group []*eventUnit, results []dataverse.Result) {
	var done []ledger.Result
	for i, u := range group {
		r, o := &results[i], u.Of
		switch {
		case r.Err == nil:
			done = append(done, written(u, ledger.Created)...)
		case r.Err.Reason == apierr.ReasonExists:
			done = append(done, written(u, ledger.Unchanged)...)
		case r.Err.Reason == apierr.ReasonNotFound && !o.asked:
			done = append(done, w.askAgain(ctx, a, u)...)
		case r.Err.Class == apierr.Blocked || r.Err.Reason == apierr.ReasonSchema:
			// Every event of the type would meet it: the table is not what it was.
			e := *r.Err
			e.Class = apierr.Blocked
			a.Fail(u, &e)
		default:
			// It failed by itself, in company that was written.
			if r.Err.Reason == apierr.ReasonServiceFault && len(group) > 1 {
				o.faults++
			}
			if o.faults >= rowFaults && a.Recorded() > 0 {
				a.Refuse(u, r.Err)
				continue
			}
			a.Fail(u, r.Err)
		}
	}
	a.Record(done...)
}

// written is the results of an event wherever it stands in the lane: what comes
// twice was there already the second time.
func written(u *eventUnit, first ledger.Outcome) []ledger.Result {
	out := make([]ledger.Result, 0, len(u.Entries))
	for n, i := range u.Entries {
		outcome := first
		if n > 0 {
			outcome = ledger.Unchanged
		}
		out = append(out, ledger.Result{Index: i, Outcome: outcome, Event: note(u.Of.event, outcome), Resolve: u.Of.refused})
	}
	u.Entries = nil
	return out
}

// askAgain looks up a contact that was there a moment ago. It was deleted, or
// merged; when it still is there, something else that the row names is not.
func (w *timelineWriter) askAgain(ctx context.Context, a *run.Attempt[*occurrence], u *eventUnit) []ledger.Result {
	o := u.Of
	w.contacts.forget(o.event.ContactID)
	w.contacts.forget(o.contact)
	to, err := w.contactsOf(ctx, []string{o.event.ContactID})
	if err != nil {
		a.Fail(u, err)
		return nil
	}
	o.asked = true
	if o.contact = to[o.event.ContactID]; o.contact == "" {
		return w.nobody(u)
	}
	if o.row, err = w.row(o); err != nil {
		a.Fail(u, err)
		return nil
	}
	a.Again(u)
	return nil
}
