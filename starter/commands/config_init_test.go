package commands

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/config"
)

var beginFlags = []string{"--instance", "acme-prod", "--dynamics-url", "https://acme.crm4.dynamics.com", "--tenant", "acme.example", "--dynamics-client-id", "d1",
	"--campaign-url", "https://mc.adobe.io/acme", "--organization", "1@AdobeOrg", "--campaign-client-id", "c1"}

func begin(t *testing.T, w *world, file string, more ...string) (code int, out, stderr string) {
	t.Helper()
	return w.run(t, append([]string{"config", "init", "--config", file}, more...)...)
}

// What is written is complete: with the secrets that it names there, it is valid, and it
// shows every setting that the example shows.
func TestConfigInitWritesWhatValidateAccepts(t *testing.T) {
	t.Parallel()
	for name, more := range map[string][]string{
		"one worker": nil, "several workers": {"--ledger", "postgres"},
		"with events": {"--journal-url", "https://events-va6.adobe.io/events/organizations/1/integrations/2/3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "conf", "acme.yaml")
			code, out, stderr := begin(t, newWorld(), file, append(append([]string{"-o", "json"}, beginFlags...), more...)...)
			require.Zero(t, code, stderr)
			var done begun
			require.NoError(t, json.Unmarshal([]byte(out), &done))
			require.FileExists(t, done.Mappings)
			code, _, stderr = newWorld().run(t, "config", "validate", "--secrets", "--config", file)
			require.Equal(t, exitBadInput, code, "the secrets are not there")
			for _, secret := range done.Secrets {
				require.Contains(t, stderr, filepath.Base(secret))
				require.NoError(t, os.MkdirAll(filepath.Dir(secret), 0o700))
				require.NoError(t, os.WriteFile(secret, []byte(strings.Repeat("2a", 32)), 0o600))
			}
			code, out, stderr = newWorld().run(t, "config", "validate", "--secrets", "--config", file)
			require.Zero(t, code, stderr)
			require.Contains(t, out, "instance acme-prod, 1 table mapping")
			cfg, err := config.Load(file)
			require.NoError(t, err)
			require.Equal(t, name == "several workers", cfg.Ledger.Driver == "postgres")
			require.Equal(t, name == "with events", cfg.Egress.Settings().Enabled())
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Greater(t, strings.Count(string(text), "#"), 60, "comments")
			for _, secret := range []config.Secret{cfg.Dynamics.ClientSecret, cfg.Campaign.ClientSecret, cfg.Ledger.EncryptionKey, cfg.Temporal.EncryptionKey} {
				require.Equal(t, "file:"+filepath.Join(filepath.Dir(file), "secrets"), filepath.Dir(string(secret)))
			}
		})
	}
}

func TestConfigInitSaysTheNextSteps(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	code, out, _ := begin(t, newWorld(), filepath.Join(dir, "causeway.yaml"), beginFlags...)
	require.Zero(t, code)
	golden(t, "config-init.txt", strings.ReplaceAll(out, dir, "DIR"))
}

func TestConfigInitNeverOverwrites(t *testing.T) {
	t.Parallel()
	for _, there := range []string{"causeway.yaml", "mappings/contacts.yaml"} {
		dir := t.TempDir()
		path := filepath.Join(dir, there)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte("mine\n"), 0o600))
		code, _, stderr := begin(t, newWorld(), filepath.Join(dir, "causeway.yaml"), beginFlags...)
		require.Equal(t, exitBadInput, code)
		require.Contains(t, stderr, path+" is there already and stays as it is")
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, "mine\n", string(text))
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		require.NoError(t, err)
		require.Len(t, files, 1, "nothing else was written")
	}
}

func TestConfigInitAsks(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "causeway.yaml")
	w := newWorld()
	w.terminal = true
	w.stdin = "\nacme\nhttps://mc.adobe.io/acme\n" + strings.Repeat("\n", 5) // what is needed is asked for again
	code, _, stderr := begin(t, w, file, "--dynamics-url", "https://acme.crm4.dynamics.com", "--tenant", "t", "--dynamics-client-id", "d", "--organization", "1@AdobeOrg", "--campaign-client-id", "c")
	require.Zero(t, code, stderr)
	require.Equal(t, 2, strings.Count(stderr, "name of this installation"))
	require.Contains(t, stderr, "Temporal server [localhost:7233]: ")
	cfg, err := config.Load(file)
	require.NoError(t, err)
	require.Equal(t, []string{"acme", "https://mc.adobe.io/acme", "localhost:7233"}, []string{cfg.Instance, cfg.Campaign.URL, cfg.Temporal.Address})
}

func TestConfigInitRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"what nobody has said":       {beginFlags[:4], "nobody can be asked here, and there is no default for --tenant, --dynamics-client-id, --campaign-url"},
		"an address that cannot be":  {append(beginFlags[:len(beginFlags):len(beginFlags)], "--campaign-url", "http://mc.adobe.io"), "campaign.url"},
		"a ledger that there is not": {append(beginFlags[:len(beginFlags):len(beginFlags)], "--ledger", "oracle"), `--ledger: got "oracle", want sqlite or postgres`},
		"a name that cannot be":      {append(beginFlags[:len(beginFlags):len(beginFlags)], "--instance", "Acme: #1"), "instance"},
	} {
		dir := t.TempDir()
		code, _, stderr := begin(t, newWorld(), filepath.Join(dir, "causeway.yaml"), c.args...)
		require.Equal(t, exitBadInput, code, name)
		require.Contains(t, stderr, c.want, name)
		files, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, files, name)
	}
}
