package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A second worker on one SQLite ledger says for whom it waits, and goes on where the
// first was killed.
func TestASecondWorkerOnOneFileWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{contacts: 1_000})
	w.boxes.Campaign.SetLatency(5 * time.Millisecond)
	first := w.startWorker()
	w.startFlow()
	require.Eventually(t, func() bool { return w.profileCount() > 100 }, settleWithin, 5*time.Millisecond)
	w.startWorker()
	waits := fmt.Sprintf("process %d on ", first.cmd.Process.Pid)
	require.Eventually(t, func() bool {
		log, err := os.ReadFile(w.log)
		return err == nil && strings.Contains(string(log), waits)
	}, settleWithin, 10*time.Millisecond)
	first.kill()
	w.loaded()
	require.Empty(t, w.differences(10))
	require.LessOrEqual(t, w.repeatedWrites(), int64(100), "of one kill")
}
