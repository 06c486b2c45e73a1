package host

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities/budget"
	"causeway.dev/config"
	"causeway.dev/workflows"
)

// crewOfLanes is workers that ask for lanes, and a queue that gives each to the first of
// them that asks. A lane that ends is followed by the next.
type crewOfLanes struct {
	workers []*lanes
	asking  []chan struct{} // of each worker
	begun   atomic.Int64
	known   atomic.Pointer[budget.Crew] // as of the last renewal
}

const pollers = 2 // of a worker, as the SDK has them

func (c *crewOfLanes) add(ctx context.Context, connections int) {
	l := newLanes(&config.Config{Ledger: config.Ledger{Connections: connections}}, false)
	l.crew = func() budget.Crew { return *c.known.Load() }
	asking := make(chan struct{})
	c.workers, c.asking = append(c.workers, l), append(c.asking, asking)
	for range pollers {
		go func() {
			for l.ask(ctx, workflows.QueueCampaign) == nil {
				select {
				case <-ctx.Done():
					return
				case <-asking:
				}
				l.answered(workflows.QueueCampaign)
				l.begin()
				lasts := time.Duration(700+c.begun.Add(37)%400) * time.Millisecond
				go func() {
					time.Sleep(lasts)
					l.end()
					c.put(ctx)
				}()
			}
		}()
	}
}

func (c *crewOfLanes) put(ctx context.Context) {
	for ctx.Err() == nil {
		for _, asking := range c.asking {
			select {
			case asking <- struct{}{}:
				return
			default:
			}
		}
		time.Sleep(time.Millisecond)
	}
}

// live goes on for so many seconds, and answers how many lanes each worker had on average.
func (c *crewOfLanes) live(seconds int) []float64 {
	had := make([]float64, len(c.workers))
	const looks = 10
	for i := range seconds * looks {
		if i%(2*looks) == 0 { // a renewal
			crew := &budget.Crew{Workers: len(c.workers)}
			for _, w := range c.workers {
				crew.Lanes += w.count()
			}
			c.known.Store(crew)
		}
		time.Sleep(time.Second / looks)
		for n, w := range c.workers {
			had[n] += float64(w.count()) / float64(seconds*looks)
		}
	}
	return had
}

// Lanes spread over the workers that are there, also when most of them come while one has
// all lanes in hand; and one that is alone takes all of them.
func TestLanesSpreadOverWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer func() {
			cancel()
			time.Sleep(time.Minute) // what goes on ends
		}()
		const lanes = 8
		c := &crewOfLanes{}
		c.known.Store(&budget.Crew{Workers: 1})
		c.add(ctx, 16)
		for range lanes {
			go c.put(ctx)
		}
		require.InDelta(t, lanes, c.live(10)[0], 0.5, "one has all")
		c.add(ctx, 16)
		c.add(ctx, 16)
		c.live(6)
		had := c.live(60)
		total := 0.0
		t.Logf("lanes of each: %.1f", had)
		for n, mean := range had {
			require.Greater(t, mean, 1.0, "worker %d of %v", n, had)
			require.Less(t, mean, 4.2, "worker %d of %v", n, had)
			total += mean
		}
		require.InDelta(t, lanes, total, 0.8, "and hardly any lane waits")
	})
}

// One worker takes no more than its connections to the ledger carry.
func TestOneWorkerTakesNoMoreLanesThanItCarries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer func() {
			cancel()
			time.Sleep(time.Minute) // what goes on ends
		}()
		c := &crewOfLanes{}
		c.known.Store(&budget.Crew{Workers: 1})
		c.add(ctx, 4)
		for range 100 {
			go c.put(ctx)
		}
		c.live(10)
		require.LessOrEqual(t, c.workers[0].count(), 4*lanesAConnection+pollers)
		require.GreaterOrEqual(t, c.workers[0].count(), 4*lanesAConnection-pollers)
	})
}
