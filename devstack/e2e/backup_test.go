package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

// The drill of docs/backup.md: a ledger is backed up while changes flow, by hand and by the
// schedule, goes on, is lost with its disk, and is put back. Both systems come out right
// without an operator: what was created, changed, changed back and deleted since the backup.
func TestABackupBringsALostLedgerBack(t *testing.T) {
	t.Parallel()
	const nightly = "  backup: {nightly: \"02:30\", keep: 2}\n"
	w := newWorld(t, worldOptions{contacts: 300, yaml: func(s string) string {
		return strings.Replace(s, "\ningress:", "\n"+nightly+"\ningress:", 1)
	}})
	w.sealLedger(strings.Repeat("ab", 32))
	first := w.startWorker()
	w.startFlow()
	w.loaded()
	ids := w.ids()
	for _, id := range ids[:40] { // under way while the copy is made
		w.edit(id, map[string]any{"address1_city": "Nebelheim"})
	}
	code, out, errs := w.causeway("ledger", "backup", "-o", "json")
	require.Zero(t, code, errs)
	var made activities.BackupLedgerResult
	require.NoError(t, json.Unmarshal([]byte(out), &made))
	require.FileExists(t, made.Backup.File)
	_, log, _ := w.causeway("log")
	require.Contains(t, log, activities.OpBackup)
	_, status, _ := w.causeway("status")
	require.Contains(t, status, made.Backup.File)

	schedule := w.client.ScheduleClient().GetHandle(t.Context(), workflows.BackupID(w.cfg.Instance))
	copies := func() []string {
		found, err := filepath.Glob(filepath.Join(filepath.Dir(made.Backup.File), "*.db"))
		require.NoError(t, err)
		return found
	}
	require.NoError(t, schedule.Trigger(t.Context(), client.ScheduleTriggerOptions{}))
	require.Eventually(t, func() bool { return len(copies()) == 2 }, settleWithin, 100*time.Millisecond, "the schedule makes one; worker log:\n%s", w.tail())
	w.replay(map[string][]string{workflows.TypeBackup: {"backup"}})
	w.inStep()

	before := w.contacts()[ids[50]]["address1_city"]
	w.edit(ids[50], map[string]any{"address1_city": "Hochheim"})
	w.edit(ids[51], map[string]any{"address1_city": "Hochheim"})
	w.remove(ids[52])
	w.insert("Nachher")
	w.inStep()
	w.until("rest", func(st workflows.Status) bool { return st.Run == "" && st.LastRun != nil && st.LastRun.Kind == "delta" })
	first.kill()
	w.edit(ids[50], map[string]any{"address1_city": before}) // as the copy has it, and Campaign has not
	for _, suffix := range []string{"", "-wal", "-shm"} {
		require.NoError(t, os.RemoveAll(filepath.Join(w.dir, "ledger.db"+suffix)))
	}
	copyLedger(t, made.Backup.File, filepath.Join(w.dir, "ledger.db"))

	w.startWorker()
	w.until("the flow to tell", func(st workflows.Status) bool { return st.Restored != "" })
	w.until("a baseline, an audit and its repair", func(st workflows.Status) bool {
		return st.Restored == "" && st.State == workflows.StateRunning && st.Run == ""
	})
	w.inStep()
	require.Empty(t, w.differences(10))
	require.Equal(t, int64(300), w.profileCount(), "one was deleted and one created")
}
