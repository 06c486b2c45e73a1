package console_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/console/pages"
	"causeway.dev/console/session"
	"causeway.dev/internal/access"
)

// routes are all pages and actions that there are: a further one is tested by itself.
func routes(t *testing.T) []pages.Route {
	t.Helper()
	p, err := pages.New(nil, nil, time.Now)
	require.NoError(t, err)
	return p.Routes()
}

var placeholder = regexp.MustCompile(`\{[^}]*\}`)

// addressOf is an address of a route.
func addressOf(instance string, route pages.Route) string {
	with := map[string]string{
		"{$}": "", "{flow}": "contacts", "{table}": "contacts", "{mapping}": "contacts", "{run}": "contacts-20260302T100000.000Z",
		"{id}": "00000001-0000-4000-8000-000000000000", "{action}": "stop", "{page...}": "access", "{part}": "worker",
	}
	switch {
	case strings.HasPrefix(route.Path, "/runs/"):
		with["{action}"] = "approve"
	case strings.HasPrefix(route.Path, "/quarantine/"):
		with["{action}"] = "discard"
	}
	return "/i/" + instance + placeholder.ReplaceAllStringFunc(route.Path, func(name string) string {
		value, known := with[name]
		if !known {
			return "x"
		}
		return value
	})
}

// asks says whether a request has made the console ask anything.
func (w *world) asks(do func() page) (page, int) {
	before := len(w.acme.Asked) + len(w.stage.Asked)
	p := do()
	return p, len(w.acme.Asked) + len(w.stage.Asked) - before
}

// Whoever has too low a role, or none, is refused at every address, and nothing is asked in
// their name. Whoever has the role gets through.
func TestEveryRouteHoldsItsRole(t *testing.T) {
	t.Parallel()
	for _, role := range append([]access.Role{access.None}, access.Roles()...) {
		w := newWorld(t, func(w *world) {
			w.who.Roles = map[string]access.Role{"acme": role, "acme-stage": access.Viewer}
		})
		w.runs(nil)
		w.signIn()
		for _, route := range routes(t) {
			path := addressOf("acme", route)
			name := role.String() + ": " + route.Method + " " + path
			for _, header := range [][]string{nil, {"HX-Request", "true"}} {
				p, asked := w.asks(func() page {
					return w.do(route.Method, path, url.Values{"next": {"/i/acme/"}, "reason": {"because"}}, header...)
				})
				switch {
				case role == access.None:
					require.Equal(t, http.StatusNotFound, p.status, name)
					require.Contains(t, p.body, "There is no such instance", name)
					require.Zero(t, asked, name)
				case role < route.Role:
					require.Equal(t, http.StatusForbidden, p.status, name)
					require.Zero(t, asked, name)
				default:
					require.NotEqual(t, http.StatusForbidden, p.status, name)
					require.NotContains(t, p.body, "Not for your role", name)
				}
			}
		}
	}
}

// Nobody who is not signed in learns anything at any address.
func TestEveryRouteIsBehindTheDoor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.runs(nil)
	for _, route := range routes(t) {
		path := addressOf("acme", route)
		p := w.do(route.Method, path, url.Values{})
		require.Equal(t, http.StatusSeeOther, p.status, path)
		require.True(t, strings.HasPrefix(p.header.Get("Location"), "/sign-in/"), path)
		require.Equal(t, http.StatusUnauthorized, w.do(route.Method, path, url.Values{}, "HX-Request", "true").status, path)
	}
	require.Empty(t, w.acme.Asked)
}

// Before the privacy text was acknowledged, no address shows or does anything, but for those
// that the text itself needs.
func TestEveryRouteWaitsForTheAcknowledgement(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.runs(nil)
	require.Equal(t, http.StatusSeeOther, w.get(w.link.New()).status)
	for _, route := range routes(t) {
		if route.Before {
			continue
		}
		path := addressOf("acme", route)
		p := w.do(route.Method, path, url.Values{"reason": {"because"}})
		require.Equal(t, http.StatusSeeOther, p.status, path)
		require.True(t, strings.HasPrefix(p.header.Get("Location"), "/i/acme/acknowledge?"), path)
	}
	for _, asked := range w.acme.Asked {
		require.True(t, strings.HasPrefix(asked, "Run "), asked) // whether it was acknowledged
	}
	require.Empty(t, w.stage.Asked)
}

// A page from elsewhere cannot have any action done, and no page of ours does one for a
// request that only looks.
func TestEveryActionIsOfTheSameOrigin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.runs(nil)
	w.signIn()
	for _, route := range routes(t) {
		path := addressOf("acme", route)
		if route.Method == http.MethodPost {
			for _, header := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
				p, asked := w.asks(func() page { return w.post(path, url.Values{"reason": {"because"}}, header...) })
				require.Equal(t, http.StatusForbidden, p.status, "%s %v", path, header)
				require.Zero(t, asked, path)
			}
			continue
		}
		w.get(path)
	}
	for _, asked := range w.acme.Asked {
		require.False(t, strings.HasPrefix(asked, "Update ") || strings.HasPrefix(asked, "Start ") || strings.HasPrefix(asked, "Begin ") || strings.HasPrefix(asked, "Cancel ") || strings.HasPrefix(asked, "Reset "), asked)
	}
}

// What browsers keep to goes with every page, and a page asks only the instance of its address.
func TestEveryRouteAsksItsOwnInstance(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.runs(nil)
	w.signIn()
	for _, route := range routes(t) {
		for _, instance := range []string{"acme", "acme-stage"} {
			path := addressOf(instance, route)
			acme, stage := len(w.acme.Asked), len(w.stage.Asked)
			p := w.do(route.Method, path, url.Values{"reason": {"because"}})
			require.Contains(t, p.header.Get("Content-Security-Policy"), "default-src 'none'", path)
			require.NotContains(t, p.header.Get("Content-Security-Policy"), "unsafe", path)
			require.Equal(t, "DENY", p.header.Get("X-Frame-Options"), path)
			require.Equal(t, "no-store", p.header.Get("Cache-Control"), path)
			if instance == "acme" {
				require.Len(t, w.stage.Asked, stage, "%s asks the other instance", path)
			} else {
				require.Len(t, w.acme.Asked, acme, "%s asks the other instance", path)
				require.NotContains(t, p.body, `"/i/acme/flows/`, "%s leads to the other instance", path)
				require.NotContains(t, p.body, `"/i/acme/runs/`, "%s leads to the other instance", path)
			}
		}
	}
}

// A reader's cookies choose a zone and a theme, and nothing else: whatever they hold, every
// page answers as ever and says none of it.
func TestCookiesOfTheReaderAreNotTrusted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.runs(nil)
	w.signIn()
	for _, evil := range []string{
		`"><script>alert(1)</script>`, "../../../../etc/passwd", "..%2f..%2fetc%2fpasswd", "/etc/localtime", "Local", "Europe/../../../etc/passwd", "%00", "Europe%2FBerlin%00",
		strings.Repeat("A", 4000), "Europe%252FBerlin", "right/UTC/..", "-1", "+00:00", "%zz",
	} {
		for _, path := range []string{"/i/acme/", "/i/acme/flows/contacts", "/i/acme/runs", "/i/acme/events", "/i/acme/mappings", "/i/acme/log"} {
			plain := w.get(path)
			p := w.get(path, "Cookie", "causeway_zone="+evil+"; causeway_theme="+evil)
			require.Equal(t, plain.status, p.status, "%s %s", path, evil)
			require.NotContains(t, p.body, "<script>alert", path)
			require.NotContains(t, p.body, "passwd", path)
			require.NotContains(t, p.body, "root:", path)
			require.Contains(t, p.body, `data-zone="UTC"`, "%s %s", path, evil)
		}
	}
	p := w.get("/i/acme/", "Cookie", "causeway_zone=Asia%2FTokyo")
	require.Contains(t, p.body, `data-zone="Asia/Tokyo"`)
}

// The session of one instance is worth nothing in another: neither roles nor what was acknowledged
// go along.
func TestRolesAreOfOneInstance(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) {
		w.who = session.Who{Subject: "local:ada", Name: "ada", Roles: map[string]access.Role{"acme": access.Admin}}
	})
	w.runs(nil)
	w.signIn()
	for _, route := range routes(t) {
		path := addressOf("acme-stage", route)
		p := w.do(route.Method, path, url.Values{"reason": {"because"}})
		require.Equal(t, http.StatusNotFound, p.status, path)
	}
	require.Empty(t, w.stage.Asked)
}
