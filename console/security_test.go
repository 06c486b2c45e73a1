package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"causeway.dev/internal/access"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/console/signin"
	"causeway.dev/workflows"
)

// What browsers keep to goes with every answer: pages, parts, files and refusals.
func TestEveryAnswerCarriesThePolicies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	look := func(path string) {
		h := w.get(path).header
		csp := h.Get("Content-Security-Policy")
		require.Contains(t, csp, "default-src 'none'", path)
		require.Contains(t, csp, "frame-ancestors 'none'", path)
		require.NotContains(t, csp, "unsafe", path)
		require.Equal(t, "DENY", h.Get("X-Frame-Options"), path)
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), path)
		require.Equal(t, "same-origin", h.Get("Referrer-Policy"), path)
	}
	paths := []string{"/", "/sign-in/", "/i/acme/", "/static/style.css", "/static/none.css", "/nowhere"}
	for _, path := range paths {
		look(path)
	}
	w.signIn()
	for _, path := range append(paths, "/i/other/", "/i/acme/overview/live", "/i/acme/flows/contacts/stop") {
		look(path)
	}
	require.Equal(t, "no-store", w.get("/i/acme/").header.Get("Cache-Control"))
}

// The files are served one by one: nobody learns what else there is.
func TestFilesAreNotListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.get("/static/")
	require.Equal(t, http.StatusNotFound, p.status)
	require.NotContains(t, p.body, "htmx")
	require.Equal(t, http.StatusOK, w.get("/static/style.css").status)
}

func TestNothingIsThereBeforeSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.runs(nil)
	for _, path := range []string{"/", "/i/acme/", "/i/acme/flows/contacts/stop", "/i/acme/acknowledge", "/i/none/"} {
		p := w.get(path)
		require.Equal(t, http.StatusSeeOther, p.status, path)
		require.True(t, strings.HasPrefix(p.header.Get("Location"), "/sign-in/"), path)
	}
	require.Equal(t, http.StatusSeeOther, w.post("/i/acme/flows/contacts/stop", nil).status)
	require.Equal(t, http.StatusUnauthorized, w.get("/i/acme/overview/live", "HX-Request", "true").status, "a part is not replaced by a page")
	require.Empty(t, w.acme.Asked)
}

// A link is good once and for a while, and looking at it without opening it does not use it.
func TestALinkIsGoodOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := w.link.New()
	require.Equal(t, http.StatusSeeOther, w.do(http.MethodHead, path, nil).status)
	p := w.get(path)
	require.Equal(t, "/", p.header.Get("Location"))
	require.Equal(t, "/i/acme/", w.get("/").header.Get("Location"))
	w.browser = newBrowser(t)
	require.Equal(t, "/sign-in/?used=1", w.get(path).header.Get("Location"))
	require.Equal(t, "/sign-in/", w.get("/").header.Get("Location"))

	old := w.link.New()
	w.clock = w.clock.Add(time.Hour)
	require.Equal(t, "/sign-in/?used=1", w.get(old).header.Get("Location"))
	require.Equal(t, "/sign-in/?used=1", w.get("/sign-in/link?token=").header.Get("Location"))

	require.Equal(t, http.StatusSeeOther, w.post("/sign-in/link", nil).status)
	require.Len(t, w.printed, 1)
	require.Equal(t, "/", w.get(w.printed[0]).header.Get("Location"), "the one that was printed is good")
	for range 20 {
		w.post("/sign-in/link", nil)
	}
	require.LessOrEqual(t, len(w.printed), 6, "nobody fills the terminal")
}

func TestALinkLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, next := range []string{"//evil.example/", "https://evil.example", `/\evil.example`, "javascript:alert(1)", "/\t/evil.example", "", "evil.example", "/\n//x"} {
		require.Equal(t, "/", w.get(w.link.New()+"&next="+url.QueryEscape(next)).header.Get("Location"), next)
		require.Equal(t, "/", signin.Local(next))
		require.Equal(t, "/", w.post("/theme", url.Values{"theme": {"dark"}, "back": {next}}).header.Get("Location"), next)
	}
	require.Equal(t, "/i/acme/", w.get(w.link.New()+"&next=/i/acme/").header.Get("Location"))
	p := w.post("/i/acme/acknowledge", url.Values{"read": {"yes"}, "next": {"//evil.example"}})
	require.Equal(t, "/", p.header.Get("Location"))
}

// Signing in makes a new session, and the cookie that a browser had before is worth nothing.
func TestSessionsAreNotFixed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.signIn()
	at, err := url.Parse(w.server.URL)
	require.NoError(t, err)
	of := func() string {
		for _, c := range w.browser.Jar.Cookies(at) {
			if c.Name == "causeway_session" {
				return c.Value
			}
		}
		return ""
	}
	first := of()
	require.NotEmpty(t, first)
	set := w.get(w.link.New()).header.Get("Set-Cookie")
	require.Contains(t, set, "HttpOnly")
	require.Contains(t, set, "SameSite=Lax")
	require.NotContains(t, set, "ada", "it is encrypted")
	second := of()
	require.NotEqual(t, first, second)

	other := newBrowser(t)
	lets := func(value string) bool {
		w.browser = other
		return w.get("/", "Cookie", "causeway_session="+value).header.Get("Location") != "/sign-in/"
	}
	require.False(t, lets(first), "the old one is ended")
	require.True(t, lets(second))
	require.Equal(t, http.StatusSeeOther, w.post("/sign-out", nil, "Cookie", "causeway_session="+second).status)
	require.False(t, lets(second), "a copy of a cookie does not outlive signing out")
	require.False(t, lets("made-up"))
}

func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.signIn()
	require.NotEqual(t, "/sign-in/", w.get("/").header.Get("Location"))
	w.clock = w.clock.Add(8 * time.Hour)
	require.Equal(t, "/sign-in/", w.get("/").header.Get("Location"))
}

// A page from elsewhere cannot have anything done, also where its name leads here.
func TestOtherOriginsAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.runs(nil)
	w.signIn()
	require.Equal(t, http.StatusForbidden, w.post("/i/acme/flows/contacts/stop", nil, "Sec-Fetch-Site", "cross-site").status)
	require.Equal(t, http.StatusForbidden, w.post("/i/acme/flows/contacts/stop", nil, "Origin", "https://evil.example").status)
	require.Equal(t, http.StatusForbidden, w.post("/sign-out", nil, "Sec-Fetch-Site", "same-site").status)
	require.NotContains(t, w.acme.Asked, "Update "+contactsFlow+" Stop")
	require.Equal(t, http.StatusMisdirectedRequest, w.get("/", "Host", "rebound.example").status)
	require.Equal(t, http.StatusMisdirectedRequest, w.get("/", "Host", "127.0.0.1.evil.example:80").status)
	require.Equal(t, http.StatusSeeOther, w.get("/", "Host", "localhost:8280").status)
	require.Equal(t, http.StatusSeeOther, w.get("/", "Host", "[::1]:8280").status)
}

// Each address asks for its role itself, whatever the pages show.
func TestRolesHoldByAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) {
		w.who.Roles = map[string]access.Role{"acme": access.Viewer}
	})
	w.runs(func(st *workflows.Status) {
		st.Approvals = []activities.Approval{{Run: "contacts-20260302T100000.000Z", Deletes: 700}}
	})
	w.signIn()
	require.Equal(t, http.StatusOK, w.get("/i/acme/").status)
	body := w.get("/i/acme/").body
	for _, verb := range []string{"/stop", "/start", "/pause", "/approve", "/sync-now"} {
		require.NotContains(t, body, verb+`"`, "a viewer is offered nothing")
	}
	require.Contains(t, body, "Needs an operator")
	for _, path := range []string{"/flows/contacts/stop", "/flows/contacts/start", "/flows/contacts/pause", "/all/stop", "/all/sync-now", "/runs/contacts-20260302T100000.000Z/approve"} {
		require.Equal(t, http.StatusForbidden, w.post("/i/acme"+path, url.Values{"reason": {"x"}}).status, path)
		require.Equal(t, http.StatusForbidden, w.get("/i/acme"+path).status, path)
	}
	for _, asked := range w.acme.Asked {
		require.False(t, strings.HasPrefix(asked, "Update ") || strings.HasPrefix(asked, "Start "), asked)
	}
	for _, path := range []string{"/i/acme-stage/", "/i/none/"} {
		p := w.get(path)
		require.Equal(t, http.StatusNotFound, p.status, path)
		require.Contains(t, p.body, "There is no such instance", "the same, whether it is there or not")
	}
	require.NotContains(t, body, "acme-stage")
	require.Empty(t, w.stage.Asked)
}
