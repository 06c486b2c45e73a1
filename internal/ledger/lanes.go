package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// String names the lane in messages.
func (id LaneID) String() string {
	return fmt.Sprintf("lane %d of page %d of run %s", id.Lane, id.Page, id.Run)
}

// OpenLane hands out a lane with what is settled of it, and fences off earlier
// openings: they can no longer settle or close it. A lane that is done comes
// without entries, with its counts, and keeps its fence. ErrNotFound for a lane
// that was not staged or whose page was dropped.
func (l *Ledger) OpenLane(ctx context.Context, id LaneID) (*Lane, error) {
	lane, err := l.openLane(ctx, id)
	if errors.Is(err, ErrNotFound) {
		lane, err = l.emptyLane(ctx, id)
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: opening %s: %w", id, err)
	}
	return lane, nil
}

func (l *Ledger) openLane(ctx context.Context, id LaneID) (*Lane, error) {
	lane := &Lane{ID: id}
	var outcomes []byte
	err := l.write(ctx, func(ctx context.Context, tx txn) error {
		err := tx.QueryRowContext(ctx, l.q(`UPDATE lane SET fence = fence + 1 - done, busy = CASE WHEN done = 1 THEN 0 WHEN busy = 0 THEN 1 ELSE 3 END,
			crashes = crashes + busy % 2, blamed = blamed + CASE WHEN busy % 2 = 1 AND suspect >= 0 THEN 1 ELSE 0 END,
			suspect = CASE WHEN suspect >= 0 THEN -2 - suspect ELSE suspect END WHERE run = ? AND page = ? AND lane = ?
			RETURNING fence, done, outcomes, crashes, suspect, blamed`), id.Run, id.Page, id.Lane).
			Scan(&lane.Fence, &lane.Done, &outcomes, &lane.Crashes, &lane.Suspect, &lane.Blamed)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, l.q(`SELECT tbl FROM page WHERE run = ? AND number = ?`), id.Run, id.Page).Scan(&lane.Table)
	})
	if err != nil {
		return nil, err
	}
	if lane.Suspect < -1 { // not in hand now, so no death of this attempt is laid at its door
		lane.Suspect = -2 - lane.Suspect
	}
	lane.Outcomes = make([]Outcome, len(outcomes))
	for i, o := range outcomes {
		lane.Outcomes[i] = Outcome(o)
	}
	if lane.Done {
		lane.Counts = countOf(outcomes)
		return lane, nil
	}
	lane.Entries, err = l.entries(ctx, id, len(outcomes))
	return lane, err
}

func (l *Ledger) entries(ctx context.Context, id LaneID, want int) ([]Entry, error) {
	var data []byte
	err := l.db.QueryRowContext(ctx, l.q(`SELECT data FROM lane_data WHERE run = ? AND page = ? AND lane = ?`), id.Run, id.Page, id.Lane).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrFenced // opened and closed by another attempt in this moment
	}
	if err != nil {
		return nil, err
	}
	plain, err := l.seal.open(data)
	if err != nil {
		return nil, err
	}
	entries, err := decodeEntries(plain)
	if err != nil {
		return nil, err
	}
	if len(entries) != want {
		return nil, errBlob
	}
	return entries, nil
}

// emptyLane is a lane of a staged page to which no record fell: done from the start.
func (l *Ledger) emptyLane(ctx context.Context, id LaneID) (*Lane, error) {
	page, err := l.Page(ctx, id.Run, id.Page)
	if err != nil {
		return nil, err
	}
	if id.Lane < 0 || id.Lane >= len(page.LaneSizes) || page.LaneSizes[id.Lane] != 0 {
		return nil, ErrNotFound
	}
	return &Lane{ID: id, Done: true}, nil
}

// CloseLane marks a lane written, drops its staged records and adds its counts
// to the run, once however often it is called; it returns the counts each time.
// Every entry must have an outcome. ErrFenced when another attempt has opened
// the lane since.
func (l *Ledger) CloseLane(ctx context.Context, id LaneID, fence int64) (Counts, error) {
	var counts Counts
	err := l.write(ctx, func(ctx context.Context, tx txn) error {
		lane, err := l.lockLane(ctx, tx, id, fence)
		if err != nil {
			return err
		}
		counts = countOf(lane.outcomes)
		if lane.done {
			return nil
		}
		if !counts.Balanced() {
			return fmt.Errorf("%d of %d entries have no outcome yet", counts.Read-counts.Settled(), counts.Read)
		}
		if _, err := tx.ExecContext(ctx, l.q(`UPDATE lane SET done = 1, busy = 0 WHERE run = ? AND page = ? AND lane = ?`), id.Run, id.Page, id.Lane); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, l.q(`DELETE FROM lane_data WHERE run = ? AND page = ? AND lane = ?`), id.Run, id.Page, id.Lane); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, l.q(`UPDATE run SET n_read = n_read + ?, n_created = n_created + ?, n_updated = n_updated + ?, n_unchanged = n_unchanged + ?,
			n_filtered = n_filtered + ?, n_deleted = n_deleted + ?, n_parked = n_parked + ?, n_quarantined = n_quarantined + ?,
			n_disabled = n_disabled + ?, n_soft_bounce = n_soft_bounce + ?, n_seed = n_seed + ?, n_no_contact = n_no_contact + ?, n_ignored = n_ignored + ? WHERE id = ?`),
			counts.Read, counts.Created, counts.Updated, counts.Unchanged, counts.Filtered, counts.Deleted, counts.Parked, counts.Quarantined,
			counts.Disabled, counts.SoftBounce, counts.SeedOrProof, counts.NoContact, counts.Ignored, id.Run)
		return err
	})
	if err != nil {
		return Counts{}, fmt.Errorf("ledger: closing %s: %w", id, err)
	}
	return counts, nil
}

func countOf(outcomes []byte) Counts {
	var c Counts
	for _, o := range outcomes {
		c.Count(Outcome(o))
	}
	return c
}

// lockedLane is a lane that no other transaction can change.
type lockedLane struct {
	outcomes    []byte
	done        bool
	flow, table string
}

// lockLane reads a lane for an opening that still holds it.
func (l *Ledger) lockLane(ctx context.Context, tx txn, id LaneID, fence int64) (*lockedLane, error) {
	query := `SELECT lane.outcomes, lane.done, lane.fence, page.tbl, run.flow FROM lane
		JOIN page ON page.run = lane.run AND page.number = lane.page JOIN run ON run.id = lane.run
		WHERE lane.run = ? AND lane.page = ? AND lane.lane = ?`
	if l.postgres {
		query += ` FOR UPDATE OF lane`
	}
	var lane lockedLane
	var now int64
	err := tx.QueryRowContext(ctx, l.q(query), id.Run, id.Page, id.Lane).Scan(&lane.outcomes, &lane.done, &now, &lane.table, &lane.flow)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, ErrNotFound
	case err != nil:
		return nil, err
	case now != fence:
		return nil, ErrFenced
	}
	return &lane, nil
}
