package ledger_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

const (
	expansion   = "-- Expands: notes more of a run.\n-- +goose Up\nALTER TABLE run ADD COLUMN noted TEXT NOT NULL DEFAULT '';\n"
	contraction = "-- Contracts: for programs that know schema 2: nobody reads it since.\n-- +goose Up\nDROP TABLE level;\n"
)

// A worker of this release works with a ledger that the next one has extended, and both
// work side by side.
func TestAnExtendedLedgerSuitsTheReleaseBefore(t *testing.T) {
	t.Parallel()
	for driver, options := range map[string]func(testing.TB) ledger.Options{"sqlite": ledgertest.SQLite, "postgres": ledgertest.Postgres} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			o := options(t)
			before := ledgertest.Open(t, o)
			begin(t, before, "r1")
			after := ledgertest.Open(t, ledger.NextRelease(o, "00002_next.sql", expansion))
			h, err := after.Health(t.Context())
			require.NoError(t, err)
			require.EqualValues(t, 2, h.Schema)
			begin(t, after, "r2")
			begin(t, before, "r3") // the program that was there goes on
			begin(t, ledgertest.Open(t, o), "r4")
		})
	}
}

// A step that takes something away waits for the workers that use it, and refuses older
// programs from then on.
func TestAContractionWaitsForOlderWorkers(t *testing.T) {
	t.Parallel()
	o := ledgertest.Postgres(t)
	o.Worker, o.Build = true, "v1.0.0"
	before, err := ledger.Open(t.Context(), o)
	require.NoError(t, err)
	begin(t, before, "r1")
	programs, err := before.Programs(t.Context())
	require.NoError(t, err)
	require.Equal(t, []ledger.Program{{Build: "v1.0.0", Knows: 1}}, programs)

	next := ledger.NextRelease(o, "00002_next.sql", contraction)
	next.Build = "v1.1.0"
	_, err = ledger.Open(t.Context(), next)
	require.ErrorContains(t, err, "the ledger's schema 2 takes away what a worker of version v1.0.0 uses: stop the workers of that version first")
	begin(t, before, "r2") // nothing was taken away

	require.NoError(t, before.Close())
	require.NoError(t, ledgertest.Open(t, next).Close())
	_, err = ledger.Open(t.Context(), o)
	require.ErrorContains(t, err, "the ledger was written by a newer build (schema 2, for programs that know 2 or newer; this build knows 1)")
}

// On SQLite one worker has the file, so nobody else uses what is taken away.
func TestAContractionRefusesOlderPrograms(t *testing.T) {
	t.Parallel()
	o := ledgertest.SQLite(t)
	require.NoError(t, ledgertest.Open(t, o).Close())
	ledgertest.Open(t, ledger.NextRelease(o, "00002_next.sql", contraction))
	_, err := ledger.Open(t.Context(), o)
	require.ErrorContains(t, err, "run a newer build, or name another ledger")
}

// A ledger is brought as far as it is asked for.
func TestALedgerIsBroughtToASchema(t *testing.T) {
	t.Parallel()
	o := ledger.NextRelease(ledgertest.SQLite(t), "00002_next.sql", expansion)
	o.SchemaTo = 1
	h, err := ledgertest.Open(t, o).Health(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 1, h.Schema)
}

func TestAStepSaysWhatItDoesToOlderPrograms(t *testing.T) {
	t.Parallel()
	_, err := ledger.Open(t.Context(), ledger.NextRelease(ledgertest.SQLite(t), "00002_next.sql", "-- +goose Up\nDROP TABLE level;\n"))
	require.ErrorContains(t, err, `migration 00002_next.sql: its first line is "-- +goose Up", want "-- Expands: …" or "-- Contracts: for programs that know schema N: …"`)
}
