package stack_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pkg/sftp"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"causeway.dev/sandbox/stack"
)

func start(t *testing.T, o stack.Options) *stack.Stack {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	s, err := stack.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close(t.Context())) })
	return s
}

// admin sends a request to the admin port and returns the answer.
func admin(t *testing.T, s *stack.Stack, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.AdminURL+path, strings.NewReader(body))
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(data)
}

// login connects with the settings that the stack names for a configuration.
func login(t *testing.T, s *stack.Stack) (*sftp.Client, error) {
	t.Helper()
	text, err := os.ReadFile(s.SFTPKeyFile)
	require.NoError(t, err)
	key, err := ssh.ParsePrivateKey(text)
	require.NoError(t, err)
	hosts, err := knownhosts.New(s.SFTPKnownHostsFile)
	require.NoError(t, err)
	c, err := ssh.Dial("tcp", s.SFTPAddress, &ssh.ClientConfig{User: s.SFTPUser, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: hosts})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = c.Close() })
	return sftp.NewClient(c)
}

func TestSFTP(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Options{})
	c, err := login(t, s)
	require.NoError(t, err)
	for _, folder := range []string{"d365_loads/exports", "d365_loads/logs"} {
		require.DirExists(t, filepath.Join(s.SFTPDir, folder))
		_, err := c.ReadDir(folder)
		require.NoError(t, err, folder)
	}
	code, body := admin(t, s, "GET", "/sftp", "")
	require.Equal(t, 200, code)
	require.Equal(t, s.SFTPFingerprint, gjson.Get(body, "fingerprint").Str)
	require.EqualValues(t, 1, gjson.Get(body, "sessions").Int())

	code, _ = admin(t, s, "POST", "/sftp", `{"capacity":10}`)
	require.Equal(t, 200, code)
	f, err := c.Create("d365_loads/logs/a")
	require.NoError(t, err)
	_, err = f.Write(make([]byte, 11))
	require.ErrorContains(t, err, "quota exceeded")
	code, body = admin(t, s, "POST", "/sftp", `{"allow":["10.0.0.0/8"]}`)
	require.Equal(t, 400, code)
	require.Contains(t, body, "/24 to /32")

	code, _ = admin(t, s, "POST", "/sftp/host-key", `{}`)
	require.Equal(t, 200, code)
	_, err = login(t, s)
	require.ErrorContains(t, err, "key mismatch")
	code, _ = admin(t, s, "POST", "/sftp/host-key", `{"publish":true}`)
	require.Equal(t, 200, code)
	_, err = login(t, s)
	require.NoError(t, err)
}

// Some instances have no SFTP server (§8).
func TestNoSFTP(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Options{NoSFTP: true})
	require.Nil(t, s.SFTP)
	require.Empty(t, s.SFTPAddress)
	code, _ := admin(t, s, "GET", "/sftp", "")
	require.Equal(t, 404, code)
}

// If a port is taken, the error names it with its flag, and no port stays open.
func TestSFTPPortTaken(t *testing.T) {
	t.Parallel()
	s := start(t, stack.Options{})
	_, port, ok := strings.Cut(s.SFTPAddress, ":")
	require.True(t, ok)
	n := int(gjson.Parse(port).Int())
	_, err := stack.Start(t.Context(), stack.Options{Dir: t.TempDir(), SFTPPort: n})
	require.ErrorContains(t, err, "--sftp-port")
}
