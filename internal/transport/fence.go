package transport

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync/atomic"
)

// Fence says whether whoever sends may still write. It is asked at the last moment,
// with a connection in hand: a process that was paused may wake long after another
// one has taken over its work and written newer values, and neither service could
// tell the two apart. fresh asks it to trust no earlier answer of its own.
type Fence func(ctx context.Context, fresh bool) error

type fenceKey struct{}

// WithFence has every request of ctx that may change something ask fence before it
// leaves. Reads are not asked about. What fence answers is the failure of a request
// that was not sent.
func WithFence(ctx context.Context, fence Fence) context.Context {
	return context.WithValue(ctx, fenceKey{}, fence)
}

// fenceOf is the fence that a request has to ask; nil when it has none. A delete
// trusts no earlier answer, because what it destroys cannot be had again.
func fenceOf(ctx context.Context, method string) func() error {
	fence, ok := ctx.Value(fenceKey{}).(Fence)
	if !ok || method == http.MethodGet || method == http.MethodHead {
		return nil
	}
	return func() error { return fence(ctx, method == http.MethodDelete) }
}

// fencedConn is a connection that asks before the first bytes of a request leave.
type fencedConn struct {
	net.Conn
	ask atomic.Pointer[func() error]
}

func (c *fencedConn) Write(b []byte) (int, error) {
	if ask := c.ask.Swap(nil); ask != nil {
		if err := (*ask)(); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(b)
}

// dialFenced dials connections that can be told to ask.
func dialFenced(d *net.Dialer) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &fencedConn{Conn: conn}, nil
	}
}

// askBefore has conn ask before it sends a request, or not, where ask is nil. A
// connection that is not of dialFenced's making does not ask.
func askBefore(conn net.Conn, ask func() error) {
	if secured, ok := conn.(*tls.Conn); ok {
		conn = secured.NetConn()
	}
	fenced, ok := conn.(*fencedConn)
	switch {
	case !ok:
	case ask == nil:
		fenced.ask.Store(nil)
	default:
		fenced.ask.Store(&ask)
	}
}
