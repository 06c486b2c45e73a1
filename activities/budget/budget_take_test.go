package budget

import (
	"context"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// made makes one call that leaves.
func made(b *Budget, kind string) error {
	c, err := b.take(context.Background(), kind)
	if err != nil {
		return err
	}
	c.Sent()
	c.over()
	return nil
}

// Workers share an hour's budget exactly, whoever asks when; what they reserved
// and did not use goes back; the next hour is new.
func TestWorkersShareTheBudget(t *testing.T) {
	t.Parallel()
	books, err := ledger.Open(t.Context(), ledger.Options{Driver: "sqlite", Path: filepath.Join(t.TempDir(), "ledger.db"), Synchronous: "normal", Keys: ledgertest.Keys})
	require.NoError(t, err)
	defer books.Close()
	var at atomic.Int64
	at.Store(time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC).UnixNano())
	now := func() time.Time { return time.Unix(0, at.Load()) }
	workers := make([]*Budget, 3)
	for i := range workers {
		workers[i] = New(Options{Ledger: books, PerHour: 1000, Reserved: 0.25, Now: now})
	}
	spend := func(kind string, tries int) int64 {
		var granted atomic.Int64
		var group sync.WaitGroup
		for i := range 6 {
			group.Go(func() {
				for range tries {
					if err := made(workers[i%3], kind); err == nil {
						granted.Add(1)
					} else if apierr.ReasonOf(err) != apierr.ReasonQuota {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		return granted.Load()
	}
	require.EqualValues(t, 750, spend(CallsOfLoads, 400), "all but the reserved share")
	require.EqualValues(t, 250, spend(CallsOfChanges, 400), "the rest")
	require.Zero(t, spend(CallsOfChanges, 5))
	at.Add(int64(30 * time.Minute))
	require.EqualValues(t, 60, spend(CallsOfChanges, 10))
	for _, b := range workers {
		require.NoError(t, b.Close(t.Context()))
	}
	calls, err := books.EngineCalls(t.Context(), now())
	require.NoError(t, err)
	require.Len(t, calls, 1)
	require.EqualValues(t, 60, calls[0].Calls)
	_, used, err := books.ReserveEngineCalls(t.Context(), now(), CallsOfChanges, 1, 1000)
	require.NoError(t, err)
	require.EqualValues(t, 61, used, "given back what was not used")
}

// A worker that is killed leaves a block that nobody may use; the meter does not
// take it for calls.
func TestABlockOfAKilledWorkerIsNotCountedAsMade(t *testing.T) {
	t.Parallel()
	books, err := ledger.Open(t.Context(), ledger.Options{Driver: "sqlite", Path: filepath.Join(t.TempDir(), "ledger.db"), Synchronous: "normal", Keys: ledgertest.Keys})
	require.NoError(t, err)
	defer books.Close()
	at := time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC)
	now := func() time.Time { return at }
	killed := New(Options{Ledger: books, PerHour: 10_000, Now: now}) // blocks of 100
	for range 130 {
		require.NoError(t, made(killed, CallsOfLoads))
	}
	require.NoError(t, killed.Report(t.Context())) // its last activity has ended
	require.NoError(t, made(killed, CallsOfLoads))
	calls, err := books.EngineCalls(t.Context(), at)
	require.NoError(t, err)
	require.Equal(t, []ledger.EngineCalls{{Hour: at.Truncate(time.Hour), Kind: "loads", Calls: 130}}, calls)
	_, used, err := books.ReserveEngineCalls(t.Context(), at, CallsOfLoads, 1, 10_000)
	require.NoError(t, err)
	require.EqualValues(t, 201, used, "what it may have made stays out of the budget")
}

// Without a budget calls are counted all the same.
func TestCallsAreCountedWithoutABudget(t *testing.T) {
	t.Parallel()
	books, err := ledger.Open(t.Context(), ledger.Options{Driver: "sqlite", Path: filepath.Join(t.TempDir(), "ledger.db"), Synchronous: "normal", Keys: ledgertest.Keys})
	require.NoError(t, err)
	defer books.Close()
	at := time.Date(2026, 3, 1, 12, 59, 0, 0, time.UTC)
	b := New(Options{Ledger: books, Now: func() time.Time { return at }})
	for range 7 {
		require.NoError(t, made(b, CallsOfChanges))
	}
	at = at.Add(time.Hour)
	require.NoError(t, made(b, CallsOfLoads))
	require.NoError(t, b.Close(t.Context()))
	calls, err := books.EngineCalls(t.Context(), at.Add(-2*time.Hour))
	require.NoError(t, err)
	require.Equal(t, []ledger.EngineCalls{
		{Hour: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Kind: "changes", Calls: 7},
		{Hour: time.Date(2026, 3, 1, 13, 0, 0, 0, time.UTC), Kind: "loads", Calls: 1},
	}, calls)
}

// Nothing of the budget is used up by calls that send nothing, however many: they wait
// for a token, or for a gate. A request whose token the gateway refuses does not reach
// the engine; the one that is sent in its place does.
func TestOnlyRequestsThatLeaveAreCounted(t *testing.T) {
	t.Parallel()
	books, err := ledger.Open(t.Context(), ledger.Options{Driver: "sqlite", Path: filepath.Join(t.TempDir(), "ledger.db"), Synchronous: "normal", Keys: ledgertest.Keys})
	require.NoError(t, err)
	defer books.Close()
	at := time.Date(2026, 3, 1, 12, 59, 0, 0, time.UTC)
	first := at.Truncate(time.Hour)
	for _, perHour := range []int64{0, 50} {
		b := New(Options{Ledger: books, PerHour: perHour, Now: func() time.Time { return at }})
		before, err := books.EngineCalls(t.Context(), first)
		require.NoError(t, err)
		for range 500 {
			c, err := b.take(t.Context(), CallsOfChanges)
			require.NoError(t, err)
			c.over()
		}
		require.NoError(t, b.Report(t.Context()))
		after, err := books.EngineCalls(t.Context(), first)
		require.NoError(t, err)
		require.Equal(t, before, after)

		c, err := b.take(t.Context(), CallsOfChanges)
		require.NoError(t, err)
		c.Sent()
		c.NotServed()
		c.Sent()
		at = at.Add(time.Hour) // a call counts in the hour that allowed it
		require.NoError(t, made(b, CallsOfLoads))
		c.over()
		require.NoError(t, b.Close(t.Context()))
		calls, err := books.EngineCalls(t.Context(), at.Add(-time.Hour))
		require.NoError(t, err)
		require.Equal(t, []ledger.EngineCalls{
			{Hour: at.Add(-time.Hour).Truncate(time.Hour), Kind: "changes", Calls: 1},
			{Hour: at.Truncate(time.Hour), Kind: "loads", Calls: 1},
		}, calls)
		for hours := range 2 {
			_, used, err := books.ReserveEngineCalls(t.Context(), at.Add(-time.Duration(hours)*time.Hour), CallsOfChanges, 1, 1000)
			require.NoError(t, err)
			require.EqualValues(t, 2, used, "what was not used is given back")
		}
		at = at.Add(2 * time.Hour)
	}
}
