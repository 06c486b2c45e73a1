package console_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/config"
	"causeway.dev/console"
	"causeway.dev/console/session"
	"causeway.dev/internal/access"
)

func listens(t *testing.T, change func(*console.ServeOptions)) (*console.Server, error) {
	t.Helper()
	o := console.ServeOptions{Listen: "127.0.0.1:0", By: "ada", Lasts: time.Hour, LinkLasts: time.Hour, Tell: func(string) {}}
	change(&o)
	s, err := console.Listen(t.Context(), o)
	if err == nil {
		t.Cleanup(func() { require.NoError(t, s.Close()) })
	}
	return s, err
}

// asked is a configuration whose people sign in.
func asked(t *testing.T, instance string, change func(*config.Access)) console.Config {
	t.Helper()
	c := configured(t, instance)
	c.Access = config.Access{Issuer: "https://issuer.example", ClientID: "one", Scopes: []string{"openid"}, Groups: config.AccessGroups{Viewer: []string{"v"}}}
	if change != nil {
		change(&c.Access)
	}
	return console.Config{File: instance + ".yaml", Config: c}
}

// With an issuer the console may be reached from elsewhere, by https; without one it is for
// this machine. Instances whose people would sign in differently are not served together.
func TestWhoCouldReachTheConsole(t *testing.T) {
	t.Parallel()
	plain := console.Config{File: "plain.yaml", Config: configured(t, "plain")}
	for name, c := range map[string]struct {
		change func(*console.ServeOptions)
		want   string // "" = it listens
	}{
		"everywhere, by a link":  {func(o *console.ServeOptions) { o.Configs, o.Listen = []console.Config{plain}, "0.0.0.0:0" }, "set access.issuer"},
		"an address, by a link":  {func(o *console.ServeOptions) { o.Configs, o.URL = []console.Config{plain}, "https://c.example" }, "for this machine alone"},
		"everywhere, no address": {func(o *console.ServeOptions) { o.Configs, o.Listen = []console.Config{asked(t, "a", nil)}, "0.0.0.0:0" }, "--url"},
		"in the clear": {func(o *console.ServeOptions) {
			o.Configs, o.URL = []console.Config{asked(t, "a", nil)}, "http://c.example"
		}, "want https"},
		"a path": {func(o *console.ServeOptions) {
			o.Configs, o.URL = []console.Config{asked(t, "a", nil)}, "https://c.example/x"
		}, "without a path"},
		"one without access": {func(o *console.ServeOptions) { o.Configs = []console.Config{asked(t, "a", nil), plain} }, "the other lets in everybody"},
		"another issuer": {func(o *console.ServeOptions) {
			o.Configs = []console.Config{asked(t, "a", nil), asked(t, "b", func(a *config.Access) { a.Issuer = "https://other.example" })}
		}, "people sign in once"},
		"another application": {func(o *console.ServeOptions) {
			o.Configs = []console.Config{asked(t, "a", nil), asked(t, "b", func(a *config.Access) { a.ClientID = "two" })}
		}, "people sign in once"},
		"a short key": {func(o *console.ServeOptions) { o.Configs, o.CookieKey = []console.Config{asked(t, "a", nil)}, "short" }, "want 32"},
		"other groups": {func(o *console.ServeOptions) {
			o.Configs = []console.Config{asked(t, "a", nil), asked(t, "b", func(a *config.Access) { a.Groups.Admin = []string{"b"} })}
		}, ""},
		"reached from elsewhere": {func(o *console.ServeOptions) {
			o.Configs, o.Listen, o.URL = []console.Config{asked(t, "a", nil)}, "0.0.0.0:0", "https://c.example"
		}, ""},
	} {
		s, err := listens(t, c.change)
		if c.want == "" {
			require.NoError(t, err, name)
			require.True(t, s.SignsIn())
			continue
		}
		require.ErrorContains(t, err, c.want, name)
	}
	s, err := listens(t, func(o *console.ServeOptions) { o.Configs = []console.Config{asked(t, "a", nil)} })
	require.NoError(t, err)
	require.Regexp(t, `^http://localhost:\d+/$`, s.Link())
}

// Reached from elsewhere, the cookies are for https alone, and no other name is answered.
func TestTheConsoleAnswersToItsName(t *testing.T) {
	t.Parallel()
	s, err := listens(t, func(o *console.ServeOptions) {
		o.Configs, o.Listen, o.URL = []console.Config{asked(t, "a", nil)}, "127.0.0.1:0", "https://c.example"
	})
	require.NoError(t, err)
	ask := func(host, path string) *http.Response {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		r.Host = host
		s.ServeHTTP(w, r)
		return w.Result()
	}
	require.Equal(t, http.StatusOK, ask("c.example", "/sign-in/").StatusCode)
	require.Equal(t, http.StatusMisdirectedRequest, ask("rebound.example", "/sign-in/").StatusCode)
	require.Equal(t, http.StatusMisdirectedRequest, ask("127.0.0.1", "/sign-in/").StatusCode)
	require.Equal(t, http.StatusOK, ask("10.0.0.7:8280", "/healthz").StatusCode, "whoever looks whether it lives")
}

// Copies of a console with the same key read each other's sessions, also long ones; with
// another key, or after a change, there is none.
func TestCopiesShareSessions(t *testing.T) {
	t.Parallel()
	key := strings.Repeat("k", 32)
	made := func(key, suffix string) *session.Sessions {
		cookies, err := session.NewCookies(key, suffix, true)
		require.NoError(t, err)
		return session.New(session.Options{Lasts: time.Hour, Cookies: cookies})
	}
	w := httptest.NewRecorder()
	long := session.Tokens{Token: strings.Repeat("t", 3000), Refresh: strings.Repeat("r", 3000), Until: time.Now().Add(time.Hour)}
	require.NoError(t, made(key, "_1").Begin(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil),
		session.Arrival{Who: session.Who{Name: "Ada", Roles: map[string]access.Role{"acme": access.Admin}}, Tokens: long}))
	cookies := w.Result().Cookies()
	require.Greater(t, len(cookies), 1)
	read := func(s *session.Sessions, cookies []*http.Cookie) (got *session.Session) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		for _, c := range cookies {
			require.True(t, c.Secure)
			require.True(t, c.HttpOnly)
			require.Less(t, len(c.String()), 4096)
			r.AddCookie(c)
		}
		s.Attach(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = session.Of(r) })).ServeHTTP(httptest.NewRecorder(), r)
		return got
	}
	got := read(made(key, "_1"), cookies)
	require.NotNil(t, got)
	require.Equal(t, long.Refresh, got.Tokens.Refresh)
	require.Equal(t, access.Admin, got.Who.Role("acme"))
	require.Nil(t, read(made(strings.Repeat("x", 32), "_1"), cookies))
	require.Nil(t, read(made("", "_1"), cookies))
	require.Nil(t, read(made(key, "_2"), cookies), "of another port")
	require.Nil(t, read(made(key, "_1"), cookies[:1]))
	cookies[1].Value = cookies[0].Value
	require.Nil(t, read(made(key, "_1"), cookies))
}

// An issuer may take a refresh token only once: what many requests of a session need at the
// same time is asked for once, also by those that come a little later with the old cookie.
func TestASessionIsRenewedOnce(t *testing.T) {
	t.Parallel()
	cookies, err := session.NewCookies("", "", false)
	require.NoError(t, err)
	var asked atomic.Int64
	sessions := session.New(session.Options{Lasts: time.Hour, Cookies: cookies, Renew: func(context.Context, session.Tokens) (session.Arrival, error) {
		asked.Add(1)
		return session.Arrival{Who: session.Who{Name: "Ada"}, Tokens: session.Tokens{Token: "new", Refresh: "second", Until: time.Now().Add(time.Hour)}}, nil
	}})
	w := httptest.NewRecorder()
	require.NoError(t, sessions.Begin(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil),
		session.Arrival{Who: session.Who{Name: "Ada"}, Tokens: session.Tokens{Token: "old", Refresh: "first", Until: time.Now()}}))
	held := w.Result().Cookies()
	var all sync.WaitGroup
	var renewed atomic.Int64
	for range 20 {
		all.Go(func() {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
			for _, c := range held {
				r.AddCookie(c)
			}
			answer := httptest.NewRecorder()
			sessions.Attach(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if s := session.Of(r); s != nil && s.Tokens.Token == "new" {
					renewed.Add(1)
				}
			})).ServeHTTP(answer, r)
		})
	}
	all.Wait()
	require.EqualValues(t, 20, renewed.Load())
	require.EqualValues(t, 1, asked.Load())
}
