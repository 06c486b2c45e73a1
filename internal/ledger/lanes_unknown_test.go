package ledger_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// A lane at which somebody died, or ended without knowing what became of a write,
// stays one to be looked at until it is closed, whatever later attempts come to.
func TestWhatIsNotKnownOfALaneIsRemembered(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		ctx, l := t.Context(), open()
		id := ledger.LaneID{Run: "r1", Page: 1}
		for name, attempts := range map[string]struct {
			before func()
			looked int
		}{
			"every attempt ended in good order": {looked: 0, before: func() {
				require.NoError(t, l.ReleaseLane(ctx, id, openLane(t, l, "r1", 1, 0).Token, false))
				require.NoError(t, l.ReleaseLane(ctx, id, openLane(t, l, "r1", 1, 0).Token, false))
			}},
			"the last one died": {looked: 1, before: func() { openLane(t, l, "r1", 1, 0) }},
			"one died, the next ended in good order": {looked: 1, before: func() {
				openLane(t, l, "r1", 1, 0)
				require.NoError(t, l.ReleaseLane(ctx, id, openLane(t, l, "r1", 1, 0).Token, false))
			}},
			"one ended not knowing, the next in good order": {looked: 1, before: func() {
				require.NoError(t, l.ReleaseLane(ctx, id, openLane(t, l, "r1", 1, 0).Token, true))
				require.NoError(t, l.ReleaseLane(ctx, id, openLane(t, l, "r1", 1, 0).Token, false))
			}},
		} {
			begin(t, l, "r1")
			stage(t, l, "r1", 1, 2)
			attempts.before()
			crashed, err := l.UnknownOutcomes(ctx, "r1")
			require.NoError(t, err)
			require.Len(t, crashed, attempts.looked, name)
			require.NoError(t, l.DropPages(ctx, "r1"))
			at, err := l.Resume(ctx, "r1")
			require.NoError(t, err)
			require.Len(t, at.Unfinished, attempts.looked, name)
			if attempts.looked > 0 {
				require.Len(t, openLane(t, l, "r1", 1, 0).Entries, 2, name)
				require.NoError(t, l.DropLane(ctx, id))
			}
		}

		// Ending without knowing is no death; a closed lane knows all its outcomes.
		stage(t, l, "r1", 1, 1)
		require.NoError(t, l.ReleaseLane(ctx, id, openLane(t, l, "r1", 1, 0).Token, true))
		lane := openLane(t, l, "r1", 1, 0)
		require.Zero(t, lane.Crashes)
		require.NoError(t, l.ReleaseLane(ctx, id, "another", false), "an attempt that lost the lane says nothing of it")
		require.Equal(t, 1, openLane(t, l, "r1", 1, 0).Crashes)
		finish(t, l, "r1")
		crashed, err := l.UnknownOutcomes(ctx, "r1")
		require.NoError(t, err)
		require.Empty(t, crashed)
	})
}

// Only deaths with the entry in hand are laid at its door: another lane's record may
// have been the cause while this one had not begun with its own.
func TestADeathIsLaidAtTheEntryInHand(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		ctx, l := t.Context(), open()
		begin(t, l, "r1")
		stage(t, l, "r1", 1, 5)
		dies := func(inHand ...int) *ledger.Lane {
			lane := openLane(t, l, "r1", 1, 0)
			for _, i := range inHand {
				require.NoError(t, l.MarkInFlight(ctx, lane.ID, lane.Token, i))
			}
			return lane
		}
		require.Empty(t, dies(0).Suspects)
		for range 3 { // at something else, before the lane's turn came
			require.Equal(t, map[int]int{0: 1}, dies().Suspects)
		}
		require.Equal(t, map[int]int{0: 1}, dies(0).Suspects)
		require.Equal(t, map[int]int{0: 2}, dies(0, 3).Suspects)
		require.Equal(t, map[int]int{0: 2, 3: 1}, dies(3).Suspects)
		require.Equal(t, map[int]int{0: 2, 3: 2}, dies(ledger.Quiet).Suspects)
		require.Empty(t, dies().Suspects, "workers die without any of them")
	})
}

// What a stopped load had found stays until the load has ended, for it goes on at the
// next start, however late that is; and that of a run that is being undone.
func TestBeforeImagesOfAStoppedLoadStay(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		ctx, l := t.Context(), open()
		for kind, pruned := range map[string]int64{"initial": 0, "backfill": 0, "delta": 1} {
			_, err := l.BeginRun(ctx, ledger.Run{ID: kind, Flow: flow, Table: table, Kind: ledger.RunKind(kind), Started: noon})
			require.NoError(t, err)
			stage(t, l, kind, 1, 1)
			openLane(t, l, kind, 1, 0) // and dies
			require.NoError(t, l.SaveBefore(ctx, kind, table, ledger.BeforeImage{Key: key(1), Existed: true, Payload: []byte(`{}`)}))
			require.NoError(t, l.SetRunState(ctx, kind, ledger.RunStopped, "stopped by an operator"))
			n, err := l.PruneBefores(ctx, time.Now().Add(time.Hour), "other", kind)
			require.NoError(t, err)
			require.Zero(t, n, "it is being undone")
			at, err := l.Resume(ctx, kind)
			require.NoError(t, err)
			require.NotNil(t, at.LastPage)
			n, err = l.PruneBefores(ctx, time.Now().Add(time.Hour))
			require.NoError(t, err)
			require.Equal(t, pruned, n, kind)
			_, err = l.PruneBefores(ctx, time.Now().Add(time.Hour))
			require.NoError(t, err)
			at, err = l.Resume(ctx, kind)
			require.NoError(t, err)
			require.Equal(t, pruned == 0, at.LastPage != nil, kind)
		}
	})
}
