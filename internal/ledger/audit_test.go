package ledger_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// A correction says what the audit saw, of records not written since; notes of
// an earlier audit are gone with the next.
func TestAnAuditCorrectsWhatWasNotWrittenSince(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		ctx, l := t.Context(), open()
		ln := lane(t, l, "r1", 4)
		require.NoError(t, l.Settle(ctx, ln.ID, ln.Fence, allCreated(ln)))
		k := func(i int) string { return ln.Entries[i].Key }

		require.NoError(t, l.BeginAudit(ctx, table, "a1"))
		unseen, err := l.Unaudited(ctx, table, "a1", k(0), 2)
		require.NoError(t, err)
		require.Equal(t, []string{k(1), k(2)}, unseen)
		require.NoError(t, l.NoteAudit(ctx, table, "a1", []ledger.AuditNote{
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

		n, err := l.Correct(ctx, table, "a1")
		require.NoError(t, err)
		require.Equal(t, int64(2), n)
		require.JSONEq(t, `{"a":"x"}`, string(record(t, l, k(1)).Payload))
		require.Equal(t, ledger.Lost, record(t, l, k(2)).State)
		require.Nil(t, record(t, l, k(2)).Payload)
		require.JSONEq(t, `{"a":"b"}`, string(record(t, l, k(0)).Payload))
		n, err = l.Correct(ctx, table, "a1")
		require.NoError(t, err)
		require.Zero(t, n)

		require.NoError(t, l.NoteAudit(ctx, table, "a1", []ledger.AuditNote{{Key: k(0), Finding: ledger.Missing, Expected: []byte{7}}}))
		n, err = l.Correct(ctx, table, "a1")
		require.NoError(t, err)
		require.Zero(t, n, "written since")
		require.NoError(t, l.BeginAudit(ctx, table, "a2"))
		found, err = l.AuditFindings(ctx, table, "a1", "", 0)
		require.NoError(t, err)
		require.Empty(t, found)
	})
}
