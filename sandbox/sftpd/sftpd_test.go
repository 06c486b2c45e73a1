package sftpd_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"causeway.dev/sandbox/kit"
	"causeway.dev/sandbox/sftpd"
)

type server struct {
	*testing.T
	*sftpd.Server
	address string
	dir     string
	faults  *kit.Faults
	clock   *kit.Clock
}

func newServer(t *testing.T, change ...func(*sftpd.Options)) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	dir := t.TempDir()
	s := &server{T: t, address: l.Addr().String(), dir: filepath.Join(dir, "home"), faults: &kit.Faults{}, clock: &kit.Clock{}}
	o := sftpd.Options{Clock: s.clock, Faults: s.faults, Listener: l, Dir: s.dir, KeyDir: dir}
	for _, f := range change {
		f(&o)
	}
	s.Server, err = sftpd.Start(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	require.NoError(t, os.MkdirAll(filepath.Join(s.dir, "d365_loads", "exports"), 0o755))
	return s
}

func (s *server) config() *ssh.ClientConfig {
	s.Helper()
	text, err := os.ReadFile(s.UserKeyFile())
	require.NoError(s, err)
	key, err := ssh.ParsePrivateKey(text)
	require.NoError(s, err)
	hosts, err := knownhosts.New(s.KnownHostsFile())
	require.NoError(s, err)
	return &ssh.ClientConfig{User: s.User(), Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, HostKeyCallback: hosts, HostKeyAlgorithms: []string{key.PublicKey().Type()}}
}

func (s *server) dial() (*ssh.Client, error) {
	s.Helper()
	c, err := ssh.Dial("tcp", s.address, s.config())
	if err == nil {
		s.Cleanup(func() { _ = c.Close() })
	}
	return c, err
}

func (s *server) client() *sftp.Client {
	s.Helper()
	c, err := s.dial()
	require.NoError(s, err)
	f, err := sftp.NewClient(c)
	require.NoError(s, err)
	s.Cleanup(func() { _ = f.Close() })
	return f
}

func put(c *sftp.Client, name string, data []byte) error {
	f, err := c.Create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}

func get(t *testing.T, c *sftp.Client, name string) []byte {
	t.Helper()
	f, err := c.Open(name)
	require.NoError(t, err)
	defer f.Close()
	data, err := io.ReadAll(f)
	require.NoError(t, err)
	return data
}

const exports = "d365_loads/exports/"

// §8: files in a real folder, by paths relative to the home.
func TestFiles(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, exports, "a.csv"), []byte("x"), 0o644))
	c := s.client()
	data := bytes.Repeat([]byte("externalId\n"), 20_000)
	require.NoError(t, put(c, exports+"b.csv", data))
	require.Equal(t, data, get(t, c, "/"+exports+"b.csv"))
	infos, err := c.ReadDir(exports)
	require.NoError(t, err)
	require.Len(t, infos, 2)
	require.Equal(t, "b.csv", infos[1].Name())
	require.EqualValues(t, len(data), infos[1].Size())

	require.Error(t, c.Rename(exports+"a.csv", exports+"b.csv"), "a rename never replaces")
	require.NoError(t, c.Mkdir(exports+"processed"))
	require.NoError(t, c.Rename(exports+"a.csv", exports+"processed/a.csv"))
	require.NoError(t, c.PosixRename(exports+"b.csv", exports+"processed/a.csv"))
	require.NoError(t, c.Remove(exports+"processed/a.csv"))
	require.ErrorIs(t, c.Remove(exports+"processed/a.csv"), os.ErrNotExist)
	_, err = c.Open("nothing")
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = c.Stat("../../../../etc/passwd")
	require.ErrorIs(t, err, os.ErrNotExist, "there is nothing above the home")
	require.Error(t, c.Symlink("/etc", "etc"))
	require.NoError(t, os.Symlink("/etc", filepath.Join(s.dir, "out")))
	_, err = c.ReadDir("out")
	require.Error(t, err, "a link leads nowhere outside")

	st := s.Stats()
	require.EqualValues(t, 1, st.Sessions)
	require.EqualValues(t, len(data), st.Written)
	require.Greater(t, st.Requests, int64(8))
}

// §8: public keys only; keys expire.
func TestAuthentication(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	other, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	try := func(user string, how ssh.AuthMethod) error {
		config := s.config()
		config.User, config.Auth = user, []ssh.AuthMethod{how}
		c, err := ssh.Dial("tcp", s.address, config)
		if err == nil {
			_ = c.Close()
		}
		return err
	}
	require.ErrorContains(t, try("campaign", ssh.PublicKeys(other)), "unable to authenticate")
	require.ErrorContains(t, try("campaign", ssh.Password("campaign")), "unable to authenticate")
	s.Authorize(other.PublicKey(), s.clock.Now().Add(time.Hour))
	require.NoError(t, try("campaign", ssh.PublicKeys(other)))
	require.ErrorContains(t, try("somebody", ssh.PublicKeys(other)), "unable to authenticate")
	s.clock.Advance(2 * time.Hour)
	require.ErrorContains(t, try("campaign", ssh.PublicKeys(other)), "unable to authenticate")
	s.Revoke()
	_, err = s.dial()
	require.ErrorContains(t, err, "unable to authenticate")
	// The server counts a connection once it has ended it, a moment after the client knows.
	require.Eventually(t, func() bool { return s.Stats().Denied >= 4 }, 30*time.Second, time.Millisecond)
}

// §8: a client must refuse a host key that has changed.
func TestHostKey(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"ed25519", "rsa"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, func(o *sftpd.Options) { o.KeyType = kind })
			config := s.config()
			config.HostKeyAlgorithms = nil
			var seen string
			known := config.HostKeyCallback
			config.HostKeyCallback = func(host string, from net.Addr, key ssh.PublicKey) error {
				seen = ssh.FingerprintSHA256(key)
				return known(host, from, key)
			}
			c, err := ssh.Dial("tcp", s.address, config)
			require.NoError(t, err)
			_ = c.Close()
			require.Equal(t, s.Fingerprint(), seen)
			require.Regexp(t, `^SHA256:`, seen)

			before := seen
			require.NoError(t, s.RotateHostKey())
			_, err = ssh.Dial("tcp", s.address, config)
			require.ErrorContains(t, err, "key mismatch")
			require.NotEqual(t, before, s.Fingerprint())
			require.NoError(t, s.PublishHostKey())
			c, err = ssh.Dial("tcp", s.address, s.config())
			require.NoError(t, err)
			_ = c.Close()
		})
	}
}

// §8: five sessions, then no more until one ends.
func TestSessions(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(o *sftpd.Options) { o.MaxSessions = 5 })
	var open []*sftp.Client
	for range 5 {
		open = append(open, s.client())
	}
	sixth, err := s.dial()
	require.NoError(t, err)
	_, err = sftp.NewClient(sixth)
	require.ErrorContains(t, err, "too many sessions")
	require.EqualValues(t, 1, s.Stats().Refused)
	require.NoError(t, open[0].Close())
	require.Eventually(t, func() bool {
		c, err := sftp.NewClient(sixth)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}, 10*time.Second, time.Millisecond)
	shell, err := sixth.NewSession()
	require.NoError(t, err)
	require.Error(t, shell.Run("ls"), "there is no shell")
}

// §8: addresses that are not allowed get no answer; ranges too wide are refused.
func TestAllowList(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	require.NoError(t, s.Allow(netip.MustParsePrefix("192.0.2.0/24")))
	_, err := s.dial()
	require.Error(t, err)
	require.NoError(t, s.Allow(netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("127.0.0.1/32")))
	s.client()
	require.ErrorContains(t, s.Allow(netip.MustParsePrefix("10.0.0.0/23")), "want a public IPv4 range from /24 to /32")
	require.ErrorContains(t, s.Allow(netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.0.2.7/32")), "overlap")
}

// §8: orange from 80 %, red from 90 %, and a full server takes nothing.
func TestQuota(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(o *sftpd.Options) { o.Capacity = 1000 })
	c := s.client()
	for _, step := range []struct {
		write int
		level string
	}{{700, "green"}, {110, "orange"}, {100, "red"}} {
		require.NoError(t, put(c, exports+step.level, make([]byte, step.write)))
		require.Equal(t, step.level, s.Usage().Level)
	}
	require.ErrorContains(t, put(c, exports+"more", make([]byte, 200)), "quota exceeded")
	require.NoError(t, put(c, exports+"rest", make([]byte, 90)))
	require.Equal(t, "full", s.Usage().Level)
	require.ErrorContains(t, put(c, exports+"none", nil), "quota exceeded")
	require.NoError(t, c.Remove(exports+"green"))
	require.NoError(t, put(c, exports+"none", make([]byte, 100)))
	require.Error(t, s.Room(1000))
}

// Faults: errors, lost connections and broken transfers, before and after the operation
// took effect.
func TestFaults(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	require.NoError(t, put(s.client(), exports+"a.csv", make([]byte, 100_000)))
	once := func(r kit.Rule) {
		r.Service, r.Times = "sftp", 1
		_, err := s.faults.Add(r)
		require.NoError(t, err)
	}
	once(kit.Rule{Action: kit.Respond, Status: 500, Method: "list", Path: "exports"})
	c := s.client()
	_, err := c.ReadDir(exports)
	require.ErrorContains(t, err, "Failure")

	once(kit.Rule{Action: kit.Truncate, Method: "get"})
	f, err := c.Open(exports + "a.csv")
	require.NoError(t, err)
	n, err := io.Copy(io.Discard, f)
	require.Error(t, err)
	require.Less(t, n, int64(100_000))

	once(kit.Rule{Action: kit.ResetBefore, Method: "remove"})
	require.Error(t, s.client().Remove(exports+"a.csv"))
	require.FileExists(t, filepath.Join(s.dir, exports, "a.csv"))
	once(kit.Rule{Action: kit.ResetAfter, Method: "rename"})
	_ = s.client().Rename(exports+"a.csv", exports+"b.csv") // the answer may be lost
	require.FileExists(t, filepath.Join(s.dir, exports, "b.csv"))

	c = s.client()
	s.Drop()
	_, err = c.ReadDir(exports)
	require.Error(t, err)
}

// A slow server delays a transfer, and ends it when the client is gone.
func TestSpeed(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	c := s.client()
	s.SetSpeed(1)
	done := make(chan error)
	go func() { done <- put(c, "slow", make([]byte, 30_000)) }()
	require.Eventually(t, func() bool { return s.Stats().Written > 0 }, 10*time.Second, time.Millisecond)
	s.Drop()
	require.Error(t, <-done, "eight hours are not over")
	s.SetSpeed(0)
	require.NoError(t, put(s.client(), "fast", make([]byte, 30_000)))
}

// Keys and files are the same after a restart. Another port is another line of
// known_hosts.
func TestRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	start := func() *sftpd.Server {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		s, err := sftpd.Start(sftpd.Options{Clock: &kit.Clock{}, Faults: &kit.Faults{}, Listener: l, Dir: filepath.Join(dir, "home"), KeyDir: dir})
		require.NoError(t, err)
		return s
	}
	first := start()
	key, err := os.ReadFile(first.UserKeyFile())
	require.NoError(t, err)
	require.Contains(t, string(key), "OPENSSH PRIVATE KEY")
	require.NoError(t, first.Close())
	require.NoError(t, first.Close(), "again")
	second := start()
	defer second.Close()
	again, err := os.ReadFile(second.UserKeyFile())
	require.NoError(t, err)
	require.Equal(t, key, again)
	require.Equal(t, first.Fingerprint(), second.Fingerprint())
}
