package commands

import (
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
)

// It names what it will do and asks; flows that run are told to look at once, and those
// that do not run or do not exist are no failure.
func TestLedgerRestored(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.on("Run MarkRestored", activities.MarkRestoredResult{Flows: []string{"accounts", "contacts"}})
	w.on("Update "+contactsFlow+" SyncNow", contacts(nil))
	code, _, stderr := w.run(t, "ledger", "restored")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "this makes every flow read everything again; say --yes")
	require.Empty(t, w.Asked)

	w.terminal, w.stdin = true, "n\n"
	code, _, stderr = w.run(t, "ledger", "restored")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "a new baseline, an audit and its repair; deletes wait until then\n")
	require.Contains(t, stderr, "Compare everything anew? [y/N]")
	require.Empty(t, w.Asked)

	code, out, _ := w.run(t, "ledger", "restored", "--yes")
	require.Zero(t, code)
	require.Contains(t, out, "accounts, contacts: running flows begin to compare everything anew")
	in := w.Requests["Run MarkRestored"][0].(activities.MarkRestoredInput)
	require.ElementsMatch(t, []string{"accounts", "contacts"}, in.Tables)
	require.Equal(t, "ada", in.By)
	require.Contains(t, w.Asked, "Update "+contactsFlow+" SyncNow")
	require.Contains(t, w.Asked, "Update "+accountsFlow+" SyncNow")
}
