package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// PageInput is a page to stage.
type PageInput struct {
	Run, Table string
	Number     int
	Phase      string
	Lanes      [][]Entry
	Next       Cursor // of the next page of the phase; none on the last one
	End        Cursor // where the next run begins, if this page is the run's last
	ServerTime time.Time
	Deletes    int // entries that would be deleted in the target
}

// Page is a staged page without its records.
type Page struct {
	Run        string
	Number     int
	Phase      string
	Read       int
	LaneSizes  []int
	Next, End  Cursor // see PageInput
	ServerTime time.Time
}

// ResumePoint is where a run stands.
type ResumePoint struct {
	LastPage   *Page // nil: nothing staged
	Unfinished []OpenLaneRef
}

// StagePage keeps a page until it is written. What was staged first under a
// number wins and is returned, so a late attempt cannot replace a page that is
// being written. ErrNotFound without the run, ErrEnded when it has ended.
func (l *Ledger) StagePage(ctx context.Context, in PageInput) (*Page, error) {
	page := &Page{Run: in.Run, Number: in.Number, Phase: in.Phase, Next: in.Next, End: in.End, ServerTime: in.ServerTime, LaneSizes: make([]int, len(in.Lanes))}
	blobs := make([][]byte, len(in.Lanes))
	for i, entries := range in.Lanes {
		page.Read += len(entries)
		page.LaneSizes[i] = len(entries)
		if len(entries) == 0 {
			continue
		}
		var err error
		if blobs[i], err = l.seal.pack(encodeEntries(entries), LaneID{Run: in.Run, Page: in.Number, Lane: i}.place()); err != nil {
			return nil, err
		}
	}
	sizes, err := json.Marshal(page.LaneSizes)
	if err != nil {
		return nil, err
	}
	next, end, err := l.sealCursors(in.Run, in.Number, in.Next, in.End)
	if err != nil {
		return nil, err
	}
	first := false
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		first = false
		if err := l.takeTurnOf(ctx, tx, in.Run); err != nil {
			return err
		}
		if err := l.mayStage(ctx, tx, in.Run); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, l.q(`INSERT INTO page (run, number, tbl, phase, n_read, lane_sizes, server_time, n_deletes, next_kind, next_at, end_kind, end_at)
			VALUES (?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING`),
			slices.Concat([]any{in.Run, in.Number, in.Table, in.Phase, page.Read, string(sizes), millis(in.ServerTime), in.Deletes}, next.columns(), end.columns())...)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err != nil || n == 0 {
			return err
		}
		first = true
		return l.putLanes(ctx, tx, in, blobs)
	})
	if err != nil {
		return nil, fmt.Errorf("ledger: staging page %d of run %s: %w", in.Number, in.Run, err)
	}
	if first {
		return page, nil
	}
	return l.Page(ctx, in.Run, in.Number)
}

// mayStage keeps a late attempt from filling an ended run again, and the run
// from ending until the page is in.
func (l *Ledger) mayStage(ctx context.Context, tx txn, run string) error {
	query := `SELECT state FROM run WHERE id = ?`
	if l.postgres {
		query += ` FOR SHARE`
	}
	var state RunState
	err := tx.QueryRowContext(ctx, l.q(query), run).Scan(&state)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return ErrNotFound
	case err != nil:
		return err
	case state == RunCompleted || state == RunIncomplete || state == RunCancelled:
		return fmt.Errorf("%w: it is %s", ErrEnded, state)
	}
	return nil
}

func (l *Ledger) putLanes(ctx context.Context, tx txn, in PageInput, blobs [][]byte) error {
	for i, blob := range blobs {
		if blob == nil {
			continue
		}
		size := len(in.Lanes[i])
		if _, err := tx.ExecContext(ctx, l.q(`INSERT INTO lane (run, page, lane, size, outcomes) VALUES (?,?,?,?,?)`),
			in.Run, in.Number, i, size, make([]byte, size)); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, l.q(`INSERT INTO lane_data (run, page, lane, data) VALUES (?,?,?,?)`), in.Run, in.Number, i, blob); err != nil {
			return err
		}
	}
	return nil
}

const pageColumns = `run, number, phase, n_read, lane_sizes, server_time, next_kind, next_at, end_kind, end_at`

// Page returns a staged page, or ErrNotFound.
func (l *Ledger) Page(ctx context.Context, run string, number int) (*Page, error) {
	return l.scanPage(l.db.QueryRowContext(ctx, l.q(`SELECT `+pageColumns+` FROM page WHERE run = ? AND number = ?`), run, number))
}

func (l *Ledger) scanPage(row *sql.Row) (*Page, error) {
	var p Page
	var sizes string
	var server int64
	err := row.Scan(slices.Concat([]any{&p.Run, &p.Number, &p.Phase, &p.Read, &sizes, &server}, p.Next.places(), p.End.places())...)
	p.ServerTime = fromMillis(server)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: reading a page: %w", err)
	}
	if err := l.openCursors(&p); err != nil {
		return nil, fmt.Errorf("ledger: reading page %d of run %s: %w", p.Number, p.Run, err)
	}
	if err := json.Unmarshal([]byte(sizes), &p.LaneSizes); err != nil {
		return nil, fmt.Errorf("ledger: reading page %d of run %s: %w", p.Number, p.Run, err)
	}
	return &p, nil
}

// A link of a service can repeat the filter of a mapping, and with it what an operator wrote.
func (l *Ledger) sealCursors(run string, number int, next, end Cursor) (Cursor, Cursor, error) {
	var err, err2 error
	next.At, err = l.seal.closeText(next.At, at(pageNext, run, strconv.Itoa(number)))
	end.At, err2 = l.seal.closeText(end.At, at(pageEnd, run, strconv.Itoa(number)))
	return next, end, errors.Join(err, err2)
}

func (l *Ledger) openCursors(p *Page) error {
	return errors.Join(l.seal.openText(&p.Next.At, at(pageNext, p.Run, strconv.Itoa(p.Number))),
		l.seal.openText(&p.End.At, at(pageEnd, p.Run, strconv.Itoa(p.Number))))
}

// Resume returns where a run stands: its last page and the lanes not written, in
// page order.
func (l *Ledger) Resume(ctx context.Context, run string) (*ResumePoint, error) {
	last, err := l.scanPage(l.db.QueryRowContext(ctx, l.q(`SELECT `+pageColumns+` FROM page WHERE run = ? ORDER BY number DESC LIMIT 1`), run))
	if errors.Is(err, ErrNotFound) {
		return &ResumePoint{}, nil
	}
	if err != nil {
		return nil, err
	}
	open, err := l.unfinished(ctx, l.db, run)
	if err != nil {
		return nil, err
	}
	return &ResumePoint{LastPage: last, Unfinished: open}, nil
}

func (l *Ledger) unfinished(ctx context.Context, db queryer, run string) ([]OpenLaneRef, error) {
	rows, err := db.QueryContext(ctx, l.q(`SELECT page, lane, size FROM lane WHERE run = ? AND done = 0 ORDER BY page, lane`), run)
	if err != nil {
		return nil, fmt.Errorf("ledger: listing open lanes: %w", err)
	}
	return collect(rows, func(ref *OpenLaneRef, scan scanner) error {
		ref.Run = run
		return scan(&ref.Page, &ref.Lane, &ref.Size)
	})
}

// DropPages forgets what a run staged, for one that was given up. Lanes with
// unknown outcomes stay, because a rollback must look at them: see UnknownOutcomes.
func (l *Ledger) DropPages(ctx context.Context, run string) error {
	if err := l.write(ctx, func(ctx context.Context, tx txn) error {
		if err := l.takeTurnOf(ctx, tx, run); err != nil {
			return err
		}
		return l.dropPages(ctx, tx, run)
	}); err != nil {
		return fmt.Errorf("ledger: dropping the pages of run %s: %w", run, err)
	}
	return nil
}

// ForgetPages drops all that a run staged, for one that nothing will look at: its
// writes are not undone, or are known by their ids.
func (l *Ledger) ForgetPages(ctx context.Context, run string) error {
	err := l.write(ctx, func(ctx context.Context, tx txn) error {
		if err := l.takeTurnOf(ctx, tx, run); err != nil {
			return err
		}
		for _, table := range []string{"lane_data", "lane", "page"} {
			if _, err := tx.ExecContext(ctx, l.q(`DELETE FROM `+table+` WHERE run = ?`), run); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("ledger: forgetting the pages of run %s: %w", run, err)
	}
	return nil
}

func (l *Ledger) dropPages(ctx context.Context, tx txn, run string) error {
	if err := l.fenceHeld(ctx, tx, run); err != nil {
		return err
	}
	const unknown = ` EXISTS (SELECT 1 FROM lane WHERE lane.run = lane_data.run AND lane.page = lane_data.page AND lane.lane = lane_data.lane AND ` + unrecorded + `)`
	for _, q := range []string{forgetFileParts, `DELETE FROM lane_data WHERE run = ? AND NOT` + unknown, `DELETE FROM lane WHERE run = ? AND NOT ` + unrecorded} {
		if _, err := tx.ExecContext(ctx, l.q(q), run); err != nil {
			return err
		}
	}
	return l.dropEmptyPages(ctx, tx, run)
}

// fenceHeld takes the lanes of a run from the attempts that hold them. They may be
// dead, asleep, or about to learn that their run has ended.
func (l *Ledger) fenceHeld(ctx context.Context, tx txn, run string) error {
	rows, err := tx.QueryContext(ctx, l.q(`SELECT page, lane FROM lane WHERE run = ? AND held = 1 AND done = 0 AND token <> '' ORDER BY page, lane`), run)
	if err != nil {
		return err
	}
	held, err := collect(rows, func(id *LaneID, scan scanner) error {
		id.Run = run
		return scan(&id.Page, &id.Lane)
	})
	if err != nil {
		return err
	}
	for _, id := range held {
		lane, err := l.lockLane(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := l.doubtOpenEntries(ctx, tx, lane); err != nil {
			return err
		}
		lane.token = ""
		if err := lane.save(ctx, l, tx); err != nil {
			return err
		}
	}
	return nil
}

func (l *Ledger) dropEmptyPages(ctx context.Context, tx txn, run string) error {
	_, err := tx.ExecContext(ctx, l.q(`DELETE FROM page WHERE run = ? AND NOT EXISTS (SELECT 1 FROM lane WHERE lane.run = page.run AND lane.page = page.number)`), run)
	return err
}

type scanner func(dest ...any) error

// collect reads all rows and closes them.
func collect[T any](rows *sql.Rows, read func(*T, scanner) error) ([]T, error) {
	defer rows.Close()
	var out []T
	for rows.Next() {
		var item T
		if err := read(&item, rows.Scan); err != nil {
			return nil, fmt.Errorf("ledger: reading a row: %w", err)
		}
		out = append(out, item)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("ledger: reading rows: %w", err)
	}
	return out, nil
}
