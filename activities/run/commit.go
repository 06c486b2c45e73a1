package run

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"go.temporal.io/sdk/temporal"

	"causeway.dev/activities"
	"causeway.dev/internal/ledger"
)

// maxCommitGroup is from how many results on a group is committed although more are
// waiting.
const maxCommitGroup = 100

// committer commits results as they come. While one commit is under way, the next
// group gathers, so groups grow with the speed of the writes.
type committer struct {
	lanes *Lanes
	lane  *ledger.Lane
	count func(Happened, ...ledger.Result)
	fence *fence

	ctx    context.Context // ends when a commit fails or the activity is cancelled
	cancel context.CancelCauseFunc
	in     chan bundle
	done   chan error
	once   sync.Once // closes in

	recorded  atomic.Int64 // results handed in
	inLedger  []bool       // by entry: its result was committed; read when done has answered
	committed atomic.Pointer[activities.Counts]
}

// bundle is results that are committed together.
type bundle struct {
	first  ledger.Result
	more   []ledger.Result
	permit bool // one of maxUnrecorded goes with them; the commit gives it back
}

func newCommitter(ctx context.Context, l *Lanes, lane *ledger.Lane, f *fence) *committer {
	c := &committer{lanes: l, lane: lane, fence: f, inLedger: make([]bool, len(lane.Entries)), in: make(chan bundle, maxCommitGroup), done: make(chan error, 1)}
	c.committed.Store(&activities.Counts{})
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	go c.loop(context.WithoutCancel(ctx))
	return c
}

func (c *committer) add(b bundle) {
	c.recorded.Add(int64(1 + len(b.more)))
	c.in <- b
}

// counts is the account of what was committed, for the heartbeat.
func (c *committer) counts() activities.Counts { return *c.committed.Load() }

// close commits what is left and returns the first failure to commit.
func (c *committer) close() error {
	c.stop()
	return <-c.done
}

// has says that the result of an entry was committed by this attempt. It is for after
// close.
func (c *committer) has(entry int) bool { return c.inLedger[entry] }

// stop ends the committer when what it has is committed. It may be called twice.
func (c *committer) stop() {
	c.once.Do(func() { close(c.in) })
}

// loop commits groups until in is closed. A cancelled activity does not cancel its
// commits, because their writes have happened.
func (c *committer) loop(commit context.Context) {
	var failed error
	var counts ledger.Counts
	group := make([]ledger.Result, 0, maxCommitGroup)
	for first := range c.in {
		group, permits := first.appendTo(group[:0], 0)
	gather:
		for len(group) < maxCommitGroup {
			select {
			case next, ok := <-c.in:
				if !ok {
					break gather
				}
				group, permits = next.appendTo(group, permits)
			default:
				break gather
			}
		}
		if failed == nil {
			began := c.fence.clock()
			if err := c.lanes.Ledger.Commit(commit, c.lane.ID, c.lane.Token, group); err != nil {
				failed = c.commitFailure(err)
				c.cancel(failed)
			} else {
				c.fence.held(began)
				for i := range group {
					counts.Count(group[i].Outcome)
					c.inLedger[group[i].Index] = true
				}
				so := CountsOf(counts)
				c.committed.Store(&so)
				c.count(Committed, group...)
			}
		}
		if permits > 0 {
			c.lanes.unrecorded.Release(permits)
		}
	}
	c.cancel(nil)
	c.done <- failed
}

func (b *bundle) appendTo(group []ledger.Result, permits int64) ([]ledger.Result, int64) {
	if b.permit {
		permits++
	}
	return append(append(group, b.first), b.more...), permits
}

// errTakenOver ends an attempt whose lane another one has opened: it must not go on.
func errTakenOver() error {
	return temporal.NewApplicationErrorWithOptions("another attempt has taken over this lane", "Fenced",
		temporal.ApplicationErrorOptions{Category: temporal.ApplicationErrorCategoryBenign})
}

// commitFailure is the error of an attempt whose commit the ledger refused.
func (c *committer) commitFailure(err error) error {
	if errors.Is(err, ledger.ErrFenced) || errors.Is(err, ledger.ErrNotFound) { // or it was written to its end, and dropped
		return errTakenOver()
	}
	return fmt.Errorf("committing results of %s: %w", c.lane.ID, err)
}
