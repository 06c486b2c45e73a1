package ledger

import (
	"context"
)

// Parent is a record that another one names by a link.
type Parent struct{ Table, Key string }

// relink replaces the parents that records name.
func (e *effects) relink(ctx context.Context, l *Ledger, tx txn, lane *lockedLane) error {
	keys := make([]string, 0, len(e.links))
	type pair struct {
		key    string
		parent Parent
	}
	var pairs []pair
	for _, k := range e.linked {
		keys = append(keys, k)
		for _, p := range e.links[k] {
			pairs = append(pairs, pair{k, p})
		}
	}
	if err := unlink.run(ctx, l, tx, []any{lane.table}, len(keys), func(args []any, i int) []any {
		return append(args, keys[i])
	}); err != nil {
		return err
	}
	return putLinks.run(ctx, l, tx, []any{lane.table}, len(pairs), func(args []any, i int) []any {
		return append(args, pairs[i].key, pairs[i].parent.Table, pairs[i].parent.Key)
	})
}

var (
	unlink   = newBulk(1, `DELETE FROM link WHERE tbl = {1} AND key IN (`, `{}`, `)`)
	putLinks = newBulk(1, `INSERT INTO link (tbl, key, parent_tbl, parent_key) VALUES `, `({1},{},{},{})`, ` ON CONFLICT DO NOTHING`)
)

// Children says which records of a table are named by others in the target.
func (l *Ledger) Children(ctx context.Context, table string, keys []string) (map[string]bool, error) {
	return l.among(ctx, `SELECT DISTINCT parent_key FROM link WHERE parent_tbl = ? AND parent_key `, table, keys)
}

// ParentCount is how many records of a table that the target holds are named by
// others there.
func (l *Ledger) ParentCount(ctx context.Context, table string) (int64, error) {
	return l.count(ctx, `SELECT count(*) FROM (SELECT DISTINCT parent_key FROM link WHERE parent_tbl = ?) p
		JOIN record r ON r.tbl = ? AND r.key = p.parent_key WHERE r.payload IS NOT NULL`, table, table)
}
