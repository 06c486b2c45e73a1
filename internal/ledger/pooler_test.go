package ledger_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// A pooler that shares a connection among sessions would make a worker that lives look
// dead. It is refused; one that leaves sessions whole is not.
func TestAPoolerThatSharesSessionsIsRefused(t *testing.T) {
	t.Parallel()
	o := ledgertest.Pooled(t, "transaction")
	o.Worker = true
	_, err := ledger.Open(t.Context(), o)
	require.ErrorContains(t, err, "a pooler in session mode")

	o = ledgertest.Pooled(t, "session")
	o.Worker = true
	l, err := ledger.Open(t.Context(), o)
	require.NoError(t, err)
	require.NoError(t, l.Close())
}
