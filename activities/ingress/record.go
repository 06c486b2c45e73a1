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

// recordWriter brings one record of the target to what the source says: it carries
// out what internal/reconcile decides, with as few calls as the ledger allows, none
// when nothing changed and one otherwise.
type recordWriter struct {
	target     budget.Target
	ledger     *ledger.Ledger
	m          *tableMapper
	run, table string
	runStarted time.Time
	parents    map[mapping.Link]bool // those the target holds, of the links that Campaign checks
	children   map[string]bool       // deleted records that others name
	waiting    map[string]*ledger.ParkedItem
	doubtful   map[string]bool // Campaign may have removed them with a parent, or changed them
	claimed    map[string]bool // of a release: what it may still try; nil = everything
	guard      *guard
	hides      func(mapping.Link)
	retried    bool // an earlier attempt of this lane may have written without telling
	baseline   bool // mark what was seen, for the sweep
	replay     bool // write fields whose updates are not applied, too (R11.8)
}

// permits is where a write to the target asks before it is sent.
type permits interface {
	acquire(ctx context.Context) error
	Release()
}

// clockSkew is how far the target's clock may be behind ours when its creation
// stamps are compared with the start of a run.
const clockSkew = 2 * time.Minute

// apply returns the outcome of one entry, or an error that leaves it open.
func (r *recordWriter) apply(ctx context.Context, u *unit, e *ledger.Entry, p permits) (settlement, error) {
	if r.claimed != nil && !r.claimed[e.Key] {
		return settlement{Result: ledger.Result{Outcome: ledger.Unchanged}}, nil
	}
	d, err := r.consider(u.known, e)
	if err != nil {
		return settlement{}, err
	}
	d.facts.Ambiguous = u.ambiguous
	doubtful := r.doubtful[e.Key] && !u.looked
	switch {
	case doubtful:
		d.facts.Doubt = reconcile.Doubtful
	case u.renew:
		d.facts.Doubt = reconcile.LinksLost
	}
	s, err := d.carryOut(ctx, p)
	if !doubtful || err != nil {
		return s, err
	}
	// What somebody changed in the record besides its links is theirs, as ever.
	u.looked, u.renew = true, d.facts.Doubt == reconcile.LinksLost
	if s.Record == nil && u.known != nil {
		known := *u.known
		s.Record = &known
	}
	s.Resolve = s.Resolve || s.Park == nil // a park replaces the doubt
	return s, nil
}

// carryOut looks up what the decision needs, sends what it calls for, and decides
// again by what Campaign answered.
func (d *decision) carryOut(ctx context.Context, p permits) (settlement, error) {
	permit := false
	for {
		a := d.action()
		if !permit && (a.Sends() || a.Needs == reconcile.TargetRecord) {
			if err := p.acquire(ctx); err != nil {
				return settlement{}, err
			}
			permit = true
		}
		again, err := d.step(ctx, &a)
		if again {
			continue
		}
		var s settlement
		if err == nil {
			s, err = d.outcome(ctx, &a)
		}
		if s.permit = permit && err == nil && s.Outcome != ledger.Refused && s.Outcome != ledger.ParkedOut; permit && !s.permit {
			p.Release()
		}
		return s, err
	}
}

// step does one call for an action, if it takes one: again says that the decision is
// to be made anew, with what was found.
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
	if fail, ok := errors.AsType[*apierr.Error](err); ok && d.facts.Answered(sent, fail) {
		return true, nil
	}
	return false, err
}

// send makes the write that an action calls for. What the record held must be safe
// before it is gone.
func (d *decision) send(ctx context.Context, a *reconcile.Action) error {
	if a.Before != nil {
		if err := d.ledger.SaveBefore(ctx, d.run, d.table, ledger.BeforeImage{Key: d.e.Key, Existed: true, Payload: a.Before}); err != nil {
			return fmt.Errorf("keeping what record %s of %s held: %w", d.e.Key, d.table, err)
		}
	}
	switch a.Kind {
	case reconcile.Create:
		return d.target.Create(ctx, d.m.resource, a.Payload.Body())
	case reconcile.Delete:
		return d.target.Delete(ctx, d.m.resource, d.m.mapper.MapKey(d.e.Key))
	}
	return d.target.Patch(ctx, d.m.resource, d.m.mapper.MapKey(d.e.Key), a.Body)
}

// drifted stops the flow: a refusal for a field the target no longer has would
// be repeated for every record (R8.18).
func (r *recordWriter) drifted(fail *apierr.Error) error {
	stop := *fail
	stop.Class = apierr.Blocked
	stop.Message = fmt.Sprintf("%s no longer fits the mapping: %s; check the field in Campaign or correct ingress.tables.%s, then start the table again",
		r.m.resource.Name, fail.Message, r.table)
	return &stop
}
