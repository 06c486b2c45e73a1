package e2e

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"causeway.dev/sandbox/stack"
	"causeway.dev/workflows"
)

// Where it is switched on, a schedule writes logs to the file server, and goes when it is
// switched off.
func TestLogsAreOnTheFileServer(t *testing.T) {
	t.Parallel()
	const on = "log_export:\n  enabled: true\n"
	sftp := ""
	w := newWorld(t, worldOptions{contacts: 20, boxes: func(b *stack.Stack) {
		host, port, err := net.SplitHostPort(b.SFTPAddress)
		require.NoError(t, err)
		sftp = fmt.Sprintf("  sftp: {host: %s, port: %s, user: %s, key: \"file:%s\", known_hosts: %s}\n", host, port, b.SFTPUser, b.SFTPKeyFile, b.SFTPKnownHostsFile)
	}, yaml: func(s string) string { return strings.Replace(s, "ledger:\n", sftp+"ledger:\n", 1) + on }})
	worker := w.startWorker()
	w.startFlow()
	w.loaded()
	ctx := t.Context()
	schedule := w.client.ScheduleClient().GetHandle(ctx, workflows.LogExportID(w.cfg.Instance))
	require.Eventually(t, func() bool {
		kept, err := schedule.Describe(ctx)
		return err == nil && len(kept.Info.NextActionTimes) > 0 && kept.Info.NextActionTimes[0].UTC().Format("15:04") == "02:00"
	}, settleWithin, 200*time.Millisecond, "the schedule is made; worker log:\n%s", w.tail())
	require.NoError(t, schedule.Trigger(ctx, client.ScheduleTriggerOptions{}))
	folder := filepath.Join(w.boxes.SFTPDir, "d365_loads/logs")
	require.Eventually(t, func() bool {
		files, _ := filepath.Glob(filepath.Join(folder, "acme_contacts_*.csv"))
		return len(files) == 1
	}, settleWithin, 200*time.Millisecond, "the log of the day before is there; worker log:\n%s", w.tail())
	require.Eventually(t, func() bool {
		kept, err := schedule.Describe(ctx)
		return err == nil && len(kept.Info.RunningWorkflows) == 0
	}, settleWithin, 200*time.Millisecond, "the export ends")
	w.replay(map[string][]string{workflows.TypeLogExport: {"logs"}})
	w.unscheduled(schedule, on, worker)
}
