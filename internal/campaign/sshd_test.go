package campaign_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
)

// requireSSHD set to 1 makes a missing OpenSSH server a failure instead of a skip.
const requireSSHD = "CAUSEWAY_REQUIRE_SSHD"

// openSSH is a real OpenSSH server with two host keys, serving a folder of the
// test to the account the test runs under. It runs once per connection, as under
// inetd: the test owns the port, and nothing is left to stop.
func openSSH(t testing.TB) *sftpServer {
	return openSSHUnder(t, func(string) []string { return nil })
}

// openSSHUnder runs the server by another command, which is given the folder.
func openSSHUnder(t testing.TB, wrap func(dir string) []string) *sftpServer {
	t.Helper()
	sshd, err := exec.LookPath("sshd")
	if err != nil {
		sshd = "/usr/sbin/sshd"
	}
	if _, err := os.Stat(sshd); err != nil {
		if os.Getenv(requireSSHD) == "1" {
			t.Fatalf("%s=1, but sshd is neither in PATH nor /usr/sbin/sshd", requireSSHD)
		}
		t.Skip("SKIPPED: OpenSSH's server is not installed (sshd is neither in PATH nor /usr/sbin/sshd)")
	}
	account, err := user.Current()
	require.NoError(t, err)
	if os.Geteuid() == 0 {
		require.NoError(t, os.MkdirAll("/run/sshd", 0o755), "sshd wants its empty folder")
	}
	etc := t.TempDir()
	userPEM, userKey := newKey(t, "rsa")
	s := &sftpServer{user: account.Username, dir: t.TempDir(), key: userPEM}
	config := fmt.Sprintf("AuthorizedKeysFile %s\nSubsystem sftp internal-sftp -d %s\nPidFile none\nUsePAM no\nStrictModes no\n"+
		"PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n", filepath.Join(etc, "authorized_keys"), s.dir)
	for _, kind := range []string{"ed25519", "rsa"} {
		hostPEM, host := newKey(t, kind)
		file := filepath.Join(etc, "host_"+kind)
		require.NoError(t, os.WriteFile(file, hostPEM, 0o600))
		config += "HostKey " + file + "\n"
		s.hostKeys = append(s.hostKeys, host.PublicKey())
	}
	require.NoError(t, os.WriteFile(filepath.Join(etc, "authorized_keys"), ssh.MarshalAuthorizedKey(userKey.PublicKey()), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(etc, "sshd_config"), []byte(config), 0o600))
	var log testLog
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("sshd said:\n%s", log.text())
		}
	})
	s.addr, s.kick = listen(t, func(conn net.Conn) {
		defer conn.Close()
		ctx, cancel := context.WithCancel(context.Background()) // ends with the connection, not before
		defer cancel()
		command := append(wrap(s.dir), sshd, "-i", "-e", "-f", filepath.Join(etc, "sshd_config"))
		cmd := exec.CommandContext(ctx, command[0], command[1:]...)
		cmd.Stderr = &log
		in, err := cmd.StdinPipe()
		if err != nil {
			return
		}
		cmd.Stdout = conn
		if err := cmd.Start(); err != nil {
			_, _ = io.WriteString(&log, err.Error())
			return
		}
		go func() {
			_, _ = io.Copy(in, conn)
			in.Close()
		}()
		_ = cmd.Wait()
	})
	return s
}
