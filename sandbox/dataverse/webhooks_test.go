package dataverse

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/sandbox/kit"
)

// called is a call that an endpoint took.
type called struct {
	header http.Header
	query  string
	body   map[string]any
}

// endpoint answers calls with the statuses in turn, then with 200.
func endpoint(t *testing.T, statuses ...int) (string, <-chan called) {
	t.Helper()
	calls := make(chan called, 100)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c := called{header: r.Header, query: r.URL.RawQuery}
		_ = json.Unmarshal(body, &c.body)
		if len(statuses) > 0 {
			w.WriteHeader(statuses[0])
			statuses = statuses[1:]
		}
		calls <- c
	}))
	t.Cleanup(srv.Close)
	return srv.URL, calls
}

// A webhook is called after each change that was kept, as the service documents it.
func TestAWebhookIsCalledForChangesThatWereKept(t *testing.T) {
	t.Parallel()
	s := New(Options{Clock: &kit.Clock{}, Faults: &kit.Faults{}})
	address, calls := endpoint(t)
	require.NoError(t, s.RegisterWebhook(Webhook{Name: "w", URL: address, AuthType: "HttpHeader", AuthPairs: map[string]string{"Key1": "Value1"}, Table: "contact"}))
	id, err := s.Insert("contacts", map[string]any{"lastname": "Lovelace"})
	require.NoError(t, err)
	require.Error(t, s.Update("contacts", id, map[string]any{"statecode": 0, "statuscode": 2}), "a change that is refused")
	require.NoError(t, s.Update("contacts", id, map[string]any{"firstname": "Ada"}))
	require.True(t, s.Delete("contacts", id))
	for _, message := range []string{"Create", "Update", "Delete"} {
		c := <-calls
		require.Equal(t, message, c.header.Get("x-ms-dynamics-request-name"))
		require.Equal(t, message, c.body["MessageName"])
		require.Equal(t, "contact", c.header.Get("x-ms-dynamics-entity-name"))
		require.Equal(t, id, c.body["PrimaryEntityId"])
		require.Equal(t, "Value1", c.header.Get("Key1"))
		require.NotEmpty(t, c.header.Get("x-ms-correlation-request-id"))
		require.Empty(t, c.header.Get("x-ms-dynamics-msg-size-exceeded"))
	}
}

// A call is made once more after 502, 503 and 504, and not after anything else.
func TestAWebhookThatFailsIsCalledOnceMore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		statuses               []int
		posted, failed, worked int
	}{
		"503 once": {[]int{503}, 2, 0, 1}, "504 twice": {[]int{504, 504}, 2, 1, 0}, "500": {[]int{500}, 1, 1, 0}, "401": {[]int{401}, 1, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := New(Options{Clock: &kit.Clock{}, Faults: &kit.Faults{}})
			address, _ := endpoint(t, c.statuses...)
			require.NoError(t, s.RegisterWebhook(Webhook{Name: "w", URL: address, AuthType: "WebhookKey", AuthKey: "k", Table: "contact", Messages: []string{"Create"}}))
			_, err := s.Insert("contacts", map[string]any{"lastname": "Lovelace"})
			require.NoError(t, err)
			require.Eventually(t, func() bool { w := s.Webhooks()[0]; return w.Failed+w.Succeeded == 1 }, time.Minute, time.Millisecond)
			w := s.Webhooks()[0]
			require.Equal(t, []int{c.posted, c.failed, c.worked}, []int{w.Posted, w.Failed, w.Succeeded})
			require.Empty(t, w.AuthKey)
		})
	}
}

// A call beyond 256 KB says so, and not what was changed.
func TestALargeWebhookLosesItsContent(t *testing.T) {
	t.Parallel()
	j := job{happened: happened{message: "Update", table: "contact", key: "k", attributes: []any{map[string]any{"key": "description", "value": strings.Repeat("x", 300<<10)}}}}
	body, exceeded := j.body()
	require.True(t, exceeded)
	require.Less(t, len(body), 2<<10)
	require.NotContains(t, string(body), "InputParameters")
}

// What the service would not register is refused.
func TestAWebhookIsRegisteredWithItsSecret(t *testing.T) {
	t.Parallel()
	s := New(Options{Clock: &kit.Clock{}, Faults: &kit.Faults{}})
	for _, w := range []Webhook{
		{Name: "w", URL: "ftp://x", AuthType: "WebhookKey", AuthKey: "k", Table: "contact"},
		{Name: "w", URL: "https://x", AuthType: "WebhookKey", Table: "contact"},
		{Name: "w", URL: "https://x", AuthType: "Basic", AuthKey: "k", Table: "contact"},
		{Name: "w", URL: "https://x", AuthType: "WebhookKey", AuthKey: "k", Table: "nothing"},
		{Name: "w", URL: "https://x", AuthType: "WebhookKey", AuthKey: "k", Table: "contact", Messages: []string{"Merge"}},
	} {
		require.Error(t, s.RegisterWebhook(w))
	}
	require.Empty(t, s.Webhooks())
}
