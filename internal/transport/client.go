// Package transport sends the requests of both services' clients: tokens, the
// throttle gate, limits of rate, concurrency and size, and metrics. It sends
// each request once; what an answer means is the service client's business.
package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"strings"
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
	Service string            // name in errors and metrics: "dataverse", "campaign"
	RootCAs *x509.CertPool    // nil: the system's
	Base    http.RoundTripper // nil: NewBase(RootCAs)
	Tokens  TokenSource       // nil: no Authorization header
	Gate    *Gate             // nil: always open
	Limiter *Limiter          // nil: no limit
	Timeout time.Duration     // of one exchange, body included; 0 leaves it to the context
	MaxBody int64             // bytes of an answer; default 64 MiB
	Metrics tally.Scope
	Watch   *Watch      // is told of odd answers; may be nil
	Header  http.Header // sent unless a request sets its own
}

// Client sends requests with one credential to one service.
type Client struct {
	o      Options
	base   http.RoundTripper
	traced bool // base reports when a request has a connection
	meters meters

	odd Patience // refused credentials, answers that are too long
}

// Response is an answer, read whole.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// New returns a Client.
func New(o Options) *Client {
	if o.MaxBody == 0 {
		o.MaxBody = 64 << 20
	}
	if o.Metrics == nil {
		o.Metrics = tally.NoopScope
	}
	if o.Base == nil {
		o.Base = NewBase(o.RootCAs)
	}
	_, traced := o.Base.(*http.Transport)
	scope := o.Metrics.SubScope("http").Tagged(map[string]string{"service": o.Service})
	c := &Client{o: o, base: o.Base, traced: traced, meters: meters{scope: scope}}
	c.odd.ToldTo(o.Watch, o.Service)
	return c
}

// NewBase is the round tripper used below a Client: HTTP/1.1, so that requests
// spread over connections and, in Dataverse, over web servers; no cookie jar.
func NewBase(roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialFenced(&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}),
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

// Gate is the gate of this client's credential; it may be nil.
func (c *Client) Gate() *Gate { return c.o.Gate }

// Watch is told of odd answers; it may be nil.
func (c *Client) Watch() *Watch { return c.o.Watch }

// Limiter is the client's limiter; it may be nil.
func (c *Client) Limiter() *Limiter { return c.o.Limiter }

// Do sends req: it checks the gate, adds a token, waits for its turn, and reads
// the answer up to MaxBody. After a 401 it fetches a fresh token and sends once
// more, if req.GetBody can give the body again. A 429 or 5xx with Retry-After
// closes the gate for that long. Redirects are not followed. Any HTTP status is
// an answer, but for the second 401, until a credential has been refused for two
// minutes: a token may expire, or be taken back, twice during one call.
//
// It fails with ctx's own error when ctx ended, else with *apierr.Error:
// Throttled when the gate is closed, and nothing was sent; Retryable when there
// was no answer, Ambiguous when the request may have been written, and when a
// credential was refused twice; Retryable and Ambiguous when the answer is too
// long, and Blocked when it was so for two minutes; or what the token source says.
func (c *Client) Do(ctx context.Context, op string, req *http.Request) (*Response, error) {
	return c.DoUpTo(ctx, op, req, c.o.MaxBody)
}

// DoUpTo is Do for a call whose answer is known to be short: it reads at most
// limit bytes of it, or MaxBody where that is less.
func (c *Client) DoUpTo(ctx context.Context, op string, req *http.Request, limit int64) (*Response, error) {
	limit = min(limit, c.o.MaxBody)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := c.closed(op); err != nil {
		return nil, err
	}
	token := ""
	var err error
	if c.o.Tokens != nil {
		if token, err = c.o.Tokens.Token(ctx); err != nil {
			return nil, err
		}
	}
	resp, err := c.send(ctx, op, req, token, limit)
	if err != nil || resp.Status != http.StatusUnauthorized || token == "" {
		c.accept(resp)
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
	resp, err = c.send(ctx, op, req, token, limit)
	if err == nil && resp.Status == http.StatusUnauthorized && !c.odd.Lasts(credential, "the token was refused twice") {
		c.o.Tokens.Invalidate(token)
		return nil, &apierr.Error{Class: apierr.Retryable, Reason: apierr.ReasonCredentials, Service: c.o.Service, Op: op, Status: resp.Status,
			Message: "the token was refused twice; if this lasts for minutes, the credential is wrong"}
	}
	c.accept(resp)
	return resp, err
}

// credential is what refusals of it are noted under, whatever the operation.
const credential = "the credential"

// accept notes that the service took the credential.
func (c *Client) accept(resp *Response) {
	if resp != nil && resp.Status != http.StatusUnauthorized {
		c.odd.Ends(credential)
	}
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
