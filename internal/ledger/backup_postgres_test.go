package ledger_test

import (
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

// What pg_dump writes of a ledger in use, pg_restore makes a ledger of, as docs/backup.md
// says: with the same identity, and without what was committed later.
func TestADumpOfPostgreSQLIsRestored(t *testing.T) {
	t.Parallel()
	o := ledgertest.Postgres(t)
	l := ledgertest.Open(t, o)
	begin(t, l, "r1")
	stage(t, l, "r1", 0, 400)
	id, err := l.Identity(t.Context())
	require.NoError(t, err)
	dump := filepath.Join(t.TempDir(), "causeway.dump")
	postgresTool(t, "pg_dump", "--format=custom", "--file="+dump, "--dbname="+o.DSN)
	begin(t, l, "r2")

	empty := ledgertest.Postgres(t)
	postgresTool(t, "pg_restore", "--clean", "--if-exists", "--no-owner", "--dbname="+empty.DSN, dump)
	restored := ledgertest.Open(t, empty)
	same, err := restored.Identity(t.Context())
	require.NoError(t, err)
	require.Equal(t, id, same)
	runs, err := restored.Runs(t.Context(), ledger.RunFilter{})
	require.NoError(t, err)
	require.Len(t, runs, 1)
	require.Len(t, openLane(t, restored, "r1", 0, 0).Entries, 400)
}

// postgresTool runs a program of PostgreSQL of the newest version that is installed.
func postgresTool(t *testing.T, name string, args ...string) {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	require.NoError(t, err)
	slices.Sort(found)
	path := name
	if len(found) > 0 {
		path = found[len(found)-1]
	} else if path, err = exec.LookPath(name); err != nil {
		t.Skipf("SKIPPED: %s is not installed", name)
	}
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}
