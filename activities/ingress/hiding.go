package ingress

import (
	"cmp"
	"context"
	"fmt"

	"causeway.dev/activities"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
	"causeway.dev/internal/reconcile"
)

// Campaign hides a record whose parent is missing, and answers that it is not there. So
// "not found" proves nothing of a record that has parents: when the missing one comes, it
// shows again. This file finds out of whom that may be true.

// hidingParent is the parent for want of which Campaign was found to hide a record that the
// ledger holds nothing of: an earlier request had created it.
func (r *recordWriter) hidingParent(known *ledger.Record, key string) []mapping.Link {
	waits := r.waiting[key]
	if known == nil || known.Payload != nil || waits == nil || waits.Waits != ledger.WaitsForParent {
		return nil
	}
	link := mapping.Link{Table: waits.Parent.Table, Key: waits.Parent.Key}
	if r.m.mapper.Requires(link.Table) {
		return nil // nothing was sent, or it was refused
	}
	return []mapping.Link{link}
}

// mayBeHidden notes that Campaign may hide a record, that the ledger holds nothing of, for
// want of one of its parents. A parent that Campaign requires hides nothing: it would refuse
// the record, or delete it.
func (d *decision) mayBeHidden(by ...mapping.Link) {
	if d.known.Held() {
		return
	}
	for _, link := range by {
		if !link.Required {
			d.hiddenBy = append(d.hiddenBy, link)
		}
	}
	d.known.Hidden = len(d.hiddenBy) > 0
}

// doubtsMayHide notes the parents that a request without an answer has named, whether its doubt
// is due or not: the request may have created the record behind them.
func (d *decision) doubtsMayHide(ctx context.Context) error {
	if d.known.Held() || !d.m.mapper.HasLinks() {
		return nil
	}
	doubts, err := d.ledger.DoubtsAbout(ctx, d.table, d.e.Key)
	if err != nil {
		return err
	}
	for _, sent := range d.m.doubt(doubts).Sent {
		if sent != nil {
			d.mayBeHidden(d.m.mapper.Links(sent)...)
		}
	}
	return nil
}

// lookForParents asks Campaign for the parents that it holds by the ledger. It is a call each,
// and only for a record that is not found although it is to be there.
func (d *decision) lookForParents(ctx context.Context) error {
	links := d.hiddenBy
	if d.entry.Whole != nil {
		links = append(links[:len(links):len(links)], d.m.mapper.Links(d.entry.Whole)...)
	}
	if d.known.Held() {
		p, err := mapping.ParsePayload(d.rec.Payload)
		if err != nil {
			return fmt.Errorf("a record of %s in the ledger: %w", d.table, err)
		}
		links = append(links[:len(links):len(links)], d.m.mapper.Links(p)...)
	}
	f := &d.facts.Shown
	var err error
	f.Link, d.creator, f.Missing, err = d.firstErasedParent(ctx, links)
	f.Asked = err == nil
	return err
}

// firstErasedParent asks Campaign for parents that it holds by the ledger, and finds the first
// one that it does not show. creator is the run that has created that.
func (r *recordWriter) firstErasedParent(ctx context.Context, links []mapping.Link) (erased mapping.Link, creator string, found bool, err error) {
	for _, link := range links {
		if link.Required {
			continue
		}
		// Read before Campaign is asked: who creates the parent anew meanwhile is noticed.
		known, err := r.ledger.Records(ctx, link.Table, []string{link.Key})
		if err != nil {
			return link, "", false, err
		}
		parent := known[link.Key]
		if parent == nil || parent.Payload == nil {
			continue
		}
		shown, err := r.shows(ctx, link)
		if err != nil {
			return link, "", false, err
		}
		if !shown {
			return link, cmp.Or(parent.CreatedRun, ledger.NoRun), true, nil
		}
	}
	return mapping.Link{}, "", false, nil
}

// shows says whether Campaign shows a record of another table.
func (r *recordWriter) shows(ctx context.Context, link mapping.Link) (bool, error) {
	runs, err := r.ledger.Runs(ctx, ledger.RunFilter{Flow: activities.FlowIngress, Table: link.Table, Limit: 1})
	if err != nil || len(runs) == 0 {
		return true, err // nobody knows where it is
	}
	m, err := r.activities.storedMapping(ctx, runs[0].Revision)
	if err != nil {
		return false, err
	}
	_, err = r.target.Get(ctx, m.resource, m.mapper.MapKey(link.Key))
	if apierr.ReasonOf(err) == apierr.ReasonNotFound {
		return false, nil
	}
	return err == nil, err
}

// removedHidden is for a record that Campaign may have hidden and that is gone now. The ledger
// does not know what it held, so a rollback cannot bring it back.
func (d *decision) removedHidden(a *reconcile.Action) ledger.Result {
	result := d.neverHeld(d.rec, d.e)
	if a.Why != reconcile.DeletedInSource {
		result = d.leaveOut(d.rec, d.e)
	}
	if !a.Done {
		result.Outcome = ledger.Removed
	}
	return result
}
