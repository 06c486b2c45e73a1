package e2e

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
)

// ledgerRows are all values of all rows of the ledger.
func (w *world) ledgerRows() string {
	w.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(w.dir, "ledger.db"))
	require.NoError(w.t, err)
	defer db.Close()
	all := func(query string) (out []string) {
		rows, err := db.QueryContext(w.t.Context(), query)
		require.NoError(w.t, err)
		defer rows.Close()
		columns, err := rows.Columns()
		require.NoError(w.t, err)
		for rows.Next() {
			values, places := make([]sql.RawBytes, len(columns)), make([]any, len(columns))
			for i := range values {
				places[i] = &values[i]
			}
			require.NoError(w.t, rows.Scan(places...))
			for _, v := range values {
				out = append(out, string(v))
			}
		}
		require.NoError(w.t, rows.Err())
		return out
	}
	var out []string
	for _, table := range all(`SELECT name FROM sqlite_master WHERE type = 'table'`) {
		out = append(out, all(`SELECT * FROM "`+table+`"`)...)
	}
	return strings.Join(out, "\n")
}

func (w *world) erasures() activities.ErasuresState {
	s := runs[struct{ Erasures *activities.ErasuresState }](w, "status").Erasures
	if s == nil { // no worker answered
		return activities.ErasuresState{Searching: true}
	}
	return *s
}

// forgotten waits until so many were forgotten, and nobody is to be any more.
func (w *world) forgotten(n int64) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		e := w.erasures()
		return e.Done == n && e.Waiting == 0 && !e.Searching
	}, settleWithin, 200*time.Millisecond, w.tail())
}

// Forgetting somebody is refused while a system has them, waits for a run that was at work,
// goes on after the worker was killed, and is done again when the ledger comes from a backup.
func TestAPersonIsForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{contacts: 300, pageSize: 60})
	worker := w.startWorker()
	code, _, stderr := w.causeway("start", "contacts")
	require.Zero(t, code, stderr)
	w.loaded()
	id := w.ids()[7]
	w.edit(id, map[string]any{"lastname": "Ravenscroft", "emailaddress1": "quillfeather@example.test"})
	w.inStep()
	w.edit(id, map[string]any{"lastname": "Thistlewick"})
	w.inStep()
	code, _, stderr = w.causeway("forget", id, "--yes")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "before_image 2 rows")
	require.Contains(t, stderr, "nothing is erased while Dynamics has it")

	w.remove(id)
	require.Eventually(t, func() bool { return w.boxes.Campaign.Profile(id) == nil }, settleWithin, 50*time.Millisecond, w.tail())
	worker.drain()
	require.Contains(t, w.ledgerRows(), "Thistlewick", "the search finds what is there")
	backup, err := os.ReadFile(filepath.Join(w.dir, "ledger.db"))
	require.NoError(t, err)

	worker = w.startWorker()
	w.boxes.Campaign.SetLatency(1500 * time.Millisecond)
	for _, other := range w.ids() {
		w.edit(other, map[string]any{"lastname": "Everybody"})
	}
	require.Eventually(t, func() bool {
		st, err := w.status()
		return err == nil && st.Run != ""
	}, settleWithin, 20*time.Millisecond)
	code, out, stderr := w.causeway("forget", id, "--yes")
	require.Zero(t, code, stderr)
	require.Contains(t, out, "it waits for run contacts-")
	require.EqualValues(t, 1, w.erasures().Waiting)
	worker.kill()
	w.boxes.Campaign.SetLatency(0)
	worker = w.startWorker()
	w.forgotten(1)
	worker.drain()
	held := w.ledgerRows()
	for _, value := range []string{"Ravenscroft", "Thistlewick", "quillfeather@example.test"} {
		require.NotContains(t, held, value)
	}

	for _, name := range []string{"ledger.db-wal", "ledger.db-shm"} {
		_ = os.Remove(filepath.Join(w.dir, name))
	}
	require.NoError(t, os.WriteFile(filepath.Join(w.dir, "ledger.db"), backup, 0o600))
	require.Contains(t, w.ledgerRows(), "Thistlewick")
	worker = w.startWorker()
	w.forgotten(1)
	w.inStep()
	worker.drain()
	require.NotContains(t, w.ledgerRows(), "Thistlewick")
}
