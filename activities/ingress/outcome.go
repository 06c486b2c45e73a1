package ingress

import (
	"context"
	"slices"

	"causeway.dev/activities"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
	"causeway.dev/internal/reconcile"
)

// outcome is what the ledger is told of an action that was carried out.
func (d *decision) outcome(ctx context.Context, a *reconcile.Action) (settlement, error) {
	switch a.Kind {
	case reconcile.Nothing:
		return d.neverHeld(d.rec, d.e), nil
	case reconcile.Unchanged:
		if a.Why == reconcile.SameAsWritten {
			return d.unchanged(d.rec, d.e), nil
		}
		return d.done(ledger.Unchanged, d.rec, d.e, a.Payload, d.rec.CreatedRun), nil
	case reconcile.LeaveOut:
		if a.Why == reconcile.DeletesOff {
			return d.keepDeleted(d.rec, d.e), nil
		}
		return d.leaveOut(d.rec, d.e), nil
	case reconcile.Create:
		return d.done(ledger.Created, d.rec, d.e, a.Payload, d.run), nil
	case reconcile.Update:
		return d.updated(a), nil
	case reconcile.Adopt:
		outcome := ledger.Updated
		if a.Done {
			outcome = ledger.Unchanged
		}
		return d.done(outcome, d.rec, d.e, a.Payload, createdRun(d.rec)), nil
	case reconcile.Delete:
		return d.removed(a), nil
	case reconcile.HoldBack:
		return d.holdBack(d.rec, d.e, a.Why), nil
	case reconcile.Park:
		if a.Why == reconcile.HiddenByTarget {
			d.hidden(a.Link)
		}
		return d.park(d.rec, d.e, a.Link), nil
	case reconcile.Stop:
		return settlement{}, d.drifted(d.facts.Refusal)
	}
	s := d.refuse(d.rec, d.e, string(apierr.Rejected), a.Refusal.Reason, a.Refusal.Message, a.Refusal.Field)
	if a.Orphan {
		var err error
		if s.Quarantine.Parent, err = d.lacking(ctx, d.entry.Whole); err != nil {
			return settlement{}, err
		}
	}
	return s, nil
}

// neverHeld is for what was created and deleted before anybody looked.
func (r *recordWriter) neverHeld(known *ledger.Record, e *ledger.Entry) settlement {
	s := settlement{Result: ledger.Result{Outcome: ledger.Unchanged}}
	if known != nil && known.State != ledger.Deleted {
		s.Record, s.Resolve = r.deleted(known, e), true
	}
	return s
}

// keepDeleted leaves out a delete that is not applied.
func (r *recordWriter) keepDeleted(known *ledger.Record, e *ledger.Entry) settlement {
	if known != nil && (known.State == ledger.Quarantined || known.State == ledger.Parked) {
		return r.closed(known, e)
	}
	return settlement{Result: ledger.Result{Outcome: ledger.FilteredOut}}
}

// leaveOut is for a record that the filter leaves out. The ledger is told only what
// it does not know yet.
func (r *recordWriter) leaveOut(known *ledger.Record, e *ledger.Entry) settlement {
	s := settlement{Result: ledger.Result{Outcome: ledger.FilteredOut}}
	if known == nil || known.State != ledger.Filtered {
		rec := &ledger.Record{Key: e.Key, Version: e.Version, TargetKey: r.m.mapper.MapKey(e.Key), State: ledger.Filtered, Run: r.run, SeenRun: r.run}
		if known != nil {
			rec.Payload, rec.Fingerprint, rec.CreatedRun, rec.SeenRun = known.Payload, known.Fingerprint, known.CreatedRun, r.seen(known)
			s.Resolve = known.State == ledger.Quarantined || known.State == ledger.Parked
		}
		s.Record = rec
	} else if known.Payload != nil && r.baseline && known.SeenRun != r.run {
		s.Seen = e.Key
	}
	return s
}

// unchanged costs no call; the ledger is told only what it does not know yet.
func (r *recordWriter) unchanged(known *ledger.Record, e *ledger.Entry) settlement {
	s := settlement{Result: ledger.Result{Outcome: ledger.Unchanged}}
	if known.State != ledger.Written {
		s.Record, s.Resolve = r.written(known, e, known.Payload, known.Fingerprint, known.CreatedRun), true
		return s
	}
	if r.baseline && known.SeenRun != r.run {
		s.Seen = e.Key
	}
	return s
}

// updated is for a record that was written with the fields that changed.
func (d *decision) updated(a *reconcile.Action) settlement {
	s := d.done(ledger.Updated, d.rec, d.e, a.Payload, d.rec.CreatedRun)
	if m := d.m.mapper; m.HasLinks() && !slices.Equal(m.Links(a.Payload), m.Links(d.entry.Last)) {
		s.Links = d.linksOf(a.Payload)
	}
	if !d.known.Own { // what the run created has nothing to go back to
		s.Before = &ledger.BeforeImage{Key: d.e.Key, Existed: true, Payload: d.rec.Payload}
		if a.Before != nil {
			s.Before.Payload = a.Before
		}
	}
	return s
}

// removed is for a record that Campaign does not hold any more.
func (d *decision) removed(a *reconcile.Action) settlement {
	gone := d.deleted(d.rec, d.e)
	if a.Why == reconcile.ByFilter {
		gone.State = ledger.Filtered
	}
	s := settlement{Result: ledger.Result{Outcome: ledger.Removed, Record: gone, Resolve: true}}
	if !d.known.Own { // what the run created was not there before it
		s.Before = &ledger.BeforeImage{Key: d.e.Key, Existed: true, Payload: d.rec.Payload}
	}
	if d.m.mapper.HasLinks() {
		s.Links = []ledger.Parent{}
	}
	return s
}

func (r *recordWriter) deleted(known *ledger.Record, e *ledger.Entry) *ledger.Record {
	return &ledger.Record{Key: e.Key, Version: e.Version, TargetKey: known.TargetKey, State: ledger.Deleted, Run: r.run, CreatedRun: known.CreatedRun, SeenRun: known.SeenRun}
}

// refuse sets a record aside. What Campaign holds of it stays as it was.
func (r *recordWriter) refuse(known *ledger.Record, e *ledger.Entry, class, code, message, field string) settlement {
	rec := &ledger.Record{Key: e.Key, Version: e.Version, TargetKey: r.m.mapper.MapKey(e.Key), State: ledger.Quarantined, Run: r.run, SeenRun: r.run}
	if known != nil {
		rec.Payload, rec.Fingerprint, rec.CreatedRun = known.Payload, known.Fingerprint, known.CreatedRun
	}
	return settlement{Result: ledger.Result{Outcome: ledger.Refused, Record: rec, Resolve: known != nil && known.State == ledger.Parked, Quarantine: &ledger.QuarantineItem{
		Flow: activities.FlowIngress, Table: r.table, Key: e.Key, Version: e.Version, Run: r.run, Class: class, Code: code, Message: message, Field: field, Payload: e.Raw, State: "open",
	}}}
}

func (r *recordWriter) done(outcome ledger.Outcome, known *ledger.Record, e *ledger.Entry, payload *mapping.Payload, created string) settlement {
	s := settlement{Result: ledger.Result{Outcome: outcome, Resolve: known != nil && known.State != ledger.Written,
		Record: r.written(known, e, payload.Canonical(), payload.Fingerprint(), created)}}
	s.Arrived = known == nil || known.Payload == nil
	s.Renewed = outcome == ledger.Created && everHeld(known)
	if r.m.mapper.HasLinks() && (s.Arrived || outcome == ledger.Created) { // created anew, it may name others
		s.Links = r.linksOf(payload)
	}
	return s
}

// everHeld says that Campaign held a record once, as far as the ledger knows.
func everHeld(known *ledger.Record) bool {
	return known != nil && (known.Payload != nil || known.CreatedRun != "" || known.State == ledger.Filtered || known.State == ledger.Deleted || known.State == ledger.Lost)
}

func (r *recordWriter) written(known *ledger.Record, e *ledger.Entry, payload, fingerprint []byte, created string) *ledger.Record {
	return &ledger.Record{Key: e.Key, Version: e.Version, TargetKey: r.m.mapper.MapKey(e.Key), State: ledger.Written,
		Payload: payload, Fingerprint: fingerprint, Run: r.run, CreatedRun: created, SeenRun: r.seen(known)}
}

// seen is the baseline that saw the record last.
func (r *recordWriter) seen(known *ledger.Record) string {
	if !r.baseline && known != nil {
		return known.SeenRun
	}
	return r.run
}

func createdRun(known *ledger.Record) string {
	if known == nil {
		return ""
	}
	return known.CreatedRun
}
