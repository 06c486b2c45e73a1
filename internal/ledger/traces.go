package ledger

import (
	"context"
	"fmt"
)

// Trace is how many rows of a table of the ledger are of one record.
type Trace struct {
	Where string // table of the ledger
	Rows  int64
	Kept  bool // also after it is forgotten: ids and choices, no values
}

// Traces says where a record is in the ledger: counts, no values. Tables with nothing of it
// are missing.
func (l *Ledger) Traces(ctx context.Context, table, key string) (out []Trace, err error) {
	tables, err := l.tablesWith(ctx, table)
	if err != nil {
		return nil, err
	}
	counts := map[string]int64{}
	count := func(where, query string, args ...any) {
		if err != nil {
			return
		}
		var n int64
		n, err = l.count(ctx, query, args...)
		counts[where] += n
	}
	for _, t := range tables {
		for _, rows := range keyedRows {
			count(rows, `SELECT count(*) FROM `+rows+` WHERE tbl = ? AND key = ?`, t, key)
		}
		for _, flow := range refusingFlows {
			count("quarantine", `SELECT count(*) FROM quarantine WHERE flow = ? AND tbl = ? AND key = ?`, flow, t, key)
		}
	}
	count("optout", `SELECT count(*) FROM optout WHERE contact = ?`, key)
	count("optout_decision", `SELECT count(*) FROM optout_decision WHERE contact = ?`, key)
	count("optout_owed", `SELECT count(*) FROM optout_owed WHERE contact = ?`, key)
	count("event", `SELECT count(*) FROM event WHERE contact = ?`, key)
	if err == nil {
		var refused []string
		refused, err = l.refusedEvents(ctx, key)
		counts["quarantine"] += int64(len(refused))
	}
	if err == nil {
		var lanes []laneWith
		lanes, err = l.lanesWith(ctx, l.db, map[LaneID]bool{}, func(flow, of string, e *Entry) bool { return isOf(table, key, flow, of, e) })
		counts["lane_data"] = int64(len(lanes))
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: looking where a record is: %w", err)
	}
	for _, where := range []string{"record", "before_image", "quarantine", "lane_data", "parked", "doubt", "audit", "returned", "link", "event", "optout", "optout_decision", "optout_owed"} {
		if n := counts[where]; n > 0 {
			kept := where == "optout" || where == "optout_decision" || where == "optout_owed"
			out = append(out, Trace{Where: where, Rows: n, Kept: kept})
		}
	}
	return out, nil
}
