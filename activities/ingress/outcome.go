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

// result is what the ledger is told after an action was carried out.
func (d *decision) result(ctx context.Context, a *reconcile.Action) (ledger.Result, error) {
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
		if a.Why == reconcile.Erased {
			return d.leaveErased(), nil
		}
		return d.leaveOut(d.rec, d.e), nil
	case reconcile.Create:
		result := d.done(ledger.Created, d.rec, d.e, a.Payload, d.run)
		// An earlier request may have created it, and somebody deleted it since with its children.
		result.Renewed = result.Renewed || d.facts.Ambiguous || d.facts.Retried || len(d.inDoubt[d.e.Key]) > 0
		result.Returned = a.Why == reconcile.LostInTarget && !d.facts.Lost
		return result, nil
	case reconcile.Update:
		return d.updated(a), nil
	case reconcile.Adopt:
		outcome := ledger.Updated
		if a.Done {
			outcome = ledger.Unchanged
		}
		return d.done(outcome, d.rec, d.e, a.Payload, createdRun(d.rec)), nil
	case reconcile.Delete:
		if !d.known.Held() {
			return d.removedHidden(a), nil
		}
		return d.removed(a), nil
	case reconcile.HoldBack:
		return d.holdBackDelete(d.rec, d.e, a.Why), nil
	case reconcile.Park:
		if a.Why == reconcile.HiddenByTarget {
			d.reportHidden(a.Link)
		}
		result := d.park(d.rec, d.e, a.Link)
		if d.facts.Shown.Missing {
			result.Park.ParentRun = d.creator
		}
		return result, nil
	case reconcile.Stop:
		return ledger.Result{}, d.schemaChanged(d.facts.Refusal)
	}
	result := d.refuse(d.rec, d.e, string(apierr.Rejected), a.Refusal.Reason, a.Refusal.Message, a.Refusal.Field)
	if a.Orphan {
		if err := d.missesParent(ctx, d.entry.Whole, result.Quarantine); err != nil {
			return ledger.Result{}, err
		}
	}
	return result, nil
}

// neverHeld is for a record that was created and deleted in Dynamics before a run read
// it, so Campaign never held it.
func (r *recordWriter) neverHeld(known *ledger.Record, e *ledger.Entry) ledger.Result {
	result := ledger.Result{Outcome: ledger.Unchanged}
	if known != nil && known.State != ledger.Deleted {
		result.Record, result.Resolve = r.deleted(known, e), true
	}
	return result
}

// keepDeleted is for a delete that the mapping does not apply.
func (r *recordWriter) keepDeleted(known *ledger.Record, e *ledger.Entry) ledger.Result {
	if known != nil && (known.State == ledger.Quarantined || known.State == ledger.Parked) {
		return r.closeDeleted(known, e)
	}
	return ledger.Result{Outcome: ledger.FilteredOut}
}

// leaveOut is for a record that the filter leaves out. The ledger is told only what it
// does not know yet.
func (r *recordWriter) leaveOut(known *ledger.Record, e *ledger.Entry) ledger.Result {
	result := ledger.Result{Outcome: ledger.FilteredOut}
	if known != nil && known.State == ledger.Lost { // that somebody deleted it in Campaign stays known
		if r.baseline && known.SeenRun != r.run {
			result.Seen = e.Key
		}
		return result
	}
	if known == nil || known.State != ledger.Filtered {
		rec := &ledger.Record{Key: e.Key, Version: e.Version, TargetKey: r.m.mapper.MapKey(e.Key), State: ledger.Filtered, Run: r.run, SeenRun: r.run}
		if known != nil {
			rec.Payload, rec.Fingerprint, rec.CreatedRun, rec.SeenRun = known.Payload, known.Fingerprint, known.CreatedRun, r.seenBaseline(known)
			result.Resolve = known.State == ledger.Quarantined || known.State == ledger.Parked
		}
		result.Record = rec
	} else if known.Payload != nil && r.baseline && known.SeenRun != r.run {
		result.Seen = e.Key
	}
	return result
}

// leaveErased is for a record that somebody deleted in Campaign, and that stays deleted.
// The ledger keeps that, so the next change of it costs no call.
func (d *decision) leaveErased() ledger.Result {
	result := ledger.Result{Outcome: ledger.FilteredOut}
	if d.rec.State == ledger.Lost {
		if d.baseline && d.rec.SeenRun != d.run {
			result.Seen = d.e.Key
		}
		return result
	}
	rec := d.deleted(d.rec, d.e)
	rec.State, rec.SeenRun = ledger.Lost, d.seenBaseline(d.rec)
	result.Record, result.Resolve = rec, true
	if d.m.mapper.HasLinks() {
		result.Links = []ledger.Parent{}
	}
	return result
}

// unchanged is for a record that is as it was last written. The ledger is told only what
// it does not know yet.
func (r *recordWriter) unchanged(known *ledger.Record, e *ledger.Entry) ledger.Result {
	result := ledger.Result{Outcome: ledger.Unchanged}
	if known.State != ledger.Written {
		result.Record, result.Resolve = r.written(known, e, known.Payload, known.Fingerprint, known.CreatedRun), true
		return result
	}
	if r.baseline && known.SeenRun != r.run {
		result.Seen = e.Key
	}
	return result
}

// updated is for a record whose changed fields were written.
func (d *decision) updated(a *reconcile.Action) ledger.Result {
	result := d.done(ledger.Updated, d.rec, d.e, a.Payload, d.rec.CreatedRun)
	if m := d.m.mapper; m.HasLinks() && !slices.Equal(m.Links(a.Payload), m.Links(d.entry.Last)) {
		result.Links = d.linksOf(a.Payload)
	}
	if !d.known.Own { // a rollback deletes what the run created, and needs no before-image
		result.Before = &ledger.BeforeImage{Key: d.e.Key, Existed: true, Payload: d.rec.Payload}
		if a.Before != nil {
			result.Before.Payload = a.Before
		}
	}
	return result
}

// removed is for a record that Campaign does not hold any more.
func (d *decision) removed(a *reconcile.Action) ledger.Result {
	gone := d.deleted(d.rec, d.e)
	if a.Why == reconcile.ByFilter || a.Why == reconcile.WasMerged {
		gone.State = ledger.Filtered
	}
	result := ledger.Result{Outcome: ledger.Removed, Record: gone, Resolve: true}
	if !d.known.Own { // a rollback does not bring back what the run itself created
		result.Before = &ledger.BeforeImage{Key: d.e.Key, Existed: true, Payload: d.rec.Payload}
	}
	if d.m.mapper.HasLinks() {
		result.Links = []ledger.Parent{}
	}
	return result
}

// deleted is the record after Campaign has deleted it.
func (r *recordWriter) deleted(known *ledger.Record, e *ledger.Entry) *ledger.Record {
	return &ledger.Record{Key: e.Key, Version: e.Version, TargetKey: known.TargetKey, State: ledger.Deleted, Run: r.run, CreatedRun: known.CreatedRun, SeenRun: known.SeenRun}
}

// refuse sets a record aside. What Campaign holds of it stays.
func (r *recordWriter) refuse(known *ledger.Record, e *ledger.Entry, class, code, message, field string) ledger.Result {
	rec := &ledger.Record{Key: e.Key, Version: e.Version, TargetKey: r.m.mapper.MapKey(e.Key), State: ledger.Quarantined, Run: r.run, SeenRun: r.run}
	if known != nil {
		rec.Payload, rec.Fingerprint, rec.CreatedRun = known.Payload, known.Fingerprint, known.CreatedRun
	}
	return ledger.Result{Outcome: ledger.Refused, Record: rec, Resolve: known != nil && known.State == ledger.Parked, Quarantine: &ledger.QuarantineItem{
		Flow: activities.FlowIngress, Table: r.table, Key: e.Key, Version: e.Version, Run: r.run, Class: class, Code: code, Message: message, Field: field, Payload: e.Raw, State: "open",
	}}
}

// done is the result of a write, or of finding that none is needed: Campaign holds
// payload now.
func (r *recordWriter) done(outcome ledger.Outcome, known *ledger.Record, e *ledger.Entry, payload *mapping.Payload, created string) ledger.Result {
	result := ledger.Result{Outcome: outcome, Resolve: known != nil && known.State != ledger.Written,
		Record: r.written(known, e, payload.Canonical(), payload.Fingerprint(), created)}
	result.Arrived = known == nil || known.Payload == nil
	result.Renewed = outcome == ledger.Created && everHeld(known)
	if r.m.mapper.HasLinks() && (result.Arrived || outcome == ledger.Created) { // a record that was created anew may name other parents
		result.Links = r.linksOf(payload)
	}
	return result
}

// everHeld says that Campaign has held the record at some time, by the ledger.
func everHeld(known *ledger.Record) bool {
	return known != nil && (known.Payload != nil || known.CreatedRun != "" || known.State == ledger.Filtered || known.State == ledger.Deleted || known.State == ledger.Lost)
}

// written is the record with what Campaign holds of it now.
func (r *recordWriter) written(known *ledger.Record, e *ledger.Entry, payload, fingerprint []byte, created string) *ledger.Record {
	return &ledger.Record{Key: e.Key, Version: e.Version, TargetKey: r.m.mapper.MapKey(e.Key), State: ledger.Written,
		Payload: payload, Fingerprint: fingerprint, Run: r.run, CreatedRun: created, SeenRun: r.seenBaseline(known)}
}

// seenBaseline is the last baseline that showed the record.
func (r *recordWriter) seenBaseline(known *ledger.Record) string {
	if !r.baseline && known != nil {
		return known.SeenRun
	}
	return r.run
}

// createdRun is the run that created the record in Campaign; "" if none did.
func createdRun(known *ledger.Record) string {
	if known == nil {
		return ""
	}
	return known.CreatedRun
}
