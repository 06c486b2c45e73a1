package egress

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"

	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
)

// maxRowFaults is how often the service may fail at a row, in a request whose other rows
// it writes, before the row is set aside.
const maxRowFaults = 3

// LastResort sets aside rows that fail although they are sent alone, from a late attempt
// on and if the service answers otherwise. So one bad event never stops the flow.
func (w *timelineWriter) LastResort(ctx context.Context, a *run.Attempt[*eventState], failed []*eventUnit) []*eventUnit {
	lasted := slices.ContainsFunc(failed, func(u *eventUnit) bool {
		fail, ok := errors.AsType[*apierr.Error](u.Failure)
		return ok && fail.Lasted // the next attempt would fail the flow
	})
	if int(activity.GetInfo(ctx).Attempt) < w.o.HopelessAfter && !lasted {
		return failed
	}
	first := failed[0].State.event.ContactID
	w.contacts.forget(first)
	if _, err := w.resolveContacts(ctx, []string{first}); err != nil {
		return failed // the service is the cause, and not the rows
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

// Write sends a group of rows in one request.
func (w *timelineWriter) Write(ctx context.Context, a *run.Attempt[*eventState], group []*eventUnit) error {
	ops := make([]dataverse.Operation, len(group))
	for i, u := range group {
		row := u.State.row
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
		w.batchSize.answered(len(group), took)
		w.metrics.batch.Update(float64(w.batchSize.size()))
	} else if failedAsOne(results, err) {
		if apierr.ClassOf(err) == apierr.Throttled || len(group) > 1 {
			w.batchSize.failed(len(group))
		}
		return err
	}
	w.handleAnswers(ctx, a, group, results)
	return nil
}

// failedAsOne says whether the request failed as a whole, with one failure for all rows.
func failedAsOne(results []dataverse.Result, err error) bool {
	for _, r := range results {
		if r.Err == nil || r.Err.Reason != apierr.ReasonOf(err) {
			return false
		}
	}
	return true
}

// handleAnswers brings each row of a group to a result, by the answer to that row.
func (w *timelineWriter) handleAnswers(ctx context.Context, a *run.Attempt[*eventState], group []*eventUnit, results []dataverse.Result) {
	var done []ledger.Result
	for i, u := range group {
		r, o := &results[i], u.State
		switch {
		case r.Err == nil:
			done = append(done, writtenResults(u, ledger.Created)...)
		case r.Err.Reason == apierr.ReasonExists:
			done = append(done, writtenResults(u, ledger.Unchanged)...)
		case r.Err.Reason == apierr.ReasonNotFound && !o.contactResolvedAgain:
			done = append(done, w.resolveContactAgain(ctx, a, u)...)
		case r.Err.Reason == apierr.ReasonSchema || r.Err.Reason == apierr.ReasonTooLong:
			w.afterChange(ctx, a, u, r.Err)
		case r.Err.Class == apierr.Blocked:
			a.Fail(u, r.Err)
		default:
			// It failed by itself, while other rows of the request were written.
			if r.Err.Reason == apierr.ReasonServiceFault && len(group) > 1 {
				o.faults++
			}
			if o.faults >= maxRowFaults && a.Recorded() > 0 {
				a.Refuse(u, r.Err)
				continue
			}
			a.Fail(u, r.Err)
		}
	}
	a.Record(done...)
}

// writtenResults are the results of an event that is on the timeline, one for each time
// that it is in the lane. After the first it counts as being there already.
func writtenResults(u *eventUnit, first ledger.Outcome) []ledger.Result {
	out := make([]ledger.Result, 0, len(u.Entries))
	for n, i := range u.Entries {
		outcome := first
		if n > 0 {
			outcome = ledger.Unchanged
		}
		out = append(out, ledger.Result{Index: i, Outcome: outcome, Event: eventRecord(u.State.event, outcome), Resolve: u.State.refused})
	}
	u.Entries = nil
	return out
}

// resolveContactAgain looks up a contact that Dynamics did not find although it was there a
// moment ago: it was deleted or merged. If it is still there, something else is missing
// that the row names, and the next failure is the row's own.
func (w *timelineWriter) resolveContactAgain(ctx context.Context, a *run.Attempt[*eventState], u *eventUnit) []ledger.Result {
	o := u.State
	w.contacts.forget(o.event.ContactID)
	w.contacts.forget(o.contact)
	to, err := w.retryResolveContacts(ctx, []string{o.event.ContactID})
	if err != nil {
		a.Fail(u, err)
		return nil
	}
	o.contactResolvedAgain = true
	if o.contact = to[o.event.ContactID]; o.contact == "" {
		return w.withoutContactResults(u)
	}
	if o.row, err = w.makeFittingRow(ctx, o); err != nil {
		a.Fail(u, err)
		return nil
	}
	a.WriteAgain(u)
	return nil
}
