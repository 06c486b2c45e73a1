package ingress

import (
	"context"
	"fmt"

	"causeway.dev/activities"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
)

// recordCounts counts records by what the ledger has of them.
type recordCounts struct {
	held    int64 // Campaign holds them
	parents int64 // of held, those that other records name
	waiting int64 // they are parked, and Campaign has nothing of them yet
}

// countNotFound counts the records of the ledger that were not found in Dynamics. Their
// deletes wait where Campaign hides the record or other records name it.
func (p *planner) countNotFound(ctx context.Context, known int64) error {
	books, table := p.a.o.Ledger, p.in.Table.Name
	waiting, err := books.NewParkedCount(ctx, table)
	if err != nil {
		return err
	}
	held := max(0, known-p.found.held)
	waiting = max(0, waiting-p.found.waiting)
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
	waits := min(held, hidden+max(0, parents-p.found.parents))
	p.out.Counts.Parked += waits
	p.out.Counts.Deleted += held - waits
	p.out.EngineCalls += held - waits
	return nil
}

// checkUnseen asks whether records that were not found are hidden and not gone. When
// Dynamics counts so many more than it showed, all of them may be.
func (p *planner) checkUnseen(ctx context.Context, table string, unseen int64) error {
	if err := p.a.lookForHidden(ctx, p.m, table); err != nil {
		return err
	}
	total, err := p.a.o.Source.TotalRecordCount(ctx, p.m.plan.Table.Dynamics.Table)
	if err != nil {
		return fmt.Errorf("counting the records of %s: %w", table, err)
	}
	if listed := p.out.Counts.Read; total-listed >= unseen {
		p.out.Short = &activities.ShortLoad{Expected: total, Listed: listed}
	}
	return nil
}

// countFound counts the records of the ledger that were found in Dynamics.
func (p *planner) countFound(ctx context.Context, keys []string, known map[string]*ledger.Record) error {
	parents, err := p.a.o.Ledger.Children(ctx, p.in.Table.Name, keys)
	for key, rec := range known {
		switch {
		case rec.Payload == nil && rec.State == ledger.Parked:
			p.found.waiting++
		case rec.Payload != nil:
			p.found.held++
			if parents[key] {
				p.found.parents++
			}
		}
	}
	return err
}

// hiddenCalls is how many calls it takes to learn that Campaign hides a record: a PATCH
// that does not find it, a POST whose key is taken, and a read.
const hiddenCalls = 3

func (p *planner) countParked(e *ledger.Entry, link mapping.Link, calls int64) {
	p.locked(func() {
		p.countOutcome(ledger.ParkedOut, calls, activities.PlanExample{ID: e.Key, Outcome: "parked", Why: "its parent in " + link.Table + " is not in Campaign"})
	})
}
