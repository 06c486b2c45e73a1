package host

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/config"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// While the key of the ledger is changed, workers have other lists of keys: a request that is
// sealed for one is opened by the other. Without the key of the ledger nobody has theirs.
func TestWorkersShareTheirKeysWhileThatOfTheLedgerChanges(t *testing.T) {
	t.Parallel()
	o := ledgertest.SQLite(t)
	cfg := &config.Config{Access: config.Access{Issuer: "https://issuer.example"}}
	public := func(keys ...string) string {
		o.Keys = nil
		for _, k := range keys {
			o.Keys = append(o.Keys, []byte(strings.Repeat(k, 32)))
		}
		l, err := ledger.Open(t.Context(), o)
		require.NoError(t, err)
		defer func() { require.NoError(t, l.Close()) }()
		a, err := openAccess(t.Context(), cfg, l)
		require.NoError(t, err)
		return string(a.Keys.Public())
	}
	clear, first := public(), public("a")
	require.NotEqual(t, clear, first)
	require.Equal(t, first, public("a", "b"))
	require.Equal(t, first, public("b", "a"))
}
