package e2e

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// link is the network between a worker and Temporal. It can be held: then nothing gets
// through, and no connection breaks.
type link struct {
	listener net.Listener
	to       string
	closed   chan struct{}

	mu    sync.Mutex
	open  chan struct{} // closed while bytes get through
	conns []net.Conn
}

func newLink(t *testing.T, to string) *link {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := &link{listener: listener, to: to, open: make(chan struct{}), closed: make(chan struct{})}
	close(l.open)
	go l.serve()
	t.Cleanup(l.close)
	return l
}

func (l *link) address() string { return l.listener.Addr().String() }

func (l *link) serve() {
	for {
		from, err := l.listener.Accept()
		if err != nil {
			return
		}
		to, err := new(net.Dialer).Dial("tcp", l.to)
		if err != nil {
			_ = from.Close()
			continue
		}
		l.mu.Lock()
		l.conns = append(l.conns, from, to)
		l.mu.Unlock()
		go l.carry(from, to)
		go l.carry(to, from)
	}
}

// carry copies bytes until one end is closed.
func (l *link) carry(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	_, _ = io.Copy(far{to, l}, from)
}

// far is the end of a link to which bytes go.
type far struct {
	net.Conn
	link *link
}

func (h far) Write(b []byte) (int, error) {
	h.link.mu.Lock()
	open := h.link.open
	h.link.mu.Unlock()
	select {
	case <-open:
		return h.Conn.Write(b)
	case <-h.link.closed:
		return 0, net.ErrClosed
	}
}

// hold lets nothing through any more.
func (l *link) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = make(chan struct{})
}

// releaseAfter lets bytes through again after a time.
func (l *link) releaseAfter(d time.Duration) {
	l.mu.Lock()
	open := l.open
	l.mu.Unlock()
	time.AfterFunc(d, func() { close(open) })
}

func (l *link) close() {
	_ = l.listener.Close()
	close(l.closed)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		_ = c.Close()
	}
}
