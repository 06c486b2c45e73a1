package ledger

import (
	"context"
	"errors"
)

// walkChunk is how many rows one statement of a walk through a table looks at. It bounds
// how long a statement lasts, and how long SQLite's one writer is kept from others.
const walkChunk = 5_000

// errEndOfWalk is what a step returns to end a walk early.
var errEndOfWalk = errors.New("far enough")

// walk goes through the keys of a table, or of a part of it, in order behind after,
// a bounded number at a time. bound is a query for the last of the next keys and their
// number, whose parameters are args, then the key before and the size of the step. step
// is called for each stretch of keys above from, up to to.
func (l *Ledger) walk(ctx context.Context, bound string, args []any, after string, step func(from, to string) error) error {
	for {
		to, n, err := l.stretchBehind(ctx, bound, args, after)
		if err != nil || n == 0 {
			return err
		}
		if err := step(after, to); err != nil {
			if errors.Is(err, errEndOfWalk) {
				return nil
			}
			return err
		}
		if n < walkChunk {
			return nil
		}
		after = to
	}
}

// look has do look at the next stretch of a walk that starts over and over. who names
// the walk. With nothing to look at, nothing is written.
func (l *Ledger) look(ctx context.Context, who, bound string, args []any, do func(ctx context.Context, tx txn, from, to string) error) error {
	after := ""
	if at, ok := l.walks.Load(who); ok {
		after = at.(string)
	}
	to, n, err := l.stretchBehind(ctx, bound, args, after)
	if err == nil && n > 0 {
		err = l.write(ctx, func(ctx context.Context, tx txn) error { return do(ctx, tx, after, to) })
	}
	if err != nil {
		return err
	}
	if n < walkChunk {
		to = "" // the next one begins anew
	}
	l.walks.Store(who, to)
	return nil
}

// stretchBehind is the last of the next keys, and how many they are.
func (l *Ledger) stretchBehind(ctx context.Context, bound string, args []any, after string) (to string, n int, err error) {
	err = l.db.QueryRowContext(ctx, l.q(bound), append(args[:len(args):len(args)], after, walkChunk)...).Scan(&to, &n)
	return to, n, err
}

// stretch is the query of a walk over a condition with the parameters before the key.
func stretch(from string) string {
	return `SELECT coalesce(max(key), ''), count(*) FROM (SELECT key FROM ` + from + ` AND key > ? ORDER BY key LIMIT ?) AS part`
}

var (
	stretchOfRecords  = stretch(`record WHERE tbl = ?`)
	stretchOfAudit    = stretch(`audit WHERE tbl = ?`)
	stretchOfFindings = stretch(`audit WHERE finding <> '' AND expected IS NOT NULL AND tbl = ?`)
	stretchOfBlocked  = stretch(`parked /*sqlite INDEXED BY parked_blocked */ WHERE ready = 0 AND waits <> 'guard' AND tbl = ?`)
	stretchOfOrphans  = stretch(`quarantine WHERE state = 'open' AND parent_key <> '' AND flow = ? AND tbl = ?`)
)
