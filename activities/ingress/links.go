package ingress

import (
	"context"
	"fmt"

	"causeway.dev/activities"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
)

// park makes a change wait until Campaign holds its parent (R17.7). Nothing is sent for
// it meanwhile, and it goes on without an operator.
func (r *recordWriter) park(known *ledger.Record, e *ledger.Entry, link mapping.Link) ledger.Result {
	rec := &ledger.Record{Key: e.Key, Version: e.Version, TargetKey: r.m.mapper.MapKey(e.Key), State: ledger.Parked, Run: r.run, SeenRun: r.seenBaseline(known)}
	if known != nil {
		rec.Payload, rec.Fingerprint, rec.CreatedRun = known.Payload, known.Fingerprint, known.CreatedRun
	}
	return ledger.Result{Outcome: ledger.ParkedOut, Record: rec, Resolve: known != nil && known.State == ledger.Quarantined,
		Park: &ledger.ParkedItem{Key: e.Key, Version: e.Version, Waits: ledger.WaitsForParent,
			Parent: ledger.Parent{Table: link.Table, Key: link.Key}, Deleted: e.Deleted, Payload: e.Raw}}
}

// missingParentOf is firstMissingParent for a payload as the ledger has it.
func (r *recordWriter) missingParentOf(ctx context.Context, payload []byte) (mapping.Link, bool, error) {
	p, err := mapping.ParsePayload(payload)
	if err != nil {
		return mapping.Link{}, false, fmt.Errorf("a record of %s in the ledger: %w", r.table, err)
	}
	return r.firstMissingParent(ctx, r.m.mapper.Links(p))
}

// firstMissingParent finds the first parent that Campaign does not hold and may still
// get. A deleted parent does not come back, and hides nothing any more.
func (r *recordWriter) firstMissingParent(ctx context.Context, links []mapping.Link) (mapping.Link, bool, error) {
	for _, link := range links {
		found, err := r.ledger.Records(ctx, link.Table, []string{link.Key})
		if err != nil {
			return link, false, err
		}
		if parent := found[link.Key]; parent == nil || parent.Payload == nil && parent.State != ledger.Deleted {
			return link, true, nil
		}
	}
	return mapping.Link{}, false, nil
}

// reportHidden passes on that Campaign hides a record for want of a parent.
func (r *recordWriter) reportHidden(link mapping.Link) {
	if r.onHidden != nil && link.Table != "" && !link.Required { // for a required link Campaign refuses the record, whatever the cardinality
		r.onHidden(link)
	}
}

// warnHiding advises against a cardinality that hides records, once for each link.
// Campaign's metadata does not show the cardinality (R17.4).
func (a *Activities) warnHiding(table string, link mapping.Link) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if key := table + " " + link.Table; !a.hidingWarned[key] {
		if a.hidingWarned == nil {
			a.hidingWarned = map[string]bool{}
		}
		a.hidingWarned[key] = true
		a.o.Logger.Warn("Campaign hides records whose parent is missing; changes of them wait until it comes",
			"flow", activities.FlowIngress, "table", table, "parent", link.Table, "hint", "prefer cardinality 0 or 1 for this link in Campaign") // R17.4
	}
}

// linksOf lists the parents that a payload names.
func (r *recordWriter) linksOf(p *mapping.Payload) []ledger.Parent {
	out := []ledger.Parent{}
	for _, link := range r.m.mapper.Links(p) {
		out = append(out, ledger.Parent{Table: link.Table, Key: link.Key})
	}
	return out
}

// parentsAndChildren looks up for a whole lane which parents Campaign holds, of the links
// that it checks, and which deleted records still have children there.
func (a *Activities) parentsAndChildren(ctx context.Context, m *tableMapper, table string, lane *ledger.Lane) (map[mapping.Link]bool, map[string]bool, error) {
	wanted := map[string][]string{}
	var deleted []string
	for i := range lane.Entries {
		e := &lane.Entries[i]
		switch {
		case lane.Outcomes[i] != ledger.Pending:
		case e.Deleted:
			deleted = append(deleted, e.Key)
		case m.mapper.HasLinks():
			withoutPanic(func() {
				p, err := m.mapper.Map(e.Raw)
				if err != nil {
					return // it is refused when it is written
				}
				for _, link := range m.mapper.Links(p) {
					if link.Required {
						wanted[link.Table] = append(wanted[link.Table], link.Key)
					}
				}
			})
		}
	}
	parents := map[mapping.Link]bool{}
	for of, keys := range wanted {
		held, err := a.o.Ledger.Holds(ctx, of, keys)
		if err != nil {
			return nil, nil, err
		}
		for key := range held {
			parents[mapping.Link{Table: of, Key: key, Required: true}] = true
		}
	}
	if len(deleted) == 0 {
		return parents, nil, nil
	}
	children, err := a.o.Ledger.Children(ctx, table, deleted)
	return parents, children, err
}
