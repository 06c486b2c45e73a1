// Package sftpd stands in for Campaign's SFTP server (docs/protocol/campaign.md §8). It
// has public keys only, an allow list, few sessions, a quota, slow transfers and host
// keys that change. Its files are those of a real folder, so they survive a restart,
// and a test can put some there. Package stack runs it.
package sftpd

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"causeway.dev/sandbox/kit"
)

// Options of a Server.
type Options struct {
	Clock       *kit.Clock
	Faults      *kit.Faults
	Listener    net.Listener
	Address     string // host:port that clients use, for known_hosts; default the listener's
	Dir         string // the user's home, made when it is missing
	KeyDir      string // keys and known_hosts are kept here
	KeyType     string // ed25519 (default) or rsa: 2048 bits
	User        string // default "campaign"
	MaxSessions int    // default 20: what rclone and lftp open for eight transfers fits
	Capacity    int64  // bytes; 0 = any number
}

// Server is a server that runs.
type Server struct {
	o      Options
	root   *os.Root
	config atomic.Pointer[ssh.ServerConfig]
	quota  quota

	mu     sync.Mutex
	keys   map[string]time.Time // wire form of a public key -> its expiry; zero = none
	host   ssh.Signer
	allow  []netip.Prefix // empty = everybody
	conns  map[net.Conn]bool
	closed bool
	done   sync.WaitGroup

	maxSessions, perSecond                                   atomic.Int64
	sessions, opened, refused, denied, requests, read, wrote atomic.Int64
}

// Start serves until Close. Keys that KeyDir does not hold are made.
func Start(o Options) (*Server, error) {
	if o.User == "" {
		o.User = "campaign"
	}
	if o.MaxSessions == 0 {
		o.MaxSessions = 20
	}
	if o.Address == "" {
		o.Address = o.Listener.Addr().String()
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("the SFTP folder: %w", err)
	}
	root, err := os.OpenRoot(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("the SFTP folder: %w", err)
	}
	s := &Server{o: o, root: root, keys: map[string]time.Time{}, conns: map[net.Conn]bool{}, quota: quota{dir: o.Dir}}
	s.maxSessions.Store(int64(o.MaxSessions))
	s.quota.capacity.Store(o.Capacity)
	if err := s.openKeys(); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	s.done.Add(1)
	go s.accept()
	return s, nil
}

// Close ends every session.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	err := s.o.Listener.Close()
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.done.Wait()
	return errors.Join(err, s.root.Close())
}

// Drop ends every session, as a restart of the server would.
func (s *Server) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.Close()
	}
}

// SetMaxSessions changes how many sessions may be open at once.
func (s *Server) SetMaxSessions(n int) { s.maxSessions.Store(int64(n)) }

// SetSpeed slows every transfer down to so many bytes per second; 0 = full speed.
func (s *Server) SetSpeed(bytesPerSecond int64) { s.perSecond.Store(bytesPerSecond) }

// Allow lets only these addresses connect; without any, everybody may. As in Campaign's
// Control Panel, ranges from /0 to /23 and overlapping ranges are refused.
func (s *Server) Allow(ranges ...netip.Prefix) error {
	for i, r := range ranges {
		if !r.IsValid() || !r.Addr().Is4() || r.Bits() < 24 {
			return fmt.Errorf("allow: got %s, want a public IPv4 range from /24 to /32", r)
		}
		for _, other := range ranges[:i] {
			if r.Overlaps(other) {
				return fmt.Errorf("allow: %s and %s overlap", other, r)
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.allow = append([]netip.Prefix(nil), ranges...)
	return nil
}

// Stats counts what clients did.
type Stats struct {
	Sessions int64 `json:"sessions"` // open now
	Opened   int64 `json:"opened"`
	Refused  int64 `json:"refused"` // sessions beyond the maximum, connections from addresses that are not allowed
	Denied   int64 `json:"denied"`  // failed authentications
	Requests int64 `json:"requests"`
	Read     int64 `json:"bytes_read"`
	Written  int64 `json:"bytes_written"`
}

// Stats returns the counts since the start.
func (s *Server) Stats() Stats {
	return Stats{s.sessions.Load(), s.opened.Load(), s.refused.Load(), s.denied.Load(), s.requests.Load(), s.read.Load(), s.wrote.Load()}
}

func (s *Server) accept() {
	defer s.done.Done()
	for {
		c, err := s.o.Listener.Accept()
		if err != nil {
			return // closed
		}
		if !s.admit(c) {
			s.refused.Add(1)
			_ = c.Close() // without an answer, like a firewall
			continue
		}
		go func() {
			defer s.done.Done()
			s.serve(c)
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
			_ = c.Close()
		}()
	}
}

func (s *Server) admit(c net.Conn) bool {
	from, err := netip.ParseAddrPort(c.RemoteAddr().String())
	s.mu.Lock()
	defer s.mu.Unlock()
	allowed := len(s.allow) == 0
	for _, r := range s.allow {
		allowed = allowed || err == nil && r.Contains(from.Addr().Unmap())
	}
	if !allowed || s.closed {
		return false
	}
	s.conns[c] = true
	s.done.Add(1)
	return true
}

func (s *Server) serve(c net.Conn) {
	conn, channels, requests, err := ssh.NewServerConn(c, s.config.Load())
	if err != nil {
		if _, auth := errors.AsType[*ssh.ServerAuthError](err); auth {
			s.denied.Add(1)
		}
		return
	}
	go ssh.DiscardRequests(requests) // keep-alives among them
	var open sync.WaitGroup
	for channel := range channels {
		switch {
		case channel.ChannelType() != "session":
			_ = channel.Reject(ssh.UnknownChannelType, "only sessions are served")
		case s.sessions.Add(1) > s.maxSessions.Load():
			s.sessions.Add(-1)
			s.refused.Add(1)
			_ = channel.Reject(ssh.ResourceShortage, "too many sessions")
		default:
			s.opened.Add(1)
			open.Add(1)
			go func() {
				defer open.Done()
				defer s.sessions.Add(-1)
				s.session(conn, channel)
			}()
		}
	}
	open.Wait()
}

// session serves the sftp subsystem. There is no shell.
func (s *Server) session(conn *ssh.ServerConn, offered ssh.NewChannel) {
	channel, requests, err := offered.Accept()
	if err != nil {
		return
	}
	defer channel.Close()
	for r := range requests {
		var subsystem struct{ Name string }
		ok := r.Type == "subsystem" && ssh.Unmarshal(r.Payload, &subsystem) == nil && subsystem.Name == "sftp"
		if r.WantReply {
			_ = r.Reply(ok, nil)
		}
		if !ok {
			continue
		}
		go ssh.DiscardRequests(requests)
		gone := make(chan struct{})
		go func() {
			_ = conn.Wait()
			close(gone)
		}()
		h := &files{Server: s, gone: gone, hangUp: func() { _ = conn.Close() }}
		server := sftp.NewRequestServer(channel, sftp.Handlers{FileGet: h, FilePut: h, FileCmd: h, FileList: h})
		status := struct{ Code uint32 }{1}
		if err := server.Serve(); err == nil || errors.Is(err, io.EOF) {
			status.Code = 0
		}
		// scp takes a session without a status for a failure.
		_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(status))
		_ = server.Close()
		return
	}
}

// pace waits as long as n bytes take, or until the client is gone.
func (s *Server) pace(gone <-chan struct{}, n int) {
	per := s.perSecond.Load()
	if per <= 0 {
		return
	}
	timer := time.NewTimer(time.Duration(float64(n) / float64(per) * float64(time.Second)))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-gone:
	}
}
