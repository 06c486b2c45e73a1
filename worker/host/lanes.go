package host

import (
	"context"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"

	"causeway.dev/activities"
	"causeway.dev/activities/budget"
	"causeway.dev/config"
)

const (
	// asksLater is how much later a worker asks for work that has its part of the lanes, for
	// each that it has more. Somebody else takes them meanwhile, if there is anybody; and if
	// there is not, it takes them itself.
	asksLater = 250 * time.Millisecond
	asksLast  = 2 * time.Second
	// otherSlots is what the SDK gives by itself.
	otherSlots = 1000
)

// lanes spreads lanes over workers, also over those that come later. Temporal gives a lane
// to anybody who asks for it. So a worker asks at once as long as it has less than its part
// of all lanes; beyond that it asks later than others, for one at a time.
type lanes struct {
	interceptor.WorkerInterceptorBase
	most int                // that one worker may have in hand
	crew func() budget.Crew // what is known of all workers

	mu      sync.Mutex
	inHand  int
	asking  map[string]int // slots with which the worker asks, by queue
	changed chan struct{}  // closed when there is less of either
}

func newLanes(c *config.Config, alone bool) *lanes {
	l := &lanes{most: lanesAConnection * c.Ledger.Connections, asking: map[string]int{}, changed: make(chan struct{}), crew: func() budget.Crew { return budget.Crew{Workers: 1} }}
	if alone {
		l.most = otherSlots
	}
	return l
}

// count is how many lanes this worker has in hand.
func (l *lanes) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inHand
}

func isLane(name string) bool {
	return name == activities.WriteLane || name == activities.WriteTimeline || name == activities.WriteOptOuts
}

// InterceptActivity counts lanes while they are in hand.
func (l *lanes) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &countedLane{ActivityInboundInterceptorBase: interceptor.ActivityInboundInterceptorBase{Next: next}, lanes: l}
}

type countedLane struct {
	interceptor.ActivityInboundInterceptorBase
	lanes *lanes
}

func (c *countedLane) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	if isLane(activity.GetInfo(ctx).ActivityType.Name) {
		c.lanes.begin()
		defer c.lanes.end()
	}
	return c.Next.ExecuteActivity(ctx, in)
}

func (l *lanes) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inHand++
}

func (l *lanes) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inHand--
	l.less()
}

// answered says that a slot asks no more: it was given work, or is not wanted.
func (l *lanes) answered(queue string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asking[queue]--
	l.less()
}

// less has those look again that wait. The caller holds mu.
func (l *lanes) less() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// part is how many lanes this worker is to have: an equal part of all, rounded up.
func part(c budget.Crew, ours int) int {
	return max(1, (max(c.Lanes, ours)+c.Workers-1)/c.Workers)
}

// ask waits until this worker is to ask for work of a queue; then it asks with one slot more.
func (l *lanes) ask(ctx context.Context, queue string) error {
	began := time.Now()
	for {
		crew := l.crew()
		l.mu.Lock()
		asking, changed := l.asking[queue], l.changed
		over := l.inHand + asking - part(crew, l.inHand) + 1
		late := asking == 0 && time.Since(began) >= min(asksLast, time.Duration(over)*asksLater)
		if l.inHand < l.most && (crew.Workers <= 1 || over <= 0 || late) {
			l.asking[queue]++
			l.mu.Unlock()
			return nil
		}
		l.mu.Unlock()
		timer := time.NewTimer(asksLater)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// tuner has the activity slots of a queue go through ask; all else is the SDK's own.
func (l *lanes) tuner() worker.WorkerTuner {
	slots := func() worker.SlotSupplier {
		s, err := worker.NewFixedSizeSlotSupplier(otherSlots)
		if err != nil {
			panic(err) // it is positive
		}
		return s
	}
	tuner, err := worker.NewCompositeTuner(worker.CompositeTunerOptions{
		WorkflowSlotSupplier: slots(), LocalActivitySlotSupplier: slots(), NexusSlotSupplier: slots(), SessionActivitySlotSupplier: slots(),
		ActivitySlotSupplier: &laneSlots{SlotSupplier: slots(), lanes: l},
	})
	if err != nil {
		panic(err) // it has no reason to fail
	}
	return tuner
}

// laneSlots asks for work when it is this worker's turn.
type laneSlots struct {
	worker.SlotSupplier
	lanes *lanes
}

func (s *laneSlots) ReserveSlot(ctx context.Context, info worker.SlotReservationInfo) (*worker.SlotPermit, error) {
	permit, err := s.SlotSupplier.ReserveSlot(ctx, info)
	if err != nil {
		return nil, err
	}
	if err := s.lanes.ask(ctx, info.TaskQueue()); err != nil {
		s.SlotSupplier.ReleaseSlot(nil)
		return nil, err
	}
	permit.UserData = &asked{queue: info.TaskQueue()}
	return permit, nil
}

// asked is a slot's question for work.
type asked struct {
	queue string
	over  sync.Once
}

func (s *laneSlots) MarkSlotUsed(info worker.SlotMarkUsedInfo) {
	s.SlotSupplier.MarkSlotUsed(info)
	s.answered(info.Permit())
}

func (s *laneSlots) ReleaseSlot(info worker.SlotReleaseInfo) {
	s.SlotSupplier.ReleaseSlot(info)
	s.answered(info.Permit())
}

func (s *laneSlots) answered(permit *worker.SlotPermit) {
	if a, ok := permit.UserData.(*asked); ok {
		a.over.Do(func() { s.lanes.answered(a.queue) })
	}
}
