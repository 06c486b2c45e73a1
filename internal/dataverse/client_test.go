package dataverse_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/transport"
)

func TestNewRefusesAnUnsafeAddress(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "acme.crm4.dynamics.com", "http://acme.crm4.dynamics.com", "https://", "https://u:hidden@acme.test", "https://acme.test?token=hidden", ":"} {
		_, err := dataverse.New(dataverse.Options{OrgURL: base, PageSize: 100, Transport: transport.New(transport.Options{})})
		require.ErrorContains(t, err, "want https://<organisation>", base)
		require.NotContains(t, err.Error(), "hidden")
	}
	_, err := dataverse.New(dataverse.Options{OrgURL: "https://acme.crm4.dynamics.com"})
	require.ErrorContains(t, err, "transport")
	_, err = dataverse.New(dataverse.Options{OrgURL: "https://acme.crm4.dynamics.com", Transport: transport.New(transport.Options{})})
	require.EqualError(t, err, "dataverse: got a page size of 0, want at least 1")
}

func TestWhoAmI(t *testing.T) {
	t.Parallel()
	body := `{"@odata.context":"x","BusinessUnitId":"b","UserId":"u","OrganizationId":"o"}`
	rec := record(t, answer(200, body, "Date", "Mon, 02 Mar 2026 09:00:00 GMT", "x-ms-dop-hint", "16"))
	me, err := rec.client(t, nil).WhoAmI(t.Context())
	require.NoError(t, err)
	require.Equal(t, api+"/WhoAmI", rec.one(t).URI)
	require.Equal(t, &dataverse.Identity{UserID: "u", OrganizationID: "o", BusinessUnitID: "b",
		ServerTime: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), DOPHint: 16}, me)

	me, err = record(t, answer(200, body, "Date", "yesterday")).client(t, nil).WhoAmI(t.Context())
	require.NoError(t, err)
	require.Zero(t, me.ServerTime)
	require.Zero(t, me.DOPHint)

	_, err = record(t, answer(200, `<html>sign in</html>`)).client(t, nil).WhoAmI(t.Context())
	require.Equal(t, apierr.ReasonBadResponse, failure(t, err).Reason)
}

func TestTheHintSetsTheLimiterBelowTheServicesOwnLimit(t *testing.T) {
	t.Parallel()
	for hint, want := range map[string]int{"16": 16, "400": 52} {
		rec := record(t, answer(200, `{"UserId":"u"}`, "x-ms-dop-hint", hint))
		limiter := transport.NewLimiter(transport.LimiterOptions{Min: 4, Max: 200, Adaptive: true})
		c, err := dataverse.New(dataverse.Options{OrgURL: rec.url, PageSize: 100, Transport: transport.New(transport.Options{RootCAs: rec.pool, Limiter: limiter})})
		require.NoError(t, err)
		_, err = c.WhoAmI(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, limiter.Target())
	}
}

func TestCounts(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]int64{"12": 12, "\ufeff5000": 5000, " 7\r\n": 7} {
		n, err := record(t, answer(200, body)).client(t, nil).Count(t.Context(), "contacts", "")
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	_, err := record(t, answer(200, "<html>")).client(t, nil).Count(t.Context(), "contacts", "")
	require.Equal(t, apierr.ReasonBadResponse, failure(t, err).Reason)

	n, err := record(t, answer(200, `{"EntityRecordCountCollection":{"Count":1,"Keys":["contact"],"Values":[12345]}}`)).client(t, nil).TotalRecordCount(t.Context(), "contact")
	require.NoError(t, err)
	require.EqualValues(t, 12345, n)
	_, err = record(t, answer(200, `{}`)).client(t, nil).TotalRecordCount(t.Context(), "contact")
	require.Equal(t, apierr.ReasonBadResponse, failure(t, err).Reason)

	rec := record(t, answer(200, `{"value":[{"expirechangetrackingindays":30}]}`))
	days, err := rec.client(t, nil).TrackingWindow(t.Context())
	require.NoError(t, err)
	require.Equal(t, 30, days)
	require.Equal(t, api+"/organizations?$select=expirechangetrackingindays", rec.one(t).URI)
	_, err = record(t, answer(200, `{"value":[]}`)).client(t, nil).TrackingWindow(t.Context())
	require.Equal(t, apierr.ReasonBadResponse, failure(t, err).Reason)
}

func TestAThrottledCallClosesTheGate(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		body, retryAfter string
		want             time.Duration
	}{
		"as long as asked":        {`{"error":{"code":"0x80072322","message":"x"}}`, "35", 35 * time.Second},
		"ten seconds when not":    {`{"error":{"code":"-2147015902","message":"x"}}`, "", 10 * time.Second},
		"whatever the body holds": {`<html>slow down</html>`, "60", time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var headers []string
			if tt.retryAfter != "" {
				headers = []string{"Retry-After", tt.retryAfter}
			}
			rec := record(t, answer(http.StatusTooManyRequests, tt.body, headers...))
			gate := transport.NewGate()
			c := rec.client(t, gate)
			_, err := c.WhoAmI(t.Context())
			e := failure(t, err)
			require.Equal(t, apierr.Throttled, e.Class)
			require.Equal(t, tt.want, e.RetryAfter)
			_, err = c.Create(t.Context(), dataverse.Write{Row: dataverse.Row{EntitySet: "contacts"}, Body: []byte(`{}`)})
			require.Equal(t, apierr.Throttled, failure(t, err).Class)
			require.False(t, failure(t, err).Ambiguous)
			rec.one(t) // the second was not sent
		})
	}
}
