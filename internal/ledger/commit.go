package ledger

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// Result is the outcome of one staged record and all that follows from it.
type Result struct {
	Index      int // of the entry in its lane
	Outcome    Outcome
	Record     *Record // new state; nil = as it was
	Seen       string  // key: without a Record, keeps that this run saw the record
	Before     *BeforeImage
	Quarantine *QuarantineItem // Key, Version, Class, Code, Field, Message, Parent and Payload are kept; the lane says the rest
	Resolve    bool            // releases an open quarantine item of Record's key, and what was parked of it: it was applied after all

	Park    *ParkedItem // the change waits; replaces what was parked of its key
	Links   []Parent    // parents that Record names in the target; nil = as they were, empty = none
	Arrived bool        // the target holds Record now and did not before: wakes what waits for it
	Renewed bool        // it was created anew: has the records that name it looked at
	// Returned says that somebody had deleted it in the target, and that it is back.
	Returned bool

	Event *Event // what became of an event; with Resolve its key is that of the item

	Unanswered *Entry // an earlier request of this entry had no answer, and may still have an effect
	Look       *Look  // the target was read of a doubtful record

	OptOut *OptOutResult // what is known of a contact's choices now, and what was decided
}

// Commit keeps results of a lane and everything that follows from them, in one
// transaction. On nil all of it is durable. On ErrFenced none of it is: another
// attempt has opened the lane since. A later result of an entry replaces its
// outcome. Of several results for one key in the group, the last counts.
func (l *Ledger) Commit(ctx context.Context, id LaneID, token Token, group []Result) error {
	if len(group) == 0 {
		return nil
	}
	if err := checkGroup(group); err != nil {
		return fmt.Errorf("ledger: committing results of %s: %w", id, err)
	}
	effects, err := l.effectsOf(group)
	if err != nil {
		return fmt.Errorf("ledger: committing results of %s: %w", id, err)
	}
	of, err := l.subjectOf(ctx, l.db, id)
	if err == nil {
		err = effects.seal(l.seal, id.Run, of.flow, of.table)
	}
	if err != nil {
		return fmt.Errorf("ledger: committing results of %s: %w", id, err)
	}
	err = l.commitLane(ctx, &laneCommit{ledger: l, id: id, token: token, group: group, effects: effects})
	if err != nil {
		return fmt.Errorf("ledger: committing %d results of %s: %w", len(group), id, err)
	}
	return nil
}

func checkGroup(group []Result) error {
	for i := range group {
		s := &group[i]
		switch {
		case s.Index < 0:
			return fmt.Errorf("entry %d is not in the lane", s.Index)
		case !s.Outcome.known():
			return fmt.Errorf("entry %d: %d is not an outcome", s.Index, byte(s.Outcome))
		case s.Record != nil && s.Record.Key == "", s.Before != nil && s.Before.Key == "", s.Quarantine != nil && s.Quarantine.Key == "",
			s.Event != nil && s.Event.Key == "", s.OptOut != nil && s.OptOut.State.Contact == "":
			return fmt.Errorf("entry %d: a record without a key", s.Index)
		}
	}
	return nil
}

// effects is what a group writes besides outcomes, each part once per key and in
// key order, so that transactions of several workers lock rows in one order.
type effects struct {
	records     []*Record
	seen        []string
	befores     []*BeforeImage
	refused     []*QuarantineItem
	resolved    []string
	attemptsFor map[string]int

	unparked, arrived, renewed []string
	parked                     []*ParkedItem
	links                      map[string][]Parent
	linked                     []string // the keys of links

	unanswered []*Entry
	looks      []*Look

	events []*Event

	optouts   []*OptOut
	decisions []*OptOutDecision
	returned  []string
	owed      []*OwedOptOut
	takenOver []*OwedOptOut

	sealed sealedEffects
}

func (l *Ledger) effectsOf(group []Result) (*effects, error) {
	e := &effects{}
	for i := range group {
		s := &group[i]
		if s.Record != nil {
			e.records = append(e.records, s.Record)
		} else if s.Seen != "" {
			e.seen = append(e.seen, s.Seen)
		}
		if s.Returned && s.Record != nil {
			e.returned = append(e.returned, s.Record.Key)
		}
		if s.Before != nil {
			e.befores = append(e.befores, s.Before)
		}
		if s.Resolve && s.Record != nil {
			e.resolve(s.Record.Key)
		}
		if s.Event != nil && s.Resolve {
			e.resolve(s.Event.Key)
		}
		if s.Event != nil {
			e.events = append(e.events, s.Event)
		}
		if s.Unanswered != nil {
			e.unanswered = append(e.unanswered, s.Unanswered)
		}
		if s.Look != nil {
			e.looks = append(e.looks, s.Look)
		}
		if s.Quarantine != nil {
			e.refused = append(e.refused, s.Quarantine)
		}
	}
	e.records = lastOf(e.records, func(r *Record) string { return r.Key })
	e.befores = firstOf(e.befores, func(b *BeforeImage) string { return b.Key })
	e.events = mergeEvents(e.events)
	e.ofOptOuts(group)
	slices.Sort(e.returned)
	e.returned = slices.Compact(e.returned)
	slices.SortStableFunc(e.looks, func(a, b *Look) int { return cmp.Compare(a.Key, b.Key) })
	slices.Sort(e.seen)
	slices.Sort(e.resolved)
	e.countRefused()
	return e, e.ofLinks(group)
}

// resolve releases the quarantine item of a record, also one that came earlier in
// the same group.
func (e *effects) resolve(key string) {
	e.resolved = append(e.resolved, key)
	e.refused = slices.DeleteFunc(e.refused, func(q *QuarantineItem) bool { return q.Key == key })
}

// countRefused counts several refusals of one key as that many attempts of one item.
func (e *effects) countRefused() {
	if len(e.refused) == 0 {
		return
	}
	e.attemptsFor = make(map[string]int, len(e.refused))
	for _, q := range e.refused {
		e.attemptsFor[q.Key]++
	}
	e.refused = lastOf(e.refused, func(q *QuarantineItem) string { return q.Key })
}

func lastOf[T any](items []T, key func(T) string) []T {
	slices.Reverse(items)
	return firstOf(items, key)
}

func firstOf[T any](items []T, key func(T) string) []T {
	slices.SortStableFunc(items, func(a, b T) int { return cmp.Compare(key(a), key(b)) })
	return slices.CompactFunc(items, func(a, b T) bool { return key(a) == key(b) })
}

// put writes the effects. Items are resolved before new ones are added: a record
// written and then refused in one group stays in quarantine.
func (e *effects) put(ctx context.Context, l *Ledger, tx txn, run string, lane *lockedLane) error {
	renewals, err := e.lockRenewals(ctx, l, tx)
	if err != nil {
		return err
	}
	if err := markSeen.run(ctx, l, tx, []any{run, lane.table}, len(e.seen), func(args []any, i int) []any {
		return append(args, e.seen[i])
	}); err != nil {
		return err
	}
	if err := putBefores.run(ctx, l, tx, []any{run, lane.table, l.now().UnixMilli()}, len(e.befores), func(args []any, i int) []any {
		b := e.befores[i]
		return append(args, b.Key, flag(b.Existed), e.sealed.befores[i])
	}); err != nil {
		return err
	}
	now := l.now().UnixMilli()
	if err := resolve.run(ctx, l, tx, []any{now, lane.flow, lane.table}, len(e.resolved), func(args []any, i int) []any {
		return append(args, e.resolved[i])
	}); err != nil {
		return err
	}
	if err := e.refuse(ctx, l, tx, run, lane); err != nil {
		return err
	}
	if err := e.putRecords(ctx, l, tx, lane.table); err != nil {
		return err
	}
	if err := e.forgetDeleted(ctx, l, tx, run, lane); err != nil {
		return err
	}
	if err := putReturned.run(ctx, l, tx, []any{lane.table, run, now}, len(e.returned), func(args []any, i int) []any {
		return append(args, e.returned[i])
	}); err != nil {
		return err
	}
	if err := e.putEvents(ctx, l, tx, run, now); err != nil {
		return err
	}
	if err := e.putOptOuts(ctx, l, tx, run, now); err != nil {
		return err
	}
	if err := e.wake(ctx, l, tx, lane); err != nil {
		return err
	}
	if err := e.relink(ctx, l, tx, lane); err != nil {
		return err
	}
	if err := e.park(ctx, l, tx, run, lane); err != nil {
		return err
	}
	if err := e.doubtChildren(ctx, l, tx, run, lane, renewals); err != nil {
		return err
	}
	return e.requests(ctx, l, tx, run, lane)
}

// requests ends the doubts that a read of the target has ended, and keeps those about
// requests without an answer.
func (e *effects) requests(ctx context.Context, l *Ledger, tx txn, run string, lane *lockedLane) error {
	if err := l.endDoubts(ctx, tx, lane.table, e.looks); err != nil {
		return err
	}
	if !slices.Contains(flowsWithDoubt, lane.flow) {
		return nil
	}
	return l.enterDoubts(ctx, tx, lane.table, run, lane.runStarted, "", e.unanswered)
}

var putRecords = newBulk(1,
	`INSERT INTO record (tbl, key, version, target_key, state, payload, fingerprint, run, created_run, seen_run) VALUES `,
	`({1},{},{},{},{},{},{},{},{},{})`,
	` ON CONFLICT (tbl, key) DO UPDATE SET version = excluded.version, target_key = excluded.target_key, state = excluded.state,
	payload = excluded.payload, fingerprint = excluded.fingerprint, run = excluded.run, created_run = excluded.created_run, seen_run = excluded.seen_run`)

var markSeen = newBulk(2, `UPDATE record SET seen_run = {1} WHERE tbl = {2} AND key IN (`, `{}`, `)`)

var putBefores = newBulk(3, `INSERT INTO before_image (run, tbl, key, existed, payload, at) VALUES `, `({1},{2},{},{},{},{3})`, ` ON CONFLICT DO NOTHING`)

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}
