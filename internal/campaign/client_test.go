package campaign_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/transport"
)

func TestCallsOnTheWire(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		call   func(context.Context, *campaign.Client) error
		status int
		reply  string
		want   seen
	}{
		"create": {
			func(ctx context.Context, c *campaign.Client) error {
				return c.Create(ctx, profile, []byte(`{"externalId":"a1"}`))
			}, 201, `{"PKey":"@x"}`,
			seen{Method: "POST", URI: "/acme/campaign/profileAndServicesExt/profile", Body: `{"externalId":"a1"}`},
		},
		"patch by key": {
			func(ctx context.Context, c *campaign.Client) error {
				return c.Patch(ctx, profile, "a1", []byte(`{"age":1}`))
			}, 200, `{"PKey":"@x","href":"https://h/acme/campaign/profileAndServicesExt/profile/@x"}`,
			seen{Method: "PATCH", URI: "/acme/campaign/profileAndServicesExt/profile/a1", Body: `{"age":1}`},
		},
		"a key is escaped": {
			func(ctx context.Context, c *campaign.Client) error { return c.Delete(ctx, profile, "a/b ?#%2f+ü") }, 200, ``,
			seen{Method: "DELETE", URI: "/acme/campaign/profileAndServicesExt/profile/a%2Fb%20%3F%23%252f+%C3%BC"},
		},
		"delete answered with 204": {
			func(ctx context.Context, c *campaign.Client) error { return c.Delete(ctx, profile, "a1") }, 204, ``,
			seen{Method: "DELETE", URI: "/acme/campaign/profileAndServicesExt/profile/a1"},
		},
		"get from another API": {
			func(ctx context.Context, c *campaign.Client) error {
				_, err := c.Get(ctx, campaign.Resource{API: "customResources", Name: "cusVehicle"}, "a1")
				return err
			}, 200, `{"PKey":"@x"}`,
			seen{Method: "GET", URI: "/acme/campaign/customResources/cusVehicle/a1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := record(t, answer(tt.status, tt.reply))
			require.NoError(t, tt.call(t.Context(), rec.client(t, nil)))
			require.Len(t, rec.all(), 1)
			got := rec.all()[0]
			require.Equal(t, "key-1", got.Header.Get("X-Api-Key"))
			require.Equal(t, "no-cache", got.Header.Get("Cache-Control"))
			require.Equal(t, "application/json", got.Header.Get("Content-Type"))
			got.Header = nil
			require.Equal(t, tt.want, got)
		})
	}
}

func TestKeysThatAddressSomethingElseAreNotSent(t *testing.T) {
	t.Parallel()
	rec := record(t, answer(200, `{}`))
	c := rec.client(t, nil)
	for _, key := range []string{"", ".", ".."} {
		_, err := c.Get(t.Context(), profile, key)
		require.Equal(t, apierr.ReasonInvalidValue, apierr.ReasonOf(err))
		require.Equal(t, apierr.Rejected, apierr.ClassOf(c.Patch(t.Context(), profile, key, []byte(`{}`))))
		require.Equal(t, apierr.Rejected, apierr.ClassOf(c.Delete(t.Context(), profile, key)))
	}
	require.Empty(t, rec.all())
}

func TestGetAcceptsTheObjectOrContent(t *testing.T) {
	t.Parallel()
	object := `{"PKey":"@x","href":"https://h/x","externalId":"a1","created":"2026-03-01 09:00:00.123Z","lastModified":"2026-03-02 09:00:00.123Z"}`
	for name, tt := range map[string]struct{ body, reason string }{
		"the object":           {object, ""},
		"in content":           {`{"content":[` + object + `],"serverSidePagination":true}`, ""},
		"nothing in content":   {`{"content":[],"serverSidePagination":true}`, apierr.ReasonNotFound},
		"values of one column": {`{"content":["a","b"]}`, apierr.ReasonBadResponse},
		"a list":               {`[1]`, apierr.ReasonBadResponse},
		"broken JSON":          {`{"PKey":`, apierr.ReasonBadResponse},
		"nothing":              {``, apierr.ReasonBadResponse},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := record(t, answer(200, tt.body)).client(t, nil).Get(t.Context(), profile, "a1")
			if tt.reason != "" {
				require.Equal(t, tt.reason, failure(t, err).Reason)
				require.False(t, failure(t, err).Ambiguous)
				return
			}
			require.NoError(t, err)
			require.Equal(t, &campaign.Stored{PKey: "@x", Href: "https://h/x", Raw: []byte(object),
				Created: "2026-03-01 09:00:00.123Z", LastModified: "2026-03-02 09:00:00.123Z"}, got)
		})
	}
}

func TestACreateWithAnOddSuccessIsAmbiguous(t *testing.T) {
	t.Parallel()
	e := failure(t, record(t, answer(204, "")).client(t, nil).Create(t.Context(), profile, []byte(`{}`)))
	require.Equal(t, apierr.ReasonBadResponse, e.Reason)
	require.True(t, e.Ambiguous)
}

func TestAThrottledCallClosesTheGate(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		body, retryAfter string
		least, most      time.Duration
	}{
		"as long as asked":       {`{"error_code":"429050","message":"Too many requests"}`, "60", 30 * time.Second, 60 * time.Second},
		"a second when unasked":  {`{"error_code":"429050","message":"Too many requests"}`, "", 1, time.Second},
		"long for a used quota":  {`{"error_code":"429001","message":"Service usage limit reached"}`, "60", 4 * time.Minute, 5 * time.Minute},
		"whatever the body says": {`<html>slow down</html>`, "60", 30 * time.Second, 60 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var headers []string
			if tt.retryAfter != "" {
				headers = []string{"Retry-After", tt.retryAfter}
			}
			gate := transport.NewGate()
			err := record(t, answer(http.StatusTooManyRequests, tt.body, headers...)).client(t, gate).Create(t.Context(), profile, []byte(`{}`))
			e := failure(t, err)
			require.Equal(t, apierr.Throttled, e.Class)
			require.False(t, e.Ambiguous)
			require.LessOrEqual(t, e.RetryAfter, tt.most)
			require.GreaterOrEqual(t, e.RetryAfter, tt.least)
			require.LessOrEqual(t, time.Until(gate.Until()), tt.most)
			require.True(t, gate.Until().After(time.Now().Add(tt.least-time.Second)))
		})
	}
}

// canned answers without a network, so that a test can own the clock.
type canned func() *http.Response

func (f canned) RoundTrip(*http.Request) (*http.Response, error) { return f(), nil }

func TestUnhintedThrottlingBacksOffUntilASuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		status := http.StatusTooManyRequests
		gate := transport.NewGate()
		c, err := campaign.New(campaign.Options{BaseURL: "https://mc.example.test/acme", Transport: transport.New(transport.Options{
			Service: "campaign", Gate: gate,
			Base: canned(func() *http.Response {
				return &http.Response{StatusCode: status, Header: http.Header{}, Body: http.NoBody}
			})})})
		require.NoError(t, err)
		throttle := func() time.Duration {
			wait := failure(t, c.Delete(t.Context(), profile, "a1")).RetryAfter
			require.NoError(t, gate.Wait(t.Context()))
			return wait
		}
		for _, most := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60} {
			wait := throttle()
			require.LessOrEqual(t, wait, most*time.Second)
			require.Greater(t, wait, most*time.Second*3/4-1)
		}
		status = http.StatusOK
		require.NoError(t, c.Delete(t.Context(), profile, "a1"))
		status = http.StatusTooManyRequests
		require.LessOrEqual(t, throttle(), time.Second)
	})
}

func TestNewRefusesAnUnsafeAddress(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "mc.adobe.io/acme", "http://mc.adobe.io/acme", "https://", "https://u:hidden@mc.adobe.io/acme", "https://mc.adobe.io/acme?token=hidden", ":"} {
		_, err := campaign.New(campaign.Options{BaseURL: base, Transport: transport.New(transport.Options{})})
		require.ErrorContains(t, err, "want https://mc.adobe.io/<instance>", base)
		require.NotContains(t, err.Error(), "hidden")
	}
}
