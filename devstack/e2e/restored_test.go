package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/workflows"
)

// A ledger that is restored from a backup is told apart from the one that the flow knew. A
// record that went there and back since, and one that was deleted, come out right without an
// operator: the ledger takes both for unchanged.
func TestARestoredLedgerIsToldApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{contacts: 200})
	first := w.startWorker()
	w.startFlow()
	w.loaded()
	require.Empty(t, w.differences(10))
	ids := w.ids()
	first.drain()
	ledger, backup := filepath.Join(w.dir, "ledger.db"), filepath.Join(w.dir, "backup.db")
	copyLedger(t, ledger, backup)

	second := w.startWorker()
	before := w.contacts()[ids[0]]["address1_city"]
	w.edit(ids[0], map[string]any{"address1_city": "Nebelheim"})
	w.remove(ids[1])
	w.inStep()
	w.until("rest", func(st workflows.Status) bool { return st.Run == "" && st.LastRun != nil && st.LastRun.Kind == "delta" })
	second.drain()
	w.edit(ids[0], map[string]any{"address1_city": before}) // as the backup has it, and Campaign has not
	copyLedger(t, backup, ledger)

	w.startWorker()
	st := w.until("the flow to tell", func(st workflows.Status) bool { return st.Restored != "" })
	require.Contains(t, st.Restored, "it was restored from a backup")
	w.until("a baseline, an audit and its repair", func(st workflows.Status) bool {
		return st.Restored == "" && st.State == workflows.StateRunning && st.Run == ""
	})
	require.Empty(t, w.differences(10))
}

// copyLedger copies a ledger that nobody has open.
func copyLedger(t *testing.T, from, to string) {
	t.Helper()
	for _, suffix := range []string{"-wal", "-shm"} {
		require.NoError(t, os.RemoveAll(to+suffix))
	}
	data, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, data, 0o600))
}
