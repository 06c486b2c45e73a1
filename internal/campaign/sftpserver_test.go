package campaign_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/pkg/sftp"
	"github.com/skeema/knownhosts"
	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"causeway.dev/internal/campaign"
)

// sftpServer is a server under test: its home is dir.
type sftpServer struct {
	addr, user, dir string
	hostKeys        []ssh.PublicKey
	key             []byte // of the user, PEM
	kick            func() // ends the connections there are
}

// options for a client that knows the server by known_hosts.
func (s *sftpServer) options(t testing.TB) campaign.SFTPOptions {
	t.Helper()
	return campaign.SFTPOptions{Addr: s.addr, User: s.user, Key: s.key, KnownHosts: knownHosts(t, s.addr, s.hostKeys...)}
}

func (s *sftpServer) client(t testing.TB) *campaign.SFTP {
	t.Helper()
	return sftpClient(t, s.options(t))
}

func sftpClient(t testing.TB, o campaign.SFTPOptions) *campaign.SFTP {
	t.Helper()
	c, err := campaign.NewSFTP(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// knownHosts writes a file with these keys for addr.
func knownHosts(t testing.TB, addr string, keys ...ssh.PublicKey) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "known_hosts")
	text := "# nothing else\n"
	for _, key := range keys {
		text += knownhosts.Line([]string{addr}, key) + "\n"
	}
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

// newKey makes a key: its PEM in OpenSSH's form, and its signer.
func newKey(t testing.TB, kind string) ([]byte, ssh.Signer) {
	t.Helper()
	var private any
	var err error
	switch kind {
	case "rsa":
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	default:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	}
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(private, "")
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	return pem.EncodeToMemory(block), signer
}

// inProcess is how a server of pkg/sftp behaves; the zero value serves files.
type inProcess struct {
	handlers    *sftp.Handlers // instead of files
	noSubsystem bool
	noSession   bool
	hostKeys    []ssh.Signer // instead of one Ed25519 key
}

func (o inProcess) serve(t testing.TB) *sftpServer {
	t.Helper()
	userPEM, user := newKey(t, "ed25519")
	if o.hostKeys == nil {
		_, host := newKey(t, "ed25519")
		o.hostKeys = []ssh.Signer{host}
	}
	config := &ssh.ServerConfig{PublicKeyCallback: func(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if meta.User() == "acme" && string(key.Marshal()) == string(user.PublicKey().Marshal()) {
			return nil, nil
		}
		return nil, fmt.Errorf("not this one")
	}}
	s := &sftpServer{user: "acme", dir: t.TempDir(), key: userPEM}
	for _, key := range o.hostKeys {
		config.AddHostKey(key)
		s.hostKeys = append(s.hostKeys, key.PublicKey())
	}
	s.addr, s.kick = listen(t, func(conn net.Conn) { o.connection(conn, config, s.dir) })
	return s
}

func (o inProcess) connection(conn net.Conn, config *ssh.ServerConfig, dir string) {
	defer conn.Close()
	server, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	defer server.Close()
	go ssh.DiscardRequests(requests)
	for offer := range channels {
		if o.noSession {
			_ = offer.Reject(ssh.ResourceShortage, "too many sessions")
			continue
		}
		channel, asked, err := offer.Accept()
		if err != nil {
			return
		}
		go func() {
			for r := range asked {
				_ = r.Reply(!o.noSubsystem && r.Type == "subsystem", nil)
			}
		}()
		go o.session(channel, dir)
	}
}

func (o inProcess) session(channel ssh.Channel, dir string) {
	defer channel.Close()
	if o.handlers != nil {
		_ = sftp.NewRequestServer(channel, *o.handlers).Serve()
		return
	}
	if server, err := sftp.NewServer(channel, sftp.WithServerWorkingDirectory(dir)); err == nil {
		_ = server.Serve()
	}
}

// listen serves connections until the test ends, and gives what ends those
// there are.
func listen(t testing.TB, serve func(net.Conn)) (addr string, kick func()) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var mu sync.Mutex
	var open []net.Conn
	var all sync.WaitGroup
	kick = func() {
		mu.Lock()
		defer mu.Unlock()
		for _, c := range open {
			c.Close()
		}
		open = nil
	}
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, conn)
			mu.Unlock()
			all.Go(func() { serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		kick()
		all.Wait()
	})
	return l.Addr().String(), kick
}
