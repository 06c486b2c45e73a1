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

	"causeway.dev/internal/apierr"
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
	Addr        string        // host:port
	User        string        // as shown in the Control Panel
	Key         []byte        // private key, PEM: OpenSSH or PKCS, RSA or Ed25519
	Passphrase  []byte        // of Key; nil without one
	KnownHosts  string        // path of a file in OpenSSH's form, read at each connection
	Fingerprint string        // SHA256:… of the host's key
	KeepAlive   time.Duration // how often an open connection is tried; default 30 s
	Idle        time.Duration // how long an unused connection stays open; default 5 min
}

// SFTP reads and keeps the files on Campaign's SFTP server (campaign.md §8).
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
	signer ssh.Signer
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
	signer, err := parseKey(o.Key, o.Passphrase)
	if err != nil {
		return nil, fmt.Errorf("campaign.sftp.key: %w", err)
	}
	if o.KeepAlive <= 0 {
		o.KeepAlive = sftpKeepAlive
	}
	if o.Idle <= 0 {
		o.Idle = sftpIdle
	}
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

// sftpConn is an open connection.
type sftpConn struct {
	ssh    ssh.Conn
	client *sftp.Client
	gone   chan struct{} // closed when the connection has ended

	mu   sync.Mutex
	used time.Time // when an operation last ended; zero while one is under way
}

func (c *sftpConn) ended() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}

// begin and end mark an operation.
func (c *sftpConn) begin() { c.mark(time.Time{}) }
func (c *sftpConn) end()   { c.mark(time.Now()) }

func (c *sftpConn) mark(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used = at
}

func (c *sftpConn) idle(d time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.used.IsZero() && time.Since(c.used) >= d
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

// connect dials, checks the host's key, authenticates and starts SFTP.
func (s *SFTP) connect(ctx context.Context, op string) (*sftpConn, error) {
	tries, err := s.host.tries()
	if err != nil {
		return nil, blockedHost(op, err)
	}
	var handshake ssh.Conn
	for i, algorithms := range tries {
		var failed error
		if handshake, failed = s.handshake(ctx, op, algorithms); i == 0 || !errors.Is(failed, errOtherKey) {
			err = failed
		}
		if !errors.Is(failed, errOtherKey) {
			break
		}
	}
	if err != nil {
		return nil, blockedHost(op, err)
	}
	conn := &sftpConn{ssh: handshake, gone: make(chan struct{}), used: time.Now()}
	go func() {
		_ = handshake.Wait() // why it ended shows in the operation
		close(conn.gone)
	}()
	stop := context.AfterFunc(ctx, func() { handshake.Close() })
	conn.client, err = sftp.NewClient(&ssh.Client{Conn: handshake})
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		handshake.Close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, classifyStart(op, err)
	}
	go conn.keepAlive(s.o.KeepAlive, s.o.Idle)
	return conn, nil
}

func (s *SFTP) handshake(ctx context.Context, op string, algorithms []string) (ssh.Conn, error) {
	dialer := net.Dialer{Timeout: sftpDialTimeout}
	raw, err := dialer.DialContext(ctx, "tcp", s.o.Addr)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, sftpFailure(apierr.Retryable, apierr.ReasonNetwork, op, "the server cannot be reached; check campaign.sftp.host and the Control Panel's allow list")
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	_ = raw.SetDeadline(time.Now().Add(sftpHandshakeTimeout)) // a connection that takes none fails at once
	var verdict error
	offered := false
	conn, channels, requests, err := ssh.NewClientConn(raw, s.o.Addr, &ssh.ClientConfig{
		User: s.o.User,
		Auth: []ssh.AuthMethod{ssh.PublicKeysCallback(func() ([]ssh.Signer, error) {
			offered = true
			return []ssh.Signer{s.signer}, nil
		})},
		HostKeyCallback: func(host string, remote net.Addr, key ssh.PublicKey) error {
			verdict = s.host.check(host, remote, key)
			return verdict
		},
		HostKeyAlgorithms: algorithms,
	})
	if !stop() && err == nil {
		conn.Close()
		return nil, ctx.Err()
	}
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case verdict != nil:
		return nil, verdict
	default:
		return nil, classifyHandshake(op, err, offered)
	}
	_ = raw.SetDeadline(time.Time{}) // from here keepAlive finds a dead peer
	go ssh.DiscardRequests(requests)
	go func() {
		for c := range channels { // nothing is offered to the server
			_ = c.Reject(ssh.Prohibited, "")
		}
	}()
	return conn, nil
}

// keepAlive tries the connection now and then. It closes one whose server has
// not answered by the next time, so that no operation hangs on a dead peer, and
// one that has not been used for long.
func (c *sftpConn) keepAlive(every, idle time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	answered := make(chan struct{}, 1)
	answered <- struct{}{}
	for {
		select {
		case <-c.gone:
			return
		case <-tick.C:
		}
		select {
		case <-answered:
		default:
			c.ssh.Close()
			return
		}
		if c.idle(idle) {
			c.ssh.Close()
			return
		}
		go func() {
			if _, _, err := c.ssh.SendRequest("keepalive@openssh.com", true, nil); err == nil {
				answered <- struct{}{} // a refusal is an answer, too
			}
		}()
	}
}
