package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/config"
)

func units(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("systemd/*.service")
	require.NoError(t, err)
	require.Len(t, files, 3)
	out := map[string]string{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		require.NoError(t, err)
		out[filepath.Base(f)] = string(data)
	}
	return out
}

var execStart = regexp.MustCompile(`(?m)^ExecStart=(.*)$`)

// Units run commands that the programs have, on files that the pages make.
func TestUnitsRunWhatProgramsHave(t *testing.T) {
	users, err := os.ReadFile("systemd/causeway.sysusers")
	require.NoError(t, err)
	for name, text := range units(t) {
		line := strings.Fields(execStart.FindStringSubmatch(text)[1])
		requireCommand(t, name, line)
		require.True(t, strings.HasPrefix(line[0], "/usr/local/bin/"), name)
		require.Contains(t, line, "/etc/causeway/causeway.yaml", name)
		user := regexp.MustCompile(`(?m)^User=(.*)$`).FindStringSubmatch(text)[1]
		require.Contains(t, string(users), "u "+user+" ", name)
		require.Equal(t, name != "causeway-setup.service", strings.Contains(text, "Restart=always"), name)
	}
	cfg, err := config.Load("systemd/causeway.yaml.example")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(cfg.Ledger.Path, "/var/lib/causeway/"))
	worker := units(t)["causeway-worker.service"]
	require.Contains(t, worker, "StateDirectory=causeway\n")
	require.Contains(t, worker, "TimeoutStopSec=45\n", "a worker takes 20 s to settle what it has in flight")
}

// systemd reads the units without a complaint, and finds them shut in.
func TestUnitsAreShutIn(t *testing.T) {
	program, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	dir := t.TempDir()
	for name, text := range units(t) {
		// The programs are not installed here.
		text = regexp.MustCompile(`ExecStart=\S+`).ReplaceAllString(text, "ExecStart=/bin/true")
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	for name := range units(t) {
		out, err := exec.Command(program, "verify", filepath.Join(dir, name)).CombinedOutput()
		require.NoError(t, err, string(out))
		require.NotContains(t, string(out), name, string(out))
		// 100 is exposed to everything, 20 is what systemd calls OK.
		out, err = exec.Command(program, "security", "--offline=yes", "--no-pager", "--threshold=20", filepath.Join(dir, name)).CombinedOutput()
		require.NoError(t, err, string(out))
	}
}
