package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/workflows"
)

// Temporal is restored from an older backup, and the ledger is not. The flow is as it was
// then: what it has done since is in the ledger only.
func TestTemporalIsRestoredFromABackup(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	w := newWorld(t, worldOptions{contacts: 200, pageSize: 50, temporalPort: port})
	first := w.startWorker()
	w.startFlow()
	w.loaded()
	ids := w.ids()
	backup := filepath.Join(w.dir, "backup")
	w.stopTemporal(first)
	w.copyTemporal(w.dir, backup)

	w.temporalProcess = w.startTemporal(port)
	second := w.startWorker()
	w.edit(ids[0], map[string]any{"address1_city": "Nebelheim"})
	w.remove(ids[1])
	w.insert("Neumann")
	w.inStep()
	var answer workflows.BackfillAnswer
	w.update(workflows.UpdateRequestBackfill, workflows.BackfillRequest{}, &answer)
	w.until("the backfill", func(st workflows.Status) bool {
		return st.Run == "" && st.LastRun != nil && st.LastRun.Run == answer.Run && st.LastRun.State == "COMPLETED"
	})
	w.edit(ids[2], map[string]any{"address1_city": "Ostwaldsruh"})
	w.inStep()
	w.stopTemporal(second)
	w.copyTemporal(backup, w.dir)
	w.edit(ids[3], map[string]any{"address1_city": "Südhang"})
	writes := w.repeatedWrites()

	w.temporalProcess = w.startTemporal(port)
	w.startWorker()
	w.inStep()
	w.until("rest", func(st workflows.Status) bool { return st.State == workflows.StateRunning && st.Run == "" })
	require.Empty(t, w.differences(10))
	require.Equal(t, writes+1, w.repeatedWrites(), "the edit")
	require.Equal(t, int64(len(w.ids())), w.profileCount())
}

// stopTemporal ends a worker and Temporal, in this order.
func (w *world) stopTemporal(worker *process) {
	w.t.Helper()
	worker.drain()
	w.temporalProcess.drain()
}

// copyTemporal copies the files of Temporal's database.
func (w *world) copyTemporal(from, to string) {
	w.t.Helper()
	require.NoError(w.t, os.MkdirAll(to, 0o700))
	old, err := filepath.Glob(filepath.Join(to, "temporal.db*"))
	require.NoError(w.t, err)
	for _, f := range old {
		require.NoError(w.t, os.Remove(f))
	}
	files, err := filepath.Glob(filepath.Join(from, "temporal.db*"))
	require.NoError(w.t, err)
	require.NotEmpty(w.t, files)
	for _, f := range files {
		data, err := os.ReadFile(f)
		require.NoError(w.t, err)
		require.NoError(w.t, os.WriteFile(filepath.Join(to, filepath.Base(f)), data, 0o600))
	}
}
