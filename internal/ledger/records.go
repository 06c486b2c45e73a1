package ledger

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// State of a record.
type State string

const (
	Written     State = "written"     // the target holds Payload
	Filtered    State = "filtered"    // left out by rule
	Deleted     State = "deleted"     // deleted in the source, and in the target
	Parked      State = "parked"      // waits, see ParkedItem; the target holds Payload, if any
	Quarantined State = "quarantined" // refused; the target holds Payload, if any
	Undone      State = "undone"      // a rollback removed from the target what a run had created
	Kept        State = "kept"        // an operator rejected its delete; the target holds Payload
	Lost        State = "lost"        // was written; an audit found that the target does not hold it any more
)

// Record is what is known of one record of a table.
type Record struct {
	Key, Version string // source key; source version last applied
	TargetKey    string
	State        State
	Payload      []byte // mapped payload last written; nil: the target holds nothing of ours
	Fingerprint  []byte // of Payload
	Run          string // last run that touched it
	CreatedRun   string // run that created it in the target; "" = adopted
	SeenRun      string // last baseline that saw it
}

// BeforeImage is what the target held of a record before a run touched it. A
// record the run created has none: Record.CreatedRun says it.
type BeforeImage struct {
	Key     string
	Existed bool
	Payload []byte
}

const lookupChunk = 500 // keys per statement

// Records returns what is known of keys; unknown ones are missing in the map.
func (l *Ledger) Records(ctx context.Context, table string, keys []string) (map[string]*Record, error) {
	out := make(map[string]*Record, len(keys))
	for len(keys) > 0 {
		n := min(lookupChunk, len(keys))
		if err := l.lookUp(ctx, out, table, keys[:n]); err != nil {
			return nil, fmt.Errorf("ledger: looking up records of %s: %w", table, err)
		}
		keys = keys[n:]
	}
	return out, nil
}

func (l *Ledger) lookUp(ctx context.Context, out map[string]*Record, table string, keys []string) error {
	query := `SELECT key, version, target_key, state, payload, fingerprint, run, created_run, seen_run FROM record WHERE tbl = ? AND key `
	in, args := l.in(keys)
	rows, err := l.db.QueryContext(ctx, l.q(query+in), append([]any{table}, args...)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		r := &Record{}
		if err := rows.Scan(&r.Key, &r.Version, &r.TargetKey, &r.State, &r.Payload, &r.Fingerprint, &r.Run, &r.CreatedRun, &r.SeenRun); err != nil {
			return err
		}
		if r.Payload, r.Fingerprint, err = l.seal.openWith(r.Payload, r.Fingerprint, at(recordPayload, table, r.Key)); err != nil {
			return err
		}
		out[r.Key] = r
	}
	return rows.Err()
}

// in is the condition that a column is one of keys, and its parameters.
func (l *Ledger) in(keys []string) (string, []any) {
	if l.postgres {
		return `= ANY(?)`, []any{keys}
	}
	args := make([]any, len(keys))
	for i, k := range keys {
		args[i] = k
	}
	return `IN (` + strings.TrimSuffix(strings.Repeat("?,", len(keys)), ",") + `)`, args
}

// SaveBefore makes sure that what the target holds is kept before run changes
// it. The first image of a key in a run wins.
func (l *Ledger) SaveBefore(ctx context.Context, run, table string, image BeforeImage) error {
	sealed, err := l.seal.close(image.Payload, at(beforePayload, run, table, image.Key))
	if err != nil {
		return fmt.Errorf("ledger: keeping a before-image of run %s: %w", run, err)
	}
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		return putBefores.run(ctx, l, tx, []any{run, table, l.now().UnixMilli()}, 1, func(args []any, _ int) []any {
			return append(args, image.Key, flag(image.Existed), sealed)
		})
	})
	if err != nil {
		return fmt.Errorf("ledger: keeping a before-image of run %s: %w", run, err)
	}
	return nil
}

// BeforeImages lists images of a run in key order, behind after; at most limit,
// 1,000 when 0.
func (l *Ledger) BeforeImages(ctx context.Context, run, table, after string, limit int) ([]BeforeImage, error) {
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT key, existed, payload FROM before_image WHERE run = ? AND tbl = ? AND key > ? ORDER BY key LIMIT ?`),
		run, table, after, limitOf(limit))
	if err != nil {
		return nil, fmt.Errorf("ledger: listing before-images: %w", err)
	}
	return collect(rows, func(b *BeforeImage, scan scanner) error {
		if err := scan(&b.Key, &b.Existed, &b.Payload); err != nil {
			return err
		}
		var err error
		b.Payload, err = l.seal.open(b.Payload, at(beforePayload, run, table, b.Key))
		return err
	})
}

// Unseen lists records that a baseline has not seen although the target holds them,
// or would come to hold them because they wait. Their state does not matter: a
// refused or parked update leaves the earlier payload in the target. Keys come in
// order, behind after; at most limit, 1,000 when 0. All calls of a sweep together look
// at each record of the table once, in statements of bounded size.
func (l *Ledger) Unseen(ctx context.Context, table, run, after string, limit int) ([]string, error) {
	out, err := l.recordKeys(ctx, `seen_run <> ? AND (payload IS NOT NULL OR state = 'parked')`, table, run, after, limitOf(limit))
	if err != nil {
		return nil, fmt.Errorf("ledger: listing unseen records of %s: %w", table, err)
	}
	return out, nil
}

// sampleKeys is how many records SampleHeld takes from each of sixteen places.
const sampleKeys = 32

// SampleHeld lists keys of records that the target holds, from all over a table; all of
// them where they are few.
func (l *Ledger) SampleHeld(ctx context.Context, table string) ([]string, error) {
	var out []string
	seen := map[string]bool{}
	for _, from := range "0123456789abcdef" {
		rows, err := l.db.QueryContext(ctx, l.q(`SELECT key FROM record WHERE tbl = ? AND key >= ? AND payload IS NOT NULL ORDER BY key LIMIT ?`), table, string(from), sampleKeys)
		if err != nil {
			return nil, fmt.Errorf("ledger: listing some records of %s: %w", table, err)
		}
		keys, err := collect(rows, func(key *string, scan scanner) error { return scan(key) })
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			if !seen[key] {
				seen[key], out = true, append(out, key)
			}
		}
	}
	return out, nil
}

// recordKeys lists records of a table that fit a condition about a run, which no index
// serves.
func (l *Ledger) recordKeys(ctx context.Context, condition, table, run, after string, limit int) (out []string, err error) {
	err = l.walk(ctx, stretchOfRecords, []any{table}, after, func(from, to string) error {
		rows, err := l.db.QueryContext(ctx, l.q(`SELECT key FROM record WHERE tbl = ? AND key > ? AND key <= ? AND `+condition+` ORDER BY key LIMIT ?`),
			table, from, to, run, limit-len(out))
		if err != nil {
			return err
		}
		found, err := collect(rows, func(key *string, scan scanner) error { return scan(key) })
		if out = append(out, found...); err == nil && len(out) >= limit {
			err = errEndOfWalk
		}
		return err
	})
	return out, err
}

func (l *Ledger) count(ctx context.Context, query string, args ...any) (int64, error) {
	var n int64
	if err := l.db.QueryRowContext(ctx, l.q(query), args...).Scan(&n); err != nil {
		return 0, fmt.Errorf("ledger: counting: %w", err)
	}
	return n, nil
}

// Holds says which of these records the target holds.
func (l *Ledger) Holds(ctx context.Context, table string, keys []string) (map[string]bool, error) {
	return l.among(ctx, `SELECT key FROM record WHERE payload IS NOT NULL AND tbl = ? AND key `, table, keys)
}

// among says which keys a query finds. The query ends where the condition on the
// keys goes; its parameters are the table, then more.
func (l *Ledger) among(ctx context.Context, query, table string, keys []string, more ...any) (map[string]bool, error) {
	out := map[string]bool{}
	for chunk := range slices.Chunk(keys, lookupChunk) {
		in, args := l.in(chunk)
		rows, err := l.db.QueryContext(ctx, l.q(query+in), slices.Concat([]any{table}, more, args)...)
		if err != nil {
			return nil, fmt.Errorf("ledger: looking up records of %s: %w", table, err)
		}
		found, err := collect(rows, func(k *string, scan scanner) error { return scan(k) })
		if err != nil {
			return nil, err
		}
		for _, k := range found {
			out[k] = true
		}
	}
	return out, nil
}
