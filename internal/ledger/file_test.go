package ledger_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// Nothing is written to a file that has no name any more, and no lane is taken for held.
func TestALedgerWhoseFileIsGoneWritesNothing(t *testing.T) {
	t.Parallel()
	o := ledgertest.SQLite(t)
	l := ledgertest.Open(t, o)
	begin(t, l, "r1")
	stage(t, l, "r1", 1, 3)
	lane := openLane(t, l, "r1", 1, 0)
	fails := func(says string) {
		t.Helper()
		for _, err := range []error{
			l.Ping(t.Context()), l.SaveFact(t.Context(), "name", "value"), l.HoldsLane(t.Context(), lane.ID, lane.Token),
			l.Commit(t.Context(), lane.ID, lane.Token, []ledger.Result{created(lane, 0)}),
		} {
			require.ErrorContains(t, err, "ledger.path: "+o.Path+says)
		}
	}
	require.NoError(t, os.Rename(o.Path, o.Path+".away"))
	fails(" is gone while the worker has it open: nothing is written; put the file back, or restart the worker")
	require.NoError(t, os.WriteFile(o.Path, nil, 0o600))
	fails(" was replaced while the worker has it open: nothing is written; restart the worker")

	require.NoError(t, os.Rename(o.Path+".away", o.Path))
	require.NoError(t, l.Ping(t.Context()))
	require.NoError(t, l.HoldsLane(t.Context(), lane.ID, lane.Token))
	require.NoError(t, l.Commit(t.Context(), lane.ID, lane.Token, []ledger.Result{created(lane, 0)}))
	value, err := l.Fact(t.Context(), "name")
	require.NoError(t, err)
	require.Empty(t, value)
}
