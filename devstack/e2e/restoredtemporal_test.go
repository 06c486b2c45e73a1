package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
	w.until("rest", func(st workflows.Status) bool {
		return st.State == workflows.StateRunning && st.Run == "" && st.Restored == ""
	})
	require.Empty(t, w.differences(10))
	require.Equal(t, writes+1, w.repeatedWrites(), "the edit")
	require.Equal(t, int64(len(w.ids())), w.profileCount())
}

// Temporal is restored from a backup that was taken in the middle of a load, and the ledger is
// not: the load has ended since, and changes were applied.
func TestTemporalIsRestoredToTheMiddleOfALoad(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	w := newWorld(t, worldOptions{contacts: 400, pageSize: 50, temporalPort: port})
	w.boxes.Campaign.SetLatency(15 * time.Millisecond)
	first := w.startWorker()
	w.startFlow()
	require.Eventually(t, func() bool { return w.profileCount() > 100 }, settleWithin, 5*time.Millisecond)
	first.kill()
	w.temporalProcess.drain()
	require.Less(t, w.profileCount(), int64(400))
	backup := filepath.Join(w.dir, "backup")
	w.copyTemporal(w.dir, backup)

	w.temporalProcess = w.startTemporal(port)
	second := w.startWorker()
	w.loaded()
	ids := w.ids()
	w.edit(ids[0], map[string]any{"address1_city": "Nebelheim"})
	w.remove(ids[1])
	w.inStep()
	w.until("rest", func(st workflows.Status) bool { return st.Run == "" })
	w.stopTemporal(second)
	w.copyTemporal(backup, w.dir)
	w.edit(ids[2], map[string]any{"address1_city": "Ostwaldsruh"})

	w.temporalProcess = w.startTemporal(port)
	w.startWorker()
	w.inStep()
	w.until("rest", func(st workflows.Status) bool {
		return st.State == workflows.StateRunning && st.Run == "" && st.Restored == "" && st.Phase == "waiting for changes"
	})
	require.Empty(t, w.differences(10))
	require.Equal(t, int64(len(w.ids())), w.profileCount())
}

// Temporal is restored from a backup that is older than the last start of the flow, which
// brought another mapping. The old mapping writes nothing: the flow says what starts it anew.
func TestTemporalRestoredBringsNoOldMappingBack(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	w := newWorld(t, worldOptions{contacts: 30, temporalPort: port})
	first := w.startWorker()
	w.startFlow()
	w.loaded()
	w.stopTemporal(first)
	backup := filepath.Join(w.dir, "backup")
	w.copyTemporal(w.dir, backup)

	w.temporalProcess = w.startTemporal(port)
	second := w.startWorker()
	var st workflows.Status
	w.update(workflows.UpdateStop, workflows.StopRequest{By: "ada"}, &st)
	w.until("the stop", func(st workflows.Status) bool { return st.State == workflows.StateStopped })
	text, err := os.ReadFile(w.cfgPath)
	require.NoError(t, err)
	without := strings.Replace(string(text), "        - {from: mobilephone, to: mobilePhone}\n", "", 1)
	require.NotEqual(t, string(text), without)
	require.NoError(t, os.WriteFile(w.cfgPath, []byte(without), 0o600))
	w.load()
	w.startFlow()
	w.loaded()
	w.stopTemporal(second)
	w.copyTemporal(backup, w.dir)
	id := w.ids()[0]
	before := w.profiles()[id]["mobilePhone"]
	w.edit(id, map[string]any{"mobilephone": "+49 30 999999", "address1_city": "Nebelheim"})

	w.temporalProcess = w.startTemporal(port)
	w.startWorker()
	st = w.until("the flow to tell", func(st workflows.Status) bool { return st.State == workflows.StateFailed })
	require.Contains(t, st.Reason, "Temporal was restored from a backup; start it with those on file: causeway start contacts")
	require.NotEqual(t, "Nebelheim", city(w.profiles()[id]), "it has written nothing")
	w.startFlow()
	require.Eventually(t, func() bool { return city(w.profiles()[id]) == "Nebelheim" }, settleWithin, 100*time.Millisecond)
	require.Equal(t, before, w.profiles()[id]["mobilePhone"], "which is not mapped any more")
}

func city(profile map[string]any) any {
	place, _ := profile["location"].(map[string]any)
	return place["city"]
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
