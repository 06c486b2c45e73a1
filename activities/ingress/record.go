package ingress

import (
	"context"
	"errors"
	"fmt"
	"time"

	"causeway.dev/activities/budget"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
	"causeway.dev/internal/reconcile"
)

// recordWriter brings one record of Campaign to what Dynamics says. It carries out what
// internal/reconcile decides, with as few calls as the ledger allows: none when nothing
// changed, and mostly one otherwise.
type recordWriter struct {
	activities *Activities
	target     budget.Target
	ledger     *ledger.Ledger
	m          *tableMapper
	listed     func(context.Context, *tableMapper, string) (*tableMapper, error) // see Activities.listed; nil: m is as it is
	run, table string
	runStarted time.Time
	parents    map[mapping.Link]bool // of the links that Campaign checks, those whose parent it holds
	children   map[string]bool       // deleted records that other records name
	waiting    map[string]*ledger.ParkedItem
	inDoubt    map[string][]ledger.Doubt // Campaign may hold something else of them than the ledger says
	onLate     func(key string)          // one had
	claimed    map[string]bool           // the records that a release may still try; nil: not a release
	optOuts    map[string]knownOptOuts   // of records that may be created; looked up for others
	guard      *deleteGuard
	onHidden   func(mapping.Link)
	retried    bool // an earlier attempt at this lane may have made unrecorded writes
	baseline   bool // note what was seen, so that the sweep finds the rest
	replay     bool // also write fields whose updates are not applied otherwise (R11.8)
}

// clockSkew is how far Campaign's clock may differ from ours when its stamps are
// compared with the start or the end of a run.
const clockSkew = 2 * time.Minute

// apply returns the outcome of one entry, or an error that leaves it open.
func (r *recordWriter) apply(ctx context.Context, u *recordState, e *ledger.Entry, p permit) (ledger.Result, error) {
	if r.claimed != nil && !r.claimed[e.Key] {
		return ledger.Result{Outcome: ledger.Unchanged}, nil
	}
	doubts := r.inDoubt[e.Key]
	if len(doubts) > 0 && !u.looked {
		return r.applyInDoubt(ctx, u, e, doubts, p)
	}
	d, err := r.beginDecision(ctx, u.known, e)
	if err != nil {
		return ledger.Result{}, err
	}
	d.facts.Ambiguous, d.facts.Lost = u.ambiguous, u.lost
	return d.carryOut(ctx, p)
}

// applyInDoubt is apply for a record of which Campaign may hold something else than the
// ledger says.
func (r *recordWriter) applyInDoubt(ctx context.Context, u *recordState, e *ledger.Entry, doubts []ledger.Doubt, p permit) (ledger.Result, error) {
	began := r.ledger.Now()
	d, err := r.look(ctx, u.known, e, doubts)
	if err != nil {
		return ledger.Result{}, err
	}
	d.facts.Ambiguous = u.ambiguous
	result, err := d.carryOut(ctx, p)
	if err != nil {
		return result, err
	}
	if result.Outcome == ledger.Unchanged && result.Record == nil && d.rec != u.known {
		// Campaign holds already what it is to hold, and the ledger does not know.
		if result, err = r.foundThere(u.known, d.rec, e); err != nil {
			return result, err
		}
	}
	d.asRestored(&result)
	u.looked = true
	result.Look = &ledger.Look{Key: e.Key, At: began}
	if u.lost = d.facts.Lost && (result.Outcome == ledger.ParkedOut || result.Outcome == ledger.Refused); u.lost {
		result.Look.At = time.Time{} // it is looked at again: the ledger does not know that it is lost
	}
	return result, nil
}

// carryOut looks up what the decision needs, sends what it calls for, and decides
// again by what Campaign answered.
func (d *decision) carryOut(ctx context.Context, p permit) (ledger.Result, error) {
	acquired := false
	for {
		a := d.action()
		if !acquired && (a.Sends() || a.Needs == reconcile.TargetRecord || a.Needs == reconcile.ShownParents) {
			if err := p.acquire(ctx); err != nil {
				return ledger.Result{}, err
			}
			acquired = true
		}
		again, err := d.step(ctx, &a)
		if again {
			continue
		}
		var result ledger.Result
		if err == nil {
			result, err = d.result(ctx, &a)
		}
		if acquired && (err != nil || result.Outcome == ledger.Refused || result.Outcome == ledger.ParkedOut) {
			p.release() // nothing was written
		}
		return result, err
	}
}

// step makes the next call that an action needs, if it needs one. again says that the
// call brought a new fact, so the decision is made once more.
func (d *decision) step(ctx context.Context, a *reconcile.Action) (again bool, err error) {
	sent := reconcile.Nothing
	switch {
	case a.Needs != reconcile.NoFact:
		if err = d.lookUp(ctx, a.Needs); err == nil || a.Needs != reconcile.TargetRecord {
			return err == nil, err
		}
	case a.Sends():
		if err = d.send(ctx, a); err == nil {
			return false, nil
		}
		sent = a.Kind
	default:
		return false, nil
	}
	taken := d.facts.KeyTaken
	fail, ok := errors.AsType[*apierr.Error](err)
	if !ok || !d.facts.Answered(sent, fail) {
		return false, err
	}
	if d.facts.KeyTaken && !taken {
		err = d.doubtsMayHide(ctx)
		return err == nil, err
	}
	return true, nil
}

// send makes the write that an action calls for. The before-image must be in the ledger
// before the write replaces what the record held.
func (d *decision) send(ctx context.Context, a *reconcile.Action) error {
	if a.Before != nil {
		if err := d.ledger.SaveBefore(ctx, d.run, d.table, ledger.BeforeImage{Key: d.e.Key, Existed: true, Payload: a.Before}); err != nil {
			return fmt.Errorf("keeping what record %s of %s held: %w", d.e.Key, d.table, err)
		}
	}
	switch a.Kind {
	case reconcile.Create:
		body, err := d.createBody(ctx, d.e.Key, d.e.Raw, a.Payload.Body())
		if err != nil {
			return err
		}
		if err := d.target.Create(ctx, d.m.resource, body.doc); err != nil {
			return err
		}
		// A stop that comes meanwhile does not undo what Campaign has answered.
		return d.ledger.ForgetOwedOptOuts(context.WithoutCancel(ctx), d.e.Key, body.handedOver)
	case reconcile.Delete:
		if err := d.keepOptOuts(ctx); err != nil {
			return err
		}
		return d.target.Delete(ctx, d.m.resource, d.m.mapper.MapKey(d.e.Key))
	}
	return d.target.Patch(ctx, d.m.resource, d.m.mapper.MapKey(d.e.Key), a.Body)
}

// schemaChanged makes a refusal for a field that Campaign no longer has stop the flow:
// it would come again for every record (R8.18).
func (r *recordWriter) schemaChanged(fail *apierr.Error) error {
	stop := *fail
	stop.Class = apierr.Blocked
	stop.Message = fmt.Sprintf("%s no longer fits the mapping: %s; check the field in Campaign or correct ingress.tables.%s, then start the table again",
		r.m.resource.Name, fail.Message, r.table)
	return &stop
}
