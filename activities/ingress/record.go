package ingress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"causeway.dev/activities"
	"causeway.dev/activities/budget"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
)

// recordWriter brings one record of the target to what the source says, with as
// few calls as the ledger allows: none when nothing changed, one otherwise.
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
	if r.doubtful[e.Key] && !u.looked {
		return r.look(ctx, u, e, p)
	}
	return r.decide(ctx, u, e, p)
}

func (r *recordWriter) decide(ctx context.Context, u *unit, e *ledger.Entry, p permits) (settlement, error) {
	if e.Deleted {
		return r.applyDelete(ctx, u.known, e, p)
	}
	rule, err := r.m.mapper.Excluded(e.Raw)
	if err == nil && rule != "" {
		return r.exclude(ctx, u.known, e, p)
	}
	var w wanted
	if err == nil {
		w, err = r.want(u.known, e)
	}
	if err != nil {
		if bad, ok := errors.AsType[*mapping.FieldError](err); ok {
			return r.refuse(u.known, e, string(apierr.Rejected), bad.Reason, bad.Error(), bad.To), nil
		}
		return settlement{}, fmt.Errorf("mapping record %s of %s: %w", e.Key, r.table, err)
	}
	if !u.renew && u.known != nil && u.known.Payload != nil && bytes.Equal(u.known.Fingerprint, w.change.Fingerprint()) {
		return r.unchanged(u.known, e), nil
	}
	for _, link := range r.m.mapper.Links(w.whole) {
		if link.Required && !r.parents[link] {
			return r.park(u.known, e, link), nil
		}
	}
	if link, waits, err := r.stillWaits(ctx, u.known, w.whole); err != nil {
		return settlement{}, err
	} else if waits {
		return r.park(u.known, e, link), nil
	}
	if err := p.acquire(ctx); err != nil {
		return settlement{}, err
	}
	s, err := r.write(ctx, u, e, w)
	if err == nil {
		s.permit = true
		return s, nil
	}
	p.Release()
	if fail, ok := errors.AsType[*apierr.Error](err); ok && fail.Class == apierr.Rejected {
		if link, ok, err := r.orphan(ctx, fail, u.known, w.whole); err != nil {
			return settlement{}, err
		} else if ok {
			r.hidden(link)
			return r.park(u.known, e, link), nil
		}
		if fail.Reason == apierr.ReasonSchema {
			return settlement{}, r.drifted(fail)
		}
		return r.refuseOrphan(ctx, u.known, e, fail, w.whole)
	}
	return settlement{}, err
}

// wanted is what Campaign should hold of a record.
type wanted struct {
	whole  *mapping.Payload // when the record is created
	change *mapping.Payload // when it is there already: fields with apply_updates: false as they were
}

func (r *recordWriter) want(known *ledger.Record, e *ledger.Entry) (wanted, error) {
	whole, err := r.m.mapper.Map(e.Raw)
	w := wanted{whole: whole, change: whole}
	if err != nil || r.replay || !r.m.mapper.Holds() || known == nil || known.Payload == nil {
		return w, err
	}
	last, err := mapping.ParsePayload(known.Payload)
	if err != nil {
		return w, fmt.Errorf("as the ledger has it: %w", err)
	}
	w.change = r.m.mapper.Keep(whole, last)
	return w, nil
}

// exclude leaves a record out by the filter. One that Campaign never had costs
// no call (R13.8); another stays as it was or, where the mapping says so, goes.
func (r *recordWriter) exclude(ctx context.Context, known *ledger.Record, e *ledger.Entry, p permits) (settlement, error) {
	held := known != nil && known.Payload != nil
	if held && r.m.plan.Table.Filter.DeleteUnmatched {
		return r.remove(ctx, known, e, p, ledger.Filtered)
	}
	s := settlement{Result: ledger.Result{Outcome: ledger.FilteredOut}}
	if known == nil || known.State != ledger.Filtered {
		rec := &ledger.Record{Key: e.Key, Version: e.Version, TargetKey: r.m.mapper.MapKey(e.Key), State: ledger.Filtered, Run: r.run, SeenRun: r.run}
		if known != nil {
			rec.Payload, rec.Fingerprint, rec.CreatedRun, rec.SeenRun = known.Payload, known.Fingerprint, known.CreatedRun, r.seen(known)
			s.Resolve = known.State == ledger.Quarantined || known.State == ledger.Parked
		}
		s.Record = rec
	} else if held && r.baseline && known.SeenRun != r.run {
		s.Seen = e.Key
	}
	return s, nil
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

func (r *recordWriter) write(ctx context.Context, u *unit, e *ledger.Entry, w wanted) (settlement, error) {
	payload := w.whole
	if u.known != nil && u.known.Payload != nil && !u.renew {
		s, err := r.update(ctx, u.known, e, w.change)
		if apierr.ReasonOf(err) != apierr.ReasonNotFound {
			return s, err
		}
		// Somebody deleted it in Campaign; Dynamics is the source of truth (R2.1).
	}
	if u.ambiguous || u.renew {
		s, err := r.adopt(ctx, u, e, w.whole)
		if apierr.ReasonOf(err) != apierr.ReasonNotFound {
			return s, err
		}
	}
	err := r.target.Create(ctx, r.m.resource, payload.Body())
	if apierr.ReasonOf(err) == apierr.ReasonExists {
		s, err := r.adopt(ctx, u, e, payload)
		if apierr.ReasonOf(err) == apierr.ReasonNotFound {
			return settlement{}, &apierr.Error{Class: apierr.Rejected, Reason: apierr.ReasonConflict, Service: "campaign", Op: "create " + r.m.resource.Name,
				Message: "the key is taken, yet the record cannot be read; in Campaign it may wait for a parent that does not exist"}
		}
		return s, err
	}
	if err != nil {
		return settlement{}, err
	}
	return r.done(ledger.Created, u.known, e, payload, r.run), nil
}

// update sends only the fields that differ from what was last written, in one
// call; the first time after fields were added to the mapping, in two.
func (r *recordWriter) update(ctx context.Context, known *ledger.Record, e *ledger.Entry, payload *mapping.Payload) (settlement, error) {
	last, err := mapping.ParsePayload(known.Payload)
	if err != nil {
		return settlement{}, fmt.Errorf("record %s of %s in the ledger: %w", e.Key, r.table, err)
	}
	body, changed := payload.Diff(last)
	if len(changed) == 0 {
		return r.done(ledger.Unchanged, known, e, payload, known.CreatedRun), nil
	}
	before := known.Payload
	if r.m.mapper.Lacks(last) && known.CreatedRun != r.run {
		if before, body, err = r.widen(ctx, e, payload, last); err != nil {
			return settlement{}, err
		}
	}
	if err := r.target.Patch(ctx, r.m.resource, r.m.mapper.MapKey(e.Key), body); err != nil {
		return settlement{}, err
	}
	s := r.done(ledger.Updated, known, e, payload, known.CreatedRun)
	if r.m.mapper.Linked() && !slices.Equal(r.m.mapper.Links(payload), r.m.mapper.Links(last)) {
		s.Links = r.linksOf(payload)
	}
	if known.CreatedRun != r.run { // what the run created has nothing to go back to
		s.Before = &ledger.BeforeImage{Key: e.Key, Existed: true, Payload: before}
	}
	return s, nil
}

// widen is for a record that is to be written with fields which are new in the
// mapping. What Campaign holds in them is somebody else's: it is read and kept
// first, and an opt-out among it stays.
func (r *recordWriter) widen(ctx context.Context, e *ledger.Entry, payload, last *mapping.Payload) (before, body []byte, err error) {
	stored, err := r.target.Get(ctx, r.m.resource, r.m.mapper.MapKey(e.Key))
	if err != nil {
		return nil, nil, err
	}
	there, err := r.m.mapper.FromTarget(stored.Raw)
	if err != nil {
		return nil, nil, fmt.Errorf("reading record %s of %s from Campaign: %w", e.Key, r.table, err)
	}
	held, wish := r.m.mapper.Complete(payload, last, there)
	if err := r.ledger.SaveBefore(ctx, r.run, r.table, ledger.BeforeImage{Key: e.Key, Existed: true, Payload: held.Canonical()}); err != nil {
		return nil, nil, fmt.Errorf("keeping what record %s of %s held: %w", e.Key, r.table, err)
	}
	body, _ = wish.Diff(last)
	return held.Canonical(), body, nil
}

// adopt takes over a record that is in Campaign already: its own earlier write,
// or one with a matching key from before the integration (R2.6, R2.7).
func (r *recordWriter) adopt(ctx context.Context, u *unit, e *ledger.Entry, payload *mapping.Payload) (settlement, error) {
	key := r.m.mapper.MapKey(e.Key)
	stored, err := r.target.Get(ctx, r.m.resource, key)
	if err != nil {
		return settlement{}, err
	}
	held, err := r.m.mapper.FromTarget(stored.Raw)
	if err != nil {
		return settlement{}, fmt.Errorf("reading record %s of %s from Campaign: %w", e.Key, r.table, err)
	}
	wish := payload
	if !r.m.plan.Table.ClearOptOuts && (u.known == nil || u.known.Payload == nil) {
		// Who unsubscribed before the integration came stays so until Dynamics
		// says otherwise by a change.
		wish = r.m.mapper.KeepOptOuts(payload, held)
	}
	body, changed := wish.Diff(held)
	if len(changed) == 0 {
		if (u.ambiguous || r.retried) && r.createdByThisRun(stored.Created) {
			return r.done(ledger.Created, u.known, e, payload, r.run), nil
		}
		return r.done(ledger.Unchanged, u.known, e, payload, createdRun(u.known)), nil
	}
	// What it held must be safe before it is gone.
	image := ledger.BeforeImage{Key: e.Key, Existed: true, Payload: held.Canonical()}
	if err := r.ledger.SaveBefore(ctx, r.run, r.table, image); err != nil {
		return settlement{}, fmt.Errorf("keeping what record %s of %s held: %w", e.Key, r.table, err)
	}
	if err := r.target.Patch(ctx, r.m.resource, key, body); err != nil {
		return settlement{}, err
	}
	return r.done(ledger.Updated, u.known, e, payload, createdRun(u.known)), nil
}

// stampLayout is that of Campaign's stamps: "2019-09-25 23:20:35.000Z".
const stampLayout = "2006-01-02 15:04:05.999Z07:00"

// createdByThisRun reads Campaign's creation stamp.
func (r *recordWriter) createdByThisRun(stamp string) bool {
	created, err := time.Parse(stampLayout, stamp)
	return err == nil && created.After(r.runStarted.Add(-clockSkew))
}

func (r *recordWriter) applyDelete(ctx context.Context, known *ledger.Record, e *ledger.Entry, p permits) (settlement, error) {
	switch {
	case !r.m.plan.Table.ApplyDeletes && known != nil && (known.State == ledger.Quarantined || known.State == ledger.Parked):
		return r.closed(known, e), nil
	case !r.m.plan.Table.ApplyDeletes:
		return settlement{Result: ledger.Result{Outcome: ledger.FilteredOut}}, nil // R14.2
	case known == nil || known.Payload == nil:
		// Created and deleted before anybody looked: Campaign never had it.
		s := settlement{Result: ledger.Result{Outcome: ledger.Unchanged}}
		if known != nil && known.State != ledger.Deleted {
			s.Record, s.Resolve = r.deleted(known, e), true
		}
		return s, nil
	}
	return r.remove(ctx, known, e, p, ledger.Deleted)
}

// remove deletes the record that Campaign holds for this key.
func (r *recordWriter) remove(ctx context.Context, known *ledger.Record, e *ledger.Entry, p permits, state ledger.State) (settlement, error) {
	if link, hidden, err := r.stillHidden(ctx, known, e); err != nil {
		return settlement{}, err
	} else if hidden {
		return r.park(known, e, link), nil
	}
	if waits, err := r.mayDelete(ctx, e); err != nil {
		return settlement{}, err
	} else if waits != "" {
		return r.holdBack(known, e, waits), nil
	}
	if err := p.acquire(ctx); err != nil {
		return settlement{}, err
	}
	err := r.target.Delete(ctx, r.m.resource, r.m.mapper.MapKey(e.Key))
	if err != nil && apierr.ReasonOf(err) != apierr.ReasonNotFound { // R14.5
		p.Release()
		if fail, ok := errors.AsType[*apierr.Error](err); ok && fail.Class == apierr.Rejected {
			if fail.Reason == apierr.ReasonSchema {
				return settlement{}, r.drifted(fail)
			}
			return r.refuse(known, e, string(fail.Class), fail.Reason, fail.Message, fail.Field), nil
		}
		return settlement{}, err
	}
	if err != nil && r.m.mapper.Linked() {
		// Campaign hides a record whose parent is missing: it is not gone.
		link, hidden, failed := r.awaited(ctx, known.Payload)
		if hidden || failed != nil {
			p.Release()
			r.hidden(link)
			return r.park(known, e, link), failed
		}
	}
	gone := r.deleted(known, e)
	gone.State = state
	s := settlement{permit: true, Result: ledger.Result{Outcome: ledger.Removed, Record: gone, Resolve: true}}
	if known.CreatedRun != r.run { // what the run created was not there before it
		s.Before = &ledger.BeforeImage{Key: e.Key, Existed: true, Payload: known.Payload}
	}
	if r.m.mapper.Linked() {
		s.Links = []ledger.Parent{}
	}
	return s, nil
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

// drifted stops the flow: a refusal for a field the target no longer has would
// be repeated for every record (R8.18).
func (r *recordWriter) drifted(fail *apierr.Error) error {
	stop := *fail
	stop.Class = apierr.Blocked
	stop.Message = fmt.Sprintf("%s no longer fits the mapping: %s; check the field in Campaign or correct ingress.tables.%s, then start the table again",
		r.m.resource.Name, fail.Message, r.table)
	return &stop
}

func (r *recordWriter) done(outcome ledger.Outcome, known *ledger.Record, e *ledger.Entry, payload *mapping.Payload, created string) settlement {
	s := settlement{Result: ledger.Result{Outcome: outcome, Resolve: known != nil && known.State != ledger.Written,
		Record: r.written(known, e, payload.Canonical(), payload.Fingerprint(), created)}}
	s.Arrived = known == nil || known.Payload == nil
	s.Renewed = outcome == ledger.Created && everHeld(known)
	if r.m.mapper.Linked() && (s.Arrived || outcome == ledger.Created) { // created anew, it may name others
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
