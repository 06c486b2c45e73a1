package commands

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

const (
	wrongRun       = "contacts-20260102T030405.000Z"
	rollbackUpdate = "Update " + contactsFlow + " RequestRollback"
	mayRollback    = "Run " + activities.MayRollback
)

var wouldTouch = activities.MayRollbackResult{
	Run: wrongRun, Table: "contacts", Mapping: "m1", Kind: activities.KindBackfill, State: "COMPLETED", Ended: noon.Add(-time.Hour),
	Created: 1200, Existed: 340, Since: 12, Bytes: 45_000,
}

func TestRollbackSaysWhatItTouchesAndAsks(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]int{"y\n": exitDone, "\n": exitFailed, "no\n": exitFailed} {
		w := newWorld()
		w.terminal, w.stdin = true, answer
		w.on(mayRollback, wouldTouch)
		w.on(rollbackUpdate, contacts(nil))
		code, out, stderr := w.run(t, "rollback", wrongRun)
		require.Equal(t, want, code, stderr)
		require.Contains(t, stderr, "Run "+wrongRun+" (backfill, COMPLETED) created 1,200 records and changed or deleted 340; 12 of them written since, and left alone.")
		require.Contains(t, stderr, "Its before-images take 45 kB.")
		if want == exitDone {
			require.Equal(t, "contacts: run "+wrongRun+" is being undone; causeway status contacts shows how far it is\n", out)
			require.Equal(t, []any{workflows.RollbackRequest{Run: wrongRun, By: "ada"}}, w.Requests[rollbackUpdate])
		} else {
			require.Empty(t, w.Requests[rollbackUpdate])
		}
	}
}

func TestRollbackWaitShowsTheAccount(t *testing.T) {
	t.Parallel()
	undoing := contacts(func(st *workflows.Status) {
		st.Phase, st.Queue, st.Run, st.RunKind = "rolling back run "+wrongRun, []workflows.QueuedRequest{{Kind: workflows.RequestRollback, Run: wrongRun}}, "rollback-"+wrongRun+"-1", activities.KindRollback
	})
	script := func(state string, left int64) *world {
		w := newWorld()
		w.on(mayRollback, wouldTouch)
		w.on(rollbackUpdate, undoing)
		w.on("Query "+contactsFlow+" Status", undoing, undoing, contacts(func(st *workflows.Status) {
			st.LastRun = &workflows.RunSummary{Run: "rollback-" + wrongRun + "-1", Kind: activities.KindRollback, State: state, Reason: "12 records are not accounted for",
				Counts: activities.Counts{Read: 1540, Created: 40, Updated: 288, Deleted: 1200, Quarantined: left}, Start: noon, End: noon.Add(9 * time.Second)}
		}))
		return w
	}
	code, out, stderr := script("COMPLETED", 12).run(t, "rollback", wrongRun, "--yes", "--wait")
	require.Zero(t, code, stderr)
	golden(t, "rollback-wait.txt", out+"--- stderr\n"+stderr)
	code, out, stderr = script("COMPLETED", 0).run(t, "rollback", wrongRun, "--yes", "--wait", "-o", "json")
	require.Zero(t, code, stderr)
	golden(t, "rollback-wait.json", out)
	code, _, stderr = script("INCOMPLETE", 0).run(t, "rollback", wrongRun, "--yes", "--wait")
	require.Equal(t, exitFailed, code)
	require.Contains(t, stderr, "the rollback is INCOMPLETE: 12 records are not accounted for")
}

func TestRollbackIsRefusedInASentence(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args    []string
		prepare func(*world)
		code    int
		says    string
	}{
		"no run":                    {nil, func(*world) {}, exitBadInput, "got 0 arguments, want the run that causeway status names"},
		"a run of no table":         {[]string{"kontakte-1", "--yes"}, func(*world) {}, exitBadInput, `run: got "kontakte-1", want a run of a table`},
		"nobody to ask":             {[]string{wrongRun}, func(w *world) { w.on(mayRollback, wouldTouch) }, exitBadInput, "this deletes and restores records in Campaign; say --yes"},
		"its before-images expired": {[]string{wrongRun, "--yes"}, func(w *world) { w.on(mayRollback, badInput("it cannot be rolled back any more")) }, exitFailed, "it cannot be rolled back any more"},
		"undone already": {[]string{wrongRun, "--yes"}, func(w *world) {
			undone := wouldTouch
			undone.UndoneBy = activities.RollbackPrefix(wrongRun) + "1"
			w.on(mayRollback, undone)
		}, exitBadInput, "run " + wrongRun + " is undone already, by rollback-" + wrongRun + "-1; nothing of it is left to undo"},
		"no worker": {[]string{wrongRun, "--yes"}, func(w *world) { w.on(mayRollback, operator.ErrNoWorker) }, exitUnreachable, "no worker answered within"},
		"refused by the flow": {[]string{wrongRun, "--yes"}, func(w *world) {
			w.on(mayRollback, wouldTouch)
			w.on(rollbackUpdate, badInput("run %s is to be rolled back already", wrongRun))
		}, exitBadInput, "is to be rolled back already"},
		"given up meanwhile": {[]string{wrongRun, "--yes", "--wait"}, func(w *world) {
			w.on(mayRollback, wouldTouch)
			w.on(rollbackUpdate, contacts(nil))
			w.on("Query "+contactsFlow+" Status", contacts(func(st *workflows.Status) { st.LastError = "it is INCOMPLETE" }))
		}, exitFailed, "run " + wrongRun + " was not rolled back: it is INCOMPLETE"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			tc.prepare(w)
			code, out, stderr := w.run(t, append([]string{"rollback"}, tc.args...)...)
			require.Equal(t, tc.code, code, stderr)
			require.Contains(t, stderr, tc.says)
			require.Empty(t, strings.TrimSpace(out))
		})
	}
}

func TestCancelBackfillMayUndo(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.on("Update "+contactsFlow+" CancelBackfill", contacts(func(st *workflows.Status) { st.Run = wrongRun }))
	code, out, stderr := w.run(t, "cancel-backfill", "contacts", "--rollback")
	require.Zero(t, code, stderr)
	require.Equal(t, "contacts: run "+wrongRun+" is being cancelled; what it wrote is undone: causeway status contacts\n", out)
	require.Equal(t, []any{workflows.CancelBackfillRequest{By: "ada", Rollback: true}}, w.Requests["Update "+contactsFlow+" CancelBackfill"])
}
