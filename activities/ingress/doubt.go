package ingress

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"causeway.dev/activities"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
	"causeway.dev/internal/reconcile"
)

// A request whose end nobody knows may take effect after a newer one. The ledger keeps
// such records as doubtful until Campaign was read after that can no longer happen.
// So does it keep the children of a record that was created anew. This file looks at
// them: what Campaign has lost or got late is put right by the same decisions as any
// other change.

// doubtfulNow reads the doubtful records that are due as Dynamics has them now. Those that
// Campaign holds as the late request would leave them are done without a call.
func (w *changeWait) doubtfulNow(ctx context.Context) ([]dataverse.Change, error) {
	due, err := w.o.Ledger.DueDoubts(ctx, w.in.Table, sweepPage)
	if err != nil || len(due) == 0 {
		return nil, err
	}
	keys := make([]string, 0, len(due))
	for key := range due {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	known, err := w.o.Ledger.Records(ctx, w.in.Table, keys)
	if err != nil {
		return nil, err
	}
	now := w.o.Ledger.Now()
	var harmless, later []string
	keys = slices.DeleteFunc(keys, func(key string) bool {
		if r := known[key]; r != nil && r.State == ledger.Quarantined {
			later = append(later, key) // it is looked at when it is tried again
			return true
		}
		for _, d := range due[key] {
			if !w.harmless(ctx, known[key], &d) {
				return false
			}
		}
		harmless = append(harmless, key)
		return true
	})
	if err := w.o.Ledger.LookedAt(ctx, w.in.Table, harmless, now); err != nil {
		return nil, err
	}
	if err := w.o.Ledger.LookLater(ctx, w.in.Table, later); err != nil {
		return nil, err
	}
	page, _, err := w.readCurrent(ctx, w.m, w.in, keys, false)
	if err != nil {
		return nil, err
	}
	return page.Changes, nil
}

// harmless says that a late request can change nothing: Campaign holds what it carries, or
// it deletes what Campaign does not hold.
func (w *changeWait) harmless(ctx context.Context, known *ledger.Record, d *ledger.Doubt) (same bool) {
	if d.Carries == ledger.CarriesDelete {
		return known == nil || known.Payload == nil
	}
	if d.Carries != ledger.CarriesRecord || known == nil || known.State != ledger.Written {
		return false
	}
	of, err := w.o.Ledger.Run(ctx, d.Run)
	if err != nil || of.Revision != w.in.Revision { // it was mapped in another way
		return false
	}
	withoutPanic(func() {
		sent := w.m.sent(d)
		same = sent != nil && bytes.Equal(sent.Fingerprint(), known.Fingerprint)
	})
	return same
}

// sent is what a doubtful request carries; nil when that is not known.
func (m *tableMapper) sent(d *ledger.Doubt) *mapping.Payload {
	read := m.mapper.Map
	switch d.Carries {
	case ledger.CarriesRecord:
	case ledger.CarriesBefore:
		read = m.mapper.Parse
	default:
		return nil
	}
	sent, err := read(d.Raw)
	if err != nil {
		return nil
	}
	return sent
}

// look reads a doubtful record in Campaign, and begins the decision about it as it is
// there.
func (r *recordWriter) look(ctx context.Context, known *ledger.Record, e *ledger.Entry, doubts []ledger.Doubt) (decision, error) {
	target, err := r.readTarget(ctx, e.Key)
	if err != nil {
		return decision{}, err
	}
	var held reconcile.Known
	if known != nil {
		held = reconcile.Known{Payload: known.Payload, Fingerprint: known.Fingerprint}
	}
	doubt := r.m.doubt(doubts)
	rules := r.m.rules()
	looked, err := rules.Look(&held, &target, &doubt)
	if err != nil {
		return decision{}, fmt.Errorf("record %s of %s in the ledger: %w", e.Key, r.table, err)
	}
	d, err := r.beginDecision(ctx, r.asLooked(known, e, &looked, doubts), e)
	if err != nil {
		return d, err
	}
	if r.rolledBack(known, e) {
		if err := d.restore(known); err != nil {
			return d, err
		}
	}
	if !d.known.Held() && target.Payload == nil {
		for _, sent := range doubt.Sent {
			if sent != nil {
				d.mayBeHidden(r.m.mapper.Links(sent)...)
			}
		}
	}
	if d.facts.Lost = looked.LinksLost; d.facts.Lost || !d.known.Held() {
		d.facts.Target = target
	}
	if doubt.Requests && looked.Differs && r.onLate != nil {
		r.onLate(e.Key)
	}
	return d, nil
}

// doubt gathers what is in doubt of one record.
func (m *tableMapper) doubt(of []ledger.Doubt) reconcile.Doubt {
	var out reconcile.Doubt
	for i := range of {
		d := &of[i]
		if d.Carries == ledger.CarriesNothing {
			continue
		}
		if !out.Requests || d.Since.Before(out.Since) {
			out.Since = d.Since
		}
		out.Requests = true
		if d.Carries != ledger.CarriesDelete {
			out.Sent = append(out.Sent, m.sent(d))
		}
	}
	return out
}

// asLooked is what the ledger would hold of a record, had it been told of what a look found.
func (r *recordWriter) asLooked(known *ledger.Record, e *ledger.Entry, looked *reconcile.Looked, doubts []ledger.Doubt) *ledger.Record {
	if !looked.Differs || looked.LinksLost {
		return known
	}
	as := &ledger.Record{Key: e.Key, Version: e.Version, TargetKey: r.m.mapper.MapKey(e.Key), State: ledger.Written}
	if known != nil {
		*as = *known
	}
	if looked.Created {
		as.State, as.CreatedRun = ledger.Written, doubts[0].Run
	}
	as.Payload, as.Fingerprint = looked.Payload, looked.Fingerprint
	return as
}

// foundThere is the result for a record that a late request has left as it is to be.
func (r *recordWriter) foundThere(known, there *ledger.Record, e *ledger.Entry) (ledger.Result, error) {
	p, err := r.m.mapper.Parse(there.Payload)
	if err != nil {
		return ledger.Result{}, fmt.Errorf("record %s of %s in Campaign: %w", e.Key, r.table, err)
	}
	outcome := ledger.Updated
	if known == nil || known.Payload == nil {
		outcome = ledger.Created
	}
	return r.done(outcome, known, e, p, there.CreatedRun), nil
}

// rolledBack says that a record is to stay as a rollback has left it: nothing about it has
// changed in Dynamics since.
func (r *recordWriter) rolledBack(known *ledger.Record, e *ledger.Entry) bool {
	return known != nil && strings.HasPrefix(known.Run, "rollback-") && known.Version == e.Version && !e.Deleted && !r.baseline && !r.replay && r.claimed == nil
}

// restore has a decision bring a record back to what a rollback has left.
func (d *decision) restore(known *ledger.Record) error {
	d.restored = known
	if known.Payload == nil {
		d.entry = reconcile.Entry{Deleted: true}
		d.rules.ApplyDeletes = true
		return nil
	}
	left, err := d.m.mapper.Parse(known.Payload)
	if err != nil {
		return fmt.Errorf("record %s of %s in the ledger: %w", known.Key, d.table, err)
	}
	d.entry = reconcile.Entry{Version: known.Version, Whole: left, Change: left, Same: bytes.Equal(known.Fingerprint, d.known.Fingerprint)}
	if d.known.Held() && !d.entry.Same {
		d.entry.Last, err = mapping.ParsePayload(d.known.Payload)
	}
	return err
}

// asRestored keeps that the record is as the rollback left it.
func (d *decision) asRestored(result *ledger.Result) {
	if d.restored == nil || result.Record == nil {
		return
	}
	as := *d.restored
	result.Record = &as
}

// warnLate tells of a record that a late request had changed.
func (a *Activities) warnLate(table, key string) {
	a.metrics.of(table).late.Inc(1)
	a.o.Logger.Warn("a request that came late had changed a record in Campaign; it is put right", "flow", activities.FlowIngress, "table", table, "record_id", key)
}
