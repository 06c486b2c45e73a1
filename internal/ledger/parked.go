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
)

// ParkedItem is a change that cannot be applied yet.
type ParkedItem struct {
	Key, Version string
	Waits        Waits
	Parent       Parent // with WaitsForParent
	ParentRun    string // somebody deleted the parent in the target, which this run had created, NoRun for none; "" = the ledger does not have it there
	Deleted      bool
	Payload      []byte    // the staged source object; nil when Deleted; compressed at rest, sealed with a key
	Run          string    // that parked it; "" = the lane's
	Since        time.Time // zero = now
	Ready        bool      // it waits no longer
}

// childrenGrace is how long a delete waits for its children. It has an end,
// because the flow of the children may be stopped.
const childrenGrace = 10 * time.Minute

// parentGrace is how long a parent is waited for that somebody deleted in the target. Then
// the target is asked again: the parent may have come back without the ledger.
const parentGrace = time.Hour

// parkedReady says whether the parent is there by now: it may have come after the
// caller looked.
const parkedReady = `CASE WHEN EXISTS (SELECT 1 FROM record r WHERE r.tbl = ? AND r.key = ? AND r.payload IS NOT NULL AND ` + parentCreator + ` <> ?) THEN 1 ELSE 0 END`

// parentCreator is the run that created a parent r, as ParkedItem.ParentRun names it.
const parentCreator = `CASE WHEN r.created_run = '' THEN '` + NoRun + `' ELSE r.created_run END`

func (e *effects) park(ctx context.Context, l *Ledger, tx txn, run string, lane *lockedLane) error {
	if err := unpark.run(ctx, l, tx, []any{lane.table}, len(e.unparked), func(args []any, i int) []any {
		return append(args, e.unparked[i])
	}); err != nil {
		return err
	}
	for i, p := range e.parked { // few at a time: most records find their parents
		if _, err := tx.ExecContext(ctx, l.q(`INSERT INTO parked (tbl, key, waits, parent_tbl, parent_key, parent_run, version, deleted, payload, run, since, ready)
			VALUES (?,?,?,?,?,?,?,?,?,?,?,`+parkedReady+`)`),
			lane.table, p.Key, p.Waits, p.Parent.Table, p.Parent.Key, p.ParentRun, p.Version, flag(p.Deleted), e.sealed.parked[i], cmp.Or(p.Run, run), cmp.Or(millis(p.Since), l.now().UnixMilli()),
			p.Parent.Table, p.Parent.Key, p.ParentRun); err != nil {
			return err
		}
	}
	return nil
}

var unpark = newBulk(1, `DELETE FROM parked WHERE tbl = {1} AND key IN (`, `{}`, `)`)

// wake marks what waited for records that the target holds now.
func (e *effects) wake(ctx context.Context, l *Ledger, tx txn, lane *lockedLane) error {
	if len(e.arrived)+len(e.renewed) == 0 {
		return nil
	}
	var waited bool
	if err := tx.QueryRowContext(ctx, l.q(anythingWaits), lane.table).Scan(&waited); err != nil || !waited {
		return err
	}
	for _, keys := range [][]string{e.arrived, e.renewed} {
		if err := markReady.run(ctx, l, tx, []any{lane.table}, len(keys), func(args []any, i int) []any {
			return append(args, keys[i])
		}); err != nil {
			return err
		}
	}
	return nil
}

// anythingWaits says whether any record waits for one of a table: mostly none does.
const anythingWaits = `SELECT EXISTS (SELECT 1 FROM parked WHERE ready = 0 AND parent_tbl = ?)`

var markReady = newBulk(1, `UPDATE parked SET ready = 1 WHERE ready = 0 AND parent_tbl = {1} AND parent_key IN (`, `{}`, `)`)

// Ready lists changes of a table that waited and can be applied now, in key
// order; at most limit, 1,000 when 0. They stay parked until they have an outcome.
func (l *Ledger) Ready(ctx context.Context, table string, limit int) ([]Entry, error) {
	rows, err := l.db.QueryContext(ctx, l.q(`SELECT key, version, deleted, payload FROM parked /*sqlite INDEXED BY parked_ready */ WHERE tbl = ? AND ready = 1 ORDER BY key LIMIT ?`), table, limitOf(limit))
	if err != nil {
		return nil, fmt.Errorf("ledger: listing what waited of %s: %w", table, err)
	}
	return collect(rows, func(e *Entry, scan scanner) error {
		var sealed []byte
		if err := scan(&e.Key, &e.Version, &e.Deleted, &sealed); err != nil || e.Deleted {
			return err
		}
		var err error
		e.Raw, err = l.seal.unpack(sealed, at(parkedPayload, table, e.Key))
		return err
	})
}

// ReleaseUnblocked marks parked records as ready that nothing else has marked, and
// returns how many:
//   - records whose parent came at the very moment they were parked;
//   - records whose parent was created anew after somebody had deleted it in the target, or
//     was waited for long enough;
//   - deletes whose parent was deleted, and so will not come any more;
//   - deletes whose children are gone, or were waited for long enough.
//
// Callers call it from time to time. A call looks at a bounded number of records, and the
// next one at those behind: mostly there are none, and a million may wait for a parent.
func (l *Ledger) ReleaseUnblocked(ctx context.Context, table string) (n int64, err error) {
	err = l.look(ctx, "parked of "+table, stretchOfBlocked, []any{table}, func(ctx context.Context, tx txn, from, to string) error {
		res, err := tx.ExecContext(ctx, l.q(`UPDATE parked SET ready = 1 WHERE tbl = ? AND ready = 0 AND waits <> 'guard' AND key > ? AND key <= ? AND (
			waits = 'parent' AND EXISTS (SELECT 1 FROM record r WHERE r.tbl = parked.parent_tbl AND r.key = parked.parent_key
				AND (r.payload IS NOT NULL AND (parked.since < ? OR `+parentCreator+` <> parked.parent_run) OR parked.deleted = 1 AND r.state = 'deleted'))
			OR waits = 'children' AND (since < ? OR NOT EXISTS (SELECT 1 FROM link k WHERE k.parent_tbl = parked.tbl AND k.parent_key = parked.key)))`),
			table, from, to, l.now().Add(-parentGrace).UnixMilli(), l.now().Add(-childrenGrace).UnixMilli())
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

// HiddenDeletes counts the deletes that wait for a parent. Without the parent, the
// target hides the record and would answer that it is not there.
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

// NewParkedCount is how many records of a table wait that the target has nothing of.
func (l *Ledger) NewParkedCount(ctx context.Context, table string) (int64, error) {
	return l.count(ctx, `SELECT count(*) FROM parked p JOIN record r ON r.tbl = p.tbl AND r.key = p.key WHERE p.tbl = ? AND r.payload IS NULL`, table)
}

var errParked = errors.New("a parked record needs what it waits for")

// ofLinks gathers, for each key, what its last result says.
func (e *effects) ofLinks(group []Result) error {
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
	for k, p := range park {
		e.unparked = append(e.unparked, k)
		if p != nil {
			e.parked = append(e.parked, p)
		}
	}
	slices.Sort(e.unparked)
	slices.Sort(e.linked)
	slices.Sort(e.arrived)
	slices.Sort(e.renewed)
	slices.SortFunc(e.parked, func(a, b *ParkedItem) int { return cmp.Compare(a.Key, b.Key) })
	return nil
}
