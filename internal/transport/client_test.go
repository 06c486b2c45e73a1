package transport_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uber-go/tally/v4"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/transport"
)

func TestDoSendsTheRequestWithTokenAndDefaultHeaders(t *testing.T) {
	t.Parallel()
	s, pool := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || r.URL.Path != "/base/things" || string(body) != "hello" ||
			r.Header.Get("Authorization") != "Bearer token-1" || r.Header.Get("X-Default") != "yes" || r.Header.Get("X-Own") != "mine" || r.ProtoMajor != 1 {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		w.Header().Set("X-Answer", "seen")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, "made")
	})
	c := transport.New(transport.Options{Service: "x", RootCAs: pool, Tokens: &tokens{},
		Header: http.Header{"X-Default": {"yes"}, "X-Own": {"theirs"}}})
	req, err := http.NewRequest(http.MethodPost, s.URL+"/base/things", strings.NewReader("hello"))
	require.NoError(t, err)
	req.Header.Set("X-Own", "mine")
	res, err := c.Do(t.Context(), "make", req)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, res.Status)
	require.Equal(t, "made", string(res.Body))
	require.Equal(t, "seen", res.Header.Get("X-Answer"))
	require.Empty(t, req.Header.Get("Authorization"), "the caller's request must not hold the token")
}

// A token may expire, or be taken back, twice during one call: that is no reason to
// stop a flow whose credential works.
func TestACredentialThatWorkedIsTriedAgain(t *testing.T) {
	t.Parallel()
	var refuse atomic.Int32
	s, pool := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if refuse.Add(-1) >= 0 {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	source := &tokens{}
	c := transport.New(transport.Options{Service: "x", RootCAs: pool, Tokens: source})
	get := func() (*transport.Response, error) {
		req, err := http.NewRequest(http.MethodGet, s.URL, nil)
		require.NoError(t, err)
		return c.Do(t.Context(), "read", req)
	}
	_, err := get()
	require.NoError(t, err)
	refuse.Store(2)
	_, err = get()
	require.Equal(t, apierr.Retryable, apierr.ClassOf(err))
	require.Equal(t, []string{"token-1", "token-2"}, source.dropped, "the next try asks for another")
	res, err := get()
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.Status)
}

func TestA401IsAnsweredOnceWithAFreshToken(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		accept  string
		status  int
		calls   int32
		dropped []string
	}{
		"the second token is taken":  {"Bearer token-2", http.StatusOK, 2, []string{"token-1"}},
		"a refusal of both may pass": {"Bearer another", http.StatusUnauthorized, 2, []string{"token-1", "token-2"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int32
			s, pool := serve(t, func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				body, _ := io.ReadAll(r.Body)
				if string(body) != "again" {
					w.WriteHeader(http.StatusTeapot)
				} else if r.Header.Get("Authorization") != tt.accept {
					w.WriteHeader(http.StatusUnauthorized)
				}
			})
			source := &tokens{}
			c := transport.New(transport.Options{Service: "x", RootCAs: pool, Tokens: source})
			req, err := http.NewRequest(http.MethodPost, s.URL, bytes.NewReader([]byte("again")))
			require.NoError(t, err)
			res, err := c.Do(t.Context(), "make", req)
			require.Equal(t, tt.calls, calls.Load())
			require.Equal(t, tt.dropped, source.dropped)
			if tt.status == http.StatusUnauthorized {
				e := failure(t, err)
				require.Equal(t, apierr.Retryable, e.Class)
				require.Equal(t, apierr.ReasonCredentials, e.Reason)
				require.False(t, e.Ambiguous, "nothing was written")
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.status, res.Status)
		})
	}
}

func TestAClaimsChallengeIsAnswered(t *testing.T) {
	t.Parallel()
	claims := `{"access_token":{"nbf":{"essential":true,"value":"1"}}}`
	s, pool := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer token-with-claims" {
			return
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="", error="insufficient_claims", claims="`+base64.StdEncoding.EncodeToString([]byte(claims))+`"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	source := &claimsTokens{}
	c := transport.New(transport.Options{Service: "x", RootCAs: pool, Tokens: source})
	res, err := c.Do(t.Context(), "read", request(t, http.MethodGet, s.URL))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.Status)
	require.Equal(t, []string{claims}, source.claims)
}

func TestRedirectsAreAnswersAndCarryNoTokenAway(t *testing.T) {
	t.Parallel()
	var reached atomic.Int32
	other, _ := serve(t, func(http.ResponseWriter, *http.Request) { reached.Add(1) })
	s, pool := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	})
	c := transport.New(transport.Options{Service: "x", RootCAs: pool, Tokens: &tokens{}})
	res, err := c.Do(t.Context(), "read", request(t, http.MethodGet, s.URL))
	require.NoError(t, err)
	require.Equal(t, http.StatusTemporaryRedirect, res.Status)
	require.Zero(t, reached.Load())
}

func TestAnAnswerAboveTheCapIsRefused(t *testing.T) {
	t.Parallel()
	s, pool := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/chunked" {
			w.(http.Flusher).Flush()
		}
		_, _ = w.Write(bytes.Repeat([]byte("x"), len(r.URL.Query().Get("n"))))
	})
	c := transport.New(transport.Options{Service: "x", RootCAs: pool, MaxBody: 10})
	for _, path := range []string{"/plain", "/chunked"} {
		res, err := c.Do(t.Context(), "read", request(t, http.MethodGet, s.URL+path+"?n=1234567890"))
		require.NoError(t, err)
		require.Equal(t, "xxxxxxxxxx", string(res.Body))
		_, err = c.Do(t.Context(), "read", request(t, http.MethodGet, s.URL+path+"?n=12345678901"))
		e := failure(t, err)
		require.Equal(t, apierr.Retryable, e.Class, "one such answer may be a page of something in between")
		require.Equal(t, apierr.ReasonResponseTooBig, e.Reason)
		require.True(t, e.Ambiguous)
	}
}

func TestCancellationIsTheContextsOwnError(t *testing.T) {
	t.Parallel()
	for name, limiter := range map[string]*transport.Limiter{
		"bare": nil, "limited": transport.NewLimiter(transport.LimiterOptions{Min: 4, Max: 8, Adaptive: true}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			arrived := make(chan struct{})
			s, pool := serve(t, func(_ http.ResponseWriter, r *http.Request) {
				close(arrived)
				<-r.Context().Done()
			})
			c := transport.New(transport.Options{Service: "x", RootCAs: pool, Limiter: limiter})
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-arrived; cancel() }()
			_, err := c.Do(ctx, "read", request(t, http.MethodGet, s.URL))
			require.Equal(t, context.Canceled, err)
			_, err = c.Do(ctx, "read", request(t, http.MethodGet, s.URL))
			require.Equal(t, context.Canceled, err)
			if limiter != nil {
				require.Zero(t, limiter.InFlight())
				require.Equal(t, 4, limiter.Target(), "giving up says nothing about the service")
			}
		})
	}
}

func TestNoAnswerIsRetryableAndAmbiguousOnceConnected(t *testing.T) {
	t.Parallel()
	cut, pool := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/half" {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "half")
		}
		panic(http.ErrAbortHandler)
	})
	slow, slowPool := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	closed := "https://" + l.Addr().String()
	require.NoError(t, l.Close())
	ask := func(o transport.Options, url string) *apierr.Error {
		o.Service = "x"
		_, err := transport.New(o).Do(t.Context(), "make", request(t, http.MethodPost, url+"?secret=1"))
		e := failure(t, err)
		require.Equal(t, apierr.Retryable, e.Class)
		require.Equal(t, apierr.ReasonNetwork, e.Reason)
		require.NotContains(t, err.Error(), "secret")
		return e
	}
	require.True(t, ask(transport.Options{RootCAs: pool}, cut.URL).Ambiguous)
	require.True(t, ask(transport.Options{RootCAs: pool}, cut.URL+"/half").Ambiguous)
	late := ask(transport.Options{RootCAs: slowPool, Timeout: 50 * time.Millisecond}, slow.URL)
	require.True(t, late.Ambiguous)
	require.Equal(t, "no answer within 50ms", late.Message)
	require.False(t, ask(transport.Options{RootCAs: pool}, closed).Ambiguous)
	unknown := ask(transport.Options{RootCAs: nil}, cut.URL)
	require.False(t, unknown.Ambiguous)
	require.Contains(t, unknown.Message, "CA file")
	require.True(t, ask(transport.Options{Base: broken{errors.New("odd")}}, cut.URL).Ambiguous, "unknown round trippers may have sent it")
	require.False(t, ask(transport.Options{Base: broken{&net.OpError{Op: "dial", Err: errors.New("no")}}}, cut.URL).Ambiguous)
}

type broken struct{ err error }

func (b broken) RoundTrip(*http.Request) (*http.Response, error) { return nil, b.err }

func TestMetricsCountByOperationAndStatus(t *testing.T) {
	t.Parallel()
	s, pool := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	scope := tally.NewTestScope("", nil)
	c := transport.New(transport.Options{Service: "x", RootCAs: pool, Metrics: scope})
	for range 3 {
		_, err := c.Do(t.Context(), "make thing", request(t, http.MethodPost, s.URL+"/personal/key"))
		require.NoError(t, err)
	}
	counters := scope.Snapshot().Counters()
	require.Len(t, counters, 1)
	for id, counter := range counters {
		require.EqualValues(t, 3, counter.Value())
		require.Equal(t, map[string]string{"service": "x", "op": "make thing", "status": "202"}, counter.Tags())
		require.NotContains(t, id, "personal")
	}
}
