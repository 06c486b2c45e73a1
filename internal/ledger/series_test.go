package ledger_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// seriesClock is a ledger's clock that a test sets.
type seriesClock struct {
	mu sync.Mutex
	at time.Time
}

func (c *seriesClock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = t
}

func (c *seriesClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func seriesClocked(at time.Time) (*seriesClock, func(*ledger.Options)) {
	c := &seriesClock{at: at}
	return c, func(o *ledger.Options) { o.Now = c.now }
}

func seriesOf(t testing.TB, l *ledger.Ledger, from time.Time, length, step time.Duration) []ledger.SeriesPoint {
	t.Helper()
	points, err := l.Series(t.Context(), ledger.SeriesFilter{Flow: flow, Table: table, From: from, To: from.Add(length), Step: step})
	require.NoError(t, err)
	return points
}

func as(lane *ledger.Lane, i int, o ledger.Outcome) ledger.Result {
	if o == ledger.Created {
		return created(lane, i)
	}
	return ledger.Result{Index: i, Outcome: o}
}

// Each outcome counts once, in the minute of its commit: not again when the commit is
// repeated, and one that replaces another takes that off. All of it is what the lanes say.
func TestCommitsCountInTheSeries(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open func(...func(*ledger.Options)) *ledger.Ledger) {
		clock, set := seriesClocked(noon)
		l := open(set)
		begin(t, l, "r1")
		stage(t, l, "r1", 1, 6)
		lane := openLane(t, l, "r1", 1, 0)
		commit := func(token ledger.Token, group ...ledger.Result) error {
			return l.Commit(t.Context(), lane.ID, token, group)
		}
		backlog := func() int64 {
			n, err := l.Backlog(t.Context(), "r1")
			require.NoError(t, err)
			return n
		}
		require.EqualValues(t, 6, backlog())
		first := []ledger.Result{as(lane, 0, ledger.Created), as(lane, 1, ledger.Created), as(lane, 2, ledger.Unchanged), as(lane, 3, ledger.FilteredOut)}
		require.NoError(t, commit(lane.Token, first...))
		require.EqualValues(t, 2, backlog())
		require.NoError(t, commit(lane.Token, first...), "an answer was lost")
		clock.set(noon.Add(61 * time.Second))
		again := openLane(t, l, "r1", 1, 0) // after a kill
		require.ErrorIs(t, commit(lane.Token, as(lane, 4, ledger.Created)), ledger.ErrFenced)
		require.NoError(t, commit(again.Token, as(lane, 3, ledger.Updated), as(lane, 4, ledger.Created)))
		require.NoError(t, commit(again.Token, as(lane, 5, ledger.Removed)))
		require.Zero(t, backlog())
		total, err := l.CloseLane(t.Context(), again.ID, again.Token)
		require.NoError(t, err)

		points := seriesOf(t, l, noon, time.Hour, time.Minute)
		require.Len(t, points, 2)
		require.Equal(t, noon, points[0].At.UTC())
		require.Equal(t, ledger.Counts{Read: 4, Created: 2, Unchanged: 1, Filtered: 1}, points[0].Counts)
		require.Equal(t, ledger.Counts{Read: 2, Created: 1, Updated: 1, Deleted: 1, Filtered: -1}, points[1].Counts)
		require.Equal(t, total, seriesOf(t, l, noon, time.Hour, time.Hour)[0].Counts)
		require.Empty(t, seriesOf(t, l, noon.Add(time.Hour), time.Hour, time.Minute))
	})
}

// Lanes that commit side by side add up.
func TestCommitsSideBySideAddUpInTheSeries(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open func(...func(*ledger.Options)) *ledger.Ledger) {
		_, set := seriesClocked(noon)
		l := open(set)
		begin(t, l, "r1")
		const lanes, size = 8, 25
		stage(t, l, "r1", 1, size, size, size, size, size, size, size, size)
		var wg sync.WaitGroup
		for n := range lanes {
			lane := openLane(t, l, "r1", 1, n)
			wg.Go(func() {
				for i := range size {
					if err := l.Commit(t.Context(), lane.ID, lane.Token, []ledger.Result{created(lane, i)}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		points := seriesOf(t, l, noon, time.Minute, time.Minute)
		require.Len(t, points, 1)
		require.EqualValues(t, lanes*size, points[0].Counts.Created)
	})
}

// Minutes become hours, and hours go; what is asked for in whole hours stays the same, however
// many workers fold.
func TestMinutesBecomeHours(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open func(...func(*ledger.Options)) *ledger.Ledger) {
		clock, set := seriesClocked(noon)
		l := open(set)
		begin(t, l, "r1")
		stage(t, l, "r1", 1, 180)
		lane := openLane(t, l, "r1", 1, 0)
		for i := range 180 { // three hours
			at := noon.Add(time.Duration(i) * time.Minute)
			clock.set(at)
			require.NoError(t, l.Commit(t.Context(), lane.ID, lane.Token, []ledger.Result{created(lane, i)}))
			require.NoError(t, l.KeepLevels(t.Context(), at, []ledger.Level{{Flow: flow, Table: table, Backlog: int64(180 - i), Lag: time.Duration(i) * time.Second}}))
		}
		require.Len(t, seriesOf(t, l, noon, 3*time.Hour, time.Minute), 180)
		hours := seriesOf(t, l, noon, 3*time.Hour, time.Hour)
		require.Len(t, hours, 3)
		require.EqualValues(t, 60, hours[1].Counts.Created)
		require.EqualValues(t, 120, hours[1].Backlog)
		require.Equal(t, 119*time.Second, hours[1].Lag)

		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for {
					n, err := l.FoldSeries(t.Context(), noon.Add(2*time.Hour+30*time.Minute))
					if err != nil {
						t.Error(err)
					}
					if err != nil || n == 0 {
						return
					}
				}
			})
		}
		wg.Wait()
		require.Len(t, seriesOf(t, l, noon, 3*time.Hour, time.Minute), 2+60, "the hour that the cutoff is in stays in minutes")
		require.Equal(t, hours, seriesOf(t, l, noon, 3*time.Hour, time.Hour))

		for {
			n, err := l.PruneSeries(t.Context(), noon.Add(time.Hour))
			require.NoError(t, err)
			if n == 0 {
				break
			}
		}
		require.Equal(t, hours[1:], seriesOf(t, l, noon, 3*time.Hour, time.Hour))
	})
}

// Of several looks in a minute the highest counts, whoever looked; over all flows, backlogs
// add up. What undoes or compares is no part of what is carried.
func TestLevelsAreTheHighest(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open func(...func(*ledger.Options)) *ledger.Ledger) {
		l := open()
		for _, levels := range [][]ledger.Level{
			{{Flow: flow, Table: table, Backlog: 7, Lag: -1}, {Flow: "egress", Table: "egress", Backlog: 5, Lag: 3 * time.Second}, {Flow: "audit", Table: table, Backlog: 99, Lag: -1}},
			{{Flow: flow, Table: table, Backlog: 4, Lag: -1}, {Flow: "egress", Table: "egress", Backlog: 6, Lag: time.Second}},
		} {
			require.NoError(t, l.KeepLevels(t.Context(), noon.Add(time.Duration(levels[0].Backlog)*time.Second), levels))
		}
		points, err := l.Series(t.Context(), ledger.SeriesFilter{From: noon, To: noon.Add(time.Hour), Step: 5 * time.Minute})
		require.NoError(t, err)
		require.Len(t, points, 1)
		require.EqualValues(t, 13, points[0].Backlog)
		require.Equal(t, 3*time.Second, points[0].Lag)
		require.Negative(t, seriesOf(t, l, noon, time.Hour, time.Minute)[0].Lag)
	})
}
