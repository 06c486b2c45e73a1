package campaign_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
)

// testLog collects what processes say.
type testLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *testLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *testLog) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// eachSFTP runs a suite against a server in this process and a real one.
func eachSFTP(t *testing.T, suite func(t *testing.T, s *sftpServer)) {
	t.Run("in process", func(t *testing.T) {
		t.Parallel()
		suite(t, inProcess{}.serve(t))
	})
	t.Run("openssh", func(t *testing.T) {
		t.Parallel()
		suite(t, openSSH(t))
	})
}

func (s *sftpServer) put(t testing.TB, name, content string) {
	t.Helper()
	path := filepath.Join(s.dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

func (s *sftpServer) read(t testing.TB, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(s.dir, name))
	require.NoError(t, err)
	return string(content)
}

func TestFilesOnAServer(t *testing.T) {
	t.Parallel()
	eachSFTP(t, func(t *testing.T, s *sftpServer) {
		c := s.client(t)
		big := strings.Repeat("0123456789abcdef", 1<<16) // many packets
		s.put(t, "exports/b.csv", big)
		s.put(t, "exports/a.csv.gz", "x")
		s.put(t, "exports/.half", "hidden")
		s.put(t, "exports/processed/old.csv", "o")
		require.NoError(t, os.Symlink("b.csv", filepath.Join(s.dir, "exports/link.csv")))

		files, err := c.List(t.Context(), "exports")
		require.NoError(t, err)
		require.Len(t, files, 2)
		require.Equal(t, "exports/a.csv.gz", files[0].Path)
		require.Equal(t, "b.csv", files[1].Name())
		require.EqualValues(t, len(big), files[1].Size)
		info, err := os.Stat(filepath.Join(s.dir, "exports/b.csv"))
		require.NoError(t, err)
		require.Equal(t, info.ModTime().UTC().Truncate(time.Second), files[1].Modified)

		dest := filepath.Join(t.TempDir(), "copy.csv")
		got, err := c.Download(t.Context(), files[1], dest)
		require.NoError(t, err)
		sum := sha256.Sum256([]byte(big))
		require.Equal(t, &campaign.Downloaded{Size: int64(len(big)), SHA256: hex.EncodeToString(sum[:])}, got)
		copied, err := os.ReadFile(dest)
		require.NoError(t, err)
		require.Equal(t, big, string(copied))
		onlyFile(t, dest)

		require.NoError(t, c.EnsureFolder(t.Context(), "exports/processed"))
		require.NoError(t, c.EnsureFolder(t.Context(), "exports/new/deep"))
		require.NoError(t, c.Move(t.Context(), "exports/b.csv", "exports/processed/b.csv"))
		require.NoError(t, c.Move(t.Context(), "exports/b.csv", "exports/processed/b.csv"), "the answer to the first was lost")
		require.Equal(t, big, s.read(t, "exports/processed/b.csv"))
		require.NoFileExists(t, filepath.Join(s.dir, "exports/b.csv"))
		require.Equal(t, apierr.ReasonExists, apierr.ReasonOf(c.Move(t.Context(), "exports/a.csv.gz", "exports/processed/b.csv")))
		require.Equal(t, big, s.read(t, "exports/processed/b.csv"))

		require.NoError(t, c.Remove(t.Context(), "exports/a.csv.gz"))
		require.NoError(t, c.Remove(t.Context(), "exports/a.csv.gz"), "it is gone already")
		require.NoFileExists(t, filepath.Join(s.dir, "exports/a.csv.gz"))

		for _, content := range []string{"one", big, "two"} {
			require.NoError(t, c.Upload(t.Context(), "exports/up.csv", strings.NewReader(content)))
			require.Equal(t, content, s.read(t, "exports/up.csv"))
		}
		entries, err := os.ReadDir(filepath.Join(s.dir, "exports"))
		require.NoError(t, err)
		for _, e := range entries {
			require.NotContains(t, e.Name(), ".up.csv.", "no temporary file stays")
		}
	})
}

// onlyFile checks that nothing lies beside a file, and that it is private.
func onlyFile(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1)
	info, err := entries[0].Info()
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestWhatAServerRefuses(t *testing.T) {
	t.Parallel()
	eachSFTP(t, func(t *testing.T, s *sftpServer) {
		c := s.client(t)
		s.put(t, "grows.csv", "more than it was")
		_, err := c.List(t.Context(), "missing")
		require.Equal(t, apierr.Blocked, failure(t, err).Class)
		require.Equal(t, apierr.ReasonNotFound, failure(t, err).Reason)
		dir := t.TempDir()
		_, err = c.Download(t.Context(), campaign.RemoteFile{Path: "missing.csv"}, filepath.Join(dir, "x"))
		require.Equal(t, apierr.Rejected, failure(t, err).Class)
		require.Equal(t, apierr.ReasonNotFound, failure(t, err).Reason)
		_, err = c.Download(t.Context(), campaign.RemoteFile{Path: "grows.csv", Size: 4}, filepath.Join(dir, "x"))
		require.Equal(t, apierr.ReasonConflict, failure(t, err).Reason)
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, entries, "no half of a file")
		require.Equal(t, apierr.ReasonNotFound, apierr.ReasonOf(c.Move(t.Context(), "missing.csv", "there.csv")))
		_, err = c.Download(t.Context(), campaign.RemoteFile{Path: "grows.csv", Size: 16}, filepath.Join(dir, "no", "folder"))
		require.ErrorIs(t, err, os.ErrNotExist)
		require.Empty(t, apierr.ClassOf(err), "our own disk is not the service's failure")
		require.NoError(t, c.Remove(t.Context(), "grows.csv"), "the connection is still good")
	})
}

func TestTheKeyMustBeRight(t *testing.T) {
	t.Parallel()
	eachSFTP(t, func(t *testing.T, s *sftpServer) {
		o := s.options(t)
		o.Key, _ = newKey(t, "ed25519")
		_, err := sftpClient(t, o).List(t.Context(), ".")
		e := failure(t, err)
		require.Equal(t, apierr.Blocked, e.Class)
		require.Equal(t, apierr.ReasonCredentials, e.Reason)
		require.Contains(t, e.Message, "campaign.sftp.key")
	})
}

func TestOnlyTheHostOnRecordIsAccepted(t *testing.T) {
	t.Parallel()
	eachSFTP(t, func(t *testing.T, s *sftpServer) {
		_, stranger := newKey(t, "ed25519")
		_, strangerRSA := newKey(t, "rsa")
		for name, tt := range map[string]struct {
			change func(o *campaign.SFTPOptions)
			reason string
		}{
			"the key on record":     {func(*campaign.SFTPOptions) {}, ""},
			"nothing on record":     {func(o *campaign.SFTPOptions) { o.KnownHosts = knownHosts(t, s.addr) }, apierr.ReasonHostUnknown},
			"another host's key":    {func(o *campaign.SFTPOptions) { o.KnownHosts = knownHosts(t, "other.example.test:22", s.hostKeys...) }, apierr.ReasonHostUnknown},
			"no file":               {func(o *campaign.SFTPOptions) { o.KnownHosts += ".missing" }, apierr.ReasonHostUnknown},
			"the key has changed":   {func(o *campaign.SFTPOptions) { o.KnownHosts = knownHosts(t, s.addr, stranger.PublicKey()) }, apierr.ReasonHostKeyChanged},
			"another kind of key":   {func(o *campaign.SFTPOptions) { o.KnownHosts = knownHosts(t, s.addr, strangerRSA.PublicKey()) }, apierr.ReasonHostKeyChanged},
			"the key was revoked":   {func(o *campaign.SFTPOptions) { revoke(t, o.KnownHosts, s.hostKeys[0]) }, apierr.ReasonHostKeyChanged},
			"the pinned print":      {func(o *campaign.SFTPOptions) { pin(o, s.hostKeys[0]) }, ""},
			"the print of any key":  {func(o *campaign.SFTPOptions) { pin(o, s.hostKeys[len(s.hostKeys)-1]) }, ""},
			"another print":         {func(o *campaign.SFTPOptions) { pin(o, stranger.PublicKey()) }, apierr.ReasonHostKeyChanged},
			"another print, padded": {func(o *campaign.SFTPOptions) { pin(o, stranger.PublicKey()); o.Fingerprint += "=" }, apierr.ReasonHostKeyChanged},
		} {
			o := s.options(t)
			tt.change(&o)
			_, err := sftpClient(t, o).List(t.Context(), ".")
			if tt.reason == "" {
				require.NoError(t, err, name)
				continue
			}
			require.Equal(t, apierr.Blocked, failure(t, err).Class, name)
			require.Equal(t, tt.reason, failure(t, err).Reason, name)
		}
	})
}

func pin(o *campaign.SFTPOptions, key ssh.PublicKey) {
	o.KnownHosts, o.Fingerprint = "", ssh.FingerprintSHA256(key)
}

func revoke(t *testing.T, file string, key ssh.PublicKey) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, append(text, []byte("@revoked * "+string(ssh.MarshalAuthorizedKey(key)))...), 0o600))
}

func TestAConnectionIsUsedAgainAndReplacedWhenItBreaks(t *testing.T) {
	t.Parallel()
	eachSFTP(t, func(t *testing.T, s *sftpServer) {
		var dialled int
		var mu sync.Mutex
		o := s.options(t)
		addr, kick := listen(t, func(conn net.Conn) {
			mu.Lock()
			dialled++
			mu.Unlock()
			forward(t.Context(), conn, s.addr)
		})
		o.Addr, o.KnownHosts = addr, knownHosts(t, addr, s.hostKeys...)
		c := sftpClient(t, o)
		count := func() int { mu.Lock(); defer mu.Unlock(); return dialled }
		for range 3 {
			_, err := c.List(t.Context(), ".")
			require.NoError(t, err)
		}
		require.Equal(t, 1, count())
		kick()
		require.Eventually(t, func() bool { // the first to notice may fail, and says so in the right way
			_, err := c.List(t.Context(), ".")
			if err != nil {
				require.Equal(t, apierr.Retryable, failure(t, err).Class)
			}
			return err == nil
		}, 10*time.Second, time.Millisecond)
		require.Equal(t, 2, count())
		require.NoError(t, c.Close())
		_, err := c.List(t.Context(), ".")
		require.NoError(t, err, "a closed client connects again")
		require.Equal(t, 3, count())
	})
}

func forward(ctx context.Context, conn net.Conn, addr string) {
	defer conn.Close()
	to, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return
	}
	go func() {
		_, _ = io.Copy(to, conn)
		to.Close()
	}()
	_, _ = io.Copy(conn, to)
	to.Close()
}

func TestOperationsTakeTurnsAndEndWithTheirContext(t *testing.T) {
	t.Parallel()
	stuck := &stuckReader{reached: make(chan struct{}, 1), released: make(chan struct{})}
	s := inProcess{handlers: &sftp.Handlers{FileGet: stuck, FileList: stuck, FilePut: nil, FileCmd: nil}}.serve(t)
	t.Cleanup(func() { close(stuck.released) })
	c := s.client(t)
	ctx, cancel := context.WithCancel(t.Context())
	dest := filepath.Join(t.TempDir(), "x")
	done := make(chan error, 1)
	go func() {
		_, err := c.Download(ctx, campaign.RemoteFile{Path: "a.csv", Size: 1}, dest)
		done <- err
	}()
	select {
	case <-stuck.reached:
	case err := <-done:
		require.NoError(t, err, "it ended before the server was asked")
	}
	waiting, stop := context.WithCancel(t.Context())
	queued := make(chan error, 1)
	go func() { queued <- c.Remove(waiting, "b.csv") }()
	stop()
	require.ErrorIs(t, <-queued, context.Canceled, "while waiting for its turn")
	cancel()
	require.ErrorIs(t, <-done, context.Canceled, "while the server does not answer")
	require.NoFileExists(t, dest)
	require.ErrorIs(t, c.Remove(ctx, "b.csv"), context.Canceled, "before it began")
}

// stuckReader serves a file that never gives a byte.
type stuckReader struct {
	reached  chan struct{}
	released chan struct{}
}

func (s *stuckReader) Fileread(*sftp.Request) (io.ReaderAt, error)   { return s, nil }
func (s *stuckReader) Filelist(*sftp.Request) (sftp.ListerAt, error) { return s, nil }

// ListAt answers the question for the file's size with that of this source.
func (s *stuckReader) ListAt(list []os.FileInfo, _ int64) (int, error) {
	info, err := os.Stat("sftp_test.go")
	list[0] = info
	return 1, err
}

func (s *stuckReader) ReadAt([]byte, int64) (int, error) {
	select {
	case s.reached <- struct{}{}:
	default:
	}
	<-s.released
	return 0, io.EOF
}

func TestAServerThatStopsAnsweringIsGivenUp(t *testing.T) {
	t.Parallel()
	s := inProcess{}.serve(t)
	s.put(t, "a.csv", "x")
	hold := make(chan struct{})
	var once sync.Once
	release := func() { once.Do(func() { close(hold) }) }
	t.Cleanup(release)
	frozen := make(chan struct{})
	addr, _ := listen(t, func(conn net.Conn) { forward(t.Context(), &freezing{Conn: conn, from: frozen, until: hold}, s.addr) })
	o := s.options(t)
	o.Addr, o.KnownHosts, o.KeepAlive = addr, knownHosts(t, addr, s.hostKeys...), 20*time.Millisecond
	c := sftpClient(t, o)
	worksAtLast(t, c)
	close(frozen)
	_, err := c.List(t.Context(), ".")
	require.Equal(t, apierr.ReasonNetwork, failure(t, err).Reason)
	release()
}

// freezing passes nothing back once frozen.
type freezing struct {
	net.Conn
	from, until chan struct{}
}

func (f *freezing) Write(p []byte) (int, error) {
	select {
	case <-f.from:
		<-f.until
	default:
	}
	return f.Conn.Write(p)
}

func TestAnIdleConnectionIsClosed(t *testing.T) {
	t.Parallel()
	s := inProcess{}.serve(t)
	closed := make(chan struct{}, 8)
	addr, _ := listen(t, func(conn net.Conn) {
		forward(t.Context(), conn, s.addr)
		closed <- struct{}{}
	})
	o := s.options(t)
	o.Addr, o.KnownHosts, o.KeepAlive, o.Idle = addr, knownHosts(t, addr, s.hostKeys...), 10*time.Millisecond, 10*time.Millisecond
	c := sftpClient(t, o)
	worksAtLast(t, c)
	<-closed
	worksAtLast(t, c)
}

// worksAtLast lists until it succeeds: with so short a keep-alive a busy machine
// may lose a connection.
func worksAtLast(t *testing.T, c *campaign.SFTP) {
	t.Helper()
	require.Eventually(t, func() bool { _, err := c.List(t.Context(), "."); return err == nil }, 30*time.Second, time.Millisecond)
}

func TestServersThatAreNotReady(t *testing.T) {
	t.Parallel()
	slam := func(conn net.Conn) { conn.Close() }
	for name, tt := range map[string]struct {
		server        func(t *testing.T) *sftpServer
		class         apierr.Class
		reason, words string
	}{
		"not on the allow list": {func(t *testing.T) *sftpServer {
			s := inProcess{}.serve(t)
			s.addr, _ = listen(t, slam)
			return s
		}, apierr.Retryable, apierr.ReasonNetwork, "allow list"},
		"nobody listens": {func(t *testing.T) *sftpServer {
			s := inProcess{}.serve(t)
			l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
			require.NoError(t, err)
			s.addr = l.Addr().String()
			require.NoError(t, l.Close())
			return s
		}, apierr.Retryable, apierr.ReasonNetwork, "allow list"},
		"something else listens": {func(t *testing.T) *sftpServer {
			s := inProcess{}.serve(t)
			s.addr, _ = listen(t, func(conn net.Conn) {
				_, _ = io.WriteString(conn, strings.Repeat("HTTP/1.1 400 Bad Request\r\n", 2000))
				_, _ = io.Copy(io.Discard, conn)
				conn.Close()
			})
			return s
		}, apierr.Retryable, "", ""},
		"too many sessions": {func(t *testing.T) *sftpServer { return inProcess{noSession: true}.serve(t) }, apierr.Retryable, apierr.ReasonServiceFault, "too many"},
		"no SFTP":           {func(t *testing.T) *sftpServer { return inProcess{noSubsystem: true}.serve(t) }, apierr.Blocked, apierr.ReasonPermission, "no SFTP"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := tt.server(t).client(t).List(t.Context(), ".")
			e := failure(t, err)
			require.Equal(t, tt.class, e.Class, e)
			require.Contains(t, e.Reason, tt.reason)
			require.Contains(t, e.Message, tt.words)
			require.Equal(t, "sftp", e.Service)
		})
	}
}

func TestAFullServer(t *testing.T) {
	t.Parallel()
	s := inProcess{handlers: &sftp.Handlers{FilePut: fullStore{}, FileCmd: fullStore{}, FileList: fullStore{}, FileGet: fullStore{}}}.serve(t)
	err := s.client(t).Upload(t.Context(), "a.csv", strings.NewReader("x"))
	e := failure(t, err)
	require.Equal(t, apierr.Blocked, e.Class)
	require.Equal(t, apierr.ReasonNoSpace, e.Reason)
	require.Equal(t, apierr.ReasonPermission, apierr.ReasonOf(s.client(t).Remove(t.Context(), "a.csv")))
}

// TestAFullDisk: OpenSSH answers a full disk with a bare failure.
func TestAFullDisk(t *testing.T) {
	t.Parallel()
	if err := exec.CommandContext(t.Context(), "unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", t.TempDir()).Run(); err != nil {
		t.Skip("SKIPPED: a small disk needs unshare and the right to mount")
	}
	s := openSSHUnder(t, func(dir string) []string { // the disk is the server's own and goes with it
		return []string{"unshare", "--mount", "/bin/sh", "-c", `mount -t tmpfs -o size=64k tmpfs "$0" && exec "$@"`, dir}
	})
	c := s.client(t)
	require.NoError(t, c.Upload(t.Context(), "small.csv", strings.NewReader("x")))
	err := c.Upload(t.Context(), "big.csv", strings.NewReader(strings.Repeat("x", 1<<20)))
	require.Equal(t, apierr.ReasonNoSpace, failure(t, err).Reason)
	files, err := c.List(t.Context(), ".")
	require.NoError(t, err)
	require.Len(t, files, 1)
}

// fullStore has no room and lets nothing be deleted.
type fullStore struct{}

func (fullStore) Filewrite(*sftp.Request) (io.WriterAt, error) {
	return nil, errors.New("quota exceeded: hidden")
}
func (fullStore) Filecmd(*sftp.Request) error                   { return sftp.ErrSSHFxPermissionDenied }
func (fullStore) Fileread(*sftp.Request) (io.ReaderAt, error)   { return nil, os.ErrNotExist }
func (fullStore) Filelist(*sftp.Request) (sftp.ListerAt, error) { return nil, os.ErrNotExist }

func TestNewSFTPRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	key, signer := newKey(t, "ed25519")
	print := ssh.FingerprintSHA256(signer.PublicKey())
	good := campaign.SFTPOptions{Addr: "sftp.example.test:22", User: "acme", Key: key, Fingerprint: print}
	_, err := campaign.NewSFTP(good)
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		change func(o *campaign.SFTPOptions)
		want   string
	}{
		"no port":                            {func(o *campaign.SFTPOptions) { o.Addr = "sftp.example.test" }, "want host:port"},
		"no user":                            {func(o *campaign.SFTPOptions) { o.User = "" }, "campaign.sftp.user"},
		"no host on file":                    {func(o *campaign.SFTPOptions) { o.Fingerprint = "" }, "exactly one of"},
		"both":                               {func(o *campaign.SFTPOptions) { o.KnownHosts = "x" }, "exactly one of"},
		"an MD5 print":                       {func(o *campaign.SFTPOptions) { o.Fingerprint = "MD5:aa:bb" }, "campaign.sftp.fingerprint"},
		"half a print":                       {func(o *campaign.SFTPOptions) { o.Fingerprint = print[:20] }, "campaign.sftp.fingerprint"},
		"no key":                             {func(o *campaign.SFTPOptions) { o.Key = nil }, "campaign.sftp.key"},
		"the public key":                     {func(o *campaign.SFTPOptions) { o.Key = ssh.MarshalAuthorizedKey(signer.PublicKey()) }, "not its .pub"},
		"a passphrase for a key without one": {func(o *campaign.SFTPOptions) { o.Passphrase = []byte("hidden") }, "passphrase"},
	} {
		o := good
		tt.change(&o)
		_, err := campaign.NewSFTP(o)
		require.ErrorContains(t, err, tt.want, name)
		require.NotContains(t, err.Error(), "hidden", name)
	}
}
