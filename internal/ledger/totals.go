package ledger

import (
	"context"
	"fmt"
)

// Total is what the runs of a flow and table that have ended did together.
type Total struct {
	Flow, Table string
	Runs        int64
	Counts      Counts
}

// Totals are those of all flows. Triggers keep them in the transaction that ends a run, so
// reading them costs the same however many runs there were.
func (l *Ledger) Totals(ctx context.Context) ([]Total, error) {
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT flow, tbl, runs, n_read, n_created, n_updated, n_unchanged, n_filtered, n_deleted, n_parked, n_quarantined,
		n_disabled, n_soft_bounce, n_seed, n_no_contact, n_ignored FROM run_total ORDER BY flow, tbl`))
	if err != nil {
		return nil, fmt.Errorf("ledger: what all runs did: %w", err)
	}
	return collect(rows, func(t *Total, scan scanner) error {
		c := &t.Counts
		return scan(&t.Flow, &t.Table, &t.Runs, &c.Read, &c.Created, &c.Updated, &c.Unchanged, &c.Filtered, &c.Deleted, &c.Parked, &c.Quarantined,
			&c.Disabled, &c.SoftBounce, &c.SeedOrProof, &c.NoContact, &c.Ignored)
	})
}
