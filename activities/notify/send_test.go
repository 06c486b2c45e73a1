package notify_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"causeway.dev/activities"
	"causeway.dev/activities/notify"
	"causeway.dev/internal/ledger/ledgertest"
)

// hook is a webhook that keeps what it gets.
type hook struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
}

func newHook(t *testing.T, answer http.HandlerFunc) *hook {
	t.Helper()
	h := &hook{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.mu.Lock()
		h.bodies = append(h.bodies, string(body))
		h.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(h.Close)
	return h
}

func taken(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }

const path = "/services/T0/secret-of-the-webhook"

func options(t *testing.T, address string) notify.Options {
	return notify.Options{
		Instance: "acme", Ledger: ledgertest.Open(t, ledgertest.SQLite(t)), Format: "slack", Client: notify.NewClient(&http.Transport{}, 2*time.Second),
		Address: func() (string, error) { return address + path, nil }, Now: func() time.Time { return noon },
	}
}

func send(t *testing.T, o notify.Options, notices ...activities.Notice) error {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	a := notify.New(o)
	env.RegisterActivityWithOptions(a.NotifySend, activity.RegisterOptions{Name: activities.NotifySend})
	_, err := env.ExecuteActivity(activities.NotifySend, activities.NotifySendInput{Notices: notices})
	return err
}

var notices = []activities.Notice{
	{Cause: failed, State: activities.NoticeBegun, Since: noon},
	{Cause: activities.Cause{Name: "doctor", Text: "a <fault> & more"}, State: activities.NoticeLasts},
	{Cause: activities.Cause{Name: "events_lost", Flow: "egress"}, State: activities.NoticeEnded, Since: noon},
}

func TestAMessageForSlack(t *testing.T) {
	t.Parallel()
	h := newHook(t, taken)
	require.NoError(t, send(t, options(t, h.URL), notices...))
	var body map[string]string
	require.NoError(t, json.Unmarshal([]byte(h.bodies[0]), &body))
	require.Equal(t, map[string]string{"text": "Causeway acme/contacts: needs somebody now: contacts is FAILED (flow_failed, since 2026-03-02 12:00 UTC)\n" +
		"Causeway acme: a &lt;fault&gt; &amp; more (doctor)\nCauseway acme/egress: it is over (events_lost, since 2026-03-02 12:00 UTC)"}, body)
}

func TestAMessageAsFields(t *testing.T) {
	t.Parallel()
	h := newHook(t, taken)
	o := options(t, h.URL)
	o.Format = "json"
	require.NoError(t, send(t, o, notices[0]))
	require.JSONEq(t, `{"instance": "acme", "at": "2026-03-02T12:00:00Z", "notices": [{"name": "flow_failed", "flow": "contacts", "critical": true,
		"text": "contacts is FAILED", "state": "begun", "since": "2026-03-02T12:00:00Z"}]}`, h.bodies[0])
}

// What did not arrive for sure is told apart from what may have. No error holds the address,
// and the ledger keeps the last one for status.
func TestMessagesThatAreNotTaken(t *testing.T) {
	t.Parallel()
	elsewhere := newHook(t, taken)
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, nobody.Close())
	for name, c := range map[string]struct {
		answer  http.HandlerFunc
		closed  bool
		problem string
		unsure  bool
	}{
		"it is broken":              {answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, problem: "it answered with status 500"},
		"a gateway gave up waiting": {answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(504) }, problem: "it answered with status 504", unsure: true},
		"a gateway lost it":         {answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }, problem: "it answered with status 502", unsure: true},
		"its address is gone":       {answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, problem: "it answered with status 404"},
		"it has moved": {answer: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}, problem: "it answered with status 307"},
		"nobody is there": {closed: true, problem: "connection refused"},
		"it answers with a page": {answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
		}, problem: "a page", unsure: true},
		"it hangs up":             {answer: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, problem: "EOF", unsure: true},
		"it does not answer soon": {answer: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, problem: "no answer in time", unsure: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := "http://" + nobody.Addr().String()
			if !c.closed {
				address = newHook(t, c.answer).URL
			}
			o := options(t, address)
			if name == "it does not answer soon" {
				o.Client.Timeout = 50 * time.Millisecond
			}
			err := send(t, o, notices...)
			require.ErrorContains(t, err, c.problem)
			require.NotContains(t, err.Error(), "secret-of-the-webhook")
			failure, ok := err.(*temporal.ActivityError).Unwrap().(*temporal.ApplicationError) //nolint:errorlint // as the workflow gets it
			require.True(t, ok)
			require.Equal(t, !c.unsure, failure.Type() == activities.NotSent)
			state, err := notify.Last(t.Context(), o.Ledger)
			require.NoError(t, err)
			require.Contains(t, state.Problem, c.problem)
			require.NotContains(t, state.Problem, "secret-of-the-webhook")
		})
	}
	require.Empty(t, elsewhere.bodies, "a redirect is not followed")
}

// A trial says how it went, and status no longer tells of the failure before.
func TestATrial(t *testing.T) {
	t.Parallel()
	var broken sync.Map
	h := newHook(t, func(w http.ResponseWriter, r *http.Request) {
		if _, yes := broken.Load("yes"); yes {
			w.WriteHeader(503)
			return
		}
		taken(w, r)
	})
	o := options(t, h.URL)
	try := func() activities.NotifyTestResult {
		var suite testsuite.WorkflowTestSuite
		env := suite.NewTestActivityEnvironment()
		env.RegisterActivityWithOptions(notify.New(o).NotifyTest, activity.RegisterOptions{Name: activities.NotifyTest})
		value, err := env.ExecuteActivity(activities.NotifyTest, activities.NotifyTestInput{})
		require.NoError(t, err)
		var out activities.NotifyTestResult
		require.NoError(t, value.Get(&out))
		return out
	}
	broken.Store("yes", true)
	require.Equal(t, activities.NotifyTestResult{Problem: "it answered with status 503"}, try())
	broken.Delete("yes")
	require.Equal(t, activities.NotifyTestResult{Sent: true}, try())
	require.Contains(t, h.bodies[1], "a trial")
	state, err := notify.Last(t.Context(), o.Ledger)
	require.NoError(t, err)
	require.Empty(t, state.Problem)
	o.Address = nil
	require.Equal(t, activities.NotifyTestResult{Off: true}, try())
}
