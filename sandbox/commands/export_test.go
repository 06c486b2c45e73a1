package commands

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"causeway.dev/sandbox/stack"
)

func TestExports(t *testing.T) {
	t.Parallel()
	b := newBoxes(t, stack.Options{})
	out, code := b.run("export", "optouts")
	require.Zero(t, code, out)
	require.Equal(t, "nothing changed since the last run, so there is no file\n", out)
	require.NoError(t, b.Campaign.Insert("profile", []byte(`{"externalId":"a","blackListEmail":true}`)))
	b.Advance(time.Second)
	out, code = b.run("export", "optouts", "--twist", "half_written", "--twist", "semicolon")
	require.Zero(t, code, out)
	path := filepath.Join(b.SFTPDir, "d365_loads/exports", strings.TrimSpace(out))
	half, err := os.ReadFile(path)
	require.NoError(t, err)
	again, code := b.run("export", "complete")
	require.Zero(t, code, again)
	require.Equal(t, out, again)
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Greater(t, len(whole), len(half))
	require.Contains(t, string(whole), "\na;")
	out, code = b.run("export", "complete")
	require.Zero(t, code, out)
	require.Equal(t, "no file is half there\n", out)

	out, code = b.run("workflow", "fail", "optouts", "--reason", "no memory")
	require.Zero(t, code, out)
	out, code = b.run("workflow", "show", "optouts")
	require.Zero(t, code, out)
	require.Equal(t, "error", gjson.Get(out, "state").Str)
	require.Equal(t, "no memory", gjson.Get(out, "error").Str)
	for args, want := range map[string]string{
		"export profiles":                  `export: got "profiles", want optouts or logs`,
		"export logs --twist upside_down":  `twist: got "upside_down", want one of`,
		"workflow show WKF17":              `workflow show: got "WKF17", want optouts or logs`,
		"fault add --service x --status 1": `--service: got "x", want dataverse, entra, campaign, ims, journal or sftp`,
	} {
		out, code := b.run(strings.Fields(args)...)
		require.Equal(t, 2, code, args)
		require.Contains(t, out, want)
	}
}

func TestSFTP(t *testing.T) {
	t.Parallel()
	b := newBoxes(t, stack.Options{})
	require.NoError(t, os.WriteFile(filepath.Join(b.SFTPDir, "a"), make([]byte, 90), 0o644))
	out, code := b.run("sftp", "limit", "--capacity", "100", "--speed", "1000", "--sessions", "2", "--allow", "192.0.2.0/24,127.0.0.1/32")
	require.Zero(t, code, out)
	out, code = b.run("sftp", "show")
	require.Zero(t, code, out)
	require.Equal(t, "red", gjson.Get(out, "level").Str)
	require.Equal(t, b.SFTPFingerprint, gjson.Get(out, "fingerprint").Str)
	known, err := os.ReadFile(b.SFTPKnownHostsFile)
	require.NoError(t, err)
	out, code = b.run("sftp", "host-key")
	require.Zero(t, code, out)
	require.NotEqual(t, b.SFTPFingerprint, gjson.Get(out, "fingerprint").Str)
	still, err := os.ReadFile(b.SFTPKnownHostsFile)
	require.NoError(t, err)
	require.Equal(t, known, still, "clients keep the old key")
	_, code = b.run("sftp", "host-key", "--publish")
	require.Zero(t, code)
	now, err := os.ReadFile(b.SFTPKnownHostsFile)
	require.NoError(t, err)
	require.NotEqual(t, known, now)
	_, code = b.run("sftp", "drop")
	require.Zero(t, code)
	out, code = b.run("sftp", "limit")
	require.Equal(t, 2, code)
	require.Contains(t, out, "want --capacity, --speed, --sessions or --allow")
	out, code = b.run("sftp", "limit", "--allow", "10.0.0.0/8")
	require.Equal(t, 2, code)
	require.Contains(t, out, "/24 to /32")
}

// The program prints the settings that a configuration needs for the SFTP server.
func TestSettings(t *testing.T) {
	t.Parallel()
	b := newBoxes(t, stack.Options{})
	got := sftpSettings(b.Stack)
	for _, want := range []string{"host: 127.0.0.1", "user: campaign", "key: \"file:" + b.SFTPKeyFile, "known_hosts: " + b.SFTPKnownHostsFile, b.SFTPFingerprint} {
		require.Contains(t, got, want)
	}
	require.Empty(t, sftpSettings(newBoxes(t, stack.Options{NoSFTP: true}).Stack))
}
