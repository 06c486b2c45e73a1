package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Settle commits outcomes of a lane with everything that follows from them, in
// one transaction. On SQLite, calls that wait at the same time share a
// transaction, each behind a savepoint of its own, so that one's failure is not
// the others'. ErrFenced when another attempt has opened the lane since.
func (l *Ledger) Settle(ctx context.Context, id LaneID, fence int64, group []Settlement) error {
	if len(group) == 0 {
		return nil
	}
	err := l.commits.do(ctx, func(ctx context.Context, tx *sql.Tx) error { return l.settle(ctx, tx, id, fence, group) })
	if err != nil {
		return fmt.Errorf("ledger: settling %d records of %s: %w", len(group), id.Run, err)
	}
	return nil
}

func (l *Ledger) settle(ctx context.Context, tx *sql.Tx, id LaneID, fence int64, group []Settlement) error {
	outcomes, done, err := l.lockLane(ctx, tx, id, fence)
	if err != nil {
		return err
	}
	if done {
		return errors.New("the lane is closed")
	}
	var table string
	if err := tx.QueryRowContext(ctx, l.q(`SELECT tbl FROM page WHERE run = ? AND number = ?`), id.Run, id.Page).Scan(&table); err != nil {
		return err
	}
	records := make([]*Record, 0, len(group))
	for i := range group {
		s := &group[i]
		if s.Index < 0 || s.Index >= len(outcomes) {
			return fmt.Errorf("entry %d is not in the lane of %d", s.Index, len(outcomes))
		}
		outcomes[s.Index] = byte(s.Outcome)
		if s.Record != nil {
			records = append(records, s.Record)
		}
		if err := l.settleOne(ctx, tx, id.Run, table, s); err != nil {
			return err
		}
	}
	if err := l.putRecords(ctx, tx, table, latest(records)); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, l.q(`UPDATE lane SET outcomes = ? WHERE run = ? AND page = ? AND lane = ?`), outcomes, id.Run, id.Page, id.Lane)
	return err
}

// latest keeps the last of several states of one key: a statement may not touch a row twice.
func latest(records []*Record) []*Record {
	at := make(map[string]int, len(records))
	out := records[:0]
	for _, r := range records {
		if i, ok := at[r.Key]; ok {
			out[i] = r
			continue
		}
		at[r.Key] = len(out)
		out = append(out, r)
	}
	return out
}

// settleOne writes what only some outcomes call for.
func (l *Ledger) settleOne(ctx context.Context, tx *sql.Tx, run, table string, s *Settlement) error {
	if s.Seen != "" {
		if _, err := tx.ExecContext(ctx, l.q(`UPDATE record SET seen_run = ? WHERE tbl = ? AND key = ?`), run, table, s.Seen); err != nil {
			return err
		}
	}
	if s.Before != nil {
		if err := l.putBefore(ctx, tx, run, table, *s.Before); err != nil {
			return err
		}
	}
	if s.Resolve && s.Record != nil {
		if _, err := tx.ExecContext(ctx, l.q(`UPDATE quarantine SET state = 'released', last_seen = ? WHERE tbl = ? AND key = ? AND state = 'open'`),
			time.Now().UnixMilli(), table, s.Record.Key); err != nil {
			return err
		}
	}
	if q := s.Quarantine; q != nil {
		sealed, err := l.seal.close(q.Payload)
		if err != nil {
			return err
		}
		now := time.Now().UnixMilli()
		_, err = tx.ExecContext(ctx, l.q(`INSERT INTO quarantine (flow, tbl, key, run, class, code, field, message, payload, state, first_seen, last_seen, attempts)
			VALUES (?,?,?,?,?,?,?,?,?,'open',?,?,1)
			ON CONFLICT (flow, tbl, key) DO UPDATE SET run = excluded.run, class = excluded.class, code = excluded.code, field = excluded.field,
			message = excluded.message, payload = excluded.payload, state = 'open', last_seen = excluded.last_seen, attempts = quarantine.attempts + 1`),
			q.Flow, table, q.Key, run, q.Class, q.Code, q.Field, q.Message, sealed, now, now)
		return err
	}
	return nil
}

const upsertRecord = `INSERT INTO record (tbl, key, version, target_key, state, payload, fingerprint, run, created_run, seen_run) VALUES `

const onRecordConflict = ` ON CONFLICT (tbl, key) DO UPDATE SET version = excluded.version, target_key = excluded.target_key, state = excluded.state,
	payload = excluded.payload, fingerprint = excluded.fingerprint, run = excluded.run, created_run = excluded.created_run, seen_run = excluded.seen_run`

// putRecords upserts many rows per statement: the cost of a statement, not of a
// row, dominates.
func (l *Ledger) putRecords(ctx context.Context, tx *sql.Tx, table string, records []*Record) error {
	for len(records) > 0 {
		n := 1
		for _, size := range batchSizes {
			if len(records) >= size {
				n = size
				break
			}
		}
		args := make([]any, 0, 10*n)
		for _, r := range records[:n] {
			args = append(args, table, r.Key, r.Version, r.TargetKey, string(r.State), r.Payload, r.Fingerprint, r.Run, r.CreatedRun, r.SeenRun)
		}
		if err := l.commits.upsert(ctx, tx, n, args); err != nil {
			return err
		}
		records = records[n:]
	}
	return nil
}

// committer runs transactions; on SQLite it merges those that wait together.
type committer struct {
	l     *Ledger
	queue chan *commit
	done  chan struct{}

	stmts map[int]*sql.Stmt // record upserts by number of rows
}

type commit struct {
	run    func(context.Context, *sql.Tx) error
	answer chan error
}

const mergeMax = 64

func newCommitter(ctx context.Context, l *Ledger) (*committer, error) {
	c := &committer{l: l, queue: make(chan *commit, mergeMax), done: make(chan struct{}), stmts: map[int]*sql.Stmt{}}
	if err := c.prepare(ctx); err != nil {
		return nil, err
	}
	go c.loop()
	return c, nil
}

func (c *committer) close() {
	close(c.queue)
	<-c.done
	for _, s := range c.stmts {
		_ = s.Close()
	}
}

// do commits run. A caller that gives up early leaves its work to be committed.
func (c *committer) do(ctx context.Context, run func(context.Context, *sql.Tx) error) error {
	if c.l.postgres {
		return c.l.tx(ctx, func(tx *sql.Tx) error { return run(ctx, tx) })
	}
	x := &commit{run: run, answer: make(chan error, 1)}
	select {
	case c.queue <- x:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-x.answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *committer) loop() {
	defer close(c.done)
	for first := range c.queue {
		group := []*commit{first}
	gather:
		for len(group) < mergeMax {
			select {
			case x, ok := <-c.queue:
				if !ok {
					break gather
				}
				group = append(group, x)
			default:
				break gather
			}
		}
		c.commit(group)
	}
}

func (c *committer) commit(group []*commit) {
	ctx := context.Background() // a caller's cancellation is not the group's
	failures := make([]error, len(group))
	err := c.l.tx(ctx, func(tx *sql.Tx) error {
		for i, x := range group {
			if len(group) == 1 {
				return x.run(ctx, tx)
			}
			if _, err := tx.ExecContext(ctx, "SAVEPOINT one"); err != nil {
				return err
			}
			if failures[i] = x.run(ctx, tx); failures[i] != nil {
				if _, err := tx.ExecContext(ctx, "ROLLBACK TO one"); err != nil {
					return err
				}
			}
			if _, err := tx.ExecContext(ctx, "RELEASE one"); err != nil {
				return err
			}
		}
		return nil
	})
	for i, x := range group {
		if err != nil {
			failures[i] = err
		}
		x.answer <- failures[i]
	}
}

// batchSizes are the numbers of rows a record upsert is prepared for.
var batchSizes = []int{50, 20, 5, 1}

func upsertOf(n int) string {
	return upsertRecord + strings.TrimSuffix(strings.Repeat("(?,?,?,?,?,?,?,?,?,?),", n), ",") + onRecordConflict
}

// prepare keeps the upserts on SQLite's one writing connection, before any
// transaction holds it.
func (c *committer) prepare(ctx context.Context) error {
	if c.l.postgres {
		return nil
	}
	for _, n := range batchSizes {
		stmt, err := c.l.writer.PrepareContext(ctx, upsertOf(n))
		if err != nil {
			return fmt.Errorf("ledger: preparing: %w", err)
		}
		c.stmts[n] = stmt
	}
	return nil
}

// upsert runs the upsert of n records.
func (c *committer) upsert(ctx context.Context, tx *sql.Tx, n int, args []any) error {
	var err error
	if stmt, ok := c.stmts[n]; ok {
		_, err = tx.StmtContext(ctx, stmt).ExecContext(ctx, args...)
	} else {
		_, err = tx.ExecContext(ctx, c.l.q(upsertOf(n)), args...)
	}
	return err
}
