package ledger_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// An opt-out that a winner has from a merged contact makes the winner due until it has
// taken it over, in the same commit as the rest of its result.
func TestOptOutsThatAreOwedToAWinner(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		begin(t, l, "r")
		stage(t, l, "r", 1, 2)
		ln := openLane(t, l, "r", 1, 0)
		result := func(i int, r *ledger.OptOutResult) ledger.Result {
			r.State.Doc = []byte("{}")
			return ledger.Result{Index: i, Outcome: ledger.Unchanged, OptOut: r}
		}
		owed := []ledger.OwedOptOut{{Contact: "w", Attribute: "denyListEmail", Loser: "l"}, {Contact: "w", Attribute: "denyListFax", Loser: "l"}}
		require.NoError(t, l.Commit(t.Context(), ln.ID, ln.Token, []ledger.Result{result(0, &ledger.OptOutResult{State: ledger.OptOut{Contact: "l"}, Owed: owed})}))
		require.NoError(t, l.OweOptOuts(t.Context(), owed), "it may be said again")
		found, err := l.OwedOptOuts(t.Context(), []string{"l", "w"})
		require.NoError(t, err)
		require.Equal(t, map[string][]string{"w": {"denyListEmail", "denyListFax"}}, found)
		due := func(attributes ...string) []string {
			ids, err := l.OptOutsDue(t.Context(), "", attributes, 10)
			require.NoError(t, err)
			return ids
		}
		require.Equal(t, []string{"w"}, due("denyListEmail"))
		require.Empty(t, due("denyListPhone"), "nobody keeps it in step")
		require.NoError(t, l.Commit(t.Context(), ln.ID, ln.Token, []ledger.Result{result(1, &ledger.OptOutResult{State: ledger.OptOut{Contact: "w"}, TakenOver: []string{"denyListEmail"}})}))
		require.Empty(t, due("denyListEmail"))
		require.NoError(t, l.ForgetOwedOptOuts(t.Context(), "w", []string{"denyListFax"}))
		found, err = l.OwedOptOuts(t.Context(), []string{"w"})
		require.NoError(t, err)
		require.Empty(t, found)
	})
}

// Records that came back are counted until they are forgotten.
func TestRecordsThatCameBack(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		begin(t, l, "r")
		stage(t, l, "r", 1, 2)
		ln := openLane(t, l, "r", 1, 0)
		back := func(i int, key string) ledger.Result {
			return ledger.Result{Index: i, Outcome: ledger.Created, Record: &ledger.Record{Key: key, State: ledger.Written}, Returned: true}
		}
		require.NoError(t, l.Commit(t.Context(), ln.ID, ln.Token, []ledger.Result{back(0, "a"), back(1, "b")}))
		require.NoError(t, l.Commit(t.Context(), ln.ID, ln.Token, []ledger.Result{back(1, "b")}))
		got, err := l.Returned(t.Context(), table)
		require.NoError(t, err)
		require.EqualValues(t, 2, got.Count)
		_, err = l.PruneReturned(t.Context(), time.Now().Add(time.Hour))
		require.NoError(t, err)
		got, err = l.Returned(t.Context(), table)
		require.NoError(t, err)
		require.Zero(t, got)
	})
}
