package campaign_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uber-go/tally/v4"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/transport"
	"causeway.dev/sandbox/kit"
)

// maintenance is what a gateway shows to everybody while it is being worked on.
const maintenance = `<!DOCTYPE html><html><body>We'll be back soon</body></html>`

// The writes there are.
var writes = map[string]func(context.Context, *campaign.Client) error{
	"create": func(ctx context.Context, c *campaign.Client) error { return c.Create(ctx, profile, []byte(`{"a":1}`)) },
	"patch": func(ctx context.Context, c *campaign.Client) error {
		return c.Patch(ctx, profile, "a1", []byte(`{"a":1}`))
	},
	"delete": func(ctx context.Context, c *campaign.Client) error { return c.Delete(ctx, profile, "a1") },
	"command": func(ctx context.Context, c *campaign.Client) error {
		return c.CommandWorkflow(ctx, "WKF1", campaign.StartWorkflow)
	},
}

func TestASuccessThatDoesNotSayWhatWasWrittenIsNone(t *testing.T) {
	t.Parallel()
	odd := map[string]http.HandlerFunc{
		"a page":                     answer(200, maintenance, "Content-Type", "text/html; charset=utf-8"),
		"a page that does not say":   answer(200, "\n "+maintenance, "Content-Type", "application/json"),
		"an empty page":              answer(200, "", "Content-Type", "text/html"),
		"a page as 201":              answer(201, maintenance, "Content-Type", "text/html"),
		"a page as 202":              answer(202, maintenance, "Content-Type", "text/html"),
		"a page that holds the keys": answer(200, `<html>{"PKey":"@x","href":"y"}`, "Content-Type", "text/html"),
	}
	for of, write := range writes {
		for name, h := range odd {
			t.Run(of+" answered by "+name, func(t *testing.T) {
				t.Parallel()
				e := failure(t, write(t.Context(), record(t, h).client(t, nil)))
				require.Equal(t, apierr.Retryable, e.Class)
				require.Equal(t, apierr.ReasonBadResponse, e.Reason)
				require.True(t, e.Ambiguous)
				require.NotContains(t, e.Error(), "back soon")
			})
		}
	}
	for name, tt := range map[string]struct {
		of, body string
		status   int
	}{
		"a create without a body":             {"create", ``, 201},
		"a create without a PKey":             {"create", `{"externalId":"a1"}`, 201},
		"a create with an empty PKey":         {"create", `{"PKey":""}`, 201},
		"a create as 200":                     {"create", `{"PKey":"@x"}`, 200},
		"a create that is a list":             {"create", `[{"PKey":"@x"}]`, 201},
		"a create that breaks off":            {"create", `{"PKey":"@x"`, 201},
		"a patch without a body":              {"patch", ``, 200},
		"a patch as 204":                      {"patch", ``, 204},
		"a patch without its address":         {"patch", `{"PKey":"@x"}`, 200},
		"a patch without a PKey":              {"patch", `{"href":"y"}`, 200},
		"a patch answered by some other JSON": {"patch", `{"status":"maintenance"}`, 200},
		"a command answered by a text":        {"command", `soon`, 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := failure(t, writes[tt.of](t.Context(), record(t, answer(tt.status, tt.body)).client(t, nil)))
			require.Equal(t, apierr.Retryable, e.Class)
			require.Equal(t, apierr.ReasonBadResponse, e.Reason)
			require.True(t, e.Ambiguous)
		})
	}
}

// What Campaign says to a delete is not documented.
func TestADeleteWithAnUnknownAnswerIsLookedAt(t *testing.T) {
	t.Parallel()
	gone := answer(404, stock+` Unable to find document with path 'Profile' from key 'a1:0'`)
	for name, tt := range map[string]struct {
		then      http.HandlerFunc
		reason    string
		ambiguous bool
	}{
		"the record is gone":        {gone, "", false},
		"the record is still there": {answer(200, `{"PKey":"@x"}`), apierr.ReasonBadResponse, true},
		"nobody knows":              {answer(502, ``), apierr.ReasonServiceFault, true},
		"a page, again":             {answer(200, maintenance, "Content-Type", "text/html"), apierr.ReasonBadResponse, true},
		"a page as 404":             {answer(404, maintenance, "Content-Type", "text/html"), apierr.ReasonSchema, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := record(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodDelete {
					answer(200, `{"status":"maintenance"}`)(w, r)
					return
				}
				tt.then(w, r)
			})
			err := rec.client(t, nil).Delete(t.Context(), profile, "a1")
			require.Len(t, rec.all(), 2)
			if tt.reason == "" {
				require.NoError(t, err)
				return
			}
			e := failure(t, err)
			require.Equal(t, apierr.Retryable, e.Class)
			require.Equal(t, tt.reason, e.Reason)
			require.Equal(t, tt.ambiguous, e.Ambiguous)
		})
	}
}

func TestAPageIsNoAnswerToARead(t *testing.T) {
	t.Parallel()
	for of, read := range map[string]func(context.Context, *campaign.Client) error{
		"a record": func(ctx context.Context, c *campaign.Client) error { _, err := c.Get(ctx, profile, "a1"); return err },
		"a list": func(ctx context.Context, c *campaign.Client) error {
			_, err := c.List(ctx, profile, campaign.ListOptions{})
			return err
		},
		"a description": func(ctx context.Context, c *campaign.Client) error { _, err := c.Metadata(ctx, profile); return err },
		"a workflow":    func(ctx context.Context, c *campaign.Client) error { _, err := c.GetWorkflow(ctx, "WKF1"); return err },
	} {
		for name, h := range map[string]http.HandlerFunc{
			"a page":                     answer(200, maintenance, "Content-Type", "text/html"),
			"JSON that is called a page": answer(200, `{"PKey":"@x","state":"x","content":[]}`, "Content-Type", "text/html"),
			"some other JSON":            answer(200, `{"status":"maintenance"}`),
			"an empty description":       answer(200, `{"content":{}}`),
			"values instead of records":  answer(200, `{"content":["a"]}`),
			"another success":            answer(202, `{"PKey":"@x","content":[{"PKey":"@x"}],"state":"x"}`),
			"an unreadable next page":    answer(200, `{"content":[{}],"next":{"href":{"a":1}}}`),
		} {
			t.Run(of+" answered by "+name, func(t *testing.T) {
				t.Parallel()
				e := failure(t, read(t.Context(), record(t, h).client(t, nil)))
				require.Equal(t, apierr.Retryable, e.Class)
				require.Equal(t, apierr.ReasonBadResponse, e.Reason)
				require.False(t, e.Ambiguous)
			})
		}
	}
	_, err := record(t, answer(200, `{"events":[]}`, "Content-Type", "text/html")).journal(t, nil).Page(t.Context(), "", 0)
	require.Equal(t, apierr.ReasonBadResponse, failure(t, err).Reason)
}

func TestNoMoreThanAMebibyteIsReadOfTheAnswerToAWrite(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	h := func(w http.ResponseWriter, r *http.Request) {
		status := map[string]int{http.MethodPost: 201}[r.Method]
		w.WriteHeader(max(status, 200))
		_, _ = io.WriteString(w, `{"PKey":"@x","href":"/profile/@x","x":"`)
		block := strings.Repeat("x", 1<<16)
		for range 64 << 4 { // 64 MiB, if somebody reads them
			n, err := io.WriteString(w, block)
			if sent.Add(int64(n)); err != nil {
				return
			}
		}
		_, _ = io.WriteString(w, `"}`)
	}
	for of, write := range writes {
		sent.Store(0)
		e := failure(t, write(t.Context(), record(t, h).client(t, nil)))
		require.Equal(t, apierr.ReasonResponseTooBig, e.Reason, of)
		require.Equal(t, apierr.Retryable, e.Class)
		require.True(t, e.Ambiguous)
		require.Less(t, sent.Load(), int64(32<<20), "the rest stays where it is, but for what is under way")
	}
}

func TestAFaultSaysHowLongItLasts(t *testing.T) {
	t.Parallel()
	for name, wait := range map[string]string{"in seconds": "60", "as a date": "Mon, 02 Mar 2026 09:01:00 GMT"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gate := transport.NewGate()
			rec := record(t, answer(503, maintenance, "Content-Type", "text/html", "Retry-After", wait, "Date", "Mon, 02 Mar 2026 09:00:00 GMT"))
			c := rec.client(t, gate)
			e := failure(t, c.Create(t.Context(), profile, []byte(`{"a":1}`)))
			require.Equal(t, apierr.Retryable, e.Class)
			require.Equal(t, time.Minute, e.RetryAfter)
			require.True(t, e.Ambiguous, "it may have been written all the same")
			e = failure(t, c.Create(t.Context(), profile, []byte(`{"a":1}`)))
			require.Equal(t, apierr.Throttled, e.Class)
			require.False(t, e.Ambiguous)
			_, err := rec.journal(t, gate).Page(t.Context(), "", 0)
			require.Equal(t, apierr.Throttled, failure(t, err).Class)
			require.Len(t, rec.all(), 1, "nothing is sent meanwhile")
		})
	}
}

// One answer that nobody expects is tried again; one that stays is for an operator.
func TestOneOddAnswerFailsNothing(t *testing.T) {
	odd := map[string]struct {
		status int
		body   string
		reason string
	}{
		"404 of an engine":     {404, `"RST-360011 An error has occurred - please contact your administrator. rc=-1"`, apierr.ReasonSchema},
		"404 of a gateway":     {404, maintenance, apierr.ReasonSchema},
		"307":                  {307, ``, apierr.ReasonConfig},
		"405":                  {405, ``, apierr.ReasonConfig},
		"407 of a proxy":       {407, ``, apierr.ReasonConfig},
		"418":                  {418, `teapot`, apierr.ReasonConfig},
		"451 of a filter":      {451, maintenance, apierr.ReasonConfig},
		"403 without a reason": {403, maintenance, apierr.ReasonPermission},
	}
	for name, tt := range odd {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				status, body := tt.status, tt.body
				c, err := campaign.New(campaign.Options{BaseURL: "https://mc.example.test/acme", Transport: transport.New(transport.Options{
					Service: "campaign", Base: canned(func() *http.Response {
						return &http.Response{StatusCode: status, Header: http.Header{}, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}
					})})})
				require.NoError(t, err)
				create := func() error { return c.Create(t.Context(), profile, []byte(`{"a":1}`)) }
				for range 2 {
					status, body = tt.status, tt.body
					e := failure(t, create())
					require.Equal(t, apierr.Retryable, e.Class, e)
					require.Equal(t, tt.reason, e.Reason)
					require.Zero(t, e.RetryAfter, "Temporal's pauses grow")
					time.Sleep(time.Minute)
					require.Equal(t, apierr.Retryable, apierr.ClassOf(create()))
					status, body = 201, `{"PKey":"@x"}`
					require.NoError(t, create())
					time.Sleep(time.Hour)
				}
				status, body = tt.status, tt.body
				require.Equal(t, apierr.Retryable, apierr.ClassOf(create()))
				time.Sleep(2 * time.Minute)
				_, err = c.Get(t.Context(), profile, "a1")
				require.Equal(t, apierr.Retryable, apierr.ClassOf(err), "another operation")
				e := failure(t, create())
				require.Equal(t, apierr.Blocked, e.Class)
				require.Equal(t, tt.reason, e.Reason)
			})
		})
	}
}

func TestAListThatNamesItselfEndsWithTheReason(t *testing.T) {
	t.Parallel()
	var rec *recorder
	rec = record(t, func(w http.ResponseWriter, r *http.Request) {
		next := strings.ReplaceAll(rec.url+r.RequestURI, "?_forcePagination=true", "")
		answer(200, `{"content":[{"PKey":"@x"}],"next":{"href":"`+next+`"}}`)(w, r)
	})
	c := rec.client(t, nil)
	_, err := c.List(t.Context(), profile, campaign.ListOptions{})
	e := failure(t, err)
	require.Equal(t, apierr.Blocked, e.Class)
	require.Equal(t, apierr.ReasonLinkRepeated, e.Reason)
	require.Len(t, rec.all(), 2, "a cache may have it from before: one more look")
	_, err = c.Follow(t.Context(), profile, rec.url+"/acme/campaign/x?_lineStart=@a")
	require.Equal(t, apierr.ReasonLinkRepeated, apierr.ReasonOf(err))

	var n atomic.Int32
	once := record(t, func(w http.ResponseWriter, r *http.Request) {
		next := "https://" + r.Host + "/acme/campaign/x?_lineStart=@" + map[bool]string{true: "a", false: "b"}[n.Add(1) == 1]
		answer(200, `{"content":[],"next":{"href":"`+next+`"}}`)(w, r)
	})
	page, err := once.client(t, nil).Follow(t.Context(), profile, once.url+"/acme/campaign/x?_lineStart=@a")
	require.NoError(t, err)
	require.Equal(t, once.url+"/acme/campaign/x?_lineStart=@b", page.Next)
}

func TestAJournalThatNamesItselfEndsWithTheReason(t *testing.T) {
	t.Parallel()
	rec := record(t, answer(200, `{"events":[{"position":"a","event":{}}]}`, "Link", `<?since=a>; rel="next"`))
	j := rec.journal(t, nil)
	page, err := j.Page(t.Context(), "", 0)
	require.NoError(t, err)
	_, err = j.Page(t.Context(), page.Next, 0)
	e := failure(t, err)
	require.Equal(t, apierr.Blocked, e.Class)
	require.Equal(t, apierr.ReasonLinkRepeated, e.Reason)
	require.Equal(t, "journal", e.Service)
	require.Len(t, rec.all(), 3)

	quiet := record(t, answer(204, "", "Link", `<?since=a>; rel="next"`)).journal(t, nil)
	for range 3 { // an empty page is asked for again and again
		page, err = quiet.Page(t.Context(), quiet.After("a", 0), 0)
		require.NoError(t, err)
		require.Equal(t, quiet.After("a", 0), page.Next)
	}
}

func TestWhatWasSentIsNotInTheTextOfAnError(t *testing.T) {
	t.Parallel()
	text := "XTK-170099 Value Smith of lastName is bad, so is BERLIN\x1b[31m and \u202eeman\u202c of a1key"
	rec := record(t, answer(500, text))
	err := rec.client(t, nil).Patch(t.Context(), profile, "a1key", []byte(`{"lastName":"Smith","location":{"city":"Berlin"},"x":"of"}`))
	e := failure(t, err)
	require.Equal(t, apierr.Rejected, e.Class)
	for _, hidden := range []string{"Smith", "BERLIN", "a1key", "\x1b", "\u202e", "\u202c"} {
		require.NotContains(t, e.Error()+e.Message, hidden)
	}
	require.Contains(t, e.Message, "Value … of lastName is bad")
	_, err = record(t, answer(422, "Nobody called smith")).client(t, nil).List(t.Context(), profile, campaign.ListOptions{
		Filter: "byText", Params: map[string]string{"text": "Smith"}})
	require.NotContains(t, failure(t, err).Message, "smith")
}

// A gateway in front of Campaign answers with its page, without asking Campaign:
// what was lost is known as such, and the next try writes it.
func TestTheMaintenancePageOfTheSandboxLosesNothing(t *testing.T) {
	t.Parallel()
	s := boxes(t)
	c, err := campaign.New(campaign.Options{BaseURL: s.CampaignURL, APIKey: s.CampaignClientID, Transport: transport.New(wire(t, s))})
	require.NoError(t, err)
	const key = "00000000-0000-4000-8000-000000000001"
	create := func() error {
		return c.Create(t.Context(), profile, []byte(`{"externalId":"`+key+`","email":"a@example.test"}`))
	}
	patch := func() error { return c.Patch(t.Context(), profile, key, []byte(`{"lastName":"Quitten"}`)) }
	remove := func() error { return c.Delete(t.Context(), profile, key) }
	for _, action := range []kit.Action{kit.Respond, kit.Replace} {
		for _, write := range []func() error{create, patch, remove} {
			_, err := s.Faults.Add(kit.Rule{Service: "campaign", Path: "/profile", Action: action, Times: 1, Status: 200,
				Headers: map[string]string{"Content-Type": "text/html"}, Body: maintenance})
			require.NoError(t, err)
			e := failure(t, write())
			require.Equal(t, apierr.Retryable, e.Class)
			require.True(t, e.Ambiguous)
			switch err := write(); { // it may have been carried out
			case action == kit.Respond:
				require.NoError(t, err)
			case err != nil:
				require.Contains(t, []string{apierr.ReasonExists, apierr.ReasonNotFound}, apierr.ReasonOf(err))
			}
		}
		_, err := c.Get(t.Context(), profile, key)
		require.Equal(t, apierr.ReasonNotFound, apierr.ReasonOf(err))
	}
}

// A page in place of an answer is told of while it lasts, also when its status is 200 and
// the request was a write.
func TestAPageWithAGoodStatusIsToldOf(t *testing.T) {
	t.Parallel()
	for name, write := range writes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scope := tally.NewTestScope("", nil)
			watch := transport.NewWatch(scope, slog.New(slog.DiscardHandler), "campaign")
			r := record(t, answer(200, maintenance, "Content-Type", "text/html"))
			c, err := campaign.New(campaign.Options{BaseURL: r.url + "/acme/", APIKey: "key-1",
				Transport: transport.New(transport.Options{Service: "campaign", RootCAs: r.pool, Watch: watch})})
			require.NoError(t, err)
			require.Error(t, write(t.Context(), c))
			require.Positive(t, scope.Snapshot().Gauges()["odd_answers_since_timestamp_seconds+service=campaign"].Value())
		})
	}
}
