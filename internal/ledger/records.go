package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

const lookupChunk = 500 // keys per statement

// Records returns what is known of keys; unknown ones are missing in the map.
func (l *Ledger) Records(ctx context.Context, table string, keys []string) (map[string]*Record, error) {
	out := make(map[string]*Record, len(keys))
	for len(keys) > 0 {
		n := min(lookupChunk, len(keys))
		args := make([]any, 0, n+1)
		args = append(args, table)
		for _, k := range keys[:n] {
			args = append(args, k)
		}
		if err := l.lookUp(ctx, out, n, args); err != nil {
			return nil, fmt.Errorf("ledger: looking up records of %s: %w", table, err)
		}
		keys = keys[n:]
	}
	return out, nil
}

func (l *Ledger) lookUp(ctx context.Context, out map[string]*Record, n int, args []any) error {
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT key, version, target_key, state, payload, fingerprint, run, created_run, seen_run FROM record
		WHERE tbl = ? AND key IN (`+strings.TrimSuffix(strings.Repeat("?,", n), ",")+`)`), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		r := &Record{}
		if err := rows.Scan(&r.Key, &r.Version, &r.TargetKey, &r.State, &r.Payload, &r.Fingerprint, &r.Run, &r.CreatedRun, &r.SeenRun); err != nil {
			return err
		}
		out[r.Key] = r
	}
	return rows.Err()
}

// SaveBefore makes sure that what the target holds is kept before run changes
// it. The first image of a key in a run wins.
func (l *Ledger) SaveBefore(ctx context.Context, run, table string, image BeforeImage) error {
	err := l.commits.do(ctx, func(ctx context.Context, tx *sql.Tx) error { return l.putBefore(ctx, tx, run, table, image) })
	if err != nil {
		return fmt.Errorf("ledger: keeping a before-image of %s: %w", run, err)
	}
	return nil
}

func (l *Ledger) putBefore(ctx context.Context, tx *sql.Tx, run, table string, b BeforeImage) error {
	existed := 0
	if b.Existed {
		existed = 1
	}
	_, err := tx.ExecContext(ctx, l.q(`INSERT INTO before_image (run, tbl, key, existed, payload, at) VALUES (?,?,?,?,?,?) ON CONFLICT DO NOTHING`),
		run, table, b.Key, existed, b.Payload, time.Now().UnixMilli())
	return err
}

// BeforeImages lists images of a run in key order, behind after.
func (l *Ledger) BeforeImages(ctx context.Context, run, table, after string, limit int) ([]BeforeImage, error) {
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT key, existed, payload FROM before_image WHERE run = ? AND tbl = ? AND key > ? ORDER BY key LIMIT ?`), run, table, after, limit)
	if err != nil {
		return nil, fmt.Errorf("ledger: listing before-images: %w", err)
	}
	defer rows.Close()
	var out []BeforeImage
	for rows.Next() {
		var b BeforeImage
		var existed int
		if err := rows.Scan(&b.Key, &existed, &b.Payload); err != nil {
			return nil, err
		}
		b.Existed = existed == 1
		out = append(out, b)
	}
	return out, rows.Err()
}

// Unseen lists keys the target holds that run, a baseline, has not seen, in key
// order behind after.
func (l *Ledger) Unseen(ctx context.Context, table, run, after string, limit int) ([]string, error) {
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT key FROM record WHERE tbl = ? AND key > ? AND seen_run <> ? AND payload IS NOT NULL ORDER BY key LIMIT ?`),
		table, after, run, limit)
	if err != nil {
		return nil, fmt.Errorf("ledger: listing unseen records: %w", err)
	}
	defer rows.Close()
	var keys []string
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, rows.Err()
}

// KnownCount is how many records of a table the target holds.
func (l *Ledger) KnownCount(ctx context.Context, table string) (int64, error) {
	return l.count(ctx, `SELECT count(*) FROM record WHERE tbl = ? AND payload IS NOT NULL`, table)
}

func (l *Ledger) count(ctx context.Context, query string, args ...any) (int64, error) {
	var n int64
	if err := l.db.QueryRowContext(ctx, l.q(query), args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("ledger: counting: %w", err)
	}
	return n, nil
}

// QuarantineCount is how many records of a flow and table ("" = all) are set aside.
func (l *Ledger) QuarantineCount(ctx context.Context, flow, table string) (int64, error) {
	return l.count(ctx, `SELECT count(*) FROM quarantine WHERE flow = ? AND (? = '' OR tbl = ?) AND state = 'open'`, flow, table, table)
}

// Quarantined lists refused records in key order, without their payload.
func (l *Ledger) Quarantined(ctx context.Context, f QuarantineFilter) ([]QuarantineItem, error) {
	where, args := []string{"key > ?"}, []any{f.After}
	for _, c := range []struct{ column, value string }{
		{"flow", f.Flow}, {"tbl", f.Table}, {"run", f.Run}, {"code", f.Code}, {"state", f.State},
	} {
		if c.value != "" {
			where, args = append(where, c.column+" = ?"), append(args, c.value)
		}
	}
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT flow, tbl, key, run, class, code, field, message, state, first_seen, last_seen, attempts
		FROM quarantine WHERE `+strings.Join(where, " AND ")+` ORDER BY key LIMIT ?`), append(args, f.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("ledger: listing quarantine: %w", err)
	}
	defer rows.Close()
	var out []QuarantineItem
	for rows.Next() {
		var q QuarantineItem
		var first, last int64
		if err := rows.Scan(&q.Flow, &q.Table, &q.Key, &q.Run, &q.Class, &q.Code, &q.Field, &q.Message, &q.State, &first, &last, &q.Attempts); err != nil {
			return nil, err
		}
		q.FirstSeen, q.LastSeen = fromMillis(first), fromMillis(last)
		out = append(out, q)
	}
	return out, rows.Err()
}

// SaveRevision keeps what a mapping revision resolved to; saving again replaces it.
func (l *Ledger) SaveRevision(ctx context.Context, hash string, doc []byte) error {
	return l.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, l.q(`INSERT INTO revision (hash, doc) VALUES (?,?) ON CONFLICT (hash) DO UPDATE SET doc = excluded.doc`), hash, doc)
		return err
	})
}

// Revision returns a kept revision, or ErrNotFound.
func (l *Ledger) Revision(ctx context.Context, hash string) ([]byte, error) {
	var doc []byte
	err := l.db.QueryRowContext(ctx, l.q(`SELECT doc FROM revision WHERE hash = ?`), hash).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	return doc, err
}

// AddEngineCalls counts calls of an hour.
func (l *Ledger) AddEngineCalls(ctx context.Context, hour time.Time, kind string, n int64) error {
	return l.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, l.q(`INSERT INTO engine_calls (hour, kind, calls) VALUES (?,?,?) ON CONFLICT (hour, kind) DO UPDATE SET calls = engine_calls.calls + excluded.calls`),
			hour.UTC().Truncate(time.Hour).UnixMilli(), kind, n)
		return err
	})
}

// EngineCalls lists the calls counted since an hour.
func (l *Ledger) EngineCalls(ctx context.Context, since time.Time) ([]EngineCalls, error) {
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT hour, kind, calls FROM engine_calls WHERE hour >= ? ORDER BY hour, kind`), since.UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("ledger: reading engine calls: %w", err)
	}
	defer rows.Close()
	var out []EngineCalls
	for rows.Next() {
		var e EngineCalls
		var hour int64
		if err := rows.Scan(&hour, &e.Kind, &e.Calls); err != nil {
			return nil, err
		}
		e.Hour = fromMillis(hour)
		out = append(out, e)
	}
	return out, rows.Err()
}
