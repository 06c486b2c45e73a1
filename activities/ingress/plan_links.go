package ingress

import (
	"context"

	"causeway.dev/activities"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
)

// standing is records as the ledger has them; also those of them met in Dynamics.
type standing struct {
	held    int64 // by Campaign
	parents int64 // of those, named by others
	waiting int64 // those that Campaign has nothing of yet
}

// gone counts what was not met in Dynamics. What Campaign hides, and what others
// name, waits.
func (p *planner) gone(ctx context.Context, known int64) error {
	books, table := p.a.o.Ledger, p.in.Table.Name
	waiting, err := books.NewParkedCount(ctx, table)
	if err != nil {
		return err
	}
	held := max(0, known-p.met.held)
	waiting = max(0, waiting-p.met.waiting)
	p.out.Counts.Read += held + waiting
	if !p.in.Table.ApplyDeletes {
		p.out.Counts.Filtered += held + waiting
		return nil
	}
	p.out.Counts.Unchanged += waiting
	parents, err := books.ParentCount(ctx, table)
	if err != nil {
		return err
	}
	hidden, err := books.HiddenDeletes(ctx, table)
	if err != nil {
		return err
	}
	waits := min(held, hidden+max(0, parents-p.met.parents))
	p.out.Counts.Parked += waits
	p.out.Counts.Deleted += held - waits
	p.out.EngineCalls += held - waits
	return nil
}

// meet notes which records of the ledger are there.
func (p *planner) meet(ctx context.Context, keys []string, known map[string]*ledger.Record) error {
	parents, err := p.a.o.Ledger.Children(ctx, p.in.Table.Name, keys)
	for key, rec := range known {
		switch {
		case rec.Payload == nil && rec.State == ledger.Parked:
			p.met.waiting++
		case rec.Payload != nil:
			p.met.held++
			if parents[key] {
				p.met.parents++
			}
		}
	}
	return err
}

// hiddenCalls is what it costs to find that Campaign hides a record: the PATCH that
// does not find it, the POST whose key is taken, and the read.
const hiddenCalls = 3

func (p *planner) park(e *ledger.Entry, link mapping.Link, calls int64) {
	p.count(func() {
		p.note(ledger.ParkedOut, calls, activities.PlanExample{ID: e.Key, Outcome: "parked", Why: "its parent in " + link.Table + " is not in Campaign"})
	})
}
