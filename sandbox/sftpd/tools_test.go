package sftpd_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/sandbox/sftpd"
)

// requireTools set to 1 makes a missing tool a failure instead of a skip.
const requireTools = "CAUSEWAY_REQUIRE_SFTP_TOOLS"

// tool runs a program of Debian's against the server, as its manual shows.
func (s *server) tool(dir, name string, args ...string) (string, error) {
	s.Helper()
	program, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv(requireTools) == "1" {
			s.Fatalf("%s=1, but %s is not in PATH", requireTools, name)
		}
		s.Skipf("SKIPPED: %s is not installed", name)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "RCLONE_CONFIG="+filepath.Join(dir, "none.conf"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (s *server) must(dir, name string, args ...string) string {
	s.Helper()
	out, err := s.tool(dir, name, args...)
	require.NoError(s, err, out)
	return out
}

// ssh are the options of OpenSSH's programs.
func (s *server) ssh() []string {
	return []string{"-q", "-F", "none", "-i", s.UserKeyFile(), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "UserKnownHostsFile=" + s.KnownHostsFile(), "-o", "StrictHostKeyChecking=yes"}
}

func (s *server) hostPort() (string, string) {
	host, port, err := net.SplitHostPort(s.address)
	require.NoError(s, err)
	return host, port
}

// twelve are files of a folder, more than the tools transfer at once.
func twelve(t *testing.T) (dir string) {
	dir = t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "up"), 0o755))
	for n := range 12 {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "up", fmt.Sprintf("f%02d.csv", n)), bytes.Repeat([]byte{byte('a' + n)}, 1000*n), 0o644))
	}
	return dir
}

func (s *server) same(dir, got string) {
	s.Helper()
	want, err := os.ReadDir(filepath.Join(dir, "up"))
	require.NoError(s, err)
	for _, f := range want {
		sent, err := os.ReadFile(filepath.Join(dir, "up", f.Name()))
		require.NoError(s, err)
		back, err := os.ReadFile(filepath.Join(got, f.Name()))
		require.NoError(s, err)
		require.Equal(s, sent, back, f.Name())
	}
}

// Row SFTP-1: OpenSSH's sftp, in batch mode.
func TestOpenSSHsftp(t *testing.T) {
	t.Parallel()
	s, dir := newServer(t), twelve(t)
	host, port := s.hostPort()
	batch := filepath.Join(dir, "batch")
	require.NoError(t, os.WriteFile(batch, []byte(strings.Join([]string{
		"pwd", "cd d365_loads/exports", "mkdir in", "cd in", "put -p up/*", "rename f00.csv g00.csv", "rename g00.csv f00.csv", "ls -l",
		"mkdir gone", "rmdir gone", "lmkdir down", "lcd down", "get -p *",
	}, "\n")), 0o600))
	out := s.must(dir, "sftp", append(s.ssh(), "-b", batch, "-P", port, s.User()+"@"+host)...)
	require.Contains(t, out, "f11.csv")
	s.same(dir, filepath.Join(dir, "down"))
	require.NoError(t, os.WriteFile(batch, []byte("get nothing.csv"), 0o600))
	_, err := s.tool(dir, "sftp", append(s.ssh(), "-b", batch, "-P", port, s.User()+"@"+host)...)
	require.Error(t, err)
}

// Row SFTP-2: OpenSSH's scp, which takes a session without an exit status for a failure.
// With -O it asks for a shell, which there is not.
func TestOpenSSHscp(t *testing.T) {
	t.Parallel()
	s, dir := newServer(t), twelve(t)
	host, port := s.hostPort()
	to := s.User() + "@" + host + ":d365_loads/exports/"
	s.must(dir, "scp", append(s.ssh(), "-P", port, "-r", "up", to)...)
	s.must(dir, "scp", append(s.ssh(), "-P", port, "-r", to+"up", "down")...)
	s.same(dir, filepath.Join(dir, "down"))
	for _, args := range [][]string{{"-O", "up/f01.csv", to}, {to + "nothing.csv", "."}} {
		_, err := s.tool(dir, "scp", append(append(s.ssh(), "-P", port), args...)...)
		require.Error(t, err, args)
	}
}

// Row SFTP-3: rclone, eight transfers at once with its usual checkers.
func TestRclone(t *testing.T) {
	t.Parallel()
	s, dir := newServer(t), twelve(t)
	host, port := s.hostPort()
	remote := fmt.Sprintf(":sftp,host=%s,port=%s,user=%s,key_file='%s',known_hosts_file='%s',shell_type=none:d365_loads/exports/in",
		host, port, s.User(), s.UserKeyFile(), s.KnownHostsFile())
	s.must(dir, "rclone", "copy", "--transfers", "8", "up", remote)
	require.Contains(t, s.must(dir, "rclone", "lsl", remote), "f11.csv")
	s.must(dir, "rclone", "check", "--size-only", "up", remote)
	s.must(dir, "rclone", "sync", "--transfers", "8", remote, "down")
	s.same(dir, filepath.Join(dir, "down"))
	s.must(dir, "rclone", "purge", remote)
	require.Zero(t, s.Stats().Refused, "nothing met the limit of sessions")
}

// Row SFTP-4: lftp, eight transfers at once.
func TestLftp(t *testing.T) {
	t.Parallel()
	s, dir := newServer(t), twelve(t)
	host, port := s.hostPort()
	connect := fmt.Sprintf("set sftp:connect-program 'ssh -a -x %s'; set net:max-retries 1; set cmd:fail-exit yes; open -u %s, -p %s sftp://%s; ",
		strings.Join(s.ssh(), " "), s.User(), port, host)
	s.must(dir, "lftp", "-c", connect+"mirror -R -P 8 up d365_loads/exports/in; mirror -P 8 d365_loads/exports/in down; rm -r d365_loads/exports/in")
	s.same(dir, filepath.Join(dir, "down"))
	require.Zero(t, s.Stats().Refused, "nothing met the limit of sessions")
}

// Row SFTP-5: sizes beyond memory. The file has a hole, so it takes no room on the disk.
func TestSizesBeyondMemory(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(o *sftpd.Options) { o.Capacity = 1 << 41 })
	c := s.client()
	const size = 200 << 30
	f, err := c.Create("huge.csv")
	require.NoError(t, err)
	_, err = f.WriteAt([]byte("end"), size)
	require.NoError(t, err)
	info, err := c.Stat("huge.csv")
	require.NoError(t, err)
	require.EqualValues(t, size+3, info.Size())
	r, err := c.Open("huge.csv")
	require.NoError(t, err)
	end := make([]byte, 3)
	_, err = r.ReadAt(end, size)
	require.NoError(t, err)
	require.Equal(t, "end", string(end))
	for _, n := range []int64{1 << 42, 1 << 62} {
		require.Error(t, c.Truncate("huge.csv", n), "there is no room for %d bytes", n)
		_, err = f.WriteAt([]byte("x"), n)
		require.Error(t, err, n)
	}
}
