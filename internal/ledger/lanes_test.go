package ledger_test

import (
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

func TestALaneGivesBackWhatWasStaged(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		begin(t, l, "r1")
		in := entries(0, 3)
		in[1] = ledger.Entry{Key: key(1), Version: "7", Deleted: true}
		page, err := l.StagePage(t.Context(), ledger.PageInput{Run: "r1", Table: table, Number: 1, Phase: "delta", Lanes: [][]ledger.Entry{in, nil}, Next: ledger.LinkCursor("next")})
		require.NoError(t, err)
		require.Equal(t, &ledger.Page{Run: "r1", Number: 1, Phase: "delta", Read: 3, LaneSizes: []int{3, 0}, Next: ledger.LinkCursor("next")}, page)

		lane := openLane(t, l, "r1", 1, 0)
		require.Equal(t, in, lane.Entries)
		require.Equal(t, make([]ledger.Outcome, 3), lane.Outcomes)
		require.Equal(t, table, lane.Table)
		require.False(t, lane.Done)
		require.True(t, openLane(t, l, "r1", 1, 1).Done, "an empty lane has nothing to do")

		for _, id := range []ledger.LaneID{{Run: "r1", Page: 1, Lane: 2}, {Run: "r1", Page: 2}, {Run: "other", Page: 1}} {
			_, err = l.OpenLane(t.Context(), id)
			require.ErrorIs(t, err, ledger.ErrNotFound)
		}
	})
}

// I2: a late attempt cannot replace a page that is being written.
func TestWhatWasStagedFirstWins(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		begin(t, l, "r1")
		first := stage(t, l, "r1", 1, 2)
		late, err := l.StagePage(t.Context(), ledger.PageInput{Run: "r1", Table: table, Number: 1, Phase: "other", Lanes: [][]ledger.Entry{entries(50, 9)}, Next: ledger.LinkCursor("late")})
		require.NoError(t, err)
		require.Equal(t, first, late)
		require.Equal(t, entries(10_000, 2), openLane(t, l, "r1", 1, 0).Entries)

		var pages [8]*ledger.Page
		var wg sync.WaitGroup
		for i := range pages { // at the same time, too
			wg.Go(func() {
				pages[i], _ = l.StagePage(t.Context(), ledger.PageInput{Run: "r1", Table: table, Number: 2, Phase: "p" + strconv.Itoa(i), Lanes: [][]ledger.Entry{entries(100*i, i+1)}})
			})
		}
		wg.Wait()
		stored, err := l.Page(t.Context(), "r1", 2)
		require.NoError(t, err)
		for _, p := range pages {
			require.Equal(t, stored, p)
		}
	})
}

func TestStagingNeedsARunThatGoesOn(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		_, err := l.StagePage(t.Context(), ledger.PageInput{Run: "none", Table: table, Number: 1, Lanes: [][]ledger.Entry{entries(0, 1)}})
		require.ErrorIs(t, err, ledger.ErrNotFound)
		for _, state := range []ledger.RunState{ledger.RunCompleted, ledger.RunIncomplete, ledger.RunCancelled} {
			begin(t, l, string(state))
			require.NoError(t, l.SetRunState(t.Context(), string(state), state, ""))
			_, err = l.StagePage(t.Context(), ledger.PageInput{Run: string(state), Table: table, Number: 1, Lanes: [][]ledger.Entry{entries(0, 1)}})
			require.ErrorIs(t, err, ledger.ErrEnded)
			_, err = l.Page(t.Context(), string(state), 1)
			require.ErrorIs(t, err, ledger.ErrNotFound)
		}
	})
}

// I2: of two attempts at a lane, only the later one writes.
func TestANewOpeningFencesTheOldOne(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		begin(t, l, "r1")
		stage(t, l, "r1", 1, 2)
		old := openLane(t, l, "r1", 1, 0)
		require.NoError(t, l.Commit(t.Context(), old.ID, old.Token, []ledger.Result{created(old, 0)}))
		now := openLane(t, l, "r1", 1, 0)
		require.NotEqual(t, old.Token, now.Token)
		require.Equal(t, []int64{1, 2}, []int64{old.Attempt, now.Attempt})
		require.Equal(t, []ledger.Outcome{ledger.Created, ledger.Pending}, now.Outcomes)

		s := created(old, 1)
		s.Before = &ledger.BeforeImage{Key: s.Record.Key, Existed: true}
		s.Quarantine = &ledger.QuarantineItem{Key: s.Record.Key}
		require.ErrorIs(t, l.Commit(t.Context(), old.ID, old.Token, []ledger.Result{s}), ledger.ErrFenced)
		_, err := l.CloseLane(t.Context(), old.ID, old.Token)
		require.ErrorIs(t, err, ledger.ErrFenced)

		require.Nil(t, record(t, l, s.Record.Key), "nothing of a fenced commit is written")
		images, err := l.BeforeImages(t.Context(), "r1", table, "", 10)
		require.NoError(t, err)
		require.Empty(t, images)
		n, err := l.QuarantineCount(t.Context(), flow, table)
		require.NoError(t, err)
		require.Zero(t, n)

		require.NoError(t, l.Commit(t.Context(), now.ID, now.Token, []ledger.Result{created(now, 1)}))
		_, err = l.CloseLane(t.Context(), now.ID, now.Token)
		require.NoError(t, err)
	})
}

func TestALaneIsCountedOnce(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		begin(t, l, "r1")
		stage(t, l, "r1", 1, 8, 1)
		lane := openLane(t, l, "r1", 1, 0)
		outcomes := []ledger.Outcome{ledger.Created, ledger.Updated, ledger.Unchanged, ledger.FilteredOut, ledger.Removed, ledger.ParkedOut, ledger.Refused, ledger.Created}
		for i, o := range outcomes[:7] {
			require.NoError(t, l.Commit(t.Context(), lane.ID, lane.Token, []ledger.Result{{Index: i, Outcome: o}}))
		}
		_, err := l.CloseLane(t.Context(), lane.ID, lane.Token)
		require.ErrorContains(t, err, "1 of 8 entries have no outcome yet")
		require.NoError(t, l.Commit(t.Context(), lane.ID, lane.Token, []ledger.Result{{Index: 7, Outcome: outcomes[7]}}))

		want := ledger.Counts{Read: 8, Created: 2, Updated: 1, Unchanged: 1, Filtered: 1, Deleted: 1, Parked: 1, Quarantined: 1}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				counts, err := l.CloseLane(t.Context(), lane.ID, lane.Token)
				if err != nil || counts != want {
					t.Errorf("got %+v, %v", counts, err)
				}
			})
		}
		wg.Wait()
		run, err := l.Run(t.Context(), "r1")
		require.NoError(t, err)
		require.Equal(t, want, run.Counts)

		again := openLane(t, l, "r1", 1, 0)
		require.True(t, again.Done)
		require.Equal(t, want, again.Counts)
		require.Empty(t, again.Entries)
		require.Equal(t, lane.Token, again.Token)
		require.ErrorContains(t, l.Commit(t.Context(), lane.ID, lane.Token, []ledger.Result{{Index: 0, Outcome: ledger.Updated}}), "closed")
	})
}

func TestCommitIsAllOrNothing(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		begin(t, l, "r1")
		stage(t, l, "r1", 1, 2)
		lane := openLane(t, l, "r1", 1, 0)
		bad := map[string]ledger.Result{
			"not in the lane":    {Index: 2, Outcome: ledger.Created},
			"entry -1":           {Index: -1, Outcome: ledger.Created},
			"not an outcome":     {Index: 1, Outcome: ledger.Pending},
			"88 is not":          {Index: 1, Outcome: 'X'},
			"without a key":      {Index: 1, Outcome: ledger.Created, Record: &ledger.Record{}},
			"a record without a": {Index: 1, Outcome: ledger.Refused, Quarantine: &ledger.QuarantineItem{}},
		}
		for says, s := range bad {
			require.ErrorContains(t, l.Commit(t.Context(), lane.ID, lane.Token, []ledger.Result{created(lane, 0), s}), says)
		}
		require.Nil(t, record(t, l, lane.Entries[0].Key))
		require.Equal(t, []ledger.Outcome{0, 0}, openLane(t, l, "r1", 1, 0).Outcomes)
		require.NoError(t, l.Commit(t.Context(), lane.ID, "another", nil), "nothing to commit")
	})
}

func TestResumeSaysWhatIsLeft(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		at, err := l.Resume(t.Context(), "r1")
		require.NoError(t, err)
		require.Equal(t, &ledger.ResumePoint{}, at)

		begin(t, l, "r1")
		stage(t, l, "r1", 2, 0, 3)
		stage(t, l, "r1", 10, 4)
		stage(t, l, "r1", 1, 5, 6)
		lane := openLane(t, l, "r1", 1, 0)
		require.NoError(t, l.Commit(t.Context(), lane.ID, lane.Token, allCreated(lane)))
		_, err = l.CloseLane(t.Context(), lane.ID, lane.Token)
		require.NoError(t, err)

		at, err = l.Resume(t.Context(), "r1")
		require.NoError(t, err)
		require.Equal(t, 10, at.LastPage.Number)
		require.Equal(t, []ledger.OpenLaneRef{
			{LaneID: ledger.LaneID{Run: "r1", Page: 1, Lane: 1}, Size: 6},
			{LaneID: ledger.LaneID{Run: "r1", Page: 2, Lane: 1}, Size: 3},
			{LaneID: ledger.LaneID{Run: "r1", Page: 10, Lane: 0}, Size: 4},
		}, at.Unfinished)

		require.NoError(t, l.DropPages(t.Context(), "r1"))
		at, err = l.Resume(t.Context(), "r1")
		require.NoError(t, err)
		require.Equal(t, &ledger.ResumePoint{}, at)
	})
}
