package commands

import (
	"archive/zip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
)

func TestSupportBundle(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.on("Query "+contactsFlow+" Status", contacts(nil))
	w.on("Run "+activities.ListRuns, activities.RunListResult{})
	file := filepath.Join(t.TempDir(), "causeway.zip")
	code, out, stderr := w.run(t, "support", "bundle", "-o", file, "--reason", "ticket 12")
	require.Zero(t, code, stderr)
	require.Contains(t, out, "written")
	require.Contains(t, stderr, "left out: ", "no worker says what only it knows")
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	z, err := zip.OpenReader(file)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	op := w.Requests["Later "+activities.LogOperation][0].(activities.LogInput).Operations[0]
	require.Equal(t, activities.OpBundle, op.What)
	require.Equal(t, "ticket 12", op.Reason)

	code, _, stderr = w.run(t, "support", "bundle", "-o", file)
	require.Equal(t, exitBadInput, code)
	require.Contains(t, stderr, "is there already")
	code, _, stderr = w.run(t, "support", "bundle")
	require.Equal(t, exitBadInput, code)
	require.Contains(t, stderr, "want the file to write")

	other := filepath.Join(t.TempDir(), "other.zip")
	w.on("Run "+activities.ShowRun, activities.ShowRunResult{})
	code, _, _ = w.run(t, "support", "bundle", "--run", "nothing", "-o", other)
	require.Equal(t, exitBadInput, code)
	w.Down = &operator.Error{Kind: operator.Unreachable, Text: "Temporal does not answer"}
	code, _, _ = w.run(t, "support", "bundle", "-o", other)
	require.Equal(t, exitUnreachable, code)
	require.NoFileExists(t, other, "none without its entry in the log")
}

// The status tells when the worker runs with other settings than the file that it is asked with.
func TestStatusTellsOtherSettings(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.on("Query "+contactsFlow+" Status", contacts(nil))
	w.on("Run "+activities.Meter, activities.MeterResult{Config: map[string]string{"ingress": "aaaaaaaaaaaa", "campaign": "bbbbbbbbbbbb"}})
	code, out, stderr := w.run(t, "status")
	require.Zero(t, code, stderr)
	require.Contains(t, out, "runs with other settings than the file here says, in campaign, ingress")
	code, out, _ = w.run(t, "status", "-o", "json")
	require.Zero(t, code)
	require.Contains(t, out, `"config_differs"`)
}
