package workflows

import (
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
)

// lanes writes staged pages. Lane k of a page starts when lane k of the page
// before is written, so that changes of one key are applied in order without a
// barrier between pages.
type lanes struct {
	pass   *pass
	ctx    workflow.Context // cancelled when the pass is interrupted
	cancel workflow.CancelFunc
	queues map[int][]activities.LaneRef
	left   map[int]int // page -> lanes not yet written
	active int
	closed bool
	err    error
}

func newLanes(ctx workflow.Context, p *pass) *lanes {
	inner, cancel := workflow.WithCancel(ctx)
	l := &lanes{pass: p, ctx: inner, cancel: cancel, queues: map[int][]activities.LaneRef{}, left: map[int]int{}}
	p.control.onInterrupt = cancel
	return l
}

// close forgets what was not started; the ledger still holds it.
func (l *lanes) close() {
	l.closed = true
	l.pass.control.onInterrupt = nil
}

// add queues lanes, in page order, and starts the idle ones.
func (l *lanes) add(refs []activities.LaneRef) {
	for _, ref := range refs {
		l.left[ref.Page]++
		l.pass.progress.Backlog += int64(ref.Size)
		l.queues[ref.Lane] = append(l.queues[ref.Lane], ref)
		if len(l.queues[ref.Lane]) == 1 {
			lane := ref.Lane
			l.active++
			workflow.GoNamed(l.ctx, fmt.Sprintf("lane-%d", lane), func(ctx workflow.Context) { l.work(ctx, lane) })
		}
	}
}

// work writes the queue of one lane until it is empty.
func (l *lanes) work(ctx workflow.Context, lane int) {
	defer func() { l.active-- }()
	for len(l.queues[lane]) > 0 && l.err == nil && !l.closed && ctx.Err() == nil {
		ref := l.queues[lane][0]
		p := l.pass
		opts := activityOptions(p.steps.target, p.in.Ref.Kind,
			p.runInSummary()+fmt.Sprintf("lane %d/%d of page %d: %d records", lane+1, p.in.Tuning.Lanes, ref.Page, ref.Size))
		var done activities.LaneResult
		err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, opts), p.steps.write,
			activities.LaneInput{RunRef: p.in.Ref, Page: ref.Page, Lane: lane}).Get(ctx, &done)
		if err != nil {
			if l.err == nil {
				l.err = fmt.Errorf("writing lane %d of page %d of %s: %w", lane, ref.Page, p.in.Ref.Table, err)
				l.cancel() // the others commit what they have in flight and return
			}
			return
		}
		p.progress.Counts.Add(done.Counts)
		p.memory.Unknown += done.Unknown
		p.progress.Backlog -= int64(ref.Size)
		l.queues[lane] = l.queues[lane][1:]
		if l.left[ref.Page]--; l.left[ref.Page] == 0 {
			delete(l.left, ref.Page)
		}
		if err := p.tooManyRefused(); err != nil && l.err == nil {
			l.err = err
			l.cancel()
		}
	}
}

// room waits until fewer than n pages are unwritten.
func (l *lanes) room(ctx workflow.Context, n int) error {
	return l.await(ctx, func() bool { return len(l.left) < n })
}

// drain waits until everything queued is written.
func (l *lanes) drain(ctx workflow.Context) error {
	return l.await(ctx, func() bool { return len(l.left) == 0 })
}

func (l *lanes) await(ctx workflow.Context, ready func() bool) error {
	err := workflow.Await(ctx, func() bool { return l.err != nil || l.pass.control.interrupted() || ready() })
	if err != nil || l.err != nil || l.pass.control.interrupted() {
		return l.fail(ctx, err)
	}
	return nil
}

// fail waits for the lanes in hand and says why the flow of pages ended: an
// interruption by the operator wins over the errors it causes.
func (l *lanes) fail(ctx workflow.Context, cause error) error {
	l.cancel()
	clean, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	if err := workflow.Await(clean, func() bool { return l.active == 0 }); err != nil {
		return err
	}
	if l.pass.control.interrupted() {
		return errInterrupted
	}
	if l.err != nil && !temporal.IsCanceledError(l.err) {
		return l.err
	}
	return cause
}

// tooManyRefused stops a run before a broken mapping does harm.
func (p *pass) tooManyRefused() error {
	if p.in.Ref.Kind == activities.KindRollback || p.in.Ref.Kind == activities.KindRelease {
		return nil // records that they leave alone or that are refused again do not stop the others
	}
	c := p.progress.Counts
	settled := c.Settled()
	c.Quarantined -= p.memory.Unknown // an unknown contact is no fault of the mapping
	if settled < p.in.Tuning.StopMin || float64(c.Quarantined) <= p.in.Tuning.StopRatio*float64(settled) {
		return nil
	}
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf(
		"%d of the first %d records were refused, more than the %.0f %% allowed by quarantine.stop_ratio; see causeway quarantine list --run %s, fix the mapping, then causeway start %s",
		c.Quarantined, settled, 100*p.in.Tuning.StopRatio, p.in.Ref.Run, p.in.Ref.Table), "TooManyRefused", nil, p.in.Ref.Run)
}
