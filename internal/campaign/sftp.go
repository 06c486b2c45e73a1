package campaign

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"causeway.dev/internal/transport"
)

const sftpService = "sftp"

const (
	sftpDialTimeout      = 15 * time.Second
	sftpHandshakeTimeout = 30 * time.Second
	sftpKeepAlive        = 30 * time.Second
	sftpIdle             = 5 * time.Minute
)

// SFTPOptions of an SFTP. Exactly one of KnownHosts and Fingerprint says which
// server is the right one; no other is ever accepted.
type SFTPOptions struct {
	Addr        string                 // host:port
	User        string                 // as shown in the Control Panel
	Key         []byte                 // private key, PEM: OpenSSH or PKCS, RSA or Ed25519
	Reread      func() (string, error) // Key as it is now, before each connection; nil: it stays as given
	Passphrase  []byte                 // of Key; nil without one
	KnownHosts  string                 // path of a file in OpenSSH's form, read at each connection
	Fingerprint string                 // SHA256:… of the host's key
	KeepAlive   time.Duration          // how often an open connection is tried; default 30 s
	Watch       *transport.Watch       // is told of a refused key; may be nil
	Idle        time.Duration          // how long an unused connection stays open; default 5 min
}

// SFTP reads and keeps the files on Campaign's SFTP server (docs/protocol/campaign.md §8).
// There is one connection, opened when it is needed and used again; operations
// wait for each other. Paths are relative to the user's home unless they begin
// with a slash. Every operation fails with ctx's own error, or with
// *apierr.Error:
//
//   - Blocked: ReasonCredentials (the key is refused), ReasonHostUnknown,
//     ReasonHostKeyChanged, ReasonPermission, ReasonNoSpace;
//   - Rejected, ReasonNotFound: there is no such file; Blocked when it is a folder;
//   - Retryable: ReasonNetwork (which is also how a missing entry in the allow
//     list looks, and too many sessions), ReasonServiceFault.
type SFTP struct {
	o      SFTPOptions
	signer *transport.Rotating[ssh.Signer]
	turn   chan struct{} // held by the operation under way
	host   hostCheck

	mu   sync.Mutex
	live *sftpConn // nil when there is none
}

// NewSFTP checks the options; it connects to nothing yet.
func NewSFTP(o SFTPOptions) (*SFTP, error) {
	if host, port, err := net.SplitHostPort(o.Addr); err != nil || host == "" || !isPort(port) {
		return nil, fmt.Errorf("campaign.sftp: got %q, want host:port such as acme.campaign.adobe.com:22", o.Addr)
	}
	if o.User == "" {
		return nil, errors.New("campaign.sftp.user: missing, want the user name shown in the Control Panel")
	}
	host, err := newHostCheck(o.Addr, o.KnownHosts, o.Fingerprint)
	if err != nil {
		return nil, err
	}
	signer, err := transport.NewRotating(string(o.Key), o.Reread, func(pem string) (ssh.Signer, error) { return parseKey([]byte(pem), o.Passphrase) })
	if err != nil {
		return nil, fmt.Errorf("campaign.sftp.key: %w", err)
	}
	if o.KeepAlive <= 0 {
		o.KeepAlive = sftpKeepAlive
	}
	if o.Idle <= 0 {
		o.Idle = sftpIdle
	}
	signer.ToldTo(o.Watch, "sftp")
	return &SFTP{o: o, signer: signer, turn: make(chan struct{}, 1), host: host}, nil
}

func isPort(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n > 0 && n < 1<<16
}

// parseKey reads a private key. Its errors say nothing of the key.
func parseKey(pem, passphrase []byte) (ssh.Signer, error) {
	if len(pem) == 0 {
		return nil, errors.New("missing, want a private key in PEM")
	}
	if passphrase != nil {
		signer, err := ssh.ParsePrivateKeyWithPassphrase(pem, passphrase)
		if err != nil {
			return nil, errors.New("the key cannot be read with this passphrase")
		}
		return signer, nil
	}
	signer, err := ssh.ParsePrivateKey(pem)
	if _, locked := errors.AsType[*ssh.PassphraseMissingError](err); locked {
		return nil, errors.New("the key is protected by a passphrase, which is not given")
	}
	if err != nil {
		return nil, errors.New("not a private key in PEM; want the file ssh-keygen wrote, not its .pub")
	}
	return signer, nil
}

// do runs one operation on the connection. When ctx ends, the connection is
// closed, because the protocol's calls cannot be interrupted otherwise.
func (s *SFTP) do(ctx context.Context, op string, f func(*sftp.Client) error) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	conn, err := s.connected(ctx, op)
	if err != nil {
		return err
	}
	conn.begin()
	stop := context.AfterFunc(ctx, func() { conn.ssh.Close() })
	err = f(conn.client)
	interrupted := !stop()
	conn.end()
	if interrupted || err != nil && lost(err) {
		s.drop(conn)
	}
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return classifySFTP(op, err)
}

// connected gives the open connection, or opens one.
func (s *SFTP) connected(ctx context.Context, op string) (*sftpConn, error) {
	s.mu.Lock()
	conn := s.live
	s.mu.Unlock()
	if conn != nil && !conn.ended() {
		return conn, nil
	}
	conn, err := s.connect(ctx, op)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.live = conn
	s.mu.Unlock()
	return conn, nil
}

func (s *SFTP) drop(conn *sftpConn) {
	conn.ssh.Close()
	<-conn.gone
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == conn {
		s.live = nil
	}
}

// Close ends the connection, and with it the operation under way, if any. A
// later operation opens another.
func (s *SFTP) Close() error {
	s.mu.Lock()
	conn := s.live
	s.live = nil
	s.mu.Unlock()
	if conn != nil {
		conn.ssh.Close()
		<-conn.gone
	}
	return nil
}
