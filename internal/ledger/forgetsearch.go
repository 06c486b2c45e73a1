package ledger

import (
	"context"
	"slices"
	"sync"
	"time"
)

// search is where a search for what was forgotten stands. A restart begins it anew.
type search struct {
	mu     sync.Mutex
	hashes map[string]time.Time // that are looked for, and when each was forgotten; nil: nothing is
	parts  []searched
	after  string // the key that was looked at last, in the first part
}

// searched is a part of a table: a query for its next keys, and the ids that these rows are of.
type searched struct {
	query string
	args  []any
	table string
}

// searchStep looks at the next rows for what was forgotten, and asks to forget what it finds.
func (l *Ledger) searchStep(ctx context.Context) (more bool, err error) {
	s := &l.search
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hashes == nil {
		rows, err := l.db.QueryContext(ctx, l.q(`SELECT hash, at FROM erasure WHERE searched = 0`))
		if err != nil {
			return false, err
		}
		hashes, err := collect(rows, func(e *erasure, scan scanner) error { return scan(&e.hash, &e.at) })
		if err != nil || len(hashes) == 0 {
			return false, err
		}
		return true, l.beginSearch(ctx, s, hashes)
	}
	if len(s.parts) == 0 {
		return l.endSearch(ctx, s)
	}
	part := s.parts[0]
	rows, err := l.db.QueryContext(ctx, l.q(part.query), append(slices.Clone(part.args), s.after, walkChunk)...)
	if err != nil {
		return false, err
	}
	found, err := collect(rows, func(r *[2]string, scan scanner) error { return scan(&r[0], &r[1]) })
	if err != nil {
		return false, err
	}
	if err := l.askFound(ctx, s, part.table, found); err != nil {
		return false, err
	}
	if len(found) < walkChunk {
		s.parts, s.after = s.parts[1:], ""
	} else {
		s.after = found[len(found)-1][0]
	}
	return true, nil
}

func (l *Ledger) beginSearch(ctx context.Context, s *search, hashes []erasure) error {
	tables, err := l.tablesWith(ctx, "contacts")
	if err != nil {
		return err
	}
	s.hashes, s.parts, s.after = map[string]time.Time{}, nil, ""
	for _, e := range hashes {
		s.hashes[e.hash] = fromMillis(e.at)
	}
	for _, t := range tables {
		for _, rows := range keyedRows {
			s.parts = append(s.parts, searched{`SELECT key, key FROM ` + rows + ` WHERE tbl = ? AND key > ? ORDER BY key LIMIT ?`, []any{t}, t})
		}
		for _, flow := range refusingFlows {
			s.parts = append(s.parts, searched{`SELECT key, key FROM quarantine WHERE flow = ? AND tbl = ? AND key > ? ORDER BY key LIMIT ?`, []any{flow, t}, t})
		}
	}
	s.parts = append(s.parts, searched{`SELECT contact, contact FROM optout WHERE contact > ? ORDER BY contact LIMIT ?`, nil, "optout"},
		searched{`SELECT key, contact FROM event WHERE key > ? ORDER BY key LIMIT ?`, nil, "egress"})
	return nil
}

// askFound asks to forget those that were forgotten before.
func (l *Ledger) askFound(ctx context.Context, s *search, table string, rows [][2]string) error {
	var found []string
	for i, r := range rows {
		if (i == 0 || rows[i-1][1] != r[1]) && !s.hashes[l.Erasure(r[1])].IsZero() {
			found = append(found, r[1])
		}
	}
	if len(found) == 0 {
		return nil
	}
	return l.write(ctx, func(ctx context.Context, tx txn) error {
		for _, key := range found {
			if err := l.askForget(ctx, tx, table, key, s.hashes[l.Erasure(key)], true); err != nil {
				return err
			}
		}
		return nil
	})
}

// endSearch looks at what is staged too, and ends the search.
func (l *Ledger) endSearch(ctx context.Context, s *search) (more bool, err error) {
	found := map[string][][2]string{}
	if _, err := l.lanesWith(ctx, l.db, map[LaneID]bool{}, func(_, table string, e *Entry) bool {
		if !s.hashes[l.Erasure(e.Key)].IsZero() {
			found[table] = append(found[table], [2]string{e.Key, e.Key})
		}
		return false
	}); err != nil {
		return false, err
	}
	for table, rows := range found {
		if err := l.askFound(ctx, s, table, rows); err != nil {
			return false, err
		}
	}
	err = l.write(ctx, func(ctx context.Context, tx txn) error {
		for hash, at := range s.hashes { // one that was forgotten once more meanwhile is searched for anew
			if _, err := tx.ExecContext(ctx, l.q(`UPDATE erasure SET searched = 1 WHERE hash = ? AND at = ?`), hash, millis(at)); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		s.hashes = nil
	}
	return true, err
}
