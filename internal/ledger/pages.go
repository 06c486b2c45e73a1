package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
)

// StagePage keeps a page until it is written. What was staged first under a
// number wins and is returned, so a late attempt cannot replace a page that is
// being written.
func (l *Ledger) StagePage(ctx context.Context, in PageInput) (*Page, error) {
	page := &Page{Run: in.Run, Number: in.Number, Phase: in.Phase, NextLink: in.NextLink, DeltaLink: in.DeltaLink}
	blobs := make([][]byte, len(in.Lanes))
	for i, entries := range in.Lanes {
		page.Read += len(entries)
		page.LaneSizes = append(page.LaneSizes, len(entries))
		if len(entries) == 0 {
			continue
		}
		var err error
		if blobs[i], err = l.seal.close(encodeEntries(entries)); err != nil {
			return nil, err
		}
	}
	sizes, err := json.Marshal(page.LaneSizes)
	if err != nil {
		return nil, err
	}
	first := false
	err = l.tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, l.q(`INSERT INTO page (run, number, tbl, phase, n_read, lane_sizes, next_link, delta_link, server_time)
			VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING`),
			in.Run, in.Number, in.Table, in.Phase, page.Read, string(sizes), in.NextLink, in.DeltaLink, millis(in.ServerTime))
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err != nil || n == 0 {
			return err
		}
		first = true
		for i, blob := range blobs {
			if blob == nil {
				continue
			}
			if _, err := tx.ExecContext(ctx, l.q(`INSERT INTO lane (run, page, lane, size, data, outcomes) VALUES (?,?,?,?,?,?)`),
				in.Run, in.Number, i, len(in.Lanes[i]), blob, make([]byte, len(in.Lanes[i]))); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: staging page %d of %s: %w", in.Number, in.Run, err)
	}
	if first {
		return page, nil
	}
	return l.Page(ctx, in.Run, in.Number)
}

const pageColumns = `run, number, phase, n_read, lane_sizes, next_link, delta_link`

// Page returns a staged page, or ErrNotFound.
func (l *Ledger) Page(ctx context.Context, run string, number int) (*Page, error) {
	return scanPage(l.db.QueryRowContext(ctx, l.q(`SELECT `+pageColumns+` FROM page WHERE run = ? AND number = ?`), run, number))
}

func scanPage(row *sql.Row) (*Page, error) {
	var p Page
	var sizes string
	err := row.Scan(&p.Run, &p.Number, &p.Phase, &p.Read, &sizes, &p.NextLink, &p.DeltaLink)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: reading a page: %w", err)
	}
	return &p, json.Unmarshal([]byte(sizes), &p.LaneSizes)
}

// Resume returns where a run stands: its last page and the lanes not written.
func (l *Ledger) Resume(ctx context.Context, run string) (*ResumePoint, error) {
	last, err := scanPage(l.db.QueryRowContext(ctx, l.q(`SELECT `+pageColumns+` FROM page WHERE run = ? ORDER BY number DESC LIMIT 1`), run))
	if errors.Is(err, ErrNotFound) {
		return &ResumePoint{}, nil
	}
	if err != nil {
		return nil, err
	}
	open, err := l.unfinished(ctx, l.db, run)
	return &ResumePoint{LastPage: last, Unfinished: open}, err
}

type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func (l *Ledger) unfinished(ctx context.Context, db queryer, run string) ([]OpenLaneRef, error) {
	rows, err := db.QueryContext(ctx, l.q(`SELECT page, lane, size FROM lane WHERE run = ? AND done = 0 ORDER BY page, lane`), run)
	if err != nil {
		return nil, fmt.Errorf("ledger: listing open lanes: %w", err)
	}
	defer rows.Close()
	var out []OpenLaneRef
	for rows.Next() {
		ref := OpenLaneRef{LaneID: LaneID{Run: run}}
		if err := rows.Scan(&ref.Page, &ref.Lane, &ref.Size); err != nil {
			return nil, err
		}
		out = append(out, ref)
	}
	return out, rows.Err()
}

// OpenLane hands out a lane with what is settled of it, and fences off earlier
// openings: they can no longer settle.
func (l *Ledger) OpenLane(ctx context.Context, id LaneID) (*Lane, error) {
	lane := &Lane{ID: id}
	var data, outcomes []byte
	var done int
	err := l.tx(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, l.q(`UPDATE lane SET fence = fence + 1 WHERE run = ? AND page = ? AND lane = ?
			RETURNING fence, done, data, outcomes`), id.Run, id.Page, id.Lane).Scan(&lane.Fence, &done, &data, &outcomes)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, l.q(`SELECT tbl FROM page WHERE run = ? AND number = ?`), id.Run, id.Page).Scan(&lane.Table)
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: opening lane %d of page %d of %s: %w", id.Lane, id.Page, id.Run, err)
	}
	lane.Outcomes = make([]Outcome, len(outcomes))
	for i, o := range outcomes {
		lane.Outcomes[i] = Outcome(o)
		if done == 1 {
			lane.Counts.Count(Outcome(o))
		}
	}
	if lane.Done = done == 1; lane.Done {
		return lane, nil
	}
	plain, err := l.seal.open(data)
	if err != nil {
		return nil, err
	}
	if lane.Entries, err = decodeEntries(plain); err != nil {
		return nil, err
	}
	if len(lane.Entries) != len(lane.Outcomes) {
		return nil, errBlob
	}
	return lane, nil
}

// CloseLane marks a lane written, drops its records and adds its counts to the
// run, once however often it is called. Every entry must have an outcome.
func (l *Ledger) CloseLane(ctx context.Context, id LaneID, fence int64) (Counts, error) {
	var counts Counts
	err := l.tx(ctx, func(tx *sql.Tx) error {
		outcomes, done, err := l.lockLane(ctx, tx, id, fence)
		if err != nil {
			return err
		}
		for i, o := range outcomes {
			if Outcome(o) == Pending {
				return fmt.Errorf("entry %d has no outcome yet", i)
			}
			counts.Count(Outcome(o))
		}
		if done {
			return nil
		}
		if _, err := tx.ExecContext(ctx, l.q(`UPDATE lane SET done = 1, data = NULL WHERE run = ? AND page = ? AND lane = ?`), id.Run, id.Page, id.Lane); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, l.q(`UPDATE run SET n_read = n_read + ?, n_created = n_created + ?, n_updated = n_updated + ?, n_unchanged = n_unchanged + ?,
			n_filtered = n_filtered + ?, n_deleted = n_deleted + ?, n_parked = n_parked + ?, n_quarantined = n_quarantined + ? WHERE id = ?`),
			counts.Read, counts.Created, counts.Updated, counts.Unchanged, counts.Filtered, counts.Deleted, counts.Parked, counts.Quarantined, id.Run)
		return err
	})
	if err != nil {
		return Counts{}, fmt.Errorf("ledger: closing lane %d of page %d of %s: %w", id.Lane, id.Page, id.Run, err)
	}
	return counts, nil
}

// lockLane reads the outcomes of a lane for an opening that still holds it.
func (l *Ledger) lockLane(ctx context.Context, tx *sql.Tx, id LaneID, fence int64) (outcomes []byte, done bool, err error) {
	query := `SELECT outcomes, done, fence FROM lane WHERE run = ? AND page = ? AND lane = ?`
	if l.postgres {
		query += ` FOR UPDATE`
	}
	var now int64
	err = tx.QueryRowContext(ctx, l.q(query), id.Run, id.Page, id.Lane).Scan(&outcomes, &done, &now)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, false, ErrNotFound
	case err != nil:
		return nil, false, err
	case now != fence:
		return nil, false, ErrFenced
	}
	return outcomes, done, nil
}
