package commands

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/config"
)

// split writes the test configuration in two files: the mappings in one of their
// own, which the other includes.
func split(t *testing.T) (dir, path string) {
	t.Helper()
	text, err := os.ReadFile(configFile)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), "  tables:\n")
	require.True(t, found)
	tables, after, found := strings.Cut(rest, "quarantine:\n")
	require.True(t, found)
	dir = t.TempDir()
	path = filepath.Join(dir, "causeway.yaml")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "mappings"), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(before+"include: [mappings/*.yaml]\nquarantine:\n"+after), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "mappings", "all.yaml"), []byte("ingress:\n  tables:\n"+tables), 0o600))
	return dir, path
}

// Commands do not see whether a mapping stands in the configuration file or in one
// that it includes: same revision, same configuration in effect, same request.
func TestIncludedMappings(t *testing.T) {
	t.Parallel()
	dir, path := split(t)
	one, two := newWorld(), newWorld()
	code, whole, _ := one.run(t, "config", "show")
	require.Equal(t, exitDone, code)
	code, parts, stderr := two.run(t, "config", "show", "-c", path)
	require.Equal(t, exitDone, code, stderr)
	require.Equal(t, whole, strings.ReplaceAll(parts, dir, filepath.Dir(configFile)))

	code, out, _ := two.run(t, "config", "validate", "-c", path)
	require.Equal(t, exitDone, code)
	cfg, err := config.Load(configFile)
	require.NoError(t, err)
	require.Contains(t, out, "contacts: 2 fields, revision "+cfg.Ingress.Tables["contacts"].Revision()+", in "+filepath.Join(dir, "mappings", "all.yaml")+"\n")

	require.NoError(t, os.WriteFile(filepath.Join(dir, "mappings", "zweit.yaml"), []byte("ingress: { tables: { contacts: {} } }\n"), 0o600))
	code, _, stderr = two.run(t, "status", "-c", path)
	require.Equal(t, exitBadInput, code)
	require.Contains(t, stderr, filepath.Join(dir, "mappings", "zweit.yaml")+":1: ingress.tables.contacts: got a second time, want once; it is in "+filepath.Join(dir, "mappings", "all.yaml")+" on line 8 already")
	require.Nil(t, two.dialled, "nothing is asked of Temporal")
}

func TestSchemas(t *testing.T) {
	t.Parallel()
	for args, want := range map[string][]byte{"": config.Schema, "--mappings": config.MappingsSchema} {
		code, out, _ := newWorld().run(t, append([]string{"config", "schema"}, strings.Fields(args)...)...)
		require.Equal(t, exitDone, code)
		require.Equal(t, string(want), out)
	}
}
