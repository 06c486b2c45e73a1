package campaign_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/transport"
)

const registration = "/events/organizations/1/integrations/2/r3"

// journal is a client of the recorder's journal; gate may be nil.
func (r *recorder) journal(t testing.TB, gate *transport.Gate) *campaign.Journal {
	t.Helper()
	j, err := campaign.NewJournal(campaign.JournalOptions{URL: r.url + registration, APIKey: "key-1", OrgID: "org@AdobeOrg",
		Transport: transport.New(transport.Options{Service: "journal", RootCAs: r.pool, Gate: gate, MaxBody: campaign.JournalMaxBody})})
	require.NoError(t, err)
	return j
}

const twoEvents = `{"events":[{"position":"ant:0a..:11..","event":{"id":"1","data":{"x":"é"}}},{"position":"cow:1f..:9a..","event":{"id":"2"}}],"_page":{"last":"cow:1f..:9a..","count":2}}`

func TestAJournalPage(t *testing.T) {
	t.Parallel()
	next := `<` + registration + `?since=cow:1f..:9a..&limit=2>; rel="next"`
	for name, tt := range map[string]struct {
		status  int
		body    string
		headers []string
		next    string // after the host
		events  int
		wait    time.Duration
	}{
		"events and the link to more":        {200, twoEvents, []string{"Link", next}, registration + "?since=cow:1f..:9a..&limit=2", 2, 0},
		"the link among others":              {200, twoEvents, []string{"Link", `</validate?since=a,b;c>; rel="validate", ` + next + `, </count>; rel=count`}, registration + "?since=cow:1f..:9a..&limit=2", 2, 0},
		"an absolute link":                   {200, twoEvents, []string{"Link", `<{url}/x?since=1>; rel=next`}, "/x?since=1", 2, 0},
		"without a link, after the last":     {200, twoEvents, nil, registration + "?since=cow%3A1f..%3A9a..&limit=2", 2, 0},
		"nothing new: wait as told":          {204, "", []string{"Link", next, "Retry-After", "25"}, registration + "?since=cow:1f..:9a..&limit=2", 0, 25 * time.Second},
		"an empty journal says nothing":      {204, "", nil, registration + "?limit=2", 0, 10 * time.Second},
		"an empty list is nothing new, too":  {200, `{"events":[]}`, []string{"Link", next}, registration + "?since=cow:1f..:9a..&limit=2", 0, 10 * time.Second},
		"no wait at all is not believed":     {204, "", []string{"Link", next, "Retry-After", "0"}, registration + "?since=cow:1f..:9a..&limit=2", 0, 10 * time.Second},
		"an event that is no object is kept": {200, `{"events":[{"position":"a","event":null}]}`, nil, registration + "?since=a&limit=2", 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var rec *recorder
			rec = record(t, func(w http.ResponseWriter, r *http.Request) {
				headers := append([]string(nil), tt.headers...)
				for i := range headers {
					headers[i] = strings.ReplaceAll(headers[i], "{url}", rec.url)
				}
				answer(tt.status, tt.body, headers...)(w, r)
			})
			page, err := rec.journal(t, nil).Page(t.Context(), "", 2)
			require.NoError(t, err)
			require.Equal(t, rec.url+tt.next, page.Next)
			require.Len(t, page.Events, tt.events)
			require.Equal(t, tt.wait, page.RetryAfter)
			if tt.events == 2 {
				require.Equal(t, []campaign.JournalEvent{{Position: "ant:0a..:11..", Raw: []byte(`{"id":"1","data":{"x":"é"}}`)}, {Position: "cow:1f..:9a..", Raw: []byte(`{"id":"2"}`)}}, page.Events)
			}
			sent := rec.all()
			require.Len(t, sent, 1)
			require.Equal(t, registration+"?limit=2", sent[0].URI)
			require.Equal(t, "key-1", sent[0].Header.Get("x-api-key"))
			require.Equal(t, "org@AdobeOrg", sent[0].Header.Get("x-ims-org-id"))
		})
	}
}

func TestJournalLinksAreFollowedByteForByte(t *testing.T) {
	t.Parallel()
	for _, link := range []string{
		registration + "?since=cow:1f..:9a..,b;c&limit=2", registration + "?since=%2Fa%2b+%20&&x==", "/events-fast/a%2Fb//c?since=1",
	} {
		rec := record(t, answer(204, ""))
		j := rec.journal(t, nil)
		page, err := j.Page(t.Context(), rec.url+link, 7)
		require.NoError(t, err)
		require.Equal(t, link, rec.all()[0].URI)
		require.Equal(t, rec.url+link, page.Next)
		_, err = j.Page(t.Context(), link, 7) // as it stands in the header
		require.NoError(t, err)
		require.Equal(t, link, rec.all()[1].URI)
	}
	rec := record(t, answer(204, ""))
	j := rec.journal(t, nil)
	for link, want := range map[string]string{
		j.After("a:b&c", 5): "?since=a%3Ab%26c&limit=5", j.After("x", 0): "?since=x", j.Since(2*time.Hour, 0): "?seek=-PT7200S", j.Since(0, 3): "?seek=-PT1S&limit=3",
	} {
		require.Equal(t, rec.url+registration+want, link)
		_, err := j.Page(t.Context(), link, 0)
		require.NoError(t, err)
	}
}

func TestAJournalLinkToAnotherHostIsNotFollowed(t *testing.T) {
	t.Parallel()
	for _, link := range []string{"https://evil.example.test/x", "//evil.example.test/x", "http://{host}/x", "https://u@{host}/x", "https://{host}.evil.example.test/", "x/y", ":"} {
		var rec *recorder
		host := func() string { return strings.ReplaceAll(link, "{host}", strings.TrimPrefix(rec.url, "https://")) }
		rec = record(t, func(w http.ResponseWriter, r *http.Request) { answer(204, "", "Link", "<"+host()+">; rel=next")(w, r) })
		j := rec.journal(t, nil)
		_, err := j.Page(t.Context(), host(), 0)
		require.Equal(t, apierr.ReasonForeignLink, failure(t, err).Reason, link)
		require.Empty(t, rec.all())
		_, err = j.Page(t.Context(), "", 0) // nor handed on
		require.Equal(t, apierr.ReasonForeignLink, failure(t, err).Reason, link)
	}
}

func TestWhatTheJournalRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		status  int
		body    string
		class   apierr.Class
		reason  string
		message string
	}{
		"a position older than what is kept": {410, "Events at position cow:1f have expired.", apierr.Blocked, apierr.ReasonPositionExpired, "no longer holds"},
		"an unknown journal":                 {404, "", apierr.Retryable, apierr.ReasonConfig, "check campaign.journal.url"},
		"a position it cannot read":          {400, "hidden", apierr.Retryable, apierr.ReasonConfig, "check campaign.journal.url"},
		"a redirect":                         {302, "", apierr.Retryable, apierr.ReasonConfig, "check campaign.journal.url"},
		"another organization":               {403, `{"error_code":"403023","message":"Profile is not valid"}`, apierr.Blocked, apierr.ReasonPermission, "campaign.journal.org_id"},
		"a wrong key":                        {403, `{"error_code":"403003","message":"Api Key is invalid"}`, apierr.Retryable, apierr.ReasonCredentials, "campaign.client_id"},
		"the gateway in trouble, whatever":   {403, `{"error_code":"503020","message":"Could not read the profile"}`, apierr.Retryable, apierr.ReasonServiceFault, "gateway"},
		"a fault":                            {500, "oh", apierr.Retryable, apierr.ReasonServiceFault, "500"},
		"too many requests":                  {429, `{"error_code":"429050","message":"Too many requests"}`, apierr.Throttled, apierr.ReasonThrottled, ""},
		"no JSON":                            {200, "<html>", apierr.Retryable, apierr.ReasonBadResponse, "list of events"},
		"no list":                            {200, `{"events":{}}`, apierr.Retryable, apierr.ReasonBadResponse, "list of events"},
		"no position":                        {200, `{"events":[{"event":{"hidden":1}}]}`, apierr.Retryable, apierr.ReasonBadResponse, "position"},
		"no event":                           {200, `{"events":[{"position":"a"}]}`, apierr.Retryable, apierr.ReasonBadResponse, "position"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := record(t, answer(tt.status, tt.body)).journal(t, nil).Page(t.Context(), "", 0)
			e := failure(t, err)
			require.Equal(t, tt.class, e.Class)
			require.Equal(t, tt.reason, e.Reason)
			require.Equal(t, "journal", e.Service)
			require.Contains(t, e.Message, tt.message)
			require.NotContains(t, e.Error(), "hidden")
			require.False(t, e.Ambiguous)
		})
	}
}

func TestAThrottledJournalClosesTheGate(t *testing.T) {
	t.Parallel()
	gate := transport.NewGate()
	rec := record(t, answer(429, `{"error_code":"429050","message":"x"}`, "Retry-After", "60"))
	j := rec.journal(t, gate)
	for range 2 {
		_, err := j.Page(t.Context(), "", 0)
		require.Equal(t, apierr.Throttled, failure(t, err).Class)
	}
	require.Len(t, rec.all(), 1)
}

func TestAFullJournalPageFits(t *testing.T) {
	t.Parallel()
	body := `{"events":[{"position":"a","event":{"x":"` + strings.Repeat("x", 3<<19) + `"}}]}`
	page, err := record(t, answer(200, body)).journal(t, nil).Page(t.Context(), "", 0)
	require.NoError(t, err)
	require.Len(t, page.Events, 1)
}

func TestNewJournalRefusesAnUnsafeAddress(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "http://events.example.test/x", "https://", "https://u:hidden@events.example.test/x", "https://events.example.test/x?since=hidden"} {
		_, err := campaign.NewJournal(campaign.JournalOptions{URL: base, Transport: transport.New(transport.Options{})})
		require.ErrorContains(t, err, "campaign.journal.url", base)
		require.NotContains(t, err.Error(), "hidden")
	}
}
