package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/semaphore"

	"causeway.dev/activities"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/transport"
)

const (
	maxRounds       = 4 // tries of a unit within one attempt of the activity
	pauseAfterRound = 500 * time.Millisecond
)

// Lanes is what the lanes of a flow share in one worker process.
type Lanes struct {
	Ledger *ledger.Ledger
	Logger *slog.Logger
	Gate   Gate // of the target; nil: a throttled unit is tried in the next round
	Width  int  // groups that are written at a time in a lane
	Alone  *Alone

	Clock func() time.Time // by which a fence trusts what it knew; nil: time.Now

	unrecorded *semaphore.Weighted
	failing    failing
}

// maxUnrecorded bounds, over the process, the writes that have reached the target and
// are not in the ledger yet. A kill can make that many be repeated.
const maxUnrecorded = 100

// NewLanes makes what the lanes of a flow share. width is how many groups of a lane are
// written at a time; alone is what it shares with the other flows of the process, nil when
// there are none.
func NewLanes(l *ledger.Ledger, log *slog.Logger, gate Gate, width int, alone *Alone) *Lanes {
	if alone == nil {
		alone = NewAlone(0)
	}
	return &Lanes{Ledger: l, Logger: log, Gate: gate, Width: width, Alone: alone, unrecorded: semaphore.NewWeighted(maxUnrecorded)}
}

// Attempt is one attempt of an activity to write a lane.
type Attempt[T any] struct {
	Lane *ledger.Lane

	lanes     *Lanes
	writer    Writer[T]
	committer *committer
	stopping  <-chan struct{} // closed when the worker drains for a deployment
	waits     atomic.Pointer[activities.Wait]

	mu          sync.Mutex
	failed      []*Unit[T] // to be tried again
	lastErr     error      // of a failed unit
	abortedBy   error      // Blocked, schema, storage, cancellation
	streak      int        // transient failures in a row, over all groups
	uncommitted bool       // results were lost, because the ledger did not take them
	all         []*Unit[T]
}

// WriteLane writes one lane of a staged page. It skips entries that an earlier attempt
// brought to a result. The transient failure of one unit does not keep the others from
// being written; the attempt fails at its end.
func WriteLane[T any](ctx context.Context, l *Lanes, in activities.LaneInput, begin func(context.Context, *ledger.Lane) (Writer[T], error)) (*activities.LaneResult, error) {
	id := ledger.LaneID{Run: in.Run, Page: in.Page, Lane: in.Lane}
	clock := l.Clock
	if clock == nil {
		clock = time.Now
	}
	began := clock()
	lane, err := l.Ledger.OpenLaneAfter(ctx, id, int64(activity.GetInfo(ctx).Attempt)-1)
	if err != nil {
		return nil, Lost(fmt.Errorf("opening %s: %w", id, err))
	}
	if lane.Done {
		return &activities.LaneResult{Counts: CountsOf(lane.Counts)}, nil
	}
	a := &Attempt[T]{Lane: lane, lanes: l, stopping: activity.GetWorkerStopChannel(ctx)}
	f := &fence{ledger: l.Ledger, lane: lane, clock: clock, seen: began}
	err = a.write(transport.WithFence(ctx, f.check), f, begin)
	var counts ledger.Counts
	if err == nil {
		if counts, err = l.Ledger.CloseLane(ctx, id, lane.Token); err != nil {
			err = fmt.Errorf("closing %s: %w", id, err)
		}
	}
	if err != nil {
		if refused := f.refusals(); refused > 0 {
			l.Logger.Warn("this worker stood still, and another one has taken its lane over; what is old is not sent", "flow", lane.Flow, "table", lane.Table,
				"page", id.Page, "requests_not_sent", refused, "requests_without_answer", len(a.unanswered()))
		}
		l.release(ctx, lane, a.unanswered(), a.uncommitted)
		return nil, err
	}
	return &activities.LaneResult{Counts: CountsOf(counts)}, nil
}

// release tells the ledger that this attempt ends in good order, also when the activity
// was cancelled, and which entries it has sent without knowing what became of them. If
// that fails, the lane counts as one at which a worker died. That costs a look at its
// records and no more.
func (l *Lanes) release(ctx context.Context, lane *ledger.Lane, unanswered []int, uncommitted bool) {
	ctx = context.WithoutCancel(ctx)
	err := l.Ledger.ReportUnanswered(ctx, lane, unanswered)
	if err == nil {
		err = l.Ledger.ReleaseLane(ctx, lane.ID, lane.Token, uncommitted || len(unanswered) > 0)
	}
	if err != nil {
		l.Logger.Warn("releasing a lane", "table", lane.Table, "page", lane.ID.Page, "error", err)
	}
}

// write brings the open entries to results. Units that failed for a passing reason get
// a few more rounds before Temporal's slower retry.
func (a *Attempt[T]) write(ctx context.Context, f *fence, begin func(context.Context, *ledger.Lane) (Writer[T], error)) error {
	a.committer = newCommitter(ctx, a.lanes, a.Lane, f)
	defer a.committer.stop() // also when a writer panics before its units are in the queue
	defer KeepBeating(ctx, a.beat)()
	units, err := a.units(ctx, begin)
	for round := 1; err == nil && len(units) > 0; round++ {
		a.failed, a.streak = nil, 0
		a.round(a.committer.ctx, units)
		if a.abortedBy != nil || a.committer.ctx.Err() != nil {
			break
		}
		units = a.failed
		if len(units) == 0 || round == maxRounds || !sleep(a.committer.ctx, time.Duration(round)*pauseAfterRound) {
			break
		}
	}
	if last, ok := a.writer.(lastResort[T]); ok && err == nil && a.abortedBy == nil && ctx.Err() == nil && len(a.failed) > 0 {
		a.failed = last.LastResort(ctx, a, a.failed)
	}
	commitErr := a.committer.close()
	a.uncommitted = commitErr != nil
	switch {
	case commitErr != nil: // comes first: without a commit nothing counts
		return commitErr
	case err != nil:
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	case a.abortedBy != nil:
		return ToTemporal(ctx, a.abortedBy)
	case len(a.failed) > 0:
		if a.lastErr == nil {
			a.lastErr = errors.New("the worker is shutting down")
		}
		return ToTemporal(ctx, fmt.Errorf("%d of %d records of the lane are still to be written: %w", len(a.failed), len(a.Lane.Entries), a.lastErr))
	}
	return nil
}

func (a *Attempt[T]) units(ctx context.Context, begin func(context.Context, *ledger.Lane) (Writer[T], error)) (units []*Unit[T], err error) {
	if a.writer, err = begin(ctx, a.Lane); err != nil {
		return nil, err
	}
	a.committer.count = a.writer.Count
	if units, err = a.writer.Units(ctx, a); err != nil {
		return nil, ToTemporal(ctx, err)
	}
	a.all = units
	for _, u := range units {
		u.entries = u.Entries
	}
	return units, nil
}

// unanswered lists the entries that were sent without the ledger knowing what became of
// them: there was no answer, or the ledger did not take the result.
func (a *Attempt[T]) unanswered() (entries []int) {
	for _, u := range a.all {
		switch {
		case len(u.Entries) > 0 && u.Ambiguous:
			entries = append(entries, u.Entries...)
		case u.sent && a.uncommitted:
			for _, i := range u.entries {
				if !a.committer.has(i) {
					entries = append(entries, i)
				}
			}
		}
	}
	return entries
}

// round tries each unit once. When a group fails as a whole, its units are tried in
// smaller groups, at the end alone.
func (a *Attempt[T]) round(ctx context.Context, units []*Unit[T]) {
	width, write, size := max(1, min(a.lanes.Width, len(units))), a.writeGroup, a.writer.GroupSize
	if a.Lane.Crashes >= aloneAfter {
		width, write, size, units = 1, a.writeAlone, func() int { return 1 }, a.suspectsFirst(units)
	}
	q := newQueue(units)
	var workers sync.WaitGroup
	for range width {
		workers.Go(func() {
			for {
				if !a.mayContinue(ctx, width) {
					q.close()
				}
				group := q.take(size())
				if group == nil {
					return
				}
				q.give(write(ctx, group))
			}
		})
	}
	workers.Wait()
	a.mu.Lock()
	a.failed = append(a.failed, q.open...)
	a.mu.Unlock()
}

// mayContinue is false when more units are not to be started: the worker stops, the
// attempt is at its end, or nothing but failures came of late.
func (a *Attempt[T]) mayContinue(ctx context.Context, width int) bool {
	select {
	case <-a.stopping:
		return false
	case <-ctx.Done():
		return false
	default:
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.abortedBy == nil && a.streak < 2*width
}

// writeGroup writes one group. It returns the units that are to be written again in this
// round.
func (a *Attempt[T]) writeGroup(ctx context.Context, group []*Unit[T]) (again []*Unit[T]) {
	defer func() {
		if p := recover(); p != nil {
			again = a.afterPanic(group, p)
		}
	}()
	began := time.Now()
	err := a.writer.Write(a.about(ctx, group), a, group)
	open, own := 0, 0
	for _, u := range group {
		a.ReleasePermit(u) // a result has taken it, or there was no write
		if len(u.Entries) == 0 {
			continue
		}
		open++
		if u.failure != nil || u.writeAgain {
			own++
		}
	}
	if open < len(group) {
		a.mu.Lock()
		a.streak = 0
		a.mu.Unlock()
	}
	if open == 0 {
		return nil
	}
	if err != nil && own == 0 && len(group) > 1 && ctx.Err() == nil {
		if class := apierr.ClassOf(err); class == apierr.Retryable || class == apierr.Rejected {
			return a.splitGroup(group, err)
		}
	}
	var throttled error
	for _, u := range group {
		if len(u.Entries) == 0 {
			continue
		}
		if u.writeAgain {
			u.writeAgain, again = false, append(again, u)
			continue
		}
		why := u.failure
		if u.failure = nil; why == nil {
			why = err
		}
		if why == nil {
			why = errors.New("a unit was left without a result")
		}
		u.Failure, u.Alone = why, len(group) == 1
		if apierr.ClassOf(why) == apierr.Throttled && apierr.ReasonOf(why) != apierr.ReasonQuota && ctx.Err() == nil {
			throttled, again = why, append(again, u)
			continue
		}
		a.fileFailure(ctx, u, why)
	}
	if throttled != nil && !a.waitUntilOpen(ctx, began, throttled) {
		for _, u := range again {
			a.fileFailure(ctx, u, throttled)
		}
		return nil
	}
	return again
}

// splitGroup has a group written again in halves, because one unit of it may be why the
// service refused it or took too long.
func (a *Attempt[T]) splitGroup(group []*Unit[T], err error) []*Unit[T] {
	a.writer.Count(Split)
	if apierr.ClassOf(err) == apierr.Retryable {
		a.mu.Lock()
		a.lastErr = err
		a.streak++
		a.mu.Unlock()
		a.writer.Count(Transient)
	}
	again := group[:0:0]
	for _, u := range group {
		if len(u.Entries) > 0 {
			u.maxGroup = (len(group) + 1) / 2
			again = append(again, u)
		}
	}
	return again
}

// fileFailure decides what follows from a unit's failure: another round, a refusal, or
// the end of this attempt.
func (a *Attempt[T]) fileFailure(ctx context.Context, u *Unit[T], err error) {
	fail, ok := errors.AsType[*apierr.Error](err)
	if ok && fail.Class == apierr.Rejected && ctx.Err() == nil {
		a.Refuse(u, fail)
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.failed = append(a.failed, u)
	if ctx.Err() != nil {
		u.Ambiguous = true // it may have been sent
		return
	}
	_, decides := a.writer.(lastResort[T])
	lasted := ok && fail.Lasted && decides // it may be the record's own: others are still tried
	a.lanes.failing.failed(a.key(u))
	// An hour's quota that is used up will not come back within this attempt.
	if ok && fail.Reason != apierr.ReasonQuota && (fail.Class == apierr.Retryable || fail.Class == apierr.Throttled || lasted) {
		u.Ambiguous = u.Ambiguous || fail.Ambiguous
		a.lastErr = err
		a.streak++
		a.writer.Count(Transient)
		return
	}
	a.abort(err)
}

// abort keeps the first failure that ends the attempt. The caller holds a.mu.
func (a *Attempt[T]) abort(err error) {
	if a.abortedBy == nil {
		a.abortedBy = err
	}
}

// waitUntilOpen waits for the service that throttled a unit; false when that would take
// too long.
func (a *Attempt[T]) waitUntilOpen(ctx context.Context, began time.Time, throttled error) bool {
	a.writer.Count(Throttled)
	if until := opens(a.lanes.Gate, began, throttled); !until.IsZero() {
		wait := &activities.Wait{For: "a service", Since: time.Now().UTC(), Until: until.UTC()}
		if fail, ok := errors.AsType[*apierr.Error](throttled); ok && fail.Service != "" {
			wait.For = fail.Service
		}
		a.waits.Store(wait)
		defer a.waits.CompareAndSwap(wait, nil)
	}
	return waitUntilOpen(ctx, a.lanes.Gate, began, throttled)
}

// beat is what the heartbeats of the attempt tell.
func (a *Attempt[T]) beat() any {
	return activities.LaneBeat{Counts: a.committer.counts(), Waits: a.waits.Load()}
}
