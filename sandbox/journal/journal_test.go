package journal_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"causeway.dev/sandbox/eventlog"
	"causeway.dev/sandbox/journal"
	"causeway.dev/sandbox/kit"
)

type tokens map[string]bool

func (t tokens) Valid(token string) bool { return t[token] }

// service is a journal and a plain client of it.
type service struct {
	*testing.T
	*journal.Server
	log    *eventlog.Log
	faults *kit.Faults
	clock  *kit.Clock
	url    string
	client *http.Client
}

func newService(t *testing.T, change ...func(*journal.Options)) *service {
	t.Helper()
	s := &service{T: t, faults: &kit.Faults{}, clock: &kit.Clock{}}
	s.log = eventlog.New(s.clock)
	o := journal.Options{Clock: s.clock, Faults: s.faults, Tokens: tokens{"good": true}, Log: s.log, APIKey: "key", Organization: "ABC@AdobeOrg",
		Consumer: "1", Credential: "2", Registration: "r3", Source: "urn:acs:acme"}
	for _, c := range change {
		c(&o)
	}
	s.Server = journal.New(o)
	server := httptest.NewTLSServer(s.Server)
	t.Cleanup(server.Close)
	s.url, s.client = server.URL, server.Client()
	return s
}

type reply struct {
	status int
	header http.Header
	body   string
}

func (r reply) get(path string) gjson.Result { return gjson.Get(r.body, path) }

func (r reply) ids() (out []string) {
	for _, e := range r.get("events.#.event.id").Array() {
		out = append(out, e.Str)
	}
	return out
}

var linkValue = regexp.MustCompile(`<([^>]*)>; rel="([a-z]+)"`)

// rel is the target of a relation, in whichever header it is.
func (r reply) rel(name string) string {
	for _, m := range linkValue.FindAllStringSubmatch(strings.Join(r.header.Values("Link"), ", "), -1) {
		if m[2] == name {
			return m[1]
		}
	}
	return ""
}

func (s *service) get(path string, headers ...string) reply {
	s.Helper()
	if !strings.HasPrefix(path, "/") {
		path = s.Path() + path
	}
	req, err := http.NewRequestWithContext(s.Context(), "GET", s.url+path, nil)
	require.NoError(s, err)
	req.Header = http.Header{"Authorization": {"Bearer good"}, "X-Api-Key": {"key"}, "X-Ims-Org-Id": {"ABC@AdobeOrg"}}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if req.Header.Set(name, value); value == "" {
			req.Header.Del(name)
		}
	}
	res, err := s.client.Do(req)
	require.NoError(s, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	require.NoError(s, err)
	return reply{res.StatusCode, res.Header, string(data)}
}

// push publishes n opens and returns their ids.
func (s *service) push(n int) (ids []string) {
	s.Helper()
	for range n {
		e, err := s.log.Push(eventlog.Pushed{Kind: eventlog.Open, ExternalID: "6f1d"})
		require.NoError(s, err)
		ids = append(ids, e.ID)
	}
	return ids
}

// §1.4, §6.1: key, token, organization, registration, in this order.
func TestGateway(t *testing.T) {
	t.Parallel()
	s := newService(t)
	for name, c := range map[string]struct {
		header, path string
		status       int
		want         string
	}{
		"no key":               {"X-Api-Key: ", "", 403, "403000"},
		"wrong key":            {"X-Api-Key: x", "", 403, "403003"},
		"no token":             {"Authorization: ", "", 403, "403010"},
		"expired token":        {"Authorization: Bearer x", "", 401, "401013"},
		"no organization":      {"X-Ims-Org-Id: ", "", 403, "403023"},
		"another organization": {"X-Ims-Org-Id: XYZ@AdobeOrg", "", 403, "403023"},
		"another registration": {"", "/events/organizations/1/integrations/2/r4", 404, ""},
	} {
		var headers []string
		if c.header != "" {
			headers = append(headers, c.header)
		}
		r := s.get(c.path, headers...)
		require.Equal(t, c.status, r.status, name)
		require.Equal(t, c.want, r.get("error_code").String(), name)
		require.NotEmpty(t, r.header.Get("X-Request-Id"), name)
	}
	for name, q := range map[string]string{
		"limit of nothing": "?limit=0", "no number": "?limit=x", "two ways": "?latest=true&seek=-PT1H", "seek forward": "?seek=PT2H",
		"seek of nothing": "?seek=-P", "made-up position": "?since=cow:1:2", "seek and since": "?since=cow:1:2&seek=-PT1H",
	} {
		require.Equal(t, 400, s.get(q).status, name)
	}
}

// §6.1: reading goes from the oldest event to the end. since is exclusive, limits are
// repeated, positions are opaque, and links are relative, in any number of headers.
func TestPages(t *testing.T) {
	t.Parallel()
	s := newService(t)
	want := s.push(7)
	var got []string
	at, shapes := "?limit=2", map[int]bool{}
	for {
		r := s.get(at)
		if r.status == 204 {
			require.Equal(t, "10", r.header.Get("Retry-After"))
			require.Equal(t, at, r.rel("next"), "the next link stays as it is")
			require.Equal(t, 204, s.get(r.rel("validate")).status)
			break
		}
		require.Equal(t, 200, r.status, r.body)
		require.LessOrEqual(t, len(r.ids()), 2)
		require.EqualValues(t, len(r.ids()), r.get("_page.count").Int())
		require.Equal(t, r.get("events|@reverse|0.position").Str, r.get("_page.last").Str)
		got = append(got, r.ids()...)
		shapes[len(r.header.Values("Link"))] = true
		at = r.rel("next")
		require.True(t, strings.HasPrefix(at, s.Path()+"?since="), at)
		require.Contains(t, at, "&limit=2")
	}
	require.Equal(t, want, got)
	require.Len(t, shapes, 2, "one header and several: %v", shapes)
	require.Regexp(t, `^[a-z]+:[0-9a-f]{16}:[0-9a-f]{16}$`, s.get("?limit=1").get("_page.last").Str)

	third := s.get("?limit=3").get("_page.last").Str
	require.Equal(t, want[3:], s.get("?since="+url.QueryEscape(third)).ids())
	more := s.push(1)
	require.Equal(t, more, s.get(at).ids(), "the link of the 204 goes on")
}

// §6.1: reading from the end of the journal, and from some time ago.
func TestLatestAndSeek(t *testing.T) {
	t.Parallel()
	s := newService(t)
	none := s.get("")
	require.Equal(t, 204, none.status)
	require.Empty(t, none.header.Get("Retry-After"), "an empty journal does not say when to come again")
	require.Equal(t, s.Path(), none.rel("next"))
	s.push(3)
	s.clock.Advance(3 * time.Hour)
	recent := s.push(2)
	require.Equal(t, recent, s.get("?seek=-PT2H").ids())
	require.Len(t, s.get("?seek=-P1DT1H").ids(), 5)
	end := s.get("?latest=true")
	require.Equal(t, 204, end.status)
	newer := s.push(2)
	require.Equal(t, newer, s.get(end.rel("next")).ids())
}

// §6.1: after seven days the answer is 410 in plain text, with a link to the oldest
// event that is left.
func TestRetention(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.push(2)
	old := s.get("").get("_page.last").Str
	s.clock.Advance(6 * 24 * time.Hour)
	kept := s.push(1)
	require.Equal(t, kept, s.get("?since="+old).ids())
	s.clock.Advance(25 * time.Hour)
	r := s.get("?since=" + old)
	require.Equal(t, 410, r.status)
	require.Equal(t, "Events at position "+old+" have expired.", r.body)
	require.True(t, strings.HasPrefix(r.header.Get("Content-Type"), "text/plain"))
	require.Equal(t, 410, s.get("/events/organizations/1/integrations/2/r3/validate?since="+old).status)
	require.Equal(t, kept, s.get("").ids())
	s.clock.Advance(8 * 24 * time.Hour)
	empty := s.get("")
	require.Equal(t, 204, empty.status)
	require.Equal(t, s.Path(), empty.rel("next"), "not the position of what has expired")
	require.EqualValues(t, 2, s.Stats().Gone)

	other := newService(t)
	other.push(1)
	require.Equal(t, 410, other.get("?since="+old).status, "positions are those of one journal")
}

// §6.1: a body has at most 1.5 MB, whatever the limit of events.
func TestPageCap(t *testing.T) {
	t.Parallel()
	s := newService(t)
	f := eventlog.DefaultFunnel()
	f.Events = 4000
	to := []eventlog.Recipient{{ExternalID: "a", Email: "a@example.test"}}
	_, err := s.log.Generate(f, to)
	require.NoError(t, err)
	read, pages := 0, 0
	for r := s.get("?limit=100000"); r.status == 200; r = s.get(r.rel("next")) {
		require.LessOrEqual(t, len(r.body), 1_500_000)
		read, pages = read+len(r.ids()), pages+1
	}
	require.Equal(t, 4000, read)
	require.Greater(t, pages, 1)
	require.Len(t, s.get("").ids(), 100, "without a limit the service decides")
}

// The faults of the gateway and of the journal.
func TestFaults(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.push(1)
	last := s.get("").get("_page.last").Str
	for _, c := range []struct {
		rule   kit.Rule
		status int
		body   string
	}{
		{kit.Rule{Action: kit.Named, Name: "throttle", Headers: map[string]string{"Retry-After": "7"}}, 429, "429050"},
		{kit.Rule{Action: kit.Named, Name: "token_expired"}, 401, "401013"},
		{kit.Rule{Action: kit.Named, Name: "expired_position"}, 410, "have expired"},
		{kit.Rule{Action: kit.Respond, Status: 504, Body: `{"code":504}`}, 504, "504"},
	} {
		c.rule.Service, c.rule.Times = "journal", 1
		_, err := s.faults.Add(c.rule)
		require.NoError(t, err)
		r := s.get("?since=" + last)
		require.Equal(t, c.status, r.status, c.rule.Name)
		require.Contains(t, r.body, c.body)
		require.Equal(t, c.rule.Headers["Retry-After"], r.header.Get("Retry-After"))
		require.Equal(t, 204, s.get("?since="+last).status, "once")
	}
}

// Whatever a query holds, the answer is one that the service gives.
func FuzzQuery(f *testing.F) {
	for _, q := range []string{"since=cow:0123456789abcdef:0123456789abcdef", "seek=-P1DT2H3M4S&limit=1", "latest=true", "limit=99999999999999999999", "since=%zz"} {
		f.Add(q)
	}
	clock := &kit.Clock{}
	log := eventlog.New(clock)
	for i := range 5 {
		if _, err := log.Push(eventlog.Pushed{Kind: eventlog.Open, ExternalID: fmt.Sprint(i)}); err != nil {
			f.Fatal(err)
		}
	}
	s := journal.New(journal.Options{Clock: clock, Faults: &kit.Faults{}, Tokens: tokens{"good": true}, Log: log, APIKey: "key"})
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest("GET", s.Path(), nil)
		r.URL.RawQuery = query
		r.Header = http.Header{"Authorization": {"Bearer good"}, "X-Api-Key": {"key"}}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		switch w.Code {
		case 200, 204, 400, 410:
		default:
			t.Fatalf("status %d", w.Code)
		}
	})
}
