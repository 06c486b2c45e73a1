package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"causeway.dev/internal/apierr"
)

// send passes the gate and the limiter and makes one exchange. When the share of this
// process lapsed before the request could leave, it waits for the next one.
func (c *Client) send(ctx context.Context, op string, req *http.Request, token string, limit int64) (*Response, error) {
	for {
		resp, err := c.sendOnce(ctx, op, req, token, limit)
		switch {
		case !errors.Is(err, errLapsed):
			return resp, err
		case !rewind(req):
			return nil, &apierr.Error{Class: apierr.Retryable, Reason: apierr.ReasonThrottled, Service: c.o.Service, Op: op, Message: errLapsed.Error() + "; nothing was sent"}
		}
	}
}

func (c *Client) sendOnce(ctx context.Context, op string, req *http.Request, token string, limit int64) (*Response, error) {
	if err := c.closed(op); err != nil {
		return nil, err
	}
	if c.o.Limiter != nil {
		if err := c.o.Limiter.Acquire(ctx); err != nil {
			return nil, err
		}
		if err := c.closed(op); err != nil { // it closed while we waited
			c.o.Limiter.Release(Abandoned, 0)
			return nil, err
		}
	}
	began := time.Now()
	resp, outcome, err := c.exchange(ctx, op, req, token, limit)
	took := time.Since(began)
	if errors.Is(err, errLapsed) {
		c.o.Limiter.Release(Abandoned, 0)
		return nil, err
	}
	status := 0
	if resp != nil {
		status = resp.Status
		c.closeAsAsked(resp)
	}
	if c.o.Limiter != nil { // after the gate closed, so that the next in line finds it closed
		c.o.Limiter.Release(outcome, took)
	}
	c.meters.record(op, status, took)
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

// closeAsAsked closes the gate for as long as the service asks: when it is
// throttling, and when it is down. What a 429 without Retry-After means is for the
// service's client to decide.
func (c *Client) closeAsAsked(resp *Response) {
	if c.o.Gate == nil || resp.Status != http.StatusTooManyRequests && resp.Status < 500 {
		return
	}
	if wait, ok := RetryAfter(resp.Header); ok && wait > 0 {
		c.o.Gate.Close(wait)
	}
}

func (c *Client) exchange(ctx context.Context, op string, req *http.Request, token string, limit int64) (*Response, Outcome, error) {
	limited := ctx
	var connected atomic.Bool
	var fenced atomic.Pointer[error] // why the request was not sent
	ask := fenceOf(ctx, req.Method)
	if ask != nil {
		if err := ask(); err != nil { // before a connection is spent on it
			return nil, Abandoned, err
		}
		first, left := ask, answered(ctx)
		defer left.end()
		limited = left.ctx
		ask = func() error {
			err := first()
			if err == nil {
				err = left.leaves()
			}
			if err != nil {
				fenced.Store(&err)
			}
			return err
		}
	}
	ask = c.leaving(ask, func(err error) { fenced.Store(&err) })
	if c.o.Timeout > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(limited, c.o.Timeout)
		defer cancel()
	}
	meter := meterOf(ctx)
	if c.traced {
		limited = httptrace.WithClientTrace(limited, &httptrace.ClientTrace{
			GotConn: func(info httptrace.GotConnInfo) {
				askBefore(info.Conn, ask)
				// Another connection follows when an idle one turns out to be dead.
				if connected.CompareAndSwap(false, true) {
					meter.Sent()
				}
			},
		})
	} else {
		meter.Sent()
	}
	out := req.WithContext(limited)
	out.Header = c.header(req.Header, token)
	res, err := roundTrip(c.base, out) // not http.Client: redirects would carry the token away
	if why := fenced.Load(); why != nil && err != nil {
		meter.NotServed()
		return nil, Abandoned, *why
	}
	if err != nil {
		return c.noAnswer(ctx, op, err, connected.Load() || !c.traced && !dialling(err))
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusUnauthorized {
		meter.NotServed()
	}
	body, err := read(res, limit)
	if errors.Is(err, errTooBig) {
		return nil, OK, c.tooBig(op, res.StatusCode, limit)
	}
	if err != nil {
		return c.noAnswer(ctx, op, err, true)
	}
	c.odd.Ends(op)
	return &Response{Status: res.StatusCode, Header: res.Header, Body: body}, outcomeOf(res.StatusCode), nil
}

// tooBig is the failure of a call whose answer is too long to be what was asked
// for. It may be a page of something in between, and pass.
func (c *Client) tooBig(op string, status int, limit int64) *apierr.Error {
	e := &apierr.Error{
		Class: apierr.Retryable, Reason: apierr.ReasonResponseTooBig, Service: c.o.Service, Op: op, Status: status,
		Message: fmt.Sprintf("the answer is longer than %d bytes", limit), Ambiguous: true,
	}
	if c.odd.Lasts(op, e.Message) {
		e.Class, e.Lasted = apierr.Blocked, true
	}
	return e
}

// header is what goes out: the client's defaults, the request's own, the token.
// The caller's request never holds the token.
func (c *Client) header(own http.Header, token string) http.Header {
	h := make(http.Header, len(own)+len(c.o.Header)+1)
	for k, v := range c.o.Header {
		h[k] = v
	}
	for k, v := range own {
		h[k] = v
	}
	if token != "" {
		h["Authorization"] = []string{"Bearer " + token}
	}
	return h
}

// outcomeOf leaves 500 out: Campaign answers so when it refuses a record.
func outcomeOf(status int) Outcome {
	switch status {
	case http.StatusTooManyRequests:
		return Refused
	case http.StatusRequestTimeout, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return Failed
	}
	return OK
}

var errTooBig = errors.New("answer too large")

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

const largestPooled = 1 << 20

// read returns the whole body in a slice of just its size.
func read(res *http.Response, limit int64) ([]byte, error) {
	if res.ContentLength > limit {
		return nil, errTooBig
	}
	if res.ContentLength >= 0 {
		body := make([]byte, res.ContentLength)
		_, err := io.ReadFull(res.Body, body)
		return body, err
	}
	buf := buffers.Get().(*bytes.Buffer)
	buf.Reset()
	defer func() {
		if buf.Cap() <= largestPooled {
			buffers.Put(buf)
		}
	}()
	if n, err := buf.ReadFrom(io.LimitReader(res.Body, limit+1)); err != nil {
		return nil, err
	} else if n > limit {
		return nil, errTooBig
	}
	return bytes.Clone(buf.Bytes()), nil
}

// dialling says that err arose before there was a connection.
func dialling(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// noAnswer explains a failed exchange. The cause is named by kind only: the
// texts of net/http carry URLs.
func (c *Client) noAnswer(ctx context.Context, op string, err error, sent bool) (*Response, Outcome, error) {
	if ctx.Err() != nil {
		return nil, Abandoned, ctx.Err()
	}
	return nil, Failed, &apierr.Error{
		Class: apierr.Retryable, Reason: apierr.ReasonNetwork, Service: c.o.Service, Op: op,
		Message: c.explain(err, sent), Ambiguous: sent,
	}
}

func (c *Client) explain(err error, sent bool) string {
	var dns *net.DNSError
	var authority x509.UnknownAuthorityError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("no answer within %s", c.o.Timeout)
	case errors.As(err, &dns):
		return "the host name cannot be resolved"
	case errors.As(err, &authority):
		return "the server's certificate is signed by an unknown authority; is the CA file set?"
	case errors.As(err, &certificate):
		return "the server's certificate is not valid for this host or this day"
	case errors.As(err, &record):
		return "the server does not speak TLS on this port"
	case dialling(err):
		return "the connection was refused or the host cannot be reached"
	case sent:
		return "the connection broke before the answer was complete"
	}
	return "no connection"
}
