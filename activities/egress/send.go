package egress

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"

	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
)

// rowFaults is how often the service may fail at a row by itself, while it
// writes others, before the row is taken for the cause.
const rowFaults = 3

// giveUp sets aside the rows that fail although they are sent alone, if the
// service answers otherwise: one bad event never stops a flow.
func (w *timelineWriter) giveUp(ctx context.Context) {
	w.contacts.forget(w.failed[0].event.ContactID)
	if _, err := w.whereTo(ctx, []string{w.failed[0].event.ContactID}); err != nil {
		return // it is the service
	}
	failed := w.failed
	w.failed = nil
	for _, o := range failed {
		if o.alone == nil {
			w.failed = append(w.failed, o)
			continue
		}
		w.quarantine(ctx, o, o.alone)
	}
}

// send writes rows in groups, with bounded concurrency; what failed for a
// passing reason gets a few more rounds before Temporal's slower retry.
func (w *timelineWriter) send(ctx context.Context, todo []*occurrence) error {
	stopping := activity.GetWorkerStopChannel(ctx)
	for round := 1; len(todo) > 0; round++ {
		w.failed, w.streak = nil, 0
		if w.lane.Crashes >= run.CarefulAfter {
			w.carefully(ctx, todo, stopping)
		} else {
			w.round(ctx, todo, stopping)
		}
		if w.fatal != nil || ctx.Err() != nil {
			break
		}
		todo = w.failed
		if len(todo) == 0 || round == run.MaxRounds || !run.Pause(ctx, time.Duration(round)*run.RoundPause) {
			break
		}
	}
	if w.fatal == nil && ctx.Err() == nil && len(w.failed) > 0 && int(activity.GetInfo(ctx).Attempt) >= w.o.HopelessAfter {
		w.giveUp(ctx)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case w.fatal != nil:
		return run.ToTemporal(ctx, w.fatal)
	case len(w.failed) > 0:
		if w.lastErr == nil {
			w.lastErr = errors.New("the worker is shutting down")
		}
		return run.ToTemporal(ctx, fmt.Errorf("%d of %d events of the lane are still to be written: %w", len(w.failed), len(w.lane.Entries), w.lastErr))
	}
	return nil
}

// round tries each of todo once, and what a group's failure leaves open in
// smaller groups until it stands alone.
func (w *timelineWriter) round(ctx context.Context, todo []*occurrence, stopping <-chan struct{}) {
	q := newQueue(todo)
	width := max(2, 2*w.o.Concurrency/w.o.Lanes)
	var workers sync.WaitGroup
	for range width {
		workers.Go(func() {
			for {
				if !w.goOn(ctx, width, stopping) {
					q.close()
				}
				group := q.take(w.sizes.size())
				if group == nil {
					return
				}
				q.give(w.rescued(ctx, group))
			}
		})
	}
	workers.Wait()
	w.mu.Lock()
	w.failed = append(w.failed, q.open...)
	w.mu.Unlock()
}

// queue hands out groups; what comes back is handed out again.
type queue struct {
	mu     sync.Mutex
	wake   *sync.Cond
	open   []*occurrence
	out    int // groups in hand
	closed bool
}

func newQueue(open []*occurrence) *queue {
	q := &queue{open: open}
	q.wake = sync.NewCond(&q.mu)
	return q
}

// take returns the next group, of at most n, and fewer where one of its rows is
// to be in smaller company; nil when there is none and none will come.
func (q *queue) take(n int) []*occurrence {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.open) == 0 && q.out > 0 && !q.closed {
		q.wake.Wait()
	}
	if len(q.open) == 0 || q.closed {
		return nil
	}
	size := 0
	for size < min(n, len(q.open)) {
		if limit := q.open[size].limit; limit > 0 {
			if n = min(n, limit); size >= n {
				break
			}
		}
		size++
	}
	group := q.open[:size:size]
	q.open = q.open[size:]
	q.out++
	return group
}

// give ends a group's turn; again is what is to be handed out again.
func (q *queue) give(again []*occurrence) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.open = append(again, q.open...)
	q.out--
	q.wake.Broadcast()
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.wake.Broadcast()
}

// goOn is false when sending more would be in vain.
func (w *timelineWriter) goOn(ctx context.Context, width int, stopping <-chan struct{}) bool {
	select {
	case <-stopping:
		return false
	case <-ctx.Done():
		return false
	default:
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fatal == nil && w.streak < 2*width
}

// group sends one group and settles what was answered. It returns the rows that
// are to be sent again in this round.
func (w *timelineWriter) group(ctx context.Context, group []*occurrence) []*occurrence {
	ops := make([]dataverse.Operation, len(group))
	for i, o := range group {
		ops[i] = dataverse.Operation{Kind: dataverse.OpUpsert, Write: dataverse.Write{
			Row: dataverse.Row{EntitySet: o.row.EntitySet, ID: o.row.ID}, Body: o.row.Body, CreateOnly: true,
		}}
	}
	began := time.Now()
	results, err := w.o.Dynamics.Batch(ctx, ops, dataverse.BatchOptions{ContinueOnError: true})
	took := time.Since(began)
	if ctx.Err() != nil && err != nil {
		w.leave(group)
		return nil
	}
	if err == nil {
		w.sizes.answered(len(group), took)
		w.metrics.batch.Update(float64(w.sizes.size()))
		w.mu.Lock()
		w.streak = 0
		w.mu.Unlock()
	} else if again, whole := w.asWhole(ctx, group, results, err); whole {
		return again
	}
	return w.answered(ctx, group, results)
}

// asWhole deals with a group that has one failure for all; false when some of
// it was answered.
func (w *timelineWriter) asWhole(ctx context.Context, group []*occurrence, results []dataverse.Result, err error) ([]*occurrence, bool) {
	for _, r := range results {
		if r.Err == nil || r.Err.Reason != apierr.ReasonOf(err) {
			return nil, false
		}
	}
	fail, ok := errors.AsType[*apierr.Error](err)
	switch {
	case !ok || fail.Class == apierr.Blocked:
		w.end(err)
		return nil, true
	case fail.Class == apierr.Throttled:
		w.sizes.failed(len(group))
		if w.openSoon(ctx) {
			return group, true
		}
		w.fail(group, err)
		return nil, true
	case len(group) > 1:
		// The service may refuse the group, or time out, because of one row in it.
		w.metrics.split.Inc(1)
		w.sizes.failed(len(group))
		if fail.Class == apierr.Retryable {
			w.fail(nil, err)
		}
		for _, o := range group {
			o.limit = (len(group) + 1) / 2
		}
		return group, true
	case fail.Class == apierr.Rejected:
		w.quarantine(ctx, group[0], fail)
	default:
		group[0].alone = fail
		w.fail(group, err)
	}
	return nil, true
}

// answered settles each row of a group by its own answer.
func (w *timelineWriter) answered(ctx context.Context, group []*occurrence, results []dataverse.Result) []*occurrence {
	var settled []ledger.Result
	var again []*occurrence
	var throttled error
	for i, o := range group {
		r := &results[i]
		switch {
		case r.Err == nil:
			settled = append(settled, o.outcomes(ledger.Created)...)
		case r.Err.Reason == apierr.ReasonExists:
			settled = append(settled, o.outcomes(ledger.Unchanged)...)
		case r.Err.Class == apierr.Throttled:
			throttled = r.Err
			again = append(again, o)
		case r.Err.Reason == apierr.ReasonNotFound && !o.asked:
			retry, group := w.askAgain(ctx, o)
			settled = append(settled, group...)
			if retry {
				again = append(again, o)
			}
		case r.Err.Class == apierr.Blocked || r.Err.Reason == apierr.ReasonSchema:
			// Every event of the type would meet it: the table is not what it was.
			e := *r.Err
			e.Class = apierr.Blocked
			w.end(&e)
		case r.Err.Class == apierr.Rejected:
			settled = append(settled, w.refusedAll(o, r.Err)...)
		default:
			if len(group) == 1 {
				o.alone = r.Err
			}
			// It failed by itself, in company that was written.
			if r.Err.Reason == apierr.ReasonServiceFault && len(group) > 1 {
				o.faults++
			}
			if o.faults >= rowFaults && w.othersWritten() {
				settled = append(settled, w.refusedAll(o, r.Err)...)
				continue
			}
			w.fail([]*occurrence{o}, r.Err)
		}
	}
	if err := w.settle(ctx, settled); err != nil {
		w.end(err)
	}
	if throttled != nil && !w.openSoon(ctx) {
		w.fail(again, throttled)
		return nil
	}
	return again
}

// outcomes settles an event wherever it stands in the lane: what comes twice was
// there already the second time.
func (o *occurrence) outcomes(first ledger.Outcome) []ledger.Result {
	out := make([]ledger.Result, 0, len(o.indices))
	for n, i := range o.indices {
		outcome := first
		if n > 0 {
			outcome = ledger.Unchanged
		}
		out = append(out, ledger.Result{Index: i, Outcome: outcome, Event: note(o.event, outcome), Resolve: o.refused})
	}
	return out
}

// askAgain looks up a contact that was there a moment ago. It was deleted, or
// merged; when it still is there, something else that the row names is not.
func (w *timelineWriter) askAgain(ctx context.Context, o *occurrence) (retry bool, settled []ledger.Result) {
	w.contacts.forget(o.event.ContactID)
	w.contacts.forget(o.contact)
	to, err := w.patiently(ctx, []string{o.event.ContactID})
	if err != nil {
		w.fail([]*occurrence{o}, err)
		return false, nil
	}
	o.asked = true
	if o.contact = to[o.event.ContactID]; o.contact == "" {
		for _, i := range o.indices {
			settled = append(settled, w.withoutContact(i, o.event, o.raw))
		}
		return false, settled
	}
	if o.row, err = w.row(o); err != nil {
		w.end(err)
		return false, nil
	}
	return true, nil
}

func (w *timelineWriter) refusedAll(o *occurrence, why *apierr.Error) []ledger.Result {
	var out []ledger.Result
	for _, i := range o.indices {
		out = append(out, w.refused(i, o.event, o.raw, why))
	}
	return out
}

func (w *timelineWriter) quarantine(ctx context.Context, o *occurrence, why *apierr.Error) {
	if err := w.settle(ctx, w.refusedAll(o, why)); err != nil {
		w.end(err)
	}
}

// othersWritten says that the service works: this attempt has settled something.
func (w *timelineWriter) othersWritten() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.settled > 0
}

// fail files rows for another round.
func (w *timelineWriter) fail(group []*occurrence, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed = append(w.failed, group...)
	w.lastErr = err
	w.streak++
	w.metrics.transient.Inc(1)
}

// leave files rows without a word: the activity was cancelled.
func (w *timelineWriter) leave(group []*occurrence) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed = append(w.failed, group...)
}

// end ends the attempt.
func (w *timelineWriter) end(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fatal == nil {
		w.fatal = err
	}
}
