package ingress

import (
	"context"
	"fmt"
	"slices"
	"time"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
	"causeway.dev/internal/reconcile"
)

// decision is one record on its way to an action: what the ledger holds of it, what
// Dynamics says, and the facts that have been looked up so far.
type decision struct {
	*recordWriter
	rec   *ledger.Record
	e     *ledger.Entry
	rules reconcile.Rules
	known reconcile.Known
	entry reconcile.Entry
	facts reconcile.Facts

	hiddenBy []mapping.Link // the parents that Campaign may hide it for, where the ledger holds nothing of it
	creator  string         // of the parent of facts.Shown
	restored *ledger.Record // the decision only keeps it as a rollback has left it
}

// beginDecision begins a decision with the facts that were looked up for all records of
// the lane together.
//
// What the metadata does not list is looked for in the metadata as it is now, before the
// record is refused for it.
func (r *recordWriter) beginDecision(ctx context.Context, rec *ledger.Record, e *ledger.Entry) (decision, error) {
	for {
		d, err := r.readEntry(rec, e)
		if err != nil || r.listed == nil || d.entry.Refused == nil || d.entry.Refused.Unlisted == "" {
			return d, err
		}
		m, err := r.listed(ctx, r.m, d.entry.Refused.Unlisted)
		if err != nil || m == r.m {
			return d, err
		}
		with := *r // the writer is shared by the records of a lane
		with.m = m
		r = &with
	}
}

// readEntry maps the row of an entry.
func (r *recordWriter) readEntry(rec *ledger.Record, e *ledger.Entry) (decision, error) {
	d := decision{recordWriter: r, rec: rec, e: e, rules: r.m.rules(), entry: reconcile.Entry{Version: e.Version, Deleted: e.Deleted},
		facts: reconcile.Facts{Parents: r.parents, Children: r.children[e.Key], Waits: waitingFor(r.waiting[e.Key]), Retried: r.retried}}
	d.rules.Replay, d.rules.LeaveErased = r.replay, r.m.plan.Table.LeavesErased(r.replay)
	if rec != nil {
		d.known = reconcile.Known{Payload: rec.Payload, Fingerprint: rec.Fingerprint, Parked: rec.State == ledger.Parked, Own: r.run != "" && rec.CreatedRun == r.run,
			Lost: rec.State == ledger.Lost}
	}
	d.mayBeHidden(r.hidingParent(rec, e.Key)...)
	if e.Deleted {
		return d, nil
	}
	var err error
	if d.entry, err = d.rules.Read(&d.known, e.Version, e.Raw); err != nil {
		return d, fmt.Errorf("mapping record %s of %s, which the ledger has: %w", e.Key, r.table, err)
	}
	return d, nil
}

// rules are those of the table's mapping.
func (m *tableMapper) rules() reconcile.Rules {
	t := &m.plan.Table
	return reconcile.Rules{Mapper: m.mapper, ApplyDeletes: t.ApplyDeletes, DeleteUnmatched: t.Filter.DeleteUnmatched, DeleteMerged: t.DeletesMerged(),
		LeaveErased: t.LeavesErased(false), ClearOptOuts: t.ClearOptOuts}
}

// action is what the record calls for by the facts that are known so far.
func (d *decision) action() reconcile.Action { return d.rules.Decide(&d.known, &d.entry, &d.facts) }

// resolveFacts looks facts up until the action needs no more, or only one of except.
func (d *decision) resolveFacts(ctx context.Context, except ...reconcile.Fact) (reconcile.Action, error) {
	for {
		a := d.action()
		if a.Needs == reconcile.NoFact || slices.Contains(except, a.Needs) {
			return a, nil
		}
		if err := d.lookUp(ctx, a.Needs); err != nil {
			return a, err
		}
	}
}

// lookUp asks the ledger or Campaign for a fact.
func (d *decision) lookUp(ctx context.Context, fact reconcile.Fact) (err error) {
	switch fact {
	case reconcile.WantedParents:
		f := &d.facts.Wanted
		f.Link, f.Missing, err = d.firstMissingParent(ctx, d.m.mapper.Links(d.entry.Whole))
		f.Asked = err == nil
	case reconcile.HeldParents:
		f := &d.facts.Held
		if d.known.Hidden {
			f.Link, f.Missing, err = d.firstMissingParent(ctx, d.hiddenBy)
		} else {
			f.Link, f.Missing, err = d.missingParentOf(ctx, d.rec.Payload)
		}
		f.Asked = err == nil
	case reconcile.ShownParents:
		err = d.lookForParents(ctx)
	case reconcile.GuardOpen:
		var open bool
		if open, err = d.guard.allows(ctx); err == nil {
			d.facts.Guard = reconcile.GuardForbids
			if open {
				d.facts.Guard = reconcile.GuardAllows
			}
		}
	case reconcile.TargetRecord:
		d.facts.Target, err = d.readTarget(ctx, d.e.Key)
	}
	return err
}

// readTarget reads what Campaign shows of a record.
func (r *recordWriter) readTarget(ctx context.Context, key string) (reconcile.Target, error) {
	stored, err := r.target.Get(ctx, r.m.resource, r.m.mapper.MapKey(key))
	if apierr.ReasonOf(err) == apierr.ReasonNotFound {
		return reconcile.Target{Asked: true}, nil
	}
	if err != nil {
		return reconcile.Target{}, err
	}
	held, err := r.m.mapper.FromTarget(stored.Raw)
	if err != nil {
		return reconcile.Target{}, fmt.Errorf("reading record %s of %s from Campaign: %w", key, r.table, err)
	}
	target := reconcile.Target{Asked: true, Payload: held}
	if created, err := time.Parse(stampLayout, stored.Created); err == nil {
		target.Created, target.Ours = created, created.After(r.runStarted.Add(-clockSkew))
	}
	return target, nil
}

// stampLayout is that of Campaign's stamps: "2019-09-25 23:20:35.000Z".
const stampLayout = "2006-01-02 15:04:05.999Z07:00"

// hiddenByTarget says whether Campaign hides a record rather than not having it, by what
// the ledger knows of its parents, and which parent is missing.
func (d *decision) hiddenByTarget(ctx context.Context) (mapping.Link, bool, error) {
	if !d.m.mapper.HasLinks() {
		return mapping.Link{}, false, nil
	}
	as := *d
	if err := as.doubtsMayHide(ctx); err != nil {
		return mapping.Link{}, false, err
	}
	as.facts.KeyTaken, as.facts.Target = true, reconcile.Target{Asked: true}
	a, err := as.resolveFacts(ctx, reconcile.ShownParents)
	return a.Link, a.Kind == reconcile.Park, err
}

func waitingFor(p *ledger.ParkedItem) reconcile.Waiting {
	if p == nil {
		return reconcile.Waiting{}
	}
	return reconcile.Waiting{For: waits[p.Waits], Deleted: p.Deleted, Version: p.Version, Ready: p.Ready}
}

var waits = map[ledger.Waits]reconcile.Wait{
	ledger.WaitsForParent: reconcile.ForParent, ledger.WaitsForChildren: reconcile.ForChildren,
	ledger.WaitsForDeleteGuard: reconcile.ForGuard,
}
