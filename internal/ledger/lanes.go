package ledger

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// LaneID names one lane of a staged page.
type LaneID struct {
	Run  string
	Page int
	Lane int
}

// String names the lane in messages.
func (id LaneID) String() string {
	return fmt.Sprintf("lane %d of page %d of run %s", id.Lane, id.Page, id.Run)
}

// Token names one attempt at a lane. It is random, because numbers would repeat
// when the ledger is restored from a backup.
type Token string

// Lane is a lane as OpenLane hands it out.
type Lane struct {
	ID       LaneID
	Flow     string
	Table    string
	Entries  []Entry
	Outcomes []Outcome
	Token    Token // of this attempt; once another attempt opens the lane, it writes no more
	Attempt  int64 // its number; above 1, an earlier attempt may have written to the target
	Done     bool
	Counts   Counts // when Done

	RunStarted time.Time

	Crashes  int         // attempts that died at the lane, see ReleaseLane
	Suspects map[int]int // of these, how many with which entry in flight, see MarkInFlight
}

// OpenLaneRef is a lane that is not done, and how many entries it has.
type OpenLaneRef struct {
	LaneID
	Size int
}

// OpenLane hands out a lane with the outcomes it has, and fences off earlier
// attempts: they can no longer commit to it or close it. A lane that is done comes
// without entries, with its counts, and stays its last attempt's. ErrNotFound for
// a lane that was not staged or whose page was dropped.
func (l *Ledger) OpenLane(ctx context.Context, id LaneID) (*Lane, error) {
	return l.OpenLaneAfter(ctx, id, 0)
}

// OpenLaneAfter is OpenLane after as many attempts as the caller knows of. Where the ledger
// knows of fewer, it was restored from a backup since, or one did not get so far: what they
// have written may not be in it.
func (l *Ledger) OpenLaneAfter(ctx context.Context, id LaneID, attempts int64) (*Lane, error) {
	lane, err := l.openLane(ctx, id, attempts)
	if errors.Is(err, ErrNotFound) {
		lane, err = l.emptyLane(ctx, id)
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: opening %s: %w", id, err)
	}
	return lane, nil
}

// gone says that the process which holds a lane will never send anything again: it was
// the one worker of a SQLite file, and this process is that now.
func (l *Ledger) gone(lane *lockedLane) bool {
	return !l.postgres && l.Worker() != "" && lane.worker != "" && lane.worker != l.Worker()
}

func (l *Ledger) openLane(ctx context.Context, id LaneID, attempts int64) (*Lane, error) {
	var row *lockedLane
	err := l.write(ctx, func(ctx context.Context, tx txn) (err error) {
		if row, err = l.lockLane(ctx, tx, id); err != nil || row.done {
			return err
		}
		if err := l.noOtherFile(ctx, tx, row); err != nil {
			return err
		}
		unknown := row.attempts < attempts
		row.attempts = max(row.attempts, attempts)
		if row.held || unknown {
			if err := l.doubtOpenEntries(ctx, tx, row); err != nil {
				return err
			}
		}
		row.open(newToken())
		row.worker = l.Worker()
		if row.renewals, err = l.renewals(ctx, tx, false); err != nil {
			return err
		}
		return row.save(ctx, l, tx)
	})
	if err != nil {
		return nil, err
	}
	l.subjects.Store(id, row.subject)
	lane := &Lane{
		ID: id, Flow: row.flow, Table: row.table, RunStarted: row.runStarted, Token: row.token, Attempt: row.attempts, Done: row.done,
		Crashes: row.crashes, Suspects: row.suspects, Outcomes: make([]Outcome, len(row.outcomes)),
	}
	for i, o := range row.outcomes {
		lane.Outcomes[i] = Outcome(o)
	}
	if lane.Done {
		lane.Counts = countOf(row.outcomes)
		return lane, nil
	}
	lane.Entries, err = l.entries(ctx, id, len(row.outcomes))
	return lane, err
}

func (l *Ledger) entries(ctx context.Context, id LaneID, want int) ([]Entry, error) {
	var data []byte
	err := l.db.QueryRowContext(ctx, l.q(`SELECT data FROM lane_data WHERE run = ? AND page = ? AND lane = ?`), id.Run, id.Page, id.Lane).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrFenced // another attempt has opened and closed it in this moment
	}
	if err != nil {
		return nil, err
	}
	return l.openEntries(id, data, want)
}

// openEntries reads the sealed entries of a lane.
func (l *Ledger) openEntries(id LaneID, data []byte, want int) ([]Entry, error) {
	plain, err := l.seal.unpack(data, id.place())
	if err != nil {
		return nil, err
	}
	entries, err := decodeEntries(plain)
	if err != nil {
		return nil, err
	}
	if len(entries) != want {
		return nil, errBlob
	}
	return entries, nil
}

// emptyLane is a lane of a staged page to which no record fell: done from the start.
func (l *Ledger) emptyLane(ctx context.Context, id LaneID) (*Lane, error) {
	page, err := l.Page(ctx, id.Run, id.Page)
	if err != nil {
		return nil, err
	}
	if id.Lane < 0 || id.Lane >= len(page.LaneSizes) || page.LaneSizes[id.Lane] != 0 {
		return nil, ErrNotFound
	}
	return &Lane{ID: id, Done: true}, nil
}

// MarkInFlight says which entry is about to be written, with nothing else of the lane
// in flight. If the process dies then, later attempts see that in Lane.Suspects. With
// Quiet it says that nothing is: if the process dies all the same, no entry is suspected
// any more. ErrFenced when another attempt has opened the lane since.
func (l *Ledger) MarkInFlight(ctx context.Context, id LaneID, token Token, entry int) error {
	err := l.write(ctx, func(ctx context.Context, tx txn) error {
		lane, err := l.lockLaneOf(ctx, tx, id, token)
		if errors.Is(err, ErrNotFound) {
			return ErrFenced // somebody has given the run up
		}
		if err != nil {
			return err
		}
		lane.markInFlight(entry)
		return lane.save(ctx, l, tx)
	})
	if err != nil {
		return fmt.Errorf("ledger: entry %d of %s: %w", entry, id, err)
	}
	return nil
}

// ReleaseLane says that an attempt ends in good order. With outcomeUnknown it does
// not know what became of some of its writes; without, whatever it had in flight
// has its outcome or was not sent. An attempt that does not say so counts as one
// that died, once another opens the lane. A lane that another attempt has opened,
// or that is no more, is left as it is.
func (l *Ledger) ReleaseLane(ctx context.Context, id LaneID, token Token, outcomeUnknown bool) error {
	err := l.write(ctx, func(ctx context.Context, tx txn) error {
		lane, err := l.lockLaneOf(ctx, tx, id, token)
		if errors.Is(err, ErrFenced) || errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		lane.release(outcomeUnknown)
		return lane.save(ctx, l, tx)
	})
	if err != nil {
		return fmt.Errorf("ledger: releasing %s: %w", id, err)
	}
	return nil
}

// HoldsLane says that no other attempt has opened the lane since this one did:
// ErrFenced when one has, or when the lane or its run is no more.
func (l *Ledger) HoldsLane(ctx context.Context, id LaneID, token Token) error {
	if err := l.file.inPlace(); err != nil {
		return err
	}
	var held bool
	err := l.db.QueryRowContext(ctx, l.q(`SELECT token = ? AND done = 0 FROM lane WHERE run = ? AND page = ? AND lane = ?`), string(token), id.Run, id.Page, id.Lane).Scan(&held)
	if errors.Is(err, sql.ErrNoRows) || err == nil && !held {
		err = ErrFenced
	}
	if err != nil {
		return fmt.Errorf("ledger: %s: %w", id, err)
	}
	return nil
}

// CloseLane marks a lane done, drops its staged records and adds its counts to
// the run, once however often it is called; it returns the counts each time.
// Every entry must have an outcome. ErrFenced when another attempt has opened
// the lane since.
func (l *Ledger) CloseLane(ctx context.Context, id LaneID, token Token) (Counts, error) {
	var counts Counts
	err := l.write(ctx, func(ctx context.Context, tx txn) error {
		lane, err := l.lockLaneOf(ctx, tx, id, token)
		if err != nil {
			return err
		}
		counts = countOf(lane.outcomes)
		if lane.done {
			return nil
		}
		if !counts.Balanced() {
			return fmt.Errorf("%d of %d entries have no outcome yet", counts.Read-counts.WithOutcome(), counts.Read)
		}
		lane.close()
		if err := lane.save(ctx, l, tx); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, l.q(`DELETE FROM lane_data WHERE run = ? AND page = ? AND lane = ?`), id.Run, id.Page, id.Lane); err != nil {
			return err
		}
		return l.addCounts(ctx, tx, id.Run, counts)
	})
	if err != nil {
		return Counts{}, fmt.Errorf("ledger: closing %s: %w", id, err)
	}
	l.subjects.Delete(id)
	return counts, nil
}

func countOf(outcomes []byte) Counts {
	var c Counts
	for _, o := range outcomes {
		c.Count(Outcome(o))
	}
	return c
}

// lockedLane is a lane's row, which no other transaction can change until this
// one ends.
type lockedLane struct {
	laneState
	subject
	id       LaneID
	worker   WorkerID // of the attempt that opened the lane last
	outcomes []byte
	renewals int64 // records that had been created anew when it was opened
}

// lockLane reads a lane that is about to be changed.
func (l *Ledger) lockLane(ctx context.Context, tx txn, id LaneID) (*lockedLane, error) {
	// Not joined with its page and run: SQLite prepares a join anew whenever the number of the
	// lane is 0 or 1 after it was another, and the other way about.
	query := `SELECT token, attempts, held, done, outcome_unknown, crashes, entry, suspects, worker, outcomes, renewals
		FROM lane WHERE run = ? AND page = ? AND lane = ?`
	if l.postgres {
		query += ` FOR UPDATE`
	}
	lane := &lockedLane{id: id}
	var suspects string
	err := tx.QueryRowContext(ctx, l.q(query), id.Run, id.Page, id.Lane).
		Scan(&lane.token, &lane.attempts, &lane.held, &lane.done, &lane.outcomeUnknown, &lane.crashes, &lane.entry, &suspects,
			&lane.worker, &lane.outcomes, &lane.renewals)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, ErrNotFound
	}
	if err == nil && suspects != "" {
		err = json.Unmarshal([]byte(suspects), &lane.suspects)
	}
	if err == nil {
		lane.subject, err = l.subjectOf(ctx, tx, id)
	}
	return lane, err
}

// lockLaneOf is lockLane for the attempt that opened the lane last; ErrFenced for
// any other.
func (l *Ledger) lockLaneOf(ctx context.Context, tx txn, id LaneID, token Token) (*lockedLane, error) {
	lane, err := l.lockLane(ctx, tx, id)
	if err == nil && lane.token != token {
		return nil, ErrFenced
	}
	return lane, err
}

// save writes the state of the lane. The outcomes have a statement of their own.
func (lane *lockedLane) save(ctx context.Context, l *Ledger, tx txn) error {
	s := &lane.laneState
	suspects := ""
	if len(s.suspects) > 0 {
		doc, _ := json.Marshal(s.suspects) // numbers always can be
		suspects = string(doc)
	}
	_, err := tx.ExecContext(ctx, l.q(`UPDATE lane SET token = ?, worker = ?, attempts = ?, held = ?, done = ?, outcome_unknown = ?, crashes = ?, entry = ?, suspects = ?, renewals = ?
		WHERE run = ? AND page = ? AND lane = ?`),
		string(s.token), string(lane.worker), s.attempts, flag(s.held), flag(s.done), flag(s.outcomeUnknown), s.crashes, s.entry, suspects, lane.renewals,
		lane.id.Run, lane.id.Page, lane.id.Lane)
	return err
}
