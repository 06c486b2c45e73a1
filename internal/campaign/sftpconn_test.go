package campaign_test

import (
	"context"
	"io"
	"net"
	"os"
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

func TestTheKeyMustBeRight(t *testing.T) {
	t.Parallel()
	eachSFTP(t, func(t *testing.T, s *sftpServer) {
		o := s.options(t)
		o.Key, _ = newKey(t, "ed25519")
		_, err := sftpClient(t, o).List(t.Context(), ".")
		e := failure(t, err)
		require.Equal(t, apierr.Retryable, e.Class)
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
		}, 5*time.Minute, time.Millisecond)
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
	o.Addr, o.KnownHosts, o.KeepAlive = addr, knownHosts(t, addr, s.hostKeys...), 500*time.Millisecond
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
	closed := make(chan struct{}, 1)
	addr, _ := listen(t, func(conn net.Conn) {
		forward(t.Context(), conn, s.addr)
		select {
		case closed <- struct{}{}:
		default: // one that a busy machine lost before
		}
	})
	o := s.options(t)
	o.Addr, o.KnownHosts, o.KeepAlive, o.Idle = addr, knownHosts(t, addr, s.hostKeys...), 500*time.Millisecond, time.Nanosecond
	c := sftpClient(t, o)
	worksAtLast(t, c)
	<-closed
	worksAtLast(t, c)
}

// worksAtLast lists until it succeeds: with so short a keep-alive a busy machine
// may lose a connection.
func worksAtLast(t *testing.T, c *campaign.SFTP) {
	t.Helper()
	require.Eventually(t, func() bool { _, err := c.List(t.Context(), "."); return err == nil }, 5*time.Minute, time.Millisecond)
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
