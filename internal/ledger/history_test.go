package ledger_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// The writes to a record are told by its before-images, without opening them.
func TestWritesToARecord(t *testing.T) {
	t.Parallel()
	ledgertest.Each(t, func(t *testing.T, open open) {
		l := open()
		for _, run := range []string{"a", "b"} {
			begin(t, l, run)
			require.NoError(t, l.SaveBefore(t.Context(), run, table, ledger.BeforeImage{Key: key(1), Existed: run == "b", Payload: []byte(`{}`)}))
		}
		require.NoError(t, l.SaveBefore(t.Context(), "a", table, ledger.BeforeImage{Key: key(2)}))
		got, err := l.WritesOf(t.Context(), table, key(1), 10)
		require.NoError(t, err)
		require.Len(t, got, 2)
		require.ElementsMatch(t, []string{"a", "b"}, []string{got[0].Run, got[1].Run})
		for _, w := range got {
			require.Equal(t, w.Run == "b", w.Existed)
			require.False(t, w.At.IsZero())
		}
		got, err = l.WritesOf(t.Context(), table, key(1), 1)
		require.NoError(t, err)
		require.Len(t, got, 1)
	})
}
