package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/ledger/ledgertest"
	"causeway.dev/workflows"
)

// newPostgresWorld is a world whose ledger is in PostgreSQL.
func newPostgresWorld(t *testing.T, o worldOptions) *world {
	t.Helper()
	dsn := filepath.Join(t.TempDir(), "dsn")
	require.NoError(t, os.WriteFile(dsn, []byte(ledgertest.Postgres(t).DSN), 0o600))
	more := o.yaml
	o.yaml = func(s string) string {
		if more != nil {
			s = more(s)
		}
		from, to := strings.Index(s, "  driver: sqlite"), strings.Index(s, "\ningress:")
		return s[:from] + "  driver: postgres\n  dsn: file:" + dsn + s[to:]
	}
	return newWorld(t, o)
}

// Two workers on one PostgreSQL ledger share a load, changes and a backfill, and one of
// them is killed in between. The end is the same as with one worker: each record is
// written once for each change.
func TestTwoWorkersShareALedger(t *testing.T) {
	t.Parallel()
	w := newPostgresWorld(t, worldOptions{contacts: 3_000, pageSize: 300})
	w.boxes.Campaign.SetLatency(5 * time.Millisecond)
	first := w.startWorker()
	w.startWorker()
	w.startFlow()
	require.Eventually(t, func() bool { return w.profileCount() > 1_000 }, settleWithin, 5*time.Millisecond)
	first.kill()
	w.startWorker()
	w.loaded()
	require.Empty(t, w.differences(10))
	require.LessOrEqual(t, w.repeatedWrites(), int64(100), "of one kill")

	// What the killed worker had under way may be looked at once more, after some minutes. That
	// takes a call for each record, and writes nothing.
	const looks = 100
	calls, repeated := w.engineCalls(), w.repeatedWrites()
	changedOnly := func() {
		require.Equal(t, repeated+300, w.repeatedWrites(), "each change is written once, and nothing else")
		require.LessOrEqual(t, w.engineCalls(), calls+300+looks)
	}
	ids := w.ids()
	for i := range 300 {
		w.edit(ids[i], map[string]any{"address1_city": fmt.Sprintf("Nebelheim %d", i)})
	}
	w.inStep()
	changedOnly()
	var answer workflows.BackfillAnswer
	w.update(workflows.UpdateRequestBackfill, workflows.BackfillRequest{By: "test"}, &answer)
	st := w.until("the backfill", func(st workflows.Status) bool {
		return st.LastRun != nil && st.LastRun.Run == answer.Run && st.Run == ""
	})
	require.Equal(t, activities.Counts{Read: 3_000, Unchanged: 3_000}, st.LastRun.Counts)
	changedOnly()
	w.noPersonalData()
}
