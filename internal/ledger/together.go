package ledger

import (
	"context"
	"errors"
	"fmt"
)

// laneCommit is one call of Commit.
type laneCommit struct {
	ledger  *Ledger
	id      LaneID
	token   Token
	group   []Result
	effects *effects
}

// commitLane carries a call of Commit out. On SQLite, calls that wait at the same time
// share statements too, where the effects of all are of the common kinds.
func (l *Ledger) commitLane(ctx context.Context, c *laneCommit) error {
	w := func(ctx context.Context, tx txn) error { return commitTogether(ctx, tx, []*laneCommit{c}) }
	if l.postgres || !c.effects.common() {
		return l.write(ctx, w)
	}
	err := l.file.inPlace()
	if err == nil {
		err = l.sqlite.do(ctx, &commit{work: w, lane: c})
	}
	return l.noted(err)
}

// common says that effects can be put together with those of other lanes of the table in
// the run: each part then counts in the order of the calls.
func (e *effects) common() bool {
	if len(e.refused)+len(e.resolved)+len(e.unparked)+len(e.parked)+len(e.renewed)+len(e.linked)+len(e.unanswered)+len(e.looks)+
		len(e.events)+len(e.optouts)+len(e.decisions)+len(e.returned)+len(e.owed)+len(e.takenOver) > 0 {
		return false
	}
	for _, r := range e.records {
		if r.State == Deleted { // what is known of it goes
			return false
		}
	}
	return true
}

// append adds the effects of a later call. Both are common.
func (e *effects) append(o *effects) {
	e.records, e.sealed.records = append(e.records, o.records...), append(e.sealed.records, o.sealed.records...)
	e.befores, e.sealed.befores = append(e.befores, o.befores...), append(e.sealed.befores, o.sealed.befores...)
	e.seen, e.arrived = append(e.seen, o.seen...), append(e.arrived, o.arrived...)
}

// commitTogether keeps the results of lanes in one transaction: of one lane, or on SQLite
// of several whose effects are common.
func commitTogether(ctx context.Context, tx txn, commits []*laneCommit) error {
	lanes, locked := make([]*lockedLane, len(commits)), map[LaneID]*lockedLane{}
	for i, c := range commits {
		lane := locked[c.id]
		if lane == nil {
			var err error
			if lane, err = c.ledger.lockLane(ctx, tx, c.id); err != nil {
				return err
			}
			locked[c.id] = lane
		}
		if err := c.fits(lane); err != nil {
			return err
		}
		lanes[i] = lane
	}
	type subjectOfRun struct{ run, flow, table string }
	together := map[subjectOfRun]*effects{}
	var first []int // of each of them
	for i, c := range commits {
		of := subjectOfRun{c.id.Run, lanes[i].flow, lanes[i].table}
		switch e := together[of]; {
		case e == nil && len(commits) == 1:
			together[of], first = c.effects, append(first, i)
		case e == nil:
			e = &effects{} // the call's own stays as it is: it may be carried out again
			e.append(c.effects)
			together[of], first = e, append(first, i)
		default:
			e.append(c.effects)
		}
	}
	for _, i := range first {
		of := subjectOfRun{commits[i].id.Run, lanes[i].flow, lanes[i].table}
		if err := together[of].put(ctx, commits[i].ledger, tx, commits[i].id.Run, lanes[i]); err != nil {
			return err
		}
	}
	return settleTogether(ctx, tx, commits, lanes)
}

// fits says whether an attempt may commit its results to a lane.
func (c *laneCommit) fits(lane *lockedLane) error {
	if lane.token != c.token {
		return ErrFenced
	}
	if lane.done {
		return errors.New("the lane is closed")
	}
	for i := range c.group {
		if c.group[i].Index >= len(lane.outcomes) {
			return fmt.Errorf("entry %d is not in the lane of %d", c.group[i].Index, len(lane.outcomes))
		}
	}
	return nil
}

// settleTogether gives entries their outcomes and counts for the charts what is new by that,
// once for the lanes of a table.
func settleTogether(ctx context.Context, tx txn, commits []*laneCommit, lanes []*lockedLane) error {
	type of struct{ flow, table string }
	counted := map[of]*settled{}
	var order []of
	for i, c := range commits {
		if c.ledger.postgres {
			return lanes[i].settle(ctx, c.ledger, tx, c.group)
		}
		o := of{lanes[i].flow, lanes[i].table}
		if counted[o] == nil {
			counted[o] = &settled{}
			order = append(order, o)
		}
		lanes[i].give(c.group, counted[o])
		if _, err := tx.ExecContext(ctx, c.ledger.q(keepOutcomes), lanes[i].outcomes, c.id.Run, c.id.Page, c.id.Lane); err != nil {
			return err
		}
	}
	for _, o := range order {
		if counted[o].more.Read == 0 {
			continue
		}
		if _, err := tx.ExecContext(ctx, commits[0].ledger.q(settleSQLite), counted[o].args(commits[0].ledger, o.flow, o.table)...); err != nil {
			return err
		}
	}
	return nil
}
