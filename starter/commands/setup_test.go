package commands

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"causeway.dev/internal/buildinfo"
	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

func TestSetup(t *testing.T) {
	t.Parallel()
	t.Run("a new namespace", func(t *testing.T) {
		w := newWorld()
		w.Kept, w.Attributes, w.Lag = 0, nil, 3
		code, out, stderr := w.run(t, "setup")
		require.Zero(t, code, stderr)
		golden(t, "setup.txt", out)
		require.Equal(t, 30*24*time.Hour, w.Kept)
		require.Equal(t, workflows.SearchAttributes(), w.Attributes)

		again, second, stderr := w.run(t, "setup")
		require.Zero(t, again, stderr)
		require.Equal(t, "namespace acme: was there, closed runs are kept for 30 d\nsearch attributes: all there\n", second)
	})
	t.Run("short retention is a warning", func(t *testing.T) {
		w := newWorld()
		w.Kept = 24 * time.Hour
		code, out, _ := w.run(t, "setup", "-o", "json")
		require.Zero(t, code)
		var got operator.SetupReport
		require.NoError(t, json.Unmarshal([]byte(out), &got))
		require.False(t, got.Created)
		require.Len(t, got.Warnings, 1)
		require.Contains(t, got.Warnings[0], "keeps closed runs for 24 h; raise its retention to 30 days")
		require.Equal(t, 24*time.Hour, w.Kept, "an existing namespace is left alone")
	})
	t.Run("an attribute of another type", func(t *testing.T) {
		w := newWorld()
		w.Attributes = maps.Clone(w.Attributes)
		w.Attributes[workflows.AttrRead.GetName()] = enumspb.INDEXED_VALUE_TYPE_TEXT
		code, _, stderr := w.run(t, "setup")
		require.Equal(t, exitFailed, code)
		require.Contains(t, stderr, "CausewayRead is Text, want Int; remove them there, or use another namespace")
	})
	t.Run("other attributes are none of its business", func(t *testing.T) {
		w := newWorld()
		w.Attributes = map[string]enumspb.IndexedValueType{"Other": enumspb.INDEXED_VALUE_TYPE_BOOL}
		code, _, _ := w.run(t, "setup")
		require.Zero(t, code)
		require.Len(t, w.Attributes, 1+len(workflows.SearchAttributes()))
	})
}

func TestConfigCommands(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args []string
		code int
		file string
	}{
		"valid":                            {[]string{"config", "validate"}, exitDone, "config-validate.txt"},
		"valid as json":                    {[]string{"config", "validate", "-o", "json"}, exitDone, "config-validate.json"},
		"secrets that must be readable":    {[]string{"config", "validate", "--secrets"}, exitBadInput, "config-validate-secrets.txt"},
		"broken: every problem at once":    {[]string{"config", "validate", "-c", "testdata/broken.yaml"}, exitBadInput, "config-broken.txt"},
		"broken as json":                   {[]string{"config", "validate", "-c", "testdata/broken.yaml", "-o", "json"}, exitBadInput, "config-broken.json"},
		"other commands refuse it as well": {[]string{"status", "-c", "testdata/broken.yaml"}, exitBadInput, "config-broken.txt"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, out, stderr := newWorld().run(t, tc.args...)
			require.Equal(t, tc.code, code)
			golden(t, tc.file, out+"--- stderr\n"+stderr)
		})
	}
}

func TestConfigShowHidesSecrets(t *testing.T) {
	t.Parallel()
	code, out, _ := newWorld().run(t, "config", "show")
	require.Zero(t, code)
	require.Contains(t, out, "client_secret: \"[missing]\"")
	require.Contains(t, out, "page_size: 5000", "defaults are shown")

	code, out, _ = newWorld().run(t, "config", "show", "-o", "json")
	require.Zero(t, code)
	var got struct {
		Dynamics struct {
			PageSize int `json:"page_size"`
		} `json:"dynamics"`
	}
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	require.Equal(t, 5000, got.Dynamics.PageSize)
}

func TestConfigSchemaIsJSON(t *testing.T) {
	t.Parallel()
	code, out, _ := newWorld().run(t, "config", "schema")
	require.Zero(t, code)
	require.True(t, json.Valid([]byte(out)))
}

// The help of every command, so that a change of it is seen and read.
func TestHelp(t *testing.T) {
	t.Parallel()
	names := commandNames(newRoot(&env{out: io.Discard, err: io.Discard, getenv: func(string) string { return "causeway.yaml" }}), nil)
	require.Contains(t, names, "quarantine list")
	for _, name := range names {
		code, out, stderr := newWorld().run(t, append(strings.Fields(name), "--help")...)
		require.Zero(t, code)
		require.Empty(t, stderr)
		golden(t, strings.TrimSpace("help causeway "+name)+".txt", out)
	}
}

// commandNames are all commands below one, as they are typed.
func commandNames(cmd *cobra.Command, path []string) []string {
	out := []string{strings.Join(path, " ")}
	for _, c := range cmd.Commands() {
		out = append(out, commandNames(c, append(slices.Clone(path), c.Name()))...)
	}
	return out
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"start", "stop", "pause", "resume", "sync-now", "backfill", "cancel-backfill", "apply", "plan", "explain", "status"} {
		_, out, _ := newWorld().run(t, "__complete", command, "")
		require.Contains(t, out, "contacts\tcontact -> profile\n", command)
		require.Contains(t, out, "accounts\taccount -> cusAccount\n", command)
		_, out, _ = newWorld().run(t, "__complete", command, "contacts", "")
		require.NotContains(t, out, "accounts", command)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		code, out, _ := newWorld().run(t, "completion", shell)
		require.Zero(t, code)
		require.Contains(t, out, "causeway")
	}
}

func TestExecuteInProcess(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	code := Execute(t.Context(), []string{"status", "--config", configFile, "--address", "127.0.0.1:1"}, strings.NewReader(""), &out, &errs)
	require.Equal(t, exitUnreachable, code)
	require.Empty(t, out.String())
	require.Contains(t, errs.String(), "causeway: no Temporal server answers at 127.0.0.1:1")
}

func TestVersion(t *testing.T) {
	t.Parallel()
	code, out, _ := newWorld().run(t, "version", "-o", "json")
	require.Zero(t, code)
	var got buildinfo.Build
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	require.NotEmpty(t, got.Version)
	require.NotEmpty(t, got.Go)
}
