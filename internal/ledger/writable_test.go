package ledger_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// A ledger whose disk is full says so, whoever notices it first, and until there is room.
func TestAFullDiskIsNoticed(t *testing.T) {
	t.Parallel()
	for name, notice := range map[string]func(*testing.T, *ledger.Ledger){
		"by a write of a flow": func(t *testing.T, l *ledger.Ledger) {
			require.ErrorContains(t, l.SaveFact(t.Context(), "name", strings.Repeat("x", 200_000)), "full")
		},
		"by the probe, while nothing else is written": func(t *testing.T, l *ledger.Ledger) {
			require.ErrorContains(t, l.Probe(t.Context()), "full")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := ledgertest.Open(t, ledgertest.SQLite(t))
			require.NoError(t, l.Ping(t.Context()))
			require.NoError(t, ledger.FillDisk(t.Context(), l, true))
			require.NoError(t, l.Ping(t.Context()), "nobody has tried")
			notice(t, l)
			require.EqualError(t, l.Ping(t.Context()), "ledger: nothing can be written, its disk is full: free space, and it goes on by itself")
			require.Error(t, l.Probe(t.Context()))
			require.Error(t, l.Ping(t.Context()))
			require.NoError(t, ledger.FillDisk(t.Context(), l, false))
			require.NoError(t, l.Probe(t.Context()))
			require.NoError(t, l.Ping(t.Context()))
		})
	}
}
