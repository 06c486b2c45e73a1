// Package hooks takes the calls with which Dynamics 365, or a relay in front of it, says that
// a table has changed. A call only wakes: nothing of its body is read, kept or believed, so
// one that is lost, repeated or forged harms nothing.
package hooks

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/uber-go/tally/v4"
)

// Path is where the calls of a table come, behind which its name follows.
const Path = "/hooks/dynamics/"

// Options of a Listener.
type Options struct {
	Listen string // host:port
	// Certificate reads the certificate and its key; nil: calls come without TLS, from a proxy
	// or this machine alone.
	Certificate func() (tls.Certificate, error)
	// ClientCAs signs the certificates that callers show; nil: they show none.
	ClientCAs *x509.CertPool
	// Secrets are those of which a caller must know one, as they are now.
	Secrets func() ([]string, error)
	// Header and Query name where a caller says it.
	Header, Query string
	// Tables are the flows to wake, by the name of a table in the address.
	Tables map[string][]string
	// Came is told which flow is to look.
	Came func(flow string)
	// MaxBody bounds a body, and Timeout the time of a call. Connections are the most at once.
	MaxBody     int64
	Timeout     time.Duration
	Connections int
	Metrics     tally.Scope
	Logger      *slog.Logger
}

// What becomes of a call, for the metric.
const (
	woke         = "woke"
	refused      = "refused"       // the secret is wrong
	unknownTable = "unknown_table" // no flow reads it
	tooLarge     = "too_large"
	malformed    = "malformed" // no POST of a table, or its body did not come
	unready      = "unready"   // the secret cannot be read
)

// Listener takes calls from Start to Close.
type Listener struct {
	o        Options
	server   *http.Server
	listener net.Listener

	mu      sync.Mutex
	secrets [][sha256.Size]byte
	read    time.Time
	cert    *tls.Certificate
	certAt  time.Time
	told    time.Time // when a wrong secret was last written to the log
}

// rereadEvery is how long a secret or certificate is used before it is read again.
const rereadEvery = 10 * time.Second

// New makes a listener, and fails when its secret or certificate cannot be used.
func New(o Options) (*Listener, error) {
	if o.Metrics == nil {
		o.Metrics = tally.NoopScope
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Listener{o: o}
	if _, err := l.known(); err != nil {
		return nil, err
	}
	l.server = &http.Server{
		Handler: l, ReadTimeout: o.Timeout, ReadHeaderTimeout: o.Timeout, WriteTimeout: o.Timeout, IdleTimeout: o.Timeout,
		MaxHeaderBytes: 16 << 10, ErrorLog: log.New(io.Discard, "", 0), // whoever connects could fill the log
	}
	if o.Certificate != nil {
		if _, err := l.certificate(nil); err != nil {
			return nil, err
		}
		l.server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: l.certificate}
		if o.ClientCAs != nil {
			l.server.TLSConfig.ClientCAs, l.server.TLSConfig.ClientAuth = o.ClientCAs, tls.RequireAndVerifyClientCert
		}
	}
	return l, nil
}

// Start listens.
func (l *Listener) Start() error {
	at, err := net.Listen("tcp", l.o.Listen)
	if err != nil {
		return fmt.Errorf("hooks.listen: %w; free the port or choose another", err)
	}
	l.listener = &bounded{Listener: at, free: make(chan struct{}, l.o.Connections), closed: make(chan struct{})}
	if l.server.TLSConfig != nil {
		go func() { _ = l.server.ServeTLS(l.listener, "", "") }()
	} else {
		go func() { _ = l.server.Serve(l.listener) }()
	}
	return nil
}

// Address is where it listens.
func (l *Listener) Address() string {
	if l.listener == nil {
		return l.o.Listen
	}
	return l.listener.Addr().String()
}

// Close ends all calls.
func (l *Listener) Close() error {
	if l.listener == nil {
		return nil
	}
	if err := l.server.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("closing hooks.listen: %w", err)
	}
	return nil
}

// ServeHTTP answers a call by its status alone, because Dynamics reads nothing else. It is
// given 200 as soon as the flow is told, before anything is read.
func (l *Listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, outcome := l.take(w, r)
	l.o.Metrics.Tagged(map[string]string{"outcome": outcome}).Counter("hooks_calls").Inc(1)
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(status)
}

func (l *Listener) take(w http.ResponseWriter, r *http.Request) (status int, outcome string) {
	known, err := l.known()
	switch {
	case err != nil:
		l.warn(r.Context(), "a call could not be checked, because the secret cannot be read", err)
		return http.StatusServiceUnavailable, unready
	case !l.knows(known, r):
		// Whoever does not know the secret learns nothing of tables, and sends no body.
		w.Header().Set("Connection", "close")
		l.warn(r.Context(), "a call was refused, because it did not say the secret of hooks.secret", nil)
		return http.StatusUnauthorized, refused
	}
	table, ok := strings.CutPrefix(r.URL.Path, Path)
	if !ok || r.Method != http.MethodPost {
		w.Header().Set("Connection", "close")
		return http.StatusNotFound, malformed
	}
	flows := l.o.Tables[strings.ToLower(table)]
	if len(flows) == 0 {
		w.Header().Set("Connection", "close")
		return http.StatusNotFound, unknownTable
	}
	// The body goes nowhere. It is taken so that the sender is not cut off, which it would
	// count as a failure.
	if r.ContentLength > l.o.MaxBody {
		w.Header().Set("Connection", "close")
		return http.StatusRequestEntityTooLarge, tooLarge
	}
	if _, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, l.o.MaxBody)); err != nil {
		w.Header().Set("Connection", "close")
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return http.StatusRequestEntityTooLarge, tooLarge
		}
		return http.StatusBadRequest, malformed
	}
	for _, flow := range flows {
		l.o.Came(flow)
	}
	return http.StatusOK, woke
}

// knows says whether a call said one of the secrets, in the header or the query.
func (l *Listener) knows(known [][sha256.Size]byte, r *http.Request) bool {
	said := r.Header.Get(l.o.Header)
	if said == "" {
		said = r.URL.Query().Get(l.o.Query)
	}
	digest, match := sha256.Sum256([]byte(said)), 0
	for _, k := range known {
		match |= subtle.ConstantTimeCompare(k[:], digest[:])
	}
	return match == 1
}

// known are digests of the secrets.
func (l *Listener) known() ([][sha256.Size]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.read) < rereadEvery {
		return l.secrets, nil
	}
	secrets, err := l.o.Secrets()
	if err != nil {
		return nil, err
	}
	l.secrets, l.read = nil, time.Now()
	for _, s := range secrets {
		l.secrets = append(l.secrets, sha256.Sum256([]byte(s)))
	}
	return l.secrets, nil
}

// certificate is the one to show. While a new one cannot be read, that is the last one.
func (l *Listener) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cert != nil && time.Since(l.certAt) < rereadEvery {
		return l.cert, nil
	}
	read, err := l.o.Certificate()
	if err == nil {
		l.cert = &read
	} else if l.cert == nil {
		return nil, err
	}
	l.certAt = time.Now()
	return l.cert, nil
}

// warn writes to the log, once a minute: whoever calls could fill it.
func (l *Listener) warn(ctx context.Context, text string, err error) {
	l.mu.Lock()
	quiet := time.Since(l.told) < time.Minute
	if !quiet {
		l.told = time.Now()
	}
	l.mu.Unlock()
	if !quiet {
		l.o.Logger.WarnContext(ctx, text, "error", err)
	}
}

// bounded is a listener with so many connections at once; others wait for one to end, which
// each does within a time.
type bounded struct {
	net.Listener
	free   chan struct{}
	once   sync.Once
	closed chan struct{}
}

func (b *bounded) Accept() (net.Conn, error) {
	select {
	case b.free <- struct{}{}:
	case <-b.closed:
		return nil, net.ErrClosed
	}
	c, err := b.Listener.Accept()
	if err != nil {
		<-b.free
		return nil, err
	}
	return &counted{Conn: c, release: sync.OnceFunc(func() { <-b.free })}, nil
}

func (b *bounded) Close() error {
	b.once.Do(func() { close(b.closed) })
	return b.Listener.Close()
}

// counted is a connection that gives its place back.
type counted struct {
	net.Conn
	release func()
}

func (c *counted) Close() error {
	defer c.release()
	return c.Conn.Close()
}
