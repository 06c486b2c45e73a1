package commands

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/workflows"
)

// configured is the configuration of the tests, changed.
func configured(t *testing.T, changes ...string) string {
	t.Helper()
	text, err := os.ReadFile(configFile)
	require.NoError(t, err)
	changed := strings.NewReplacer(changes...).Replace(string(text))
	require.NotEqual(t, string(text), changed)
	path := filepath.Join(t.TempDir(), "causeway.yaml")
	require.NoError(t, os.WriteFile(path, []byte(changed), 0o600))
	return path
}

// A filter with text is told of where it is looked at and where it is sent, unless there
// is a key.
func TestTextThatTemporalHasUnsealedIsToldOf(t *testing.T) {
	t.Parallel()
	const fields, filter = "key: externalId}\n      fields:", "key: externalId}\n      filter: {where: [{column: emailaddress1, is: equals, value: ada@example.test}]}\n      fields:"
	key := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(key, []byte(strings.Repeat("01", 32)), 0o600))
	for _, sealed := range []bool{false, true} {
		path := configured(t, fields, filter)
		if sealed {
			path = configured(t, fields, filter, "temporal:\n", "temporal:\n  encryption_key: file:"+key+"\n")
		}
		w := newWorld()
		w.on("Query "+contactsFlow+" Status", contacts(nil))
		w.on("Query "+accountsFlow+" Status", contacts(nil))
		w.on("Start "+contactsFlow, workflows.Status{State: workflows.StateRunning})
		_, out, _ := w.run(t, "status", "contacts", "--config", path)
		require.Equal(t, !sealed, strings.Contains(out, "the filters or replacements of contacts hold text, which Temporal has unsealed: set temporal.encryption_key"), out)
		_, out, _ = w.run(t, "status", "contacts", "-o", "json", "--config", path)
		require.Equal(t, !sealed, strings.Contains(out, `"unsealed_text": [`), out)
		_, out, _ = w.run(t, "status", "accounts", "--config", path)
		require.NotContains(t, out, "unsealed")
		_, _, stderr := w.run(t, "start", "contacts", "--config", path)
		require.Equal(t, !sealed, strings.Contains(stderr, "goes into Temporal unsealed: set temporal.encryption_key"), stderr)
		code, _, stderr := w.run(t, "config", "validate", "--config", path)
		require.Zero(t, code)
		require.Equal(t, !sealed, strings.Contains(stderr, "warning: temporal.encryption_key"), stderr)
	}
}

func TestCodecNeedsKeysAndThisMachine(t *testing.T) {
	t.Parallel()
	short := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(short, []byte("hunter2"), 0o600))
	for want, path := range map[string]string{
		"temporal.encryption_key: got nothing, want the keys of the worker":                         configFile,
		"temporal.encryption_key: environment variable CAUSEWAY_TEST_UNSET is not set; the command": configured(t, "temporal:\n", "temporal:\n  encryption_key: env:CAUSEWAY_TEST_UNSET\n"),
		"temporal.encryption_key: key 1: want 32 bytes":                                             configured(t, "temporal:\n", "temporal:\n  encryption_key: file:"+short+"\n"),
		"temporal.codec_listen: got \"0.0.0.0:8234\", want an address of this machine alone":        configured(t, "temporal:\n", "temporal:\n  codec_listen: 0.0.0.0:8234\n"),
	} {
		code, out, stderr := newWorld().run(t, "codec", "--config", path)
		require.Equal(t, 2, code, stderr)
		require.Empty(t, out)
		require.Contains(t, stderr, want)
		require.NotContains(t, stderr, "hunter2")
	}
}
