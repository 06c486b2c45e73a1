package ledger_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// doubts returns the keys that are due to be looked at.
func doubts(t *testing.T, l *ledger.Ledger) map[string][]ledger.Doubt {
	t.Helper()
	due, err := l.DueDoubts(t.Context(), table, 0)
	require.NoError(t, err)
	return due
}

func doubtCount(t *testing.T, l *ledger.Ledger) int64 {
	t.Helper()
	n, err := l.DoubtCount(t.Context(), table)
	require.NoError(t, err)
	return n
}

// ledgerAndClock opens a ledger whose clock the test moves.
func ledgerAndClock(open open) (l *ledger.Ledger, pass func(time.Duration)) {
	now := noon
	l = open(func(o *ledger.Options) {
		o.RequestsEnd = 2 * time.Minute
		o.Now = func() time.Time { return now }
	})
	return l, func(d time.Duration) { now = now.Add(d) }
}

// Whoever takes a lane over that was not released does not know what the attempt before
// has sent, nor whether it will wake. Only reads that begin a day later end that.
func TestATakenLaneLeavesItsOpenRecordsInDoubt(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l, pass := ledgerAndClock(open)
		begin(t, l, "r1")
		stage(t, l, "r1", 1, 3)
		first := openLane(t, l, "r1", 1, 0)
		require.NoError(t, l.Commit(t.Context(), first.ID, first.Token, []ledger.Result{created(first, 0)}))
		second := openLane(t, l, "r1", 1, 0)
		require.NoError(t, l.Commit(t.Context(), second.ID, second.Token, []ledger.Result{created(second, 1), created(second, 2)}))
		_, err := l.CloseLane(t.Context(), second.ID, second.Token)
		require.NoError(t, err)
		require.EqualValues(t, 2, doubtCount(t, l), "what was committed is not in doubt; committing again ends no doubt")
		require.Empty(t, doubts(t, l), "its requests have time to end")

		pass(2 * time.Minute)
		due := doubts(t, l)
		require.Len(t, due, 2)
		d := due[second.Entries[1].Key]
		require.Equal(t, []ledger.Doubt{{Key: second.Entries[1].Key, Run: "r1", Carries: ledger.CarriesRecord, Version: second.Entries[1].Version, Raw: second.Entries[1].Raw,
			Since: noon, Final: noon.Add(24 * time.Hour)}}, d)
		looks := 0
		for ; doubtCount(t, l) > 0; pass(time.Minute) {
			for key := range doubts(t, l) {
				require.NoError(t, l.LookedAt(t.Context(), table, []string{key}, l.Now()))
				looks++
			}
		}
		require.False(t, l.Now().Before(noon.Add(24*time.Hour)), "ended at %s", l.Now())
		require.Less(t, looks, 2*14, "the intervals grow")
	})
}

// An attempt that was fenced off and wakes says what it has sent. The rest of its lane is
// no longer in doubt, and what it has sent only until that can have no effect any more.
func TestAnAttemptThatReportsSettlesItsDoubts(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l, pass := ledgerAndClock(open)
		begin(t, l, "r1")
		stage(t, l, "r1", 1, 3)
		first := openLane(t, l, "r1", 1, 0)
		second := openLane(t, l, "r1", 1, 0)
		require.EqualValues(t, 3, doubtCount(t, l))
		pass(time.Hour)
		require.NoError(t, l.ReportUnanswered(t.Context(), first, []int{1}))
		require.EqualValues(t, 1, doubtCount(t, l))
		require.Empty(t, doubts(t, l), "a look that began before its requests ended says nothing")
		require.NoError(t, l.LookedAt(t.Context(), table, []string{first.Entries[1].Key}, l.Now()))
		require.EqualValues(t, 1, doubtCount(t, l))
		pass(2 * time.Minute)
		require.Contains(t, doubts(t, l), first.Entries[1].Key)
		result := created(second, 1)
		result.Look = &ledger.Look{Key: first.Entries[1].Key, At: l.Now()}
		require.NoError(t, l.Commit(t.Context(), second.ID, second.Token, []ledger.Result{result}))
		require.Zero(t, doubtCount(t, l))
	})
}

// A request without an answer leaves its record in doubt, also when it was sent again
// with success. Of two different ones stays known what each of them carries.
func TestARequestWithoutAnAnswerLeavesDoubt(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l, pass := ledgerAndClock(open)
		begin(t, l, "r1")
		stage(t, l, "r1", 1, 2)
		lane := openLane(t, l, "r1", 1, 0)
		result := created(lane, 0)
		result.Unanswered = &lane.Entries[0]
		require.NoError(t, l.Commit(t.Context(), lane.ID, lane.Token, []ledger.Result{result}))
		require.NoError(t, l.ReportUnanswered(t.Context(), lane, []int{1}))
		require.NoError(t, l.ReleaseLane(t.Context(), lane.ID, lane.Token, true))
		require.EqualValues(t, 2, doubtCount(t, l))
		pass(time.Minute)
		again := openLane(t, l, "r1", 1, 0)
		require.EqualValues(t, 2, doubtCount(t, l), "the attempt before had reported")
		newer := again.Entries[1]
		newer.Version = "newer"
		result = created(again, 1)
		result.Unanswered = &newer
		require.NoError(t, l.Commit(t.Context(), again.ID, again.Token, []ledger.Result{result}))
		pass(time.Minute)
		require.Len(t, doubts(t, l)[again.Entries[1].Key], 1, "the later request of the other one has still time")
		pass(time.Minute)
		d := doubts(t, l)
		require.Equal(t, ledger.CarriesRecord, d[lane.Entries[0].Key][0].Carries)
		both := d[lane.Entries[1].Key]
		require.Len(t, both, 2)
		require.ElementsMatch(t, []string{lane.Entries[1].Version, "newer"}, []string{both[0].Version, both[1].Version})
		for i := range both {
			require.Equal(t, ledger.CarriesRecord, both[i].Carries)
			require.NotEmpty(t, both[i].Raw)
		}

		require.NoError(t, l.LookLater(t.Context(), table, []string{lane.Entries[0].Key}))
		require.Len(t, doubts(t, l), 1)
		pass(10 * time.Minute)
		require.Len(t, doubts(t, l), 2)
	})
}

// A run that is given up takes its lanes from whoever is at them. What may have been sent
// is in doubt, though nothing of it is in the ledger.
func TestAGivenUpRunLeavesDoubt(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l, _ := ledgerAndClock(open)
		begin(t, l, "r1")
		stage(t, l, "r1", 1, 2, 3)
		lane := openLane(t, l, "r1", 1, 0)
		require.NoError(t, l.SetRunState(t.Context(), "r1", ledger.RunCancelled, ""))
		require.NoError(t, l.DropPages(t.Context(), "r1"))
		require.EqualValues(t, 2, doubtCount(t, l), "the other lane was not begun")
		require.ErrorIs(t, l.HoldsLane(t.Context(), lane.ID, lane.Token), ledger.ErrFenced)
		require.ErrorIs(t, l.Commit(t.Context(), lane.ID, lane.Token, []ledger.Result{created(lane, 0)}), ledger.ErrFenced)
		require.NoError(t, l.DropPages(t.Context(), "r1"))
		require.EqualValues(t, 2, doubtCount(t, l))
		_, _, look, err := l.DoubtOf(t.Context(), table, lane.Entries[0].Key)
		require.NoError(t, err)
		require.Equal(t, noon.Add(2*time.Minute), look)
		_, _, _, err = l.DoubtOf(t.Context(), table, "another")
		require.ErrorIs(t, err, ledger.ErrNotFound)
	})
}

// An attempt that the ledger knows nothing of has written all the same, where the ledger was
// restored from a backup since. What it may have written is in doubt.
func TestAnAttemptThatTheLedgerLostLeavesItsRecordsInDoubt(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l, _ := ledgerAndClock(open)
		begin(t, l, "r1")
		stage(t, l, "r1", 1, 3)
		id := ledger.LaneID{Run: "r1", Page: 1}
		lane, err := l.OpenLaneAfter(t.Context(), id, 1)
		require.NoError(t, err)
		require.EqualValues(t, 2, lane.Attempt, "the records are looked at before they are written")
		require.EqualValues(t, 3, doubtCount(t, l))
		require.NoError(t, l.ReleaseLane(t.Context(), id, lane.Token, false))
		lane, err = l.OpenLaneAfter(t.Context(), id, 2)
		require.NoError(t, err)
		require.EqualValues(t, 3, lane.Attempt)
		require.EqualValues(t, 3, doubtCount(t, l), "it knows of both")
	})
}
