package campaign_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
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

// A key that is replaced is taken up at the next connection, and a refusal in between
// is not remembered.
func TestAReplacedKeyIsTakenUpAtTheNextConnection(t *testing.T) {
	t.Parallel()
	s := inProcess{}.serve(t)
	wrong, _ := newKey(t, "ed25519")
	now := &secretNow{value: string(wrong)}
	o := s.options(t)
	o.Key, o.Reread = wrong, now.read
	c := sftpClient(t, o)
	_, err := c.List(t.Context(), ".")
	require.Equal(t, apierr.ReasonCredentials, failure(t, err).Reason)
	now.set(string(s.key[:len(s.key)/2]), nil)
	_, err = c.List(t.Context(), ".")
	require.ErrorContains(t, err, "the one that is configured now cannot be used: not a private key in PEM")
	now.set(string(s.key), nil)
	_, err = c.List(t.Context(), ".")
	require.NoError(t, err)
}
