package ledger

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A password that was pasted into an address without escaping reaches neither the
// network, as the name of a host, nor an error.
func TestAPasswordThatIsNotEscapedIsToldAndNotUsed(t *testing.T) {
	t.Parallel()
	for name, dsn := range map[string]string{
		"an at sign":          "postgres://ledger:se@cret@db:5432/ledger",
		"a slash":             "postgres://ledger:1/se@cret@db:5432/ledger",
		"a slash and letters": "postgres://ledger:s/e@cret@db:5432/ledger",
		"a colon and a slash": "postgres://ledger:1:2/cret@db:5432/ledger",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Open(t.Context(), Options{Driver: "postgres", DSN: dsn})
			require.ErrorContains(t, err, "ledger.dsn: ")
			require.NotContains(t, err.Error(), "cret")
			require.NotContains(t, err.Error(), "reached", "nobody was asked")
		})
	}
}

// The setting for the password needs no escaping and comes before the one in the address.
func TestThePasswordOfTheDatabaseStandsAlone(t *testing.T) {
	t.Parallel()
	for dsn, want := range map[string]string{
		"postgres://ledger@db:5432/ledger":               "s/e@c:ret",
		"postgres://ledger:other@db:5432/ledger":         "s/e@c:ret",
		"host=/run/postgresql user=ledger dbname=ledger": "s/e@c:ret",
		"postgres://ledger@[::1]:5432/ledger":            "s/e@c:ret",
	} {
		cfg, err := postgresConfig(Options{DSN: dsn, Password: want})
		require.NoError(t, err, dsn)
		require.Equal(t, want, cfg.Password, dsn)
		require.Equal(t, "ledger", cfg.Database, dsn)
	}
	cfg, err := postgresConfig(Options{DSN: "postgres://ledger:s%2Fe%40c@db:5432/ledger"})
	require.NoError(t, err)
	require.Equal(t, "s/e@c", cfg.Password)
	require.Equal(t, "db", cfg.Host)
}
