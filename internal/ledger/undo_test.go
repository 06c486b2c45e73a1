package ledger_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// What a run touched is what it created and what it has before-images of, each once.
func TestWhatARunTouched(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		ctx, l := t.Context(), open()
		ln := lane(t, l, "r1", 5)
		group := allCreated(ln)
		for i := range 2 { // adopted: they were there before
			group[i].Record.CreatedRun = ""
			group[i].Before = &ledger.BeforeImage{Key: group[i].Record.Key, Existed: true, Payload: []byte(`{"a":"old"}`)}
		}
		group[2].Before = &ledger.BeforeImage{Key: group[2].Record.Key, Existed: true, Payload: []byte(`{"a":"gone"}`)} // deleted and created again
		require.NoError(t, l.Commit(ctx, ln.ID, ln.Token, group))
		k := func(i int) string { return ln.Entries[i].Key }

		first, err := l.Touched(ctx, "r1", table, "", 3)
		require.NoError(t, err)
		rest, err := l.Touched(ctx, "r1", table, first[2].Key, 0)
		require.NoError(t, err)
		var keys []string
		for _, e := range append(first, rest...) {
			keys = append(keys, e.Key)
		}
		require.Equal(t, []string{k(0), k(1), k(2), k(3), k(4)}, keys)
		require.JSONEq(t, `{"a":"gone"}`, string(first[2].Raw))
		require.Nil(t, rest[0].Raw)

		other := lane(t, l, "r2", 1)
		touch := created(other, 0)
		touch.Record.Key, touch.Record.CreatedRun = k(4), "r1"
		rollback := lane(t, l, "rollback-r1-9", 1)
		undone := created(rollback, 0)
		undone.Record.Key, undone.Record.CreatedRun = k(3), "r1"
		require.NoError(t, l.Commit(ctx, other.ID, other.Token, []ledger.Result{touch}))
		require.NoError(t, l.Commit(ctx, rollback.ID, rollback.Token, []ledger.Result{undone}))
		c, err := l.CountTouched(ctx, "r1", table, "rollback-r1-")
		require.NoError(t, err)
		require.Equal(t, ledger.TouchedCounts{Created: 2, Existed: 3, Since: 1, Bytes: c.Bytes}, c)
		require.Greater(t, c.Bytes, int64(2*len(`{"a":"old"}`)+len(`{"a":"gone"}`)), "as they are kept: sealed")

		n, err := l.PruneBefores(ctx, time.Now().Add(time.Hour))
		require.NoError(t, err)
		require.Zero(t, n, "the run has not ended")
		require.NoError(t, l.SetRunState(ctx, "r1", ledger.RunFailed, "x"))
		n, err = l.PruneBefores(ctx, time.Now().Add(-time.Hour))
		require.NoError(t, err)
		require.Zero(t, n, "it has not ended for long")
		n, err = l.PruneBefores(ctx, time.Now().Add(time.Hour))
		require.NoError(t, err)
		require.Equal(t, int64(3), n)
		left, err := l.BeforeImages(ctx, "r1", table, "", 0)
		require.NoError(t, err)
		require.Empty(t, left)
	})
}

// What a dead attempt had in hand stays for a rollback, where there can be one.
func TestPagesOfARunThatWasGivenUp(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		ctx, l := t.Context(), open()
		begin(t, l, "r1")
		stage(t, l, "r1", 1, 3, 3)
		stage(t, l, "r1", 2, 3)
		openLane(t, l, "r1", 1, 1) // and never put down
		require.NoError(t, l.DropPages(ctx, "r1"))
		left, err := l.UnknownOutcomes(ctx, "r1")
		require.NoError(t, err)
		require.Equal(t, []ledger.OpenLaneRef{{LaneID: ledger.LaneID{Run: "r1", Page: 1, Lane: 1}, Size: 3}}, left)
		_, err = l.Page(ctx, "r1", 2)
		require.ErrorIs(t, err, ledger.ErrNotFound)
		require.NoError(t, l.ForgetPages(ctx, "r1"))
		left, err = l.UnknownOutcomes(ctx, "r1")
		require.NoError(t, err)
		require.Empty(t, left)
		_, err = l.Page(ctx, "r1", 1)
		require.ErrorIs(t, err, ledger.ErrNotFound)
	})
}
