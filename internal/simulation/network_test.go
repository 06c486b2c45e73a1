package simulation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// A seam is a place where an attempt waits for the schedule.
type seam string

const (
	seamBegin  seam = "begin"  // of an activity: it has been handed to a worker
	seamEnd    seam = "end"    // of an activity: its result has not been reported
	seamArrive seam = "arrive" // a request has been sent and is not carried out
	seamAnswer seam = "answer" // it is carried out, and not answered: nothing is in the ledger
)

// A verdict is what becomes of who waits at a seam.
type verdict string

const (
	goOn     verdict = "go on"
	reset    verdict = "reset"    // the connection breaks
	outage   verdict = "outage"   // a gateway's 503
	timedOut verdict = "timeout"  // a gateway's 504
	throttle verdict = "throttle" // 429: not for the next seconds
	falsely  verdict = "200 html" // a maintenance page that looks like success
	missing  verdict = "404 html" // a gateway that has lost the way
	moved    verdict = "307"      // or knows another one
	denied   verdict = "401"      // a token that was good a moment ago
	refused  verdict = "refused"  // what was sent is bad, says Campaign
	gone     verdict = "gone"     // the simulation ends
)

// op is somebody who waits at a seam.
type op struct {
	a       *attempt
	at      seam
	service string // "" at the seams of an activity
	method  string
	label   string
	since   time.Time
	answer  chan verdict
	late    bool // its worker is dead, and it is still under way
}

// order is the same in every run of a schedule, in whatever order goroutines come.
func (o *op) order() string { return o.a.name + "\x00" + string(o.at) + "\x00" + o.label }

func (o *op) String() string {
	return strings.TrimSpace(o.a.name + " at " + string(o.at) + " " + o.label)
}

var errClosing = errors.New("the simulation ends")

// pass waits at a seam until the schedule lets it go on.
func (w *world) pass(a *attempt, at seam, label string, of ...string) verdict {
	o := &op{a: a, at: at, label: label, since: time.Now(), answer: make(chan verdict, 1)}
	if len(of) == 2 {
		o.service, o.method = of[0], of[1]
	}
	w.mu.Lock()
	w.waiting = append(w.waiting, o)
	w.mu.Unlock()
	select {
	case v := <-o.answer:
		return v
	case <-w.closing:
		return gone
	}
}

// network is in-memory connections to both services, by host name.
type network struct {
	w         *world
	listeners map[string]*listener
	servers   []*http.Server
	serving   sync.WaitGroup
}

type listener struct {
	host   string
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// conn knows whose it is.
type conn struct {
	net.Conn
	a *attempt
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return pipeAddr(l.host) }

type pipeAddr string

func (pipeAddr) Network() string  { return "pipe" }
func (a pipeAddr) String() string { return string(a) }

func (n *network) serve(host, service string, h http.Handler) {
	l := &listener{host: host, conns: make(chan net.Conn), closed: make(chan struct{})}
	n.listeners[host] = l
	server := &http.Server{
		Handler:           n.seams(service, h),
		ReadHeaderTimeout: time.Hour,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, attemptKey{}, c.(*conn).a)
		},
	}
	n.servers = append(n.servers, server)
	n.serving.Go(func() { _ = server.Serve(l) })
}

// dial connects an attempt; one that is suspended waits.
func (n *network) dial(ctx context.Context, a *attempt, addr string) (net.Conn, error) {
	a.thaw()
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	ours, theirs := net.Pipe()
	select {
	case n.listeners[host].conns <- &conn{theirs, a}:
		return ours, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-n.listeners[host].closed:
		err = net.ErrClosed
	}
	return nil, errors.Join(err, ours.Close(), theirs.Close())
}

func (n *network) close() {
	for _, s := range n.servers {
		_ = s.Close()
	}
	n.serving.Wait()
}

// transport is what an attempt's clients send with: a connection a request.
func (n *network) transport(a *attempt) *http.Transport {
	return &http.Transport{
		DisableKeepAlives: true,
		DialTLSContext:    func(ctx context.Context, _, addr string) (net.Conn, error) { return n.dial(ctx, a, addr) },
	}
}

const maintenance = "<html><body>Scheduled maintenance</body></html>"

// seams puts the schedule in front of a service and behind it.
func (n *network) seams(service string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if isMetadata(r.URL.Path) {
			next.ServeHTTP(rw, r)
			return
		}
		a := r.Context().Value(attemptKey{}).(*attempt)
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		label := r.Method + " " + r.URL.Path
		if r.Method == http.MethodPost {
			label += " " + keyIn(body) + strings.Join(rowsIn(body), " ")
		}
		v := n.w.pass(a, seamArrive, label, service, r.Method)
		switch v {
		case gone, reset:
			hangUp(rw)
			return
		case outage:
			rw.WriteHeader(http.StatusServiceUnavailable)
			return
		case timedOut:
			rw.WriteHeader(http.StatusGatewayTimeout)
			return
		case throttle:
			rw.Header().Set("Retry-After", "3")
			rw.WriteHeader(http.StatusTooManyRequests)
			return
		case refused:
			rw.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(rw, `"RST-360011 An error has occurred - please contact your administrator."`)
			return
		case denied:
			rw.WriteHeader(http.StatusUnauthorized)
			return
		case moved:
			rw.Header().Set("Location", "https://elsewhere.example/")
			rw.WriteHeader(http.StatusTemporaryRedirect)
			return
		case missing, falsely:
			rw.Header().Set("Content-Type", "text/html")
			if v == missing {
				rw.WriteHeader(http.StatusNotFound)
			}
			_, _ = io.WriteString(rw, maintenance)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		got := httptest.NewRecorder()
		next.ServeHTTP(got, r.WithContext(context.WithoutCancel(r.Context())))
		n.w.told(service, r.Method, label, got.Code)
		if v := n.w.pass(a, seamAnswer, label, service, r.Method); v != goOn {
			hangUp(rw)
			return
		}
		for k, v := range got.Header() {
			rw.Header()[k] = v
		}
		rw.WriteHeader(got.Code)
		_, _ = rw.Write(got.Body.Bytes())
	})
}

var rowName = regexp.MustCompile(`\w+\([0-9a-f-]{36}\)`)

// rowsIn are the rows that a batch names; its boundaries are others each time.
func rowsIn(body []byte) []string {
	rows := rowName.FindAllString(string(body), -1)
	slices.Sort(rows)
	return slices.Compact(rows)
}

// isMetadata are the many reads of the data models before a start, at which nothing
// happens that a schedule is about.
func isMetadata(path string) bool {
	return strings.Contains(path, "/EntityDefinitions(") || strings.Contains(path, "/resourceType/")
}

func hangUp(w http.ResponseWriter) {
	if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = c.Close()
	}
}

// keyIn is the business key in a new record.
func keyIn(body []byte) string {
	var record struct{ ExternalID string }
	_ = json.Unmarshal(body, &record)
	return record.ExternalID
}
