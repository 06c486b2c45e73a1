// Package frozen holds fast what a release has promised: the steps of the ledger's schema,
// configuration files and histories that the release after it has to go on with. Only its
// tests are there.
package frozen

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/config"
)

var freeze = flag.Bool("freeze", false, "write down what is there now as what the release has promised")

const root = "../.."

// list is the file of what is frozen: a sum and a path on each line.
const list = "release-1"

// kept are the folders whose files are frozen, and what to do about one that was changed.
var kept = map[string]string{
	"internal/ledger/migrations":   "ledgers have this step already and do not get it again: put it back as it was, and add a new step, NNNNN_name.sql for both databases, whose first line says that it expands or contracts",
	"workflows/testdata/histories": "flows that an earlier release began have this history: put it back as it was, and guard the new order of commands by workflow.GetVersion; new histories may be added",
	"config/testdata/release-1":    "files of the earlier release have to load: put it back as it was, and have the new release read what was there",
}

func sums(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for folder := range kept {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(root, path)
			sum := sha256.Sum256(text)
			out[filepath.ToSlash(rel)] = hex.EncodeToString(sum[:])
			return err
		})
		require.NoError(t, err)
	}
	return out
}

// what says what is wrong with a frozen file; "" is nothing.
func what(path, want, have string) string {
	if want == have {
		return ""
	}
	did := "was changed"
	if have == "" {
		did = "is gone"
	}
	for folder, remedy := range kept {
		if strings.HasPrefix(path, folder+"/") {
			return path + " " + did + ", but a release has promised it: " + remedy + ". Only before that release: make freeze"
		}
	}
	return path + ": is in no folder that is kept"
}

// What a release has promised stays as it was. New files may be added.
func TestWhatIsFrozenIsAsItWas(t *testing.T) {
	if *freeze {
		write(t)
	}
	text, err := os.ReadFile(list)
	require.NoError(t, err)
	have, n := sums(t), 0
	for line := range strings.Lines(string(text)) {
		sum, path, ok := strings.Cut(strings.TrimSpace(line), "  ")
		require.True(t, ok, line)
		n++
		if problem := what(path, sum, have[path]); problem != "" {
			t.Error(problem)
		}
	}
	require.Greater(t, n, 10)
}

func TestAChangeIsToldWithItsRemedy(t *testing.T) {
	t.Parallel()
	const step = "internal/ledger/migrations/sqlite/00001_ledger.sql"
	require.Empty(t, what(step, "a", "a"))
	require.Contains(t, what(step, "a", "b"), step+" was changed, but a release has promised it: ledgers have this step already")
	require.Contains(t, what(step, "a", ""), "is gone")
	require.Contains(t, what("workflows/testdata/histories/audit.json", "a", "b"), "workflow.GetVersion")
	require.Contains(t, what("config/testdata/release-1/example.yaml", "a", "b"), "files of the earlier release have to load")
}

// Configuration files of release 1 load in every later one.
func TestConfigurationOfReleaseOneLoads(t *testing.T) {
	cfg, err := config.Load(filepath.Join(root, "config/testdata/release-1/example.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, cfg.Ingress.Tables)
}

// write freezes what is there: it copies the example of the configuration, and writes the
// sums.
func write(t *testing.T) {
	t.Helper()
	for _, name := range []string{"example.yaml", "mappings/contacts.yaml"} {
		text, err := os.ReadFile(filepath.Join(root, "config", name))
		require.NoError(t, err)
		to := filepath.Join(root, "config/testdata/release-1", name)
		require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o755))
		require.NoError(t, os.WriteFile(to, text, 0o644))
	}
	found := sums(t)
	var lines []string
	for path, sum := range found {
		lines = append(lines, sum+"  "+path)
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[66:], b[66:]) })
	require.NoError(t, os.WriteFile(list, []byte(strings.Join(lines, "\n")+"\n"), 0o644))
}
