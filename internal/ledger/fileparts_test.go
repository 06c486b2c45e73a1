package ledger_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// While a file of a table is outstanding, nothing else of the table is written: no lane is
// opened but its own, whoever asks, also when its run has ended.
func TestAnOutstandingFileClosesItsTable(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		begin(t, l, "r1")
		stage(t, l, "r1", 1, 2, 2)
		lane := openLane(t, l, "r1", 1, 0)
		other := ledger.LaneID{Run: "r1", Page: 1, Lane: 1}

		_, err := l.FilePart(t.Context(), lane.ID)
		require.ErrorIs(t, err, ledger.ErrNotFound)
		out, err := l.OutstandingFile(t.Context(), table)
		require.NoError(t, err)
		require.Nil(t, out)

		part := ledger.FilePart{Lane: lane.ID, Table: table, Outstanding: true, Doc: []byte(`{"stage":"sent"}`)}
		require.NoError(t, l.SaveFilePart(t.Context(), lane.Token, part))
		for _, get := range []func() (*ledger.FilePart, error){
			func() (*ledger.FilePart, error) { return l.FilePart(t.Context(), lane.ID) },
			func() (*ledger.FilePart, error) { return l.OutstandingFile(t.Context(), table) },
		} {
			got, err := get()
			require.NoError(t, err)
			require.Equal(t, &part, got)
		}
		_, err = l.OpenLane(t.Context(), other)
		require.ErrorIs(t, err, ledger.ErrOutstanding)
		again := openLane(t, l, "r1", 1, 0)
		require.ErrorIs(t, l.SaveFilePart(t.Context(), lane.Token, part), ledger.ErrFenced, "an attempt that was taken over")

		require.NoError(t, l.ReleaseLane(t.Context(), again.ID, again.Token, false))
		require.NoError(t, l.SetRunState(t.Context(), "r1", "CANCELLED", ""))
		require.NoError(t, l.DropPages(t.Context(), "r1"))
		begin(t, l, "r2")
		stage(t, l, "r2", 1, 1)
		_, err = l.OpenLane(t.Context(), ledger.LaneID{Run: "r2", Page: 1})
		require.ErrorIs(t, err, ledger.ErrOutstanding)

		require.NoError(t, l.FilePartGivenUp(t.Context(), lane.ID, []byte(`{"stage":"counted"}`)))
		out, err = l.OutstandingFile(t.Context(), table)
		require.NoError(t, err)
		require.Nil(t, out)
		openLane(t, l, "r2", 1, 0)
		require.NoError(t, l.DropPages(t.Context(), "r1"))
		_, err = l.FilePart(t.Context(), lane.ID)
		require.ErrorIs(t, err, ledger.ErrNotFound, "it went with its run")
	})
}

// Somebody in a file that may still be imported would come back, so forgetting waits for
// the file, whatever became of its run.
func TestForgettingWaitsForAnOutstandingFile(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		begin(t, l, "r1")
		stage(t, l, "r1", 1, 2)
		lane := openLane(t, l, "r1", 1, 0)
		require.NoError(t, l.SaveFilePart(t.Context(), lane.Token, ledger.FilePart{Lane: lane.ID, Table: table, Outstanding: true, Doc: []byte(`{}`)}))
		require.NoError(t, l.ReleaseLane(t.Context(), lane.ID, lane.Token, false))
		require.NoError(t, l.SetRunState(t.Context(), "r1", ledger.RunCancelled, ""))
		require.NoError(t, l.DropPages(t.Context(), "r1"))

		require.NoError(t, l.AskForget(t.Context(), table, lane.Entries[0].Key))
		forgetNow(t, l)
		e, err := l.Erasures(t.Context())
		require.NoError(t, err)
		require.Len(t, e.Waiting, 1)
		require.Zero(t, e.Done)

		require.NoError(t, l.FilePartGivenUp(t.Context(), lane.ID, []byte(`{}`)))
		forgetNow(t, l)
		e, err = l.Erasures(t.Context())
		require.NoError(t, err)
		require.Empty(t, e.Waiting)
		require.EqualValues(t, 1, e.Done)
	})
}
