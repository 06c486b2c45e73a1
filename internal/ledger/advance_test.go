package ledger_test

import (
	"database/sql"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

func mark(run string) ledger.Watermark {
	return ledger.Watermark{Flow: flow, Table: table, Link: "delta-" + run, Revision: "rev", ObtainedAt: noon, Run: run}
}

// I1, I5
func TestTheWatermarkMovesOnlyOnceEveryLaneIsWritten(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open(func(o *ledger.Options) { o.Now = clock })
		begin(t, l, "r1")
		stage(t, l, "r1", 1, 3, 2)
		lane := openLane(t, l, "r1", 1, 0)
		require.NoError(t, l.Commit(t.Context(), lane.ID, lane.Token, allCreated(lane)))

		_, err := l.Advance(t.Context(), "r1", mark("r1"))
		unfinished, ok := errors.AsType[*ledger.UnfinishedError](err)
		require.True(t, ok, "got %v", err)
		require.Len(t, unfinished.Lanes, 2, "committed is not closed")
		_, err = l.Watermark(t.Context(), flow, table)
		require.ErrorIs(t, err, ledger.ErrNotFound)

		finish(t, l, "r1")
		run, err := l.Advance(t.Context(), "r1", mark("r1"))
		require.NoError(t, err)
		require.Equal(t, ledger.RunCompleted, run.State)
		require.Equal(t, ledger.Counts{Read: 5, Created: 5}, run.Counts)
		require.Equal(t, clock(), run.Ended)
		saved, err := l.Watermark(t.Context(), flow, table)
		require.NoError(t, err)
		require.Equal(t, mark("r1"), *saved)
		_, err = l.Page(t.Context(), "r1", 1)
		require.ErrorIs(t, err, ledger.ErrNotFound, "the pages are dropped")

		other := mark("r1")
		other.Link = "late"
		again, err := l.Advance(t.Context(), "r1", other)
		require.NoError(t, err)
		require.Equal(t, run, again)
		saved, err = l.Watermark(t.Context(), flow, table)
		require.NoError(t, err)
		require.Equal(t, "delta-r1", saved.Link, "a late attempt moves nothing")

		require.ErrorIs(t, l.SetRunState(t.Context(), "r1", ledger.RunFailed, "late"), ledger.ErrEnded)
		require.NoError(t, l.SetRunState(t.Context(), "r1", ledger.RunCompleted, ""))
	})
}

// I1: a run that lost records is INCOMPLETE, and they are read again from the old watermark.
func TestARunThatDoesNotBalanceMovesNothing(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		var options ledger.Options
		l := open(func(o *ledger.Options) { options = *o })
		require.NoError(t, l.SaveWatermark(t.Context(), ledger.Watermark{Flow: flow, Table: table, Link: "before"}))
		begin(t, l, "r1")
		stage(t, l, "r1", 1, 3, 2)
		loseLane(t, options, 1)
		finish(t, l, "r1")
		for range 2 {
			run, err := l.Advance(t.Context(), "r1", mark("r1"))
			require.NoError(t, err)
			require.Equal(t, ledger.RunIncomplete, run.State)
			require.Equal(t, ledger.Counts{Read: 5, Created: 3}, run.Counts)
			require.Equal(t, "5 records were read, 3 have an outcome", run.Error)
		}
		saved, err := l.Watermark(t.Context(), flow, table)
		require.NoError(t, err)
		require.Equal(t, "before", saved.Link)
		_, err = l.Page(t.Context(), "r1", 1)
		require.NoError(t, err, "the pages stay")
	})
}

// loseLane damages a ledger as no method of it does.
func loseLane(t *testing.T, o ledger.Options, lane int) {
	t.Helper()
	driver, source := "sqlite", o.Path
	if o.Driver == "postgres" {
		driver, source = "pgx", o.DSN
	}
	db, err := sql.Open(driver, source)
	require.NoError(t, err)
	defer db.Close()
	for _, from := range []string{"lane_data", "lane"} {
		_, err = db.ExecContext(t.Context(), "DELETE FROM "+from+" WHERE lane = $1", lane)
		require.NoError(t, err)
	}
}

func TestOnlyARunningRunAdvances(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		_, err := l.Advance(t.Context(), "none", mark("none"))
		require.ErrorIs(t, err, ledger.ErrNotFound)
		for _, state := range []ledger.RunState{ledger.RunStopped, ledger.RunFailed, ledger.RunCancelled} {
			begin(t, l, string(state))
			require.NoError(t, l.SetRunState(t.Context(), string(state), state, "why"))
			_, err := l.Advance(t.Context(), string(state), mark(string(state)))
			require.ErrorIs(t, err, ledger.ErrEnded)
		}
		begin(t, l, "r1")
		foreign := mark("r1")
		foreign.Table = "accounts"
		_, err = l.Advance(t.Context(), "r1", foreign)
		require.ErrorContains(t, err, "the watermark is that of ingress/accounts, the run that of ingress/contacts")
		_, err = l.Watermark(t.Context(), flow, table)
		require.ErrorIs(t, err, ledger.ErrNotFound)

		run, err := l.Advance(t.Context(), "r1", ledger.Watermark{})
		require.NoError(t, err)
		require.Equal(t, ledger.RunCompleted, run.State)
		_, err = l.Watermark(t.Context(), flow, table)
		require.ErrorIs(t, err, ledger.ErrNotFound, "a replay has no link to save")
	})
}

func TestWatermarksOfTablesAreApart(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		a, b := mark("r1"), mark("r2")
		b.Table = "accounts"
		require.NoError(t, l.SaveWatermark(t.Context(), a))
		require.NoError(t, l.SaveWatermark(t.Context(), b))
		a.Link = "moved"
		require.NoError(t, l.SaveWatermark(t.Context(), a))
		require.NoError(t, l.ClearWatermark(t.Context(), flow, "accounts"))
		got, err := l.Watermark(t.Context(), flow, table)
		require.NoError(t, err)
		require.Equal(t, a, *got)
		_, err = l.Watermark(t.Context(), flow, "accounts")
		require.ErrorIs(t, err, ledger.ErrNotFound)
	})
}
