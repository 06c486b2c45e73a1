// Package transport sends the requests of both services' clients: tokens, the
// throttle gate, limits of rate, concurrency and size, and metrics. It sends
// each request once; what an answer means is the service client's business.
package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/uber-go/tally/v4"

	"causeway.dev/internal/apierr"
)

// TokenSource gives bearer tokens. Token is single-flight; Invalidate drops that
// very token, so that the next call fetches a fresh one.
type TokenSource interface {
	Token(ctx context.Context) (string, error)
	Invalidate(token string)
}

// ClaimsTokenSource can answer a claims challenge.
type ClaimsTokenSource interface {
	TokenWithClaims(ctx context.Context, claims string) (string, error)
}

// Options of a Client.
type Options struct {
	Service string         // name in errors and metrics: "dataverse", "campaign"
	RootCAs *x509.CertPool // nil: the system's
	Base    http.RoundTripper
	Tokens  TokenSource // nil: no Authorization header
	Gate    *Gate       // nil: always open
	Limiter *Limiter    // nil: no limit
	Timeout time.Duration
	MaxBody int64 // bytes of an answer; default 64 MiB
	Metrics tally.Scope
	Header  http.Header // sent unless a request sets its own
}

// Client sends requests with one credential to one service.
type Client struct {
	o    Options
	base http.RoundTripper
	ops  sync.Map // op -> *opMetrics
}

// Response is an answer, read whole.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// New returns a Client.
func New(o Options) *Client {
	if o.Timeout == 0 {
		o.Timeout = 65 * time.Second
	}
	if o.MaxBody == 0 {
		o.MaxBody = 64 << 20
	}
	if o.Metrics == nil {
		o.Metrics = tally.NoopScope
	}
	c := &Client{o: o, base: o.Base}
	if c.base == nil {
		c.base = NewBase(o.RootCAs)
	}
	return c
}

// NewBase is the round tripper used below a Client: HTTP/1.1, so that requests
// spread over connections and, in Dataverse, over web servers; no cookie jar.
func NewBase(roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 15 * time.Second,
		TLSNextProto:        map[string]func(string, *tls.Conn) http.RoundTripper{},
		MaxIdleConns:        1024,
		MaxIdleConnsPerHost: 512,
		IdleConnTimeout:     90 * time.Second,
		WriteBufferSize:     8 << 10,
		ReadBufferSize:      8 << 10,
	}
}

// Gate is the gate of this client's credential; never nil in a client that has one.
func (c *Client) Gate() *Gate { return c.o.Gate }

// Limiter is the client's limiter; it may be nil.
func (c *Client) Limiter() *Limiter { return c.o.Limiter }

// Do sends req: it checks the gate, waits for its turn, adds a token, and reads
// the answer up to MaxBody. After a 401 it fetches a fresh token and sends once
// more. Any HTTP status is an answer. It fails with *apierr.Error: Throttled when
// the gate is closed, Retryable when there was no answer, what the token source
// said, or with ctx's error when ctx ended first.
func (c *Client) Do(ctx context.Context, op string, req *http.Request) (*Response, error) {
	token := ""
	var err error
	if c.o.Tokens != nil {
		if token, err = c.o.Tokens.Token(ctx); err != nil {
			return nil, err
		}
	}
	resp, err := c.send(ctx, op, req, token)
	if err != nil || resp.Status != http.StatusUnauthorized || token == "" {
		return resp, err
	}
	if token, err = c.fresh(ctx, token, resp.Header); err != nil {
		return nil, err
	}
	if req.Body != nil {
		if req.GetBody == nil {
			return resp, nil
		}
		if req.Body, err = req.GetBody(); err != nil {
			return nil, fmt.Errorf("%s: sending the body again: %w", op, err)
		}
	}
	return c.send(ctx, op, req, token)
}

// fresh replaces a refused token, answering a claims challenge if there is one.
func (c *Client) fresh(ctx context.Context, refused string, h http.Header) (string, error) {
	c.o.Tokens.Invalidate(refused)
	if source, ok := c.o.Tokens.(ClaimsTokenSource); ok {
		if claims := claimsOf(h.Get("WWW-Authenticate")); claims != "" {
			return source.TokenWithClaims(ctx, claims)
		}
	}
	return c.o.Tokens.Token(ctx)
}

// claimsOf reads the claims of a challenge; "" without any.
func claimsOf(challenge string) string {
	_, rest, ok := strings.Cut(challenge, `claims="`)
	if !ok {
		return ""
	}
	encoded, _, ok := strings.Cut(rest, `"`)
	if !ok {
		return ""
	}
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawURLEncoding} {
		if claims, err := enc.DecodeString(encoded); err == nil {
			return string(claims)
		}
	}
	return ""
}

func (c *Client) send(ctx context.Context, op string, req *http.Request, token string) (*Response, error) {
	if closed := c.closed(op); closed != nil {
		return nil, closed
	}
	if c.o.Limiter != nil {
		if err := c.o.Limiter.Acquire(ctx); err != nil {
			return nil, err
		}
		if closed := c.closed(op); closed != nil { // it may have closed while we waited
			c.o.Limiter.leave()
			return nil, closed
		}
	}
	began := time.Now()
	resp, outcome, err := c.exchange(ctx, op, req, token)
	took := time.Since(began)
	if c.o.Limiter != nil {
		c.o.Limiter.Release(outcome, took)
	}
	c.measure(op, resp, took)
	return resp, err
}

func (c *Client) closed(op string) error {
	if c.o.Gate == nil {
		return nil
	}
	if e := c.o.Gate.Err(c.o.Service, op); e != nil {
		return e
	}
	return nil
}

func (c *Client) exchange(ctx context.Context, op string, req *http.Request, token string) (*Response, Outcome, error) {
	limited, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()
	var wrote atomic.Bool
	limited = httptrace.WithClientTrace(limited, &httptrace.ClientTrace{
		WroteHeaders: func() { wrote.Store(true) },
	})
	out := req.WithContext(limited)
	for k, v := range c.o.Header {
		if _, set := out.Header[k]; !set {
			out.Header[k] = v
		}
	}
	if token != "" {
		out.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := c.base.RoundTrip(out) // not http.Client: redirects would carry the token away
	if err != nil {
		return nil, Failed, c.noAnswer(ctx, op, err, wrote.Load())
	}
	defer res.Body.Close()
	body, err := read(res, c.o.MaxBody)
	if errors.Is(err, errTooBig) {
		return nil, OK, &apierr.Error{Class: apierr.Blocked, Reason: apierr.ReasonResponseTooBig, Service: c.o.Service, Op: op,
			Status: res.StatusCode, Message: fmt.Sprintf("the answer is longer than %d bytes", c.o.MaxBody)}
	}
	if err != nil {
		return nil, Failed, c.noAnswer(ctx, op, err, true)
	}
	outcome := OK
	switch {
	case res.StatusCode == http.StatusTooManyRequests:
		outcome = Refused
	case res.StatusCode == http.StatusBadGateway, res.StatusCode == http.StatusServiceUnavailable, res.StatusCode == http.StatusGatewayTimeout:
		outcome = Failed
	}
	return &Response{Status: res.StatusCode, Header: res.Header, Body: body}, outcome, nil
}

var errTooBig = errors.New("answer too large")

func read(res *http.Response, limit int64) ([]byte, error) {
	if res.ContentLength > limit {
		return nil, errTooBig
	}
	if res.ContentLength >= 0 {
		body := make([]byte, res.ContentLength)
		_, err := io.ReadFull(res.Body, body)
		return body, err
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	if int64(len(body)) > limit {
		return nil, errTooBig
	}
	return body, err
}

// noAnswer explains a failed exchange. The cause is named by kind only: the
// texts of net/http carry URLs.
func (c *Client) noAnswer(ctx context.Context, op string, err error, sent bool) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	message := "no answer"
	var dns *net.DNSError
	var unknown x509.UnknownAuthorityError
	var opErr *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		message = fmt.Sprintf("no answer within %s", c.o.Timeout)
	case errors.As(err, &dns):
		message = "the host name cannot be resolved"
	case errors.As(err, &unknown):
		message = "the server's certificate is signed by an unknown authority; is the CA file set?"
	case errors.As(err, &opErr) && opErr.Op == "dial":
		message = "the connection was refused or the host cannot be reached"
	case sent:
		message = "the connection broke before the answer was complete"
	}
	return &apierr.Error{Class: apierr.Retryable, Reason: apierr.ReasonNetwork, Service: c.o.Service, Op: op,
		Message: message, Ambiguous: sent}
}

// opMetrics are handles made once per operation.
type opMetrics struct {
	scope    tally.Scope
	latency  tally.Histogram
	statuses sync.Map // int -> tally.Counter
}

var latencyBuckets = tally.MustMakeExponentialDurationBuckets(2*time.Millisecond, 2, 16)

func (c *Client) measure(op string, resp *Response, took time.Duration) {
	known, ok := c.ops.Load(op)
	if !ok {
		scope := c.o.Metrics.SubScope("http").Tagged(map[string]string{"service": c.o.Service, "op": op})
		known, _ = c.ops.LoadOrStore(op, &opMetrics{scope: scope, latency: scope.Histogram("request_seconds", latencyBuckets)})
	}
	m := known.(*opMetrics)
	m.latency.RecordDuration(took)
	status := 0
	if resp != nil {
		status = resp.Status
	}
	counter, ok := m.statuses.Load(status)
	if !ok {
		counter, _ = m.statuses.LoadOrStore(status, m.scope.Tagged(map[string]string{"status": fmt.Sprint(status)}).Counter("requests"))
	}
	counter.(tally.Counter).Inc(1)
}

// SameOrigin parses a link the service handed out and refuses one that leads to
// another scheme, host or port: the token would go there.
func SameOrigin(base *url.URL, link string) (*url.URL, error) {
	u, err := url.Parse(link)
	if err == nil && u.Scheme == base.Scheme && strings.EqualFold(u.Host, base.Host) {
		return u, nil
	}
	return nil, &apierr.Error{Class: apierr.Blocked, Reason: apierr.ReasonForeignLink, Op: "follow link",
		Message: "the service handed out a link to another host than " + base.Host}
}
