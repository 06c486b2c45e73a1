package ingress

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"causeway.dev/activities/run"
	"causeway.dev/internal/ledger"
)

// settlement is a ledger settlement that may hold a permit of maxUnsettled.
type settlement struct {
	ledger.Result
	permit bool
}

// settler commits outcomes as they come: while one commit is under way the next
// group gathers, so groups grow with the speed of the writes.
type settler struct {
	w      *laneWriter
	ctx    context.Context // ends when a commit fails or the activity is cancelled
	cancel context.CancelCauseFunc
	in     chan settlement
	done   chan error
}

const groupMax = 100

func newSettler(ctx context.Context, w *laneWriter) *settler {
	s := &settler{w: w, in: make(chan settlement, groupMax), done: make(chan error, 1)}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	go s.loop(context.WithoutCancel(ctx))
	return s
}

// permitOf is the permit of a unit's write, so that it is given back whatever
// becomes of the write.
type permitOf struct {
	u *unit
	*settler
}

// acquire takes a permit for a write about to reach Campaign.
func (p permitOf) acquire(ctx context.Context) error {
	err := p.w.unsettled.Acquire(ctx, 1)
	p.u.permit = err == nil
	return err
}

// Release gives back the permit of a write that did not happen.
func (p permitOf) Release() {
	p.w.unsettled.Release(1)
	p.u.permit = false
}

func (s *settler) add(x settlement) { s.in <- x }

// close commits what is left and returns the first failure to commit.
func (s *settler) close() error {
	close(s.in)
	err := <-s.done
	s.cancel(nil)
	return err
}

// loop commits groups until in is closed; commits are not cancelled with the
// activity, because their writes have happened.
func (s *settler) loop(commit context.Context) {
	beat := time.NewTicker(run.BeatEvery)
	defer beat.Stop()
	var failed error
	var counts ledger.Counts
	group := make([]ledger.Result, 0, groupMax)
	permits := int64(0)
	for {
		group, permits = group[:0], 0
		select {
		case x, ok := <-s.in:
			if !ok {
				s.done <- failed
				return
			}
			group, permits = take(group, permits, x)
		case <-beat.C:
			activity.RecordHeartbeat(s.ctx, run.FromLedger(counts))
			continue
		}
	gather:
		for len(group) < groupMax {
			select {
			case x, ok := <-s.in:
				if !ok {
					break gather
				}
				group, permits = take(group, permits, x)
			default:
				break gather
			}
		}
		if failed == nil {
			if err := s.w.o.Ledger.Commit(commit, s.w.lane.ID, s.w.lane.Token, group); err != nil {
				failed = s.failure(err)
				s.cancel(failed)
			} else {
				for i := range group {
					counts.Count(group[i].Outcome)
					s.w.counts.outcome(group[i].Outcome)
				}
			}
		}
		if permits > 0 {
			s.w.unsettled.Release(permits)
		}
	}
}

func take(group []ledger.Result, permits int64, x settlement) ([]ledger.Result, int64) {
	if x.permit {
		permits++
	}
	return append(group, x.Result), permits
}

// failure says what a refused commit means for this attempt.
func (s *settler) failure(err error) error {
	if errors.Is(err, ledger.ErrFenced) {
		// Another attempt has taken the lane; this one must not go on.
		return temporal.NewApplicationErrorWithOptions("another attempt has taken over this lane", "Fenced",
			temporal.ApplicationErrorOptions{Category: temporal.ApplicationErrorCategoryBenign})
	}
	return fmt.Errorf("committing outcomes of lane %d of page %d of %s: %w", s.w.in.Lane, s.w.in.Page, s.w.in.Run, err)
}
