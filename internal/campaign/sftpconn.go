package campaign

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"causeway.dev/internal/apierr"
)

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
	signer, _, unusable := s.signer.Get()
	var verdict error
	offered := false
	conn, channels, requests, err := ssh.NewClientConn(raw, s.o.Addr, &ssh.ClientConfig{
		User: s.o.User,
		Auth: []ssh.AuthMethod{ssh.PublicKeysCallback(func() ([]ssh.Signer, error) {
			offered = true
			return []ssh.Signer{signer}, nil
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
		err = classifyHandshake(op, err, offered)
		if fail, ok := errors.AsType[*apierr.Error](err); ok && fail.Reason == apierr.ReasonCredentials {
			s.signer.Refused(fail, unusable)
		}
		return nil, err
	}
	s.signer.Accepted()
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
