package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Waits is what a parked record waits for.
type Waits string

const (
	WaitsForParent      Waits = "parent"   // until the target holds the parent
	WaitsForChildren    Waits = "children" // until no record in the target names it; it is to be deleted
	WaitsForDeleteGuard Waits = "guard"    // until the deletes of its run are counted and, when there are too many, approved
	WaitsForCheck       Waits = "doubt"    // until it was looked up whether the target still holds it as written
)

// Parent is a record that another one names by a link.
type Parent struct{ Table, Key string }

// ParkedItem is a change that cannot be applied yet.
type ParkedItem struct {
	Key, Version string
	Waits        Waits
	Parent       Parent // with WaitsForParent
	Deleted      bool
	Payload      []byte    // the staged source object; nil when Deleted or with WaitsForCheck; compressed at rest, encrypted with a key
	Run          string    // that parked it; "" = the lane's
	Since        time.Time // zero = now
	Ready        bool      // it waits no longer
}

// childrenGrace is how long a delete waits for its children: their own flow may
// be stopped, and who wants a record deleted must not wait for ever.
const childrenGrace = 10 * time.Minute

// parkedReady: the parent may have come between the caller's look and now.
const parkedReady = `CASE WHEN EXISTS (SELECT 1 FROM record WHERE tbl = ? AND key = ? AND payload IS NOT NULL) THEN 1 ELSE 0 END`

func (e *effects) park(ctx context.Context, l *Ledger, tx txn, run string, lane *lockedLane) error {
	if err := unpark.run(ctx, l, tx, []any{lane.table}, len(e.unparked), func(args []any, i int) []any {
		return append(args, e.unparked[i])
	}); err != nil {
		return err
	}
	for _, p := range e.parked { // few at a time: most records find their parents
		if _, err := tx.ExecContext(ctx, l.q(`INSERT INTO parked (tbl, key, waits, parent_tbl, parent_key, version, deleted, payload, run, since, ready)
			VALUES (?,?,?,?,?,?,?,?,?,?,`+parkedReady+`)`),
			lane.table, p.Key, p.Waits, p.Parent.Table, p.Parent.Key, p.Version, flag(p.Deleted), e.sealedParked[p], cmp.Or(p.Run, run), cmp.Or(millis(p.Since), l.now().UnixMilli()),
			p.Parent.Table, p.Parent.Key); err != nil {
			return err
		}
	}
	return nil
}

var unpark = newBulk(1, `DELETE FROM parked WHERE tbl = {1} AND key IN (`, `{}`, `)`)

// wake marks what waited for records that the target holds now.
func (e *effects) wake(ctx context.Context, l *Ledger, tx txn, lane *lockedLane) error {
	return markReady.run(ctx, l, tx, []any{lane.table}, len(e.arrived), func(args []any, i int) []any {
		return append(args, e.arrived[i])
	})
}

var markReady = newBulk(1, `UPDATE parked SET ready = 1 WHERE ready = 0 AND parent_tbl = {1} AND parent_key IN (`, `{}`, `)`)

// doubt has the children of records that were created anew looked at: the target
// may have removed them with their parent, or taken the parent out of them. What
// waits already is written in any case.
func (e *effects) doubt(ctx context.Context, l *Ledger, tx txn, run string, lane *lockedLane) error {
	return putDoubts.run(ctx, l, tx, []any{run, l.now().UnixMilli(), lane.table}, len(e.renewed), func(args []any, i int) []any {
		return append(args, e.renewed[i])
	})
}

var putDoubts = newBulk(3, `INSERT INTO parked (tbl, key, waits, parent_tbl, parent_key, version, deleted, run, since, ready)
	SELECT DISTINCT k.tbl, k.key, '`+string(WaitsForCheck)+`', '', '', r.version, 0, CAST({1} AS TEXT), CAST({2} AS BIGINT), 1 FROM link k JOIN record r ON r.tbl = k.tbl AND r.key = k.key
	WHERE r.payload IS NOT NULL AND k.parent_tbl = {3} AND k.parent_key IN (`, `{}`, `) ORDER BY 1, 2 ON CONFLICT DO NOTHING`)

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

// Ready lists changes of a table that waited and can be applied now, in key
// order; at most limit, 1,000 when 0. They stay parked until they are settled. A
// record that is to be looked at has no change: Raw is nil, and it is not Deleted.
func (l *Ledger) Ready(ctx context.Context, table string, limit int) ([]Entry, error) {
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT key, version, deleted, payload FROM parked WHERE tbl = ? AND ready = 1 ORDER BY key LIMIT ?`), table, limitOf(limit))
	if err != nil {
		return nil, fmt.Errorf("ledger: listing what waited of %s: %w", table, err)
	}
	return collect(rows, func(e *Entry, scan scanner) error {
		var sealed []byte
		if err := scan(&e.Key, &e.Version, &e.Deleted, &sealed); err != nil || e.Deleted {
			return err
		}
		var err error
		e.Raw, err = l.seal.open(sealed)
		return err
	})
}

// ReleaseUnblocked marks what can go on although nothing told so: parents that came at the
// very moment their children were parked, deletes whose parent will not come any
// more, and deletes whose children are gone or have been waited for long enough.
// Callers do so now and then.
func (l *Ledger) ReleaseUnblocked(ctx context.Context, table string) (int64, error) {
	// Mostly nothing waits, and then nothing is to be written.
	n, err := l.count(ctx, `SELECT count(*) FROM (SELECT 1 FROM parked WHERE tbl = ? AND ready = 0 AND waits <> 'guard' LIMIT 1) one`, table)
	if err != nil || n == 0 {
		return 0, err
	}
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		res, err := tx.ExecContext(ctx, l.q(`UPDATE parked SET ready = 1 WHERE tbl = ? AND ready = 0 AND (
			waits = 'parent' AND EXISTS (SELECT 1 FROM record r WHERE r.tbl = parked.parent_tbl AND r.key = parked.parent_key
				AND (r.payload IS NOT NULL OR parked.deleted = 1 AND r.state = 'deleted'))
			OR waits = 'children' AND (since < ? OR NOT EXISTS (SELECT 1 FROM link k WHERE k.parent_tbl = parked.tbl AND k.parent_key = parked.key)))`),
			table, l.now().Add(-childrenGrace).UnixMilli())
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("ledger: looking for what can go on in %s: %w", table, err)
	}
	return n, nil
}

// ParkedCount is how many records of a table wait.
func (l *Ledger) ParkedCount(ctx context.Context, table string) (int64, error) {
	return l.count(ctx, `SELECT count(*) FROM parked WHERE tbl = ?`, table)
}

// Doubtful says which of these records are to be looked at.
func (l *Ledger) Doubtful(ctx context.Context, table string, keys []string) (map[string]bool, error) {
	// Mostly none is, and then none is looked up.
	n, err := l.count(ctx, `SELECT count(*) FROM (SELECT 1 FROM parked WHERE tbl = ? AND waits = 'doubt' LIMIT 1) one`, table)
	if err != nil || n == 0 {
		return nil, err
	}
	return l.among(ctx, `SELECT key FROM parked WHERE waits = 'doubt' AND tbl = ? AND key `, table, keys)
}

// HiddenDeletes counts the deletes that wait for a parent: the target hides the
// record meanwhile, and would say again that it is not there.
func (l *Ledger) HiddenDeletes(ctx context.Context, table string) (int64, error) {
	return l.count(ctx, `SELECT count(*) FROM parked p JOIN record r ON r.tbl = p.tbl AND r.key = p.key
		WHERE p.tbl = ? AND p.deleted = 1 AND p.waits = 'parent' AND r.payload IS NOT NULL AND NOT EXISTS (
			SELECT 1 FROM record parent WHERE parent.tbl = p.parent_tbl AND parent.key = p.parent_key AND (parent.payload IS NOT NULL OR parent.state = 'deleted'))`, table)
}

// Parked returns what records wait for; keys that do not wait are missing in the
// map. Payloads are left out.
func (l *Ledger) Parked(ctx context.Context, table string, keys []string) (map[string]*ParkedItem, error) {
	out := map[string]*ParkedItem{}
	for len(keys) > 0 {
		n := min(lookupChunk, len(keys))
		in, args := l.in(keys[:n])
		rows, err := l.db.QueryContext(ctx, l.q(`SELECT key, version, waits, parent_tbl, parent_key, deleted, run, since, ready FROM parked WHERE tbl = ? AND key `+in),
			append([]any{table}, args...)...)
		if err != nil {
			return nil, fmt.Errorf("ledger: looking up what records of %s wait for: %w", table, err)
		}
		found, err := collect(rows, func(p *ParkedItem, scan scanner) error {
			var since int64
			err := scan(&p.Key, &p.Version, &p.Waits, &p.Parent.Table, &p.Parent.Key, &p.Deleted, &p.Run, &since, &p.Ready)
			p.Since = fromMillis(since)
			return err
		})
		if err != nil {
			return nil, err
		}
		for i := range found {
			out[found[i].Key] = &found[i]
		}
		keys = keys[n:]
	}
	return out, nil
}

// PageDeletes is how many deletes the staged pages of a run hold.
func (l *Ledger) PageDeletes(ctx context.Context, run string) (int64, error) {
	return l.count(ctx, `SELECT coalesce(sum(n_deletes), 0) FROM page WHERE run = ?`, run)
}

// GuardDeletes decides on the deletes that a completed run held back: up to limit of
// them may go on; more wait for ApproveDeletes, and their number is returned. What runs
// held back that ended otherwise counts as this run's; one that is at work, or goes
// on later, has a decision of its own.
func (l *Ledger) GuardDeletes(ctx context.Context, run, table string, limit int64) (waiting int64, err error) {
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		if _, err := tx.ExecContext(ctx, l.q(`UPDATE parked SET run = ? WHERE tbl = ? AND waits = 'guard' AND ready = 0
			AND run IN (SELECT id FROM run WHERE state NOT IN ('COMPLETED', 'RUNNING') AND NOT `+goesOn+`)`), run, table); err != nil {
			return err
		}
		if err := tx.QueryRowContext(ctx, l.q(`SELECT count(*) FROM parked WHERE run = ? AND waits = 'guard' AND ready = 0`), run).Scan(&waiting); err != nil {
			return err
		}
		if waiting == 0 || waiting > limit {
			return nil
		}
		waiting = 0
		return l.unguard(ctx, tx, run)
	})
	if err != nil {
		return 0, fmt.Errorf("ledger: counting the deletes of run %s: %w", run, err)
	}
	return waiting, nil
}

// ApproveDeletes lets the deletes go on that GuardDeletes kept back, and returns their number.
func (l *Ledger) ApproveDeletes(ctx context.Context, run string) (n int64, err error) {
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		if err := tx.QueryRowContext(ctx, l.q(`SELECT count(*) FROM parked WHERE run = ? AND waits = 'guard' AND ready = 0`), run).Scan(&n); err != nil {
			return err
		}
		return l.unguard(ctx, tx, run)
	})
	if err != nil {
		return 0, fmt.Errorf("ledger: approving the deletes of run %s: %w", run, err)
	}
	return n, nil
}

func (l *Ledger) unguard(ctx context.Context, tx txn, run string) error {
	_, err := tx.ExecContext(ctx, l.q(`UPDATE parked SET ready = 1 WHERE run = ? AND waits = 'guard' AND ready = 0`), run)
	return err
}

// Approvals lists the completed runs of a table whose deletes wait for ApproveDeletes.
func (l *Ledger) Approvals(ctx context.Context, table string) ([]Approval, error) {
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT p.run, count(*) FROM parked p JOIN run r ON r.id = p.run
		WHERE p.tbl = ? AND p.waits = 'guard' AND p.ready = 0 AND r.state = 'COMPLETED' GROUP BY p.run ORDER BY p.run`), table)
	if err != nil {
		return nil, fmt.Errorf("ledger: listing deletes to approve: %w", err)
	}
	return collect(rows, func(a *Approval, scan scanner) error { return scan(&a.Run, &a.Deletes) })
}

// Approval is a run whose deletes wait for an operator.
type Approval struct {
	Run     string
	Deletes int64
}

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

// NewParkedCount is how many records of a table wait that the target has nothing of.
func (l *Ledger) NewParkedCount(ctx context.Context, table string) (int64, error) {
	return l.count(ctx, `SELECT count(*) FROM parked p JOIN record r ON r.tbl = p.tbl AND r.key = p.key WHERE p.tbl = ? AND r.payload IS NULL`, table)
}

// Holds says which of these records the target holds.
func (l *Ledger) Holds(ctx context.Context, table string, keys []string) (map[string]bool, error) {
	return l.among(ctx, `SELECT key FROM record WHERE payload IS NOT NULL AND tbl = ? AND key `, table, keys)
}

// among says which keys a query finds; its text ends before the condition on
// them, and more are its parameters behind the table.
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

var errParked = errors.New("a parked record needs what it waits for")

// ofLinks gathers, for each key, what its last settlement says.
func (e *effects) ofLinks(seal *sealer, group []Result) error {
	park := map[string]*ParkedItem{}
	for i := range group {
		s := &group[i]
		if s.Record == nil {
			continue
		}
		k := s.Record.Key
		switch {
		case s.Park != nil:
			if s.Park.Waits == WaitsForParent && s.Park.Parent == (Parent{}) || s.Park.Waits == "" {
				return fmt.Errorf("entry %d: %w", s.Index, errParked)
			}
			park[k] = s.Park
		case s.Resolve:
			park[k] = nil
		}
		if s.Links != nil {
			if e.links == nil {
				e.links = map[string][]Parent{}
			}
			if _, twice := e.links[k]; !twice {
				e.linked = append(e.linked, k)
			}
			e.links[k] = s.Links
		}
		if s.Arrived {
			e.arrived = append(e.arrived, k)
		}
		if s.Renewed {
			e.renewed = append(e.renewed, k)
		}
	}
	e.sealedParked = map[*ParkedItem][]byte{}
	for k, p := range park {
		e.unparked = append(e.unparked, k)
		if p == nil {
			continue
		}
		e.parked = append(e.parked, p)
		if p.Deleted {
			continue
		}
		var err error
		if e.sealedParked[p], err = seal.close(p.Payload); err != nil {
			return err
		}
	}
	slices.Sort(e.unparked)
	slices.Sort(e.linked)
	slices.Sort(e.arrived)
	slices.Sort(e.renewed)
	slices.SortFunc(e.parked, func(a, b *ParkedItem) int { return cmp.Compare(a.Key, b.Key) })
	return nil
}
