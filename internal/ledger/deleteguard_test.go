package ledger_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// guards is the result of entry i of a lane as a delete that the guard holds back.
func guards(ln *ledger.Lane, i int) ledger.Result {
	e := ln.Entries[i]
	return ledger.Result{Index: i, Outcome: ledger.ParkedOut,
		Record: &ledger.Record{Key: e.Key, State: ledger.Parked, Payload: []byte(`{}`)},
		Park:   &ledger.ParkedItem{Key: e.Key, Waits: ledger.WaitsForDeleteGuard, Deleted: true}}
}

// Up to the limit deletes go on when their run is complete; more wait for approval.
func TestTheGuardCountsTheDeletesOfARun(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		complete := func(run string, from, n int) {
			ln := childLane(t, l, run, from+n)
			var group []ledger.Result
			for i := range ln.Entries {
				s := created(ln, i)
				if i >= from {
					s = guards(ln, i)
				}
				group = append(group, s)
			}
			require.NoError(t, l.Commit(t.Context(), ln.ID, ln.Token, group))
			_, err := l.CloseLane(t.Context(), ln.ID, ln.Token)
			require.NoError(t, err)
			_, err = l.Advance(t.Context(), run, ledger.Watermark{Flow: flow, Table: vehicles, Run: run})
			require.NoError(t, err)
		}
		complete("c1", 0, 3)
		waiting, err := l.GuardDeletes(t.Context(), "c1", vehicles, ledger.DeleteLimit{Min: 2})
		require.NoError(t, err)
		require.EqualValues(t, 3, waiting)
		require.Empty(t, ready(t, l, vehicles))
		_, err = l.ReleaseUnblocked(t.Context(), vehicles)
		require.NoError(t, err)
		require.Empty(t, ready(t, l, vehicles), "time approves nothing")

		complete("c2", 3, 2)
		waiting, err = l.GuardDeletes(t.Context(), "c2", vehicles, ledger.DeleteLimit{Min: 2})
		require.NoError(t, err)
		require.Zero(t, waiting)
		require.Len(t, ready(t, l, vehicles), 2, "its own, not those of the other run")
		waits, err := l.Approvals(t.Context(), vehicles, 0)
		require.NoError(t, err)
		require.Equal(t, []ledger.Approval{{Run: "c1", Deletes: 3, Listed: -1}}, waits)
		n, err := l.ApproveDeletes(t.Context(), "c1")
		require.NoError(t, err)
		require.EqualValues(t, 3, n)
		require.Len(t, ready(t, l, vehicles), 5)
		n, err = l.ApproveDeletes(t.Context(), "c1")
		require.NoError(t, err)
		require.Zero(t, n, "approved once")

		// What a run that was given up held back counts as the next one's.
		ln := childLane(t, l, "c3", 6)
		require.NoError(t, l.Commit(t.Context(), ln.ID, ln.Token, []ledger.Result{guards(ln, 5)}))
		waiting, err = l.GuardDeletes(t.Context(), "c2", vehicles, ledger.DeleteLimit{Min: 5})
		require.NoError(t, err)
		require.Zero(t, waiting)
		require.Len(t, ready(t, l, vehicles), 5, "not what a run at work holds back")
		require.NoError(t, l.SetRunState(t.Context(), "c3", ledger.RunCancelled, ""))
		waiting, err = l.GuardDeletes(t.Context(), "c2", vehicles, ledger.DeleteLimit{Min: 0})
		require.NoError(t, err)
		require.EqualValues(t, 1, waiting)
	})
}

func TestAPageCountsItsDeletes(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		begin(t, l, "r1")
		for number, deletes := range []int{0, 3, 4} {
			_, err := l.StagePage(t.Context(), ledger.PageInput{Run: "r1", Table: table, Number: number + 1, Lanes: [][]ledger.Entry{entries(0, 5)}, Deletes: deletes})
			require.NoError(t, err)
		}
		n, err := l.PageDeletes(t.Context(), "r1")
		require.NoError(t, err)
		require.EqualValues(t, 7, n)
		n, err = l.PageDeletes(t.Context(), "r2")
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

// Many small runs together are asked about like a large one, for as long as the window is.
func TestTheGuardAddsUpTheDeletesOfManyRuns(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		now := time.Now()
		l := open(func(o *ledger.Options) { o.Now = func() time.Time { return now } })
		limit := ledger.DeleteLimit{Min: 10, Ratio: 0.05, Window: time.Hour}
		stage := func(run string, deletes ...int) {
			begin(t, l, run)
			for i, n := range deletes {
				_, err := l.StagePage(t.Context(), ledger.PageInput{Run: run, Table: table, Number: i + 1, Lanes: [][]ledger.Entry{entries(0, 5)}, Deletes: n})
				require.NoError(t, err)
			}
		}
		admitted := func(run string, page int) bool {
			t.Helper()
			ok, err := l.AdmitDeletes(t.Context(), run, table, page, limit)
			require.NoError(t, err)
			return ok
		}
		stage("r1", 6)
		require.True(t, admitted("r1", 1))
		require.True(t, admitted("r1", 1), "asked again, it is counted once")
		stage("r2", 4)
		require.True(t, admitted("r2", 1), "ten with those before")
		stage("r3", 1)
		require.False(t, admitted("r3", 1))
		require.True(t, admitted("r2", 1), "what was admitted stays so")
		stage("r4", 6, 0)
		require.False(t, admitted("r4", 2), "those of its first page count as well")
		now = now.Add(2 * time.Hour)
		require.True(t, admitted("r3", 1), "a day later they count no longer")

		stage("r5", 9)
		require.True(t, admitted("r5", 1))
		stage("r6", 1)
		require.False(t, admitted("r6", 1))
		require.NoError(t, l.ForgetUndoneDeletes(t.Context(), "r5"))
		require.True(t, admitted("r6", 1), "the target holds again what an undone run had deleted")
	})
}
