package ledger_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// aWhile is longer than any test runs.
const aWhile = time.Hour

// sharing is a worker that uses all of what it was given.
type sharing struct {
	ledger *ledger.Ledger
	asks   ledger.Renewal
}

func newSharing(l *ledger.Ledger, id string) *sharing {
	return &sharing{l, ledger.Renewal{Worker: ledger.WorkerID(id), Name: "acme@host:" + id, For: aWhile, Limits: []ledger.Limit{
		{Name: "in flight", Total: 8, Whole: true}, {Name: "rate", Total: 10}, {Name: "capped", Total: 100, Whole: true, Most: 20},
	}}}
}

// renew asks, and takes to what it is given at once.
func (s *sharing) renew(t *testing.T) ledger.Shares {
	t.Helper()
	got, err := s.ledger.RenewShares(t.Context(), s.asks)
	require.NoError(t, err)
	for i, limit := range s.asks.Limits {
		s.asks.Limits[i].Uses = got.Of[limit.Name]
	}
	return got
}

// However workers come, go and ask, what they may be using never comes to more than the
// limit, and in the end everybody has an equal part.
func TestSharesNeverComeToMoreThanTheLimit(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open func(...func(*ledger.Options)) *ledger.Ledger) {
		l := open()
		var workers []*sharing
		check := func() {
			sum := map[string]float64{}
			for _, w := range workers {
				for _, limit := range w.asks.Limits {
					sum[limit.Name] += limit.Uses
				}
			}
			for name, total := range map[string]float64{"in flight": 8, "rate": 10, "capped": 100} {
				require.LessOrEqual(t, sum[name], total+1e-9, name)
			}
		}
		settle := func() {
			for range 3 {
				for _, w := range workers {
					w.renew(t)
					check()
				}
			}
		}
		for i := range 3 {
			workers = append(workers, newSharing(l, fmt.Sprint(i)))
			settle()
		}
		total := 0.0
		for _, w := range workers {
			got := w.renew(t)
			require.True(t, got.Settled)
			require.Equal(t, 3, got.Workers)
			require.InDelta(t, 8.0/3, got.Of["in flight"], 0.7)
			require.InDelta(t, 10.0/3, got.Of["rate"], 1e-6)
			require.EqualValues(t, 20, got.Of["capped"])
			total += got.Of["in flight"]
		}
		require.EqualValues(t, 8, total, "nothing is left over")

		// One that still has much under way keeps it until it has ended.
		slow, late := workers[0], newSharing(l, "late")
		slow.asks.Limits[0].Uses = 3
		workers = append(workers, late)
		late.renew(t)
		check()

		require.NoError(t, l.ReturnShares(t.Context(), slow.asks.Worker))
		workers = workers[1:]
		settle()
		require.True(t, workers[0].renew(t).Settled)
		listed, err := l.WorkerShares(t.Context())
		require.NoError(t, err)
		require.Len(t, listed, 3)
		require.Equal(t, "acme@host:1", listed[0].Name)
		require.InDelta(t, 10.0/3, listed[0].Held["rate"], 1e-6)
	})
}

// What a worker does not renew is the others' after a while, and not before.
func TestTheShareOfAKilledWorkerReturns(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open func(...func(*ledger.Options)) *ledger.Ledger) {
		l := open()
		killed, other := newSharing(l, "killed"), newSharing(l, "other")
		killed.asks.For = 300 * time.Millisecond
		began := time.Now()
		require.EqualValues(t, 8, killed.renew(t).Of["in flight"])
		require.Zero(t, other.renew(t).Of["in flight"], "it may still send")
		require.Eventually(t, func() bool { return other.renew(t).Of["in flight"] == 8 }, time.Minute, 10*time.Millisecond)
		require.GreaterOrEqual(t, time.Since(began), killed.asks.For, "others wait longer than the worker itself may use its share")
	})
}

// What a service asks of one worker all are told, without their clocks.
func TestAClosedGateIsToldToAll(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open func(...func(*ledger.Options)) *ledger.Ledger) {
		l := open()
		one, other := newSharing(l, "one"), newSharing(l, "other")
		require.Empty(t, other.renew(t).Closed)
		one.asks.Closed = map[string]time.Duration{"campaign": aWhile, "dataverse": time.Millisecond}
		one.renew(t)
		one.asks.Closed = map[string]time.Duration{"campaign": time.Second}
		one.renew(t)
		require.Eventually(t, func() bool { return len(other.renew(t).Closed) == 1 }, time.Minute, time.Millisecond, "one opens again")
		require.Greater(t, other.renew(t).Closed["campaign"], aWhile-time.Minute, "the longer one counts")
	})
}

// On PostgreSQL a worker need not wait for its next renewal to hear of a closed gate.
func TestWorkersAreWokenByAClosedGate(t *testing.T) {
	t.Parallel()
	o := ledgertest.Postgres(t)
	o.Worker = true
	one, other := ledgertest.Open(t, o), ledgertest.Open(t, o)
	asks := newSharing(one, string(one.Worker()))
	asks.asks.Closed = map[string]time.Duration{"campaign": aWhile}
	asks.renew(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	select {
	case <-other.Woken():
	case <-ctx.Done():
		require.Fail(t, "nobody told it")
	}
}

// A SQLite ledger has one worker: what earlier ones held is nobody's.
func TestTheWorkerOfAFileHasAll(t *testing.T) {
	t.Parallel()
	o := ledgertest.SQLite(t)
	o.Worker = true
	first, err := ledger.Open(t.Context(), o)
	require.NoError(t, err)
	require.True(t, first.Alone())
	before := newSharing(first, string(first.Worker()))
	before.asks.For = 0
	before.renew(t)
	require.NoError(t, first.Close()) // as if it was killed: it gave nothing back
	second := ledgertest.Open(t, o)
	got := newSharing(second, string(second.Worker())).renew(t)
	require.Equal(t, 1, got.Workers)
	require.EqualValues(t, 8, got.Of["in flight"])
}

// Many workers that start at once on an empty database wait for the one that migrates it,
// and for no longer.
func TestWorkersThatStartTogetherMigrateOnce(t *testing.T) {
	t.Parallel()
	o := ledgertest.Postgres(t)
	const workers = 4
	opened := make(chan error, workers)
	began := time.Now()
	for range workers {
		go func() {
			l, err := ledger.Open(t.Context(), o)
			if err == nil {
				err = l.Close()
			}
			opened <- err
		}()
	}
	for range workers {
		require.NoError(t, <-opened)
	}
	t.Logf("all were open after %s", time.Since(began))
}
