// Package ledgertest opens ledgers for tests: SQLite in a file of the test's
// own, PostgreSQL in a private cluster of the test process.
package ledgertest

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
)

// Keys is a key as a worker would have one.
var Keys = [][]byte{[]byte("a key of the ledgers of tests ...")[:32]}

// Each runs a test once per driver, in parallel. open opens a new, empty ledger with a key,
// which is closed with the test; edit may change its options.
func Each(t *testing.T, test func(t *testing.T, open func(edit ...func(*ledger.Options)) *ledger.Ledger)) {
	t.Helper()
	for driver, options := range map[string]func(testing.TB) ledger.Options{"sqlite": SQLite, "postgres": Postgres} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			test(t, func(edit ...func(*ledger.Options)) *ledger.Ledger {
				o := options(t)
				o.Keys = Keys
				for _, e := range edit {
					e(&o)
				}
				return Open(t, o)
			})
		})
	}
}

// Open opens a ledger that is closed with the test.
func Open(t testing.TB, o ledger.Options) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

// SQLite returns options for a new file. It survives a kill, not a power cut.
func SQLite(t testing.TB) ledger.Options {
	t.Helper()
	return ledger.Options{Driver: "sqlite", Path: filepath.Join(t.TempDir(), "ledger.db"), Synchronous: "normal"}
}
