package transport_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/transport"
)

// canned answers without a network, so that a test can own the clock.
type canned func() *http.Response

func (f canned) RoundTrip(*http.Request) (*http.Response, error) { return f(), nil }

func status(code int, headers ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return &http.Response{StatusCode: code, Header: h, Body: http.NoBody}
}

func TestOnlyARefusalThatLastsForMinutesIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := http.StatusUnauthorized
		c := transport.New(transport.Options{Service: "x", Tokens: &tokens{}, Base: canned(func() *http.Response { return status(answer) })})
		get := func() (*transport.Response, error) {
			return c.Do(t.Context(), "read", request(t, http.MethodGet, "https://x.example.test"))
		}
		for range 2 {
			for range 8 { // as after a worker's restart
				_, err := get()
				require.Equal(t, apierr.Retryable, apierr.ClassOf(err))
				time.Sleep(10 * time.Second)
			}
			answer = http.StatusOK
			_, err := get()
			require.NoError(t, err)
			answer = http.StatusUnauthorized
		}
		_, err := get()
		require.Equal(t, apierr.Retryable, apierr.ClassOf(err))
		time.Sleep(2 * time.Minute)
		res, err := get()
		require.NoError(t, err)
		require.Equal(t, http.StatusUnauthorized, res.Status, "nobody took it for two minutes")
	})
}

func TestAnswersThatStayTooLongAreFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		size := 11
		c := transport.New(transport.Options{Service: "x", MaxBody: 100, Base: canned(func() *http.Response {
			return &http.Response{StatusCode: 200, ContentLength: -1, Body: io.NopCloser(bytes.NewReader(make([]byte, size)))}
		})})
		class := func(op string) apierr.Class {
			_, err := c.DoUpTo(t.Context(), op, request(t, http.MethodPatch, "https://x.example.test"), 10)
			return apierr.ClassOf(err)
		}
		require.Equal(t, apierr.Retryable, class("write"))
		time.Sleep(time.Minute)
		size = 10
		require.Empty(t, class("write"))
		size = 101
		time.Sleep(time.Minute)
		require.Equal(t, apierr.Retryable, class("write"))
		time.Sleep(2 * time.Minute)
		require.Equal(t, apierr.Retryable, class("another"), "each operation by itself")
		require.Equal(t, apierr.Blocked, class("write"))
	})
}

// A service that is down says how long, as one that is throttling does.
func TestAFaultWithRetryAfterClosesTheGate(t *testing.T) {
	at := time.Date(2026, 3, 1, 9, 1, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		answer *http.Response
		want   time.Duration
	}{
		"503 in seconds":       {status(503, "Retry-After", "60"), time.Minute},
		"503 with a date":      {status(503, "Retry-After", at.Format(http.TimeFormat), "Date", at.Add(-time.Minute).Format(http.TimeFormat)), time.Minute},
		"500":                  {status(500, "Retry-After", "30"), 30 * time.Second},
		"502":                  {status(502, "Retry-After", "30"), 30 * time.Second},
		"503 that doesn't say": {status(503), 0},
		"a success that does":  {status(200, "Retry-After", "30"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sent := 0
				c := transport.New(transport.Options{Service: "x", Gate: transport.NewGate(), Base: canned(func() *http.Response {
					sent++
					return tt.answer
				})})
				get := func() error {
					_, err := c.Do(t.Context(), "read", request(t, http.MethodGet, "https://x.example.test"))
					return err
				}
				require.NoError(t, get())
				if tt.want == 0 {
					require.NoError(t, get())
					return
				}
				time.Sleep(tt.want - time.Second)
				require.Equal(t, time.Second, failure(t, get()).RetryAfter)
				require.Equal(t, 1, sent, "nothing is sent meanwhile")
				time.Sleep(time.Second)
				require.NoError(t, get())
				require.Equal(t, 2, sent)
			})
		})
	}
}

func TestValuesOfABody(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"Ann", "1970", "nested", "in a list"},
		transport.Values([]byte(`{"a":"Ann","b":1970,"c":true,"d":null,"e":{"f":"nested"},"g":["in a list"]}`)))
	require.Empty(t, transport.Values(nil))
	require.Empty(t, transport.Values([]byte(`{"a":`)))
}

// Two odd answers with nothing in between say nothing of the time in between: an
// operation that is seldom asked for is not given up for them.
func TestOddAnswersFarApartAreNotOneState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p transport.Patience
		for range 3 {
			require.False(t, p.Lasts("read the metadata", "got status 302"))
			time.Sleep(time.Hour)
		}
		require.False(t, p.Lasts("read the metadata", "got status 302"))
		time.Sleep(time.Minute)
		require.False(t, p.Lasts("read the metadata", "got status 302"))
		time.Sleep(time.Minute)
		require.True(t, p.Lasts("read the metadata", "got status 302"), "as Temporal asks again")
	})
}
