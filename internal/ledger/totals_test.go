package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// What all runs did together is right however a run ended, and while one goes on that was
// stopped: it is not counted twice.
func TestTotalsAreThoseOfTheRunsThatEnded(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o ledger.Options) {
		l := ledgertest.Open(t, o)
		db := connect(t, o)
		totals := func() map[string]ledger.Total {
			all, err := l.Totals(t.Context())
			require.NoError(t, err)
			out := map[string]ledger.Total{}
			for _, one := range all {
				out[one.Flow+"/"+one.Table] = one
			}
			return out
		}
		count := func(run string) {
			_, err := db.ExecContext(t.Context(), `UPDATE run SET n_read = n_read + 10, n_created = n_created + 7, n_quarantined = n_quarantined + 3 WHERE id = '`+run+`'`)
			require.NoError(t, err)
		}
		const contacts = "ingress/contacts"
		for i, end := range []ledger.RunState{ledger.RunCompleted, ledger.RunFailed, ledger.RunStopped, ledger.RunCancelled, ledger.RunIncomplete} {
			run := string(end)
			_, err := l.BeginRun(t.Context(), ledger.Run{ID: run, Flow: "ingress", Table: "contacts", Kind: "initial"})
			require.NoError(t, err)
			count(run)
			require.EqualValues(t, i, totals()[contacts].Runs, "a run at work has its own figures")
			require.NoError(t, l.SetRunState(t.Context(), run, end, ""))
			n := int64(i + 1)
			require.Equal(t, ledger.Total{Flow: "ingress", Table: "contacts", Runs: n, Counts: ledger.Counts{Read: 10 * n, Created: 7 * n, Quarantined: 3 * n}}, totals()[contacts])
		}
		require.NoError(t, l.SetRunState(t.Context(), string(ledger.RunStopped), ledger.RunRunning, ""))
		require.EqualValues(t, 40, totals()[contacts].Counts.Read)
		count(string(ledger.RunStopped))
		require.NoError(t, l.SetRunState(t.Context(), string(ledger.RunStopped), ledger.RunCompleted, ""))
		require.EqualValues(t, 60, totals()[contacts].Counts.Read)
		require.EqualValues(t, 5, totals()[contacts].Runs)

		_, err := l.BeginRun(t.Context(), ledger.Run{ID: "undo", Flow: "rollback", Table: "contacts", Kind: "rollback", State: ledger.RunFailed})
		require.NoError(t, err)
		require.EqualValues(t, 1, totals()["rollback/contacts"].Runs, "a flow of its own")
		require.EqualValues(t, 60, totals()[contacts].Counts.Read)
	})
}

// What reading again since a time would bring is what changes brought since then, and not
// what was read again meanwhile.
func TestWhatChangesBroughtSinceATime(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, o ledger.Options) {
		l := ledgertest.Open(t, o)
		db := connect(t, o)
		for id, r := range map[string]struct {
			flow string
			kind ledger.RunKind
			at   time.Time
			read int64
		}{
			"before": {"egress", "delta", noon.Add(-time.Minute), 1}, "then": {"egress", "delta", noon, 20}, "later": {"egress", "delta", noon.Add(time.Hour), 300},
			"again": {"egress", ledger.RunBackfill, noon.Add(time.Hour), 4_000}, "other": {"ingress", "delta", noon.Add(time.Hour), 50_000},
		} {
			_, err := l.BeginRun(t.Context(), ledger.Run{ID: id, Flow: r.flow, Table: r.flow, Kind: r.kind, Started: r.at})
			require.NoError(t, err)
			_, err = db.ExecContext(t.Context(), fmt.Sprintf(`UPDATE run SET n_read = %d WHERE id = '%s'`, r.read, id))
			require.NoError(t, err)
		}
		got, err := l.ReadSince(t.Context(), "egress", "egress", noon)
		require.NoError(t, err)
		require.EqualValues(t, 320, got)
	})
}
