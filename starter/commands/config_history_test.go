package commands

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
)

// saved is a copy of the configuration, and a save of it that a worker tells of.
func saved(t *testing.T, w *world) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "causeway.yaml")
	data, err := os.ReadFile(configFile)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, data, 0o600))
	w.getenv["CAUSEWAY_CONFIG"] = path
	save := activities.ConfigSave{ID: "20260302T100000Z-3f2a", At: noon, By: "ada", Reason: "faster", Paths: []string{"causeway.yaml"},
		Differences: []activities.MappingDifference{{Sentence: "ingress.lanes is now 4; it was 2"}}}
	w.on("Run "+activities.ListSaves, activities.ListSavesResult{Saves: []activities.ConfigSave{save}})
	before := strings.Replace(string(data), "lanes: 4", "lanes: 2", 1)
	w.on("Run "+activities.ShowSave, activities.ShowSaveResult{Found: true, Save: save, Files: []activities.SavedFile{{Path: "other-name.yaml", Main: true, Before: []byte(before), After: data}}})
	return path
}

func TestSavedChangesAreListed(t *testing.T) {
	t.Parallel()
	w := newWorld()
	saved(t, w)
	code, out, stderr := w.run(t, "config", "history")
	require.Zero(t, code, stderr)
	require.Equal(t, "20260302T100000Z-3f2a  2026-03-02 12:00:00 UTC  ada (not signed in), in causeway.yaml\n  Why: faster\n  ingress.lanes is now 4; it was 2\n", out)
	code, _, _ = w.run(t, "config", "history", "--limit", "0")
	require.Equal(t, 2, code)
	w.on("Run "+activities.ListSaves, activities.ListSavesResult{})
	_, out, _ = w.run(t, "config", "history")
	require.Contains(t, out, "No change was saved")
}

// A restore is an edit like any other: it is shown, asked about, checked and recorded.
func TestASavedChangeIsTakenBack(t *testing.T) {
	t.Parallel()
	w := newWorld()
	path := saved(t, w)
	code, out, stderr := w.run(t, "config", "restore", "20260302T100000Z-3f2a", "--yes")
	require.Zero(t, code, stderr)
	require.Contains(t, out, "nothing was saved")
	require.Empty(t, w.Requests["Later "+activities.RecordSave])

	code, _, stderr = w.run(t, "config", "restore", "20260302T100000Z-3f2a", "--undo")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "ingress.lanes is now 2; it was 4")
	require.Contains(t, stderr, "say --yes")
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NotContains(t, string(before), "lanes: 2")

	code, out, stderr = w.run(t, "config", "restore", "20260302T100000Z-3f2a", "--undo", "--yes", "--reason", "too fast")
	require.Zero(t, code, stderr)
	require.Contains(t, out, "Saved as 20260302T120000Z-")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(after), "lanes: 2")
	kept := w.Requests["Later "+activities.RecordSave][0].(activities.RecordSaveInput)
	require.Equal(t, "undoes 20260302T100000Z-3f2a: too fast", kept.Reason)
	require.Equal(t, "ada", kept.By)
	require.Equal(t, []string{"causeway.yaml"}, kept.Paths)
	require.True(t, kept.Files[0].Main)
	require.Equal(t, string(before), string(kept.Files[0].Before))
	require.Equal(t, string(after), string(kept.Files[0].After))

	broken := activities.ShowSaveResult{Found: true, Files: []activities.SavedFile{{Main: true, After: []byte("instance: acme\n")}}}
	w.on("Run "+activities.ShowSave, broken)
	code, _, stderr = w.run(t, "config", "restore", "x", "--yes")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "so nothing was saved")
	w.on("Run "+activities.ShowSave, activities.ShowSaveResult{})
	code, _, stderr = w.run(t, "config", "restore", "x", "--yes")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "causeway config history lists them")
}
