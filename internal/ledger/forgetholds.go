package ledger

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// readers are the flows whose runs may have read a record of a table before it was deleted.
func readers(table string) [][2]string {
	return [][2]string{{"ingress", table}, {"rollback", table}, {"audit", table}, {"egress", "egress"}, {"optout", "optout"}}
}

// holds says what a record has to wait for before it can be forgotten: a run would write
// what it has read, or a request may still have an effect. rest are lanes with the record
// that nobody will write any more. It adds the lanes that it looks at to seen; inside a
// transaction it does not look at them again.
func (l *Ledger) holds(ctx context.Context, db queryer, e Erasing, seen map[LaneID]bool) (holds []string, rest []LaneID, err error) {
	held := map[string]bool{}
	hold := func(run, state string) {
		if !held[run] {
			held[run] = true
			holds = append(holds, "run "+run+", which is "+state)
		}
	}
	var waits, until int64
	err = db.QueryRowContext(ctx, l.q(`SELECT (SELECT count(*) FROM parked WHERE tbl = ? AND key = ? AND payload IS NOT NULL),
		(SELECT coalesce(max(final), 0) FROM doubt WHERE tbl = ? AND key = ? AND final > ? AND carries <> 'nothing')`),
		e.Table, e.Key, e.Table, e.Key, millis(l.now())).Scan(&waits, &until)
	if err != nil {
		return nil, nil, err
	}
	for _, r := range readers(e.Table) {
		upTo := millis(e.At)
		if r[0] == "rollback" || waits > 0 && r[0] == "ingress" { // it may take up what is there, whenever it began
			upTo = math.MaxInt64
		}
		rows, err := db.QueryContext(ctx, l.q(`SELECT id FROM run WHERE flow = ? AND tbl = ? AND state = 'RUNNING' AND started <= ? ORDER BY started, id LIMIT ?`), r[0], r[1], upTo, defaultLimit)
		if err != nil {
			return nil, nil, err
		}
		at, err := collect(rows, func(id *string, scan scanner) error { return scan(id) })
		if err != nil {
			return nil, nil, err
		}
		for _, id := range at {
			hold(id, string(RunRunning))
		}
	}
	file, err := l.outstandingFile(ctx, db, e.Table)
	if err != nil {
		return nil, nil, err
	}
	if file != nil { // also when its run has ended
		holds = append(holds, "a file of "+e.Table+" that Campaign may import, of run "+file.Lane.Run)
	}
	lanes, err := l.lanesWith(ctx, db, seen, func(flow, table string, entry *Entry) bool { return isOf(e.Table, e.Key, flow, table, entry) })
	if err != nil {
		return nil, nil, err
	}
	for _, lane := range lanes {
		if lane.goesOn {
			hold(lane.id.Run, lane.state)
		} else {
			rest = append(rest, lane.id)
		}
	}
	if until > 0 {
		holds = append(holds, "a request about it that had no answer, until "+fromMillis(until).Format(time.RFC3339))
	}
	return holds, rest, nil
}

// isOf says whether a staged entry is a record, or names it in a way that comes with values.
func isOf(table, key, flow, entryTable string, e *Entry) bool {
	if flow == "ingress" || flow == "rollback" {
		return entryTable == table && e.Key == key
	}
	return e.Key == key || names(e.Raw, key)
}

// laneWith is a lane that has an entry which was looked for.
type laneWith struct {
	id     LaneID
	state  string // of the run
	goesOn bool   // the run, at once or at the next start
}

// lanesWith opens all staged lanes but those seen, one after the other, and lists those with
// an entry that fits.
func (l *Ledger) lanesWith(ctx context.Context, db queryer, seen map[LaneID]bool, fits func(flow, table string, e *Entry) bool) (out []laneWith, err error) {
	rows, err := db.QueryContext(ctx, l.q(`SELECT lane_data.run, lane_data.page, lane_data.lane, lane_data.data, page.tbl, run.flow, run.state,
		CASE WHEN run.state = 'RUNNING' OR `+goesOn+` THEN 1 ELSE 0 END
		FROM lane_data JOIN page ON page.run = lane_data.run AND page.number = lane_data.page JOIN run ON run.id = lane_data.run`))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var lane laneWith
		var data []byte
		var table, flow string
		var on int
		if err := rows.Scan(&lane.id.Run, &lane.id.Page, &lane.id.Lane, &data, &table, &flow, &lane.state, &on); err != nil {
			return nil, err
		}
		if seen[lane.id] {
			continue
		}
		seen[lane.id] = true
		lane.goesOn = on == 1
		entries, err := l.decode(lane.id, data)
		if err != nil {
			return nil, err
		}
		for i := range entries {
			if fits(flow, table, &entries[i]) {
				out = append(out, lane)
				break
			}
		}
	}
	return out, rows.Err()
}

func (l *Ledger) decode(id LaneID, data []byte) ([]Entry, error) {
	plain, err := l.seal.unpack(data, id.place())
	if err != nil {
		return nil, err
	}
	return decodeEntries(plain)
}

// takeOut takes the values of a record out of a lane that nobody will write. A rollback may
// still look at the lane, so the entry stays, as one of which nothing is known.
func (l *Ledger) takeOut(ctx context.Context, id LaneID, key string) error {
	return l.write(ctx, func(ctx context.Context, tx txn) error {
		lane, err := l.lockLane(ctx, tx, id)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		var data []byte
		if err := tx.QueryRowContext(ctx, l.q(`SELECT data FROM lane_data WHERE run = ? AND page = ? AND lane = ?`), id.Run, id.Page, id.Lane).Scan(&data); err != nil {
			return err
		}
		entries, err := l.decode(id, data)
		if err != nil {
			return err
		}
		for i := range entries {
			if e := &entries[i]; isOf(lane.table, key, lane.flow, lane.table, e) {
				e.Raw, e.Verdict, e.Problem, e.Deleted = nil, VerdictNone, "", true
			}
		}
		if data, err = l.seal.pack(encodeEntries(entries), id.place()); err != nil {
			return fmt.Errorf("sealing %s: %w", id, err)
		}
		_, err = tx.ExecContext(ctx, l.q(`UPDATE lane_data SET data = ? WHERE run = ? AND page = ? AND lane = ?`), data, id.Run, id.Page, id.Lane)
		return err
	})
}
