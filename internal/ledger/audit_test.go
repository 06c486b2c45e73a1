package ledger_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// A correction says what the audit saw, of records not written since, once.
func TestAnAuditCorrectsWhatWasNotWrittenSince(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		ctx, l := t.Context(), open()
		ln := lane(t, l, "r1", 4)
		require.NoError(t, l.Commit(ctx, ln.ID, ln.Token, allCreated(ln)))
		k := func(i int) string { return ln.Entries[i].Key }

		unseen, err := l.Unaudited(ctx, table, "a1", k(0), 2)
		require.NoError(t, err)
		require.Equal(t, []string{k(1), k(2)}, unseen)
		require.NoError(t, l.SaveObservations(ctx, table, "a1", []ledger.Observation{
			{Key: k(0)},
			{Key: k(1), Finding: ledger.Changed, Fields: []string{"a", "b.c"}, Payload: []byte(`{"a":"x"}`), Fingerprint: []byte{9}, Expected: []byte{1, 2}},
			{Key: k(2), Finding: ledger.Missing, Expected: []byte{1, 2}},
			{Key: k(3), Finding: ledger.Stray},
			{Key: "ours-not", Finding: ledger.Stray},
		}))
		unseen, err = l.Unaudited(ctx, table, "a1", "", 0)
		require.NoError(t, err)
		require.Empty(t, unseen)

		require.NoError(t, l.EndAudit(ctx, table, "a1"))
		found, err := l.AuditFindings(ctx, table, "a1", "", 0)
		require.NoError(t, err)
		require.Len(t, found, 3, "neither what is as written nor what was taken over")
		require.Equal(t, []string{"a", "b.c"}, found[0].Fields)
		require.Equal(t, "ours-not", found[2].Key)

		n, err := l.Correct(ctx, table)
		require.NoError(t, err)
		require.Equal(t, int64(2), n)
		require.JSONEq(t, `{"a":"x"}`, string(record(t, l, k(1)).Payload))
		require.Equal(t, ledger.Lost, record(t, l, k(2)).State)
		require.Nil(t, record(t, l, k(2)).Payload)
		require.JSONEq(t, `{"a":"b"}`, string(record(t, l, k(0)).Payload))
		n, err = l.Correct(ctx, table)
		require.NoError(t, err)
		require.Zero(t, n)

		require.NoError(t, l.SaveObservations(ctx, table, "a1", []ledger.Observation{{Key: k(0), Finding: ledger.Missing, Expected: []byte{7}}}))
		n, err = l.Correct(ctx, table)
		require.NoError(t, err)
		require.Zero(t, n, "written since")
	})
}

// A repair may wait for the run in hand, and audits begin and end meanwhile: it
// goes by the newest note of each record, and the repair of the later audit finds
// nothing left to do.
func TestARepairGoesByTheNewestAudit(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		ctx, l := t.Context(), open()
		ln := lane(t, l, "r1", 4)
		require.NoError(t, l.Commit(ctx, ln.ID, ln.Token, allCreated(ln)))
		k := func(i int) string { return ln.Entries[i].Key }
		changed := func(key, payload string) ledger.Observation {
			return ledger.Observation{Key: key, Finding: ledger.Changed, Fields: []string{"a"}, Payload: []byte(payload), Fingerprint: []byte{9}, Expected: []byte{1, 2}}
		}
		correct := func(want int64) {
			t.Helper()
			n, err := l.Correct(ctx, table)
			require.NoError(t, err)
			require.Equal(t, want, n)
		}
		findings := func(run string) int {
			found, err := l.AuditFindings(ctx, table, run, "", 0)
			require.NoError(t, err)
			return len(found)
		}
		require.NoError(t, l.SaveObservations(ctx, table, "a1", []ledger.Observation{changed(k(0), `{"a":"1"}`), changed(k(1), `{"a":"1"}`), changed(k(2), `{"a":"1"}`)}))
		require.NoError(t, l.EndAudit(ctx, table, "a1"))
		require.NoError(t, l.SaveObservations(ctx, table, "a2", []ledger.Observation{{Key: k(0)}, changed(k(1), `{"a":"2"}`)}))
		correct(2)
		require.JSONEq(t, `{"a":"b"}`, string(record(t, l, k(0)).Payload), "put right by somebody, as the newer audit saw")
		require.JSONEq(t, `{"a":"2"}`, string(record(t, l, k(1)).Payload))
		require.JSONEq(t, `{"a":"1"}`, string(record(t, l, k(2)).Payload))

		// The baseline writes what was written before; that is no reason to believe the note again.
		ln = lane(t, l, "r2", 4)
		require.NoError(t, l.Commit(ctx, ln.ID, ln.Token, allCreated(ln)))
		require.NoError(t, l.SaveObservations(ctx, table, "a2", []ledger.Observation{{Key: k(2)}, changed(k(3), `{"a":"3"}`)}))
		require.NoError(t, l.EndAudit(ctx, table, "a2"))
		require.Zero(t, findings("a1"))
		require.Equal(t, 2, findings("a2"), "what it saw is reported, repaired or not")
		correct(1)
		require.JSONEq(t, `{"a":"b"}`, string(record(t, l, k(1)).Payload))
		require.JSONEq(t, `{"a":"3"}`, string(record(t, l, k(3)).Payload))
	})
}
