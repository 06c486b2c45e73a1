package console_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/console"
	"causeway.dev/console/pages"
	"causeway.dev/console/session"
	"causeway.dev/console/signin"
	"causeway.dev/internal/access"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/operator/operatortest"
	"causeway.dev/sandbox/entra"
	"causeway.dev/sandbox/entra/entratest"
	"causeway.dev/sandbox/kit"
	"causeway.dev/workflows"
)

// office is a console whose people sign in at a directory.
type office struct {
	*world
	entra  *entra.Server
	faults *kit.Faults
	time   *kit.Clock
	issuer *httptest.Server
	person *http.Client // follows redirects, and trusts the directory

	mu      sync.Mutex // a page asks several things at once
	granted []access.Request
}

// newOffice has acme with a role for each group, and acme-stage for admins alone.
func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{world: &world{t: t, acme: operatortest.New(), stage: operatortest.New()}, faults: &kit.Faults{}, time: &kit.Clock{}}
	o.entra = entra.New(entra.Options{Clock: o.time, Faults: o.faults, Tenant: "tenant"})
	o.issuer = httptest.NewTLSServer(o.entra)
	t.Cleanup(o.issuer.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: o.issuer.Certificate().Raw}), 0o600))
	a := config.Access{
		Issuer: o.issuer.URL + "/tenant/v2.0", ClientID: entra.SignInClientID, Scopes: []string{"openid", "profile", "offline_access"}, GroupsClaim: "groups",
		Groups:    config.AccessGroups{Viewer: []string{entra.ViewerGroup}, Support: []string{entra.SupportGroup}, Operator: []string{entra.OperatorGroup}, Admin: []string{entra.AdminGroup}},
		ClockSkew: time.Minute, CAFile: ca,
	}
	only := a
	only.Groups = config.AccessGroups{Admin: []string{entra.AdminGroup}}
	acme, stage := configured(t, "acme"), configured(t, "acme-stage")
	acme.Access, stage.Access = a, only
	o.grant(o.acme, acme)
	o.grant(o.stage, stage)

	o.server = httptest.NewUnstartedServer(nil)
	base, err := url.Parse("http://" + o.server.Listener.Addr().String())
	require.NoError(t, err)
	cookies, err := session.NewCookies(strings.Repeat("k", 32), "_1", false)
	require.NoError(t, err)
	open, err := signin.NewOpenID(signin.OpenIDOptions{Base: base, Access: map[string]config.Access{"acme": a, "acme-stage": only}, Cookies: cookies, Now: o.time.Now})
	require.NoError(t, err)
	dial := func(fake *operatortest.Temporal) func(context.Context) (operator.Temporal, error) {
		return func(context.Context) (operator.Temporal, error) { return fake, nil }
	}
	c, err := console.New(console.Options{
		Instances: []*pages.Instance{{Config: acme, File: "acme.yaml", Dial: dial(o.acme)}, {Config: stage, File: "stage.yaml", Dial: dial(o.stage)}},
		SignIn:    open, Cookies: cookies, Now: o.time.Now, LocalOnly: true,
	})
	require.NoError(t, err)
	o.server.Config.Handler = c
	o.server.Start()
	t.Cleanup(func() { o.server.Close(); c.Close() })
	o.fresh()
	return o
}

// fresh is another browser.
func (o *office) fresh() {
	o.browser = newBrowser(o.t)
	pool := o.issuer.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	o.person = &http.Client{Jar: o.browser.Jar, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
}

// grant has a worker of an instance permit what the table of roles allows.
func (o *office) grant(fake *operatortest.Temporal, cfg *config.Config) {
	keys, err := access.NewKeys([]byte(strings.Repeat("s", access.SecretSize)), "")
	require.NoError(o.t, err)
	verifier := access.NewVerifier(cfg.Access, o.issuer.Client(), o.time.Now)
	fake.On("Run "+activities.AccessKey, activities.AccessKeyResult{Public: keys.Public()})
	fake.On("Run "+activities.AskPermit, func(in any) any {
		request, err := keys.Open(in.(activities.AskPermitInput).Sealed)
		if err != nil {
			return err
		}
		who, err := verifier.Verify(context.Background(), request.Token)
		if err != nil {
			return err
		}
		operation, _ := access.Find(request.Name, request.Input)
		if err := access.May(who, operation); err != nil {
			return &operator.Error{Kind: operator.BadInput, Text: err.Error()}
		}
		o.mu.Lock()
		o.granted = append(o.granted, request)
		o.mu.Unlock()
		text, err := json.Marshal(keys.Sign(access.Permit{By: who.String()}))
		if err != nil {
			return err
		}
		return activities.AskPermitResult{Permit: text}
	})
	fake.On("Run "+activities.ListOperations, activities.OperationsResult{Operations: []activities.Operation{{What: activities.OpAcknowledge}}})
}

// signsIn signs somebody in as a person does, and returns where that ends.
func (o *office) signsIn(as, path string) entratest.Page {
	o.t.Helper()
	page, err := entratest.Browser{Client: o.person, As: as}.SignIn(o.t.Context(), o.server.URL+path)
	require.NoError(o.t, err)
	return page
}

const (
	vera = "vera@sandbox.example" // a viewer
	olga = "olga@sandbox.example" // an operator
	ada  = "ada@sandbox.example"  // an admin
	nils = "nils@sandbox.example" // in no group
)

func TestPeopleSignInAtTheIssuer(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.runs(nil)
	door := o.get("/i/acme/")
	require.Equal(t, "/sign-in/?next=%2Fi%2Facme%2F", door.header.Get("Location"))
	require.Contains(t, o.get(door.header.Get("Location")).body, `href="/sign-in/begin?next=%2Fi%2Facme%2F"`)
	page := o.signsIn(olga, "/sign-in/begin?next=%2Fi%2Facme%2F")
	require.Equal(t, "/i/acme/", page.URL.Path, page.Text)
	require.Equal(t, http.StatusOK, page.Status)
	require.Contains(t, page.Text, "Olga Dahl")
	require.Contains(t, page.Text, "operator of acme")
	require.NotContains(t, page.Text, "nobody has verified")
	require.NotContains(t, page.Text, "acme-stage", "she has no role there")
	require.Equal(t, http.StatusNotFound, o.get("/i/acme-stage/").status)

	o.acme.On("Update "+contactsFlow+" Stop", contacts(nil))
	require.Equal(t, http.StatusSeeOther, o.post("/i/acme/flows/contacts/stop", nil).status)
	last := o.granted[len(o.granted)-1]
	require.Equal(t, access.Update(workflows.UpdateStop), last.Name)
	by := o.acme.Requests["Update "+contactsFlow+" Stop"][0].(workflows.StopRequest).By
	require.True(t, access.Verified(by), by)
	require.True(t, strings.HasPrefix(by, "Olga Dahl <"), by)

	// Neither a page nor a cookie shows the token.
	for _, path := range []string{"/i/acme/", "/i/acme/overview/live", "/i/acme/flows/contacts/stop"} {
		require.NotContains(t, o.get(path).body, last.Token[:20])
	}
	at, err := url.Parse(o.server.URL)
	require.NoError(t, err)
	for _, c := range o.browser.Jar.Cookies(at) {
		require.NotContains(t, c.Value, last.Token[:20])
		require.Less(t, len(c.Value), 4000)
	}
	require.Equal(t, "/sign-in/?out=1", o.post("/sign-out", nil).header.Get("Location"))
	require.Equal(t, "/sign-in/?next=%2Fi%2Facme%2F", o.get("/i/acme/").header.Get("Location"))
}

func TestRolesComeFromGroupsByInstance(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.runs(nil)
	page := o.signsIn(vera, "/sign-in/begin?next=/i/acme/")
	require.Equal(t, http.StatusOK, page.Status)
	require.Contains(t, page.Text, "viewer of acme")
	for _, path := range []string{"/flows/contacts/stop", "/flows/contacts/start", "/all/stop", "/runs/contacts-20260302T100000.000Z/approve"} {
		require.Equal(t, http.StatusForbidden, o.get("/i/acme"+path).status, path)
		require.Equal(t, http.StatusForbidden, o.post("/i/acme"+path, nil).status, path)
	}
	o.fresh()
	o.stage.On("Query acme-stage/ingress/contacts Status", contacts(nil))
	require.Contains(t, o.signsIn(ada, "/sign-in/begin?next=/i/acme-stage/").Text, "admin of acme-stage")
	o.fresh()
	page = o.signsIn(nils, "/sign-in/begin")
	require.Equal(t, http.StatusForbidden, page.Status)
	require.Contains(t, page.Text, "You have no role here")
}

// A sign-in is good for the browser that began it, once, and leads nowhere else.
func TestASignInIsBoundToItsBrowser(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.runs(nil)
	for _, next := range []string{"//evil.example/", "https://evil.example", `/\evil.example`} {
		page := o.signsIn(olga, "/sign-in/begin?next="+url.QueryEscape(next))
		require.Equal(t, o.server.Listener.Addr().String(), page.URL.Host)
		require.Equal(t, "/i/acme/", page.URL.Path)
	}
	// What the issuer answers to one browser is worth nothing in another.
	var answer *url.URL
	o.fresh()
	o.person.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasSuffix(r.URL.Path, "/back") {
			answer = r.URL
			return http.ErrUseLastResponse
		}
		return nil
	}
	_, _ = entratest.Browser{Client: o.person, As: olga}.SignIn(t.Context(), o.server.URL+"/sign-in/begin")
	require.NotNil(t, answer)
	mine := o.browser
	o.fresh()
	p := o.get(answer.RequestURI())
	require.Equal(t, http.StatusForbidden, p.status)
	require.Contains(t, p.body, "not the answer to a sign-in that was begun here")
	require.Equal(t, "/sign-in/", o.get("/").header.Get("Location"))
	o.browser = mine
	require.Equal(t, http.StatusSeeOther, o.get(answer.RequestURI()).status)
	require.Equal(t, http.StatusForbidden, o.get(answer.RequestURI()).status, "a second time")

	o.fresh()
	page := o.signsIn("", "/sign-in/begin") // Cancel
	require.Equal(t, http.StatusForbidden, page.Status)
	require.Contains(t, page.Text, "was declined")

	// Another name of this machine leads to the one that the issuer knows.
	o.fresh()
	p = o.get("/sign-in/begin?next=/i/acme/", "Host", "localhost:1")
	require.Equal(t, o.server.URL+"/sign-in/begin?next=/i/acme/", p.header.Get("Location"))
}

// Signing in again makes another session, and ends the one before.
func TestASignInAtTheIssuerIsNotFixed(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.runs(nil)
	o.signsIn(olga, "/sign-in/begin")
	at, err := url.Parse(o.server.URL)
	require.NoError(t, err)
	before := o.browser.Jar.Cookies(at)
	o.signsIn(ada, "/sign-in/begin")
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	jar.SetCookies(at, before)
	o.browser.Jar = jar
	require.Equal(t, "/sign-in/", o.get("/").header.Get("Location"), "what was there before is worth nothing")
}

// A token is renewed before it ends, and with it who may do what; when the issuer has ended
// the sign-in, so has the session.
func TestSessionsFollowTheIssuer(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.runs(nil)
	o.signsIn(olga, "/sign-in/begin")
	require.Equal(t, http.StatusOK, o.get("/i/acme/").status)
	o.time.Advance(2 * time.Hour)
	require.Equal(t, http.StatusOK, o.get("/i/acme/").status, "it was renewed")
	require.Contains(t, o.get("/i/acme/").body, "operator of acme")

	_, err := o.faults.Add(kit.Rule{Service: "entra", Path: "/token$", Action: kit.Respond, Status: 503})
	require.NoError(t, err)
	o.time.Advance(2 * time.Hour)
	require.Equal(t, http.StatusSeeOther, o.get("/i/acme/").status, "nobody can say who that is")
	o.faults.Clear("")
	require.Equal(t, http.StatusOK, o.get("/i/acme/").status, "the issuer answers again")

	o.entra.Revoke()
	o.time.Advance(2 * time.Hour)
	require.Equal(t, http.StatusSeeOther, o.get("/i/acme/").status)
	o.signsIn(olga, "/sign-in/begin")
	require.Equal(t, http.StatusOK, o.get("/i/acme/").status)
	o.time.Advance(8 * time.Hour)
	require.Equal(t, http.StatusSeeOther, o.get("/i/acme/").status, "a session lasts 8 hours, whatever the issuer renews")
}

func TestAnIssuerThatDoesNotAnswerIsSaid(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.issuer.Close()
	p := o.get("/sign-in/begin")
	require.Equal(t, http.StatusForbidden, p.status)
	require.Contains(t, p.body, "cannot reach")
	require.Contains(t, p.body, "Sign in with your organisation")
}
