package entra_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"causeway.dev/sandbox/entra"
	"causeway.dev/sandbox/entra/entratest"
)

const loopback = "http://localhost:49152"

// authorize is the address that begins a sign-in; pairs replace the good values, "" removes
// one.
func (d *directory) authorize(pairs ...string) string {
	q := url.Values{
		"client_id": {entra.SignInClientID}, "response_type": {"code"}, "redirect_uri": {loopback}, "scope": {"openid profile offline_access"},
		"state": {"st&te"}, "nonce": {"n0nce"}, "code_challenge": {oauth2.S256ChallengeFromVerifier(verifier)}, "code_challenge_method": {"S256"},
	}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			q.Del(pairs[i])
		}
	}
	return d.URL + "/tenant/oauth2/v2.0/authorize?" + q.Encode()
}

const verifier = "a-verifier-that-is-long-enough-to-be-one-0123456789"

// browser is somebody whose browser stops at the application's address, and where.
func (d *directory) browser(as string) (entratest.Browser, *url.URL) {
	at := &url.URL{}
	client := *d.Client()
	client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		*at = *r.URL
		return http.ErrUseLastResponse
	}
	return entratest.Browser{Client: &client, As: as}, at
}

// code signs somebody in and returns the code that the application gets.
func (d *directory) code(as string, pairs ...string) string {
	d.Helper()
	b, at := d.browser(as)
	_, err := b.SignIn(d.Context(), d.authorize(pairs...))
	require.NoError(d, err)
	require.Equal(d, "st&te", at.Query().Get("state"))
	require.NotEmpty(d, at.Query().Get("code"), at)
	return at.Query().Get("code")
}

// post sends a form to an endpoint of the tenant.
func (d *directory) post(path string, f url.Values) (int, map[string]any) {
	d.Helper()
	res, err := d.Client().PostForm(d.URL+"/tenant"+path, f)
	require.NoError(d, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(d, err)
	var doc map[string]any
	require.NoError(d, json.Unmarshal(body, &doc), string(body))
	return res.StatusCode, doc
}

// redeem asks for the tokens of a code; pairs replace the good values.
func (d *directory) redeem(code string, pairs ...string) (int, map[string]any) {
	d.Helper()
	f := url.Values{
		"grant_type": {"authorization_code"}, "client_id": {entra.SignInClientID}, "code": {code}, "redirect_uri": {loopback}, "code_verifier": {verifier},
	}
	for i := 0; i < len(pairs); i += 2 {
		f.Set(pairs[i], pairs[i+1])
	}
	return d.post("/oauth2/v2.0/token", f)
}

// claims are those of a token, unchecked.
func claims(t *testing.T, token any) jwt.MapClaims {
	t.Helper()
	out := jwt.MapClaims{}
	_, _, err := jwt.NewParser().ParseUnverified(token.(string), out)
	require.NoError(t, err)
	return out
}

func TestTheClaimsOfAPerson(t *testing.T) {
	d := newDirectory(t)
	status, doc := d.redeem(d.code("olga@sandbox.example"))
	require.Equal(t, http.StatusOK, status, doc)
	require.Equal(t, "openid profile", doc["scope"])
	id := claims(t, doc["id_token"])
	require.Equal(t, d.URL+"/tenant/v2.0", id["iss"])
	require.Equal(t, entra.SignInClientID, id["aud"])
	require.Equal(t, "tenant", id["tid"])
	require.Equal(t, "Olga Dahl", id["name"])
	require.Equal(t, "olga@sandbox.example", id["preferred_username"])
	require.Equal(t, []any{entra.OperatorGroup}, id["groups"])
	require.Equal(t, "n0nce", id["nonce"])
	require.Equal(t, "2.0", id["ver"])
	require.NotEqual(t, id["oid"], id["sub"], "the subject is another one for each application")
	require.InDelta(t, 3599, id["exp"].(float64)-id["iat"].(float64), 0)
	require.NotContains(t, id, "email", "was not asked for")

	graph := claims(t, doc["access_token"])
	require.Equal(t, "00000003-0000-0000-c000-000000000000", graph["aud"], "without a scope of an API the token is for Microsoft Graph")

	_, doc = d.redeem(d.code("olga@sandbox.example", "scope", "openid email api://"+entra.SignInClientID+"/access"))
	api := claims(t, doc["access_token"])
	require.Equal(t, entra.SignInClientID, api["aud"])
	require.Equal(t, "access", api["scp"])
	require.Equal(t, []any{entra.OperatorGroup}, api["groups"])
	require.Equal(t, "olga@sandbox.example", claims(t, doc["id_token"])["email"])
	require.NotContains(t, claims(t, doc["id_token"]), "name", "profile was not asked for")
	require.NotContains(t, doc, "refresh_token", "offline_access was not asked for")

	_, doc = d.redeem(d.code("nils@sandbox.example"))
	require.NotContains(t, claims(t, doc["id_token"]), "groups", "a person in no group")
}

// A person of very many groups is told of by reference.
func TestMoreGroupsThanATokenHolds(t *testing.T) {
	d := newDirectory(t)
	dir := entra.DefaultDirectory()
	dir.Users[0].Groups, dir.Users[0].Roles = nil, []string{"Auditor"}
	for range 201 {
		dir.Users[0].Groups = append(dir.Users[0].Groups, entra.ViewerGroup)
	}
	d.entra.SetDirectory(dir)
	_, doc := d.redeem(d.code("vera@sandbox.example"))
	id := claims(t, doc["id_token"])
	require.NotContains(t, id, "groups")
	require.Equal(t, map[string]any{"groups": "src1"}, id["_claim_names"])
	require.Equal(t, []any{"Auditor"}, id["roles"])
}

// What is wrong with the application is told on a page: nobody may be sent to an address
// that is not registered.
func TestAnApplicationThatIsNotKnown(t *testing.T) {
	d := newDirectory(t)
	for name, c := range map[string]struct {
		pairs []string
		want  string
	}{
		"no application":      {[]string{"client_id", ""}, "AADSTS900144"},
		"unknown application": {[]string{"client_id", "x"}, "AADSTS700016"},
		"another host":        {[]string{"redirect_uri", "http://elsewhere.example"}, "AADSTS50011"},
		"another path":        {[]string{"redirect_uri", "http://localhost:1/elsewhere"}, "AADSTS50011"},
		"another scheme":      {[]string{"redirect_uri", "https://localhost:1"}, "AADSTS50011"},
		"a name before it":    {[]string{"redirect_uri", "http://localhost@elsewhere.example"}, "AADSTS50011"},
		"a name in it":        {[]string{"redirect_uri", "http://me@localhost:1"}, "AADSTS50011"},
		"IPv6":                {[]string{"redirect_uri", "http://[::1]:1"}, "AADSTS50011"},
	} {
		b, at := d.browser("")
		page, err := b.Open(t.Context(), d.authorize(c.pairs...))
		require.NoError(t, err, name)
		require.Equal(t, http.StatusBadRequest, page.Status, name)
		require.Contains(t, page.Text, c.want, name)
		require.Empty(t, at.Host, name)
	}
}

// What else is wrong is told to the application.
func TestSignInsThatAreRefused(t *testing.T) {
	d := newDirectory(t)
	for name, c := range map[string]struct {
		pairs      []string
		code, want string
	}{
		"no response type":    {[]string{"response_type", ""}, "invalid_request", "AADSTS900144"},
		"an implicit token":   {[]string{"response_type", "id_token"}, "unsupported_response_type", "AADSTS700054"},
		"no scope":            {[]string{"scope", ""}, "invalid_request", "AADSTS900144"},
		"a scope of nobody":   {[]string{"scope", "openid api://x/access"}, "invalid_resource", "AADSTS500011"},
		"an unknown scope":    {[]string{"scope", "openid api://" + entra.SignInClientID + "/x"}, "invalid_client", "AADSTS650053"},
		"two APIs":            {[]string{"scope", "User.Read api://" + entra.SignInClientID + "/access"}, "invalid_request", "AADSTS28000"},
		"a method of its own": {[]string{"code_challenge_method", "S512"}, "invalid_request", "AADSTS50149"},
		"a short challenge":   {[]string{"code_challenge", "x"}, "invalid_request", "AADSTS501491"},
		"silently":            {[]string{"prompt", "none"}, "login_required", "AADSTS50058"},
		"an odd mode":         {[]string{"response_mode", "x"}, "invalid_request", "AADSTS70007"},
	} {
		b, at := d.browser("")
		_, err := b.Open(t.Context(), d.authorize(c.pairs...))
		require.NoError(t, err, name)
		require.Equal(t, "localhost:49152", at.Host, name)
		require.Equal(t, c.code, at.Query().Get("error"), name)
		require.Contains(t, at.Query().Get("error_description"), c.want, name)
		require.Equal(t, "st&te", at.Query().Get("state"), name)
	}
	b, at := d.browser("")
	_, err := b.SignIn(t.Context(), d.authorize())
	require.NoError(t, err)
	require.Equal(t, "access_denied", at.Query().Get("error"))
	require.Contains(t, at.Query().Get("error_description"), "AADSTS65004")
}

func TestCodesThatAreRefused(t *testing.T) {
	d := newDirectory(t)
	dir := entra.DefaultDirectory()
	dir.Apps = append(dir.Apps, entra.App{ClientID: "other", Name: "Other", Public: true, RedirectURIs: []string{"http://localhost"}},
		entra.App{ClientID: "web", Name: "Web", Secret: "s3cret", RedirectURIs: []string{"https://web.example/cb"}})
	d.entra.SetDirectory(dir)
	for name, c := range map[string]struct {
		pairs  []string
		status int
		code   string
		number float64
	}{
		"another verifier":    {[]string{"code_verifier", verifier + "x"}, 400, "invalid_grant", 501481},
		"no verifier":         {[]string{"code_verifier", ""}, 400, "invalid_grant", 501481},
		"another address":     {[]string{"redirect_uri", "http://localhost:1"}, 400, "invalid_client", 500112},
		"no address":          {[]string{"redirect_uri", ""}, 400, "invalid_request", 900144},
		"another application": {[]string{"client_id", "other"}, 400, "invalid_grant", 70000},
		"unknown application": {[]string{"client_id", "x"}, 400, "unauthorized_client", 700016},
		"no such code":        {[]string{"code", "x"}, 400, "invalid_grant", 70000},
		"no code":             {[]string{"code", ""}, 400, "invalid_request", 900144},
		"a public secret":     {[]string{"client_secret", "x"}, 401, "invalid_client", 700025},
		"no secret":           {[]string{"client_id", "web"}, 401, "invalid_client", 7000218},
		"a wrong secret":      {[]string{"client_id", "web", "client_secret", "x"}, 401, "invalid_client", 7000215},
	} {
		status, doc := d.redeem(d.code("vera@sandbox.example"), c.pairs...)
		require.Equal(t, c.status, status, name)
		require.Equal(t, c.code, doc["error"], name)
		require.Equal(t, []any{c.number}, doc["error_codes"], name)
	}
	code := d.code("vera@sandbox.example")
	status, _ := d.redeem(code)
	require.Equal(t, http.StatusOK, status)
	_, doc := d.redeem(code)
	require.Equal(t, []any{54005.0}, doc["error_codes"], "a code is used once")
	code = d.code("vera@sandbox.example")
	d.clock.Advance(11 * time.Minute)
	_, doc = d.redeem(code)
	require.Equal(t, []any{70008.0}, doc["error_codes"], "a code is used soon")
}

// A refresh token is replaced at every use; the older one works until sign-ins are revoked.
func TestRefreshTokens(t *testing.T) {
	d := newDirectory(t)
	_, doc := d.redeem(d.code("ada@sandbox.example"))
	renew := func(token any) (int, map[string]any) {
		return d.post("/oauth2/v2.0/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {entra.SignInClientID}, "refresh_token": {token.(string)}})
	}
	first := doc["refresh_token"]
	status, doc := renew(first)
	require.Equal(t, http.StatusOK, status, doc)
	require.NotEqual(t, first, doc["refresh_token"])
	require.Equal(t, []any{entra.AdminGroup}, claims(t, doc["id_token"])["groups"])
	require.NotContains(t, claims(t, doc["id_token"]), "nonce")
	status, _ = renew(first)
	require.Equal(t, http.StatusOK, status)

	dir := entra.DefaultDirectory()
	dir.Users[4].Groups, dir.Users[0].Disabled = []string{entra.ViewerGroup}, true
	d.entra.SetDirectory(dir)
	_, doc = renew(first)
	require.Equal(t, []any{entra.ViewerGroup}, claims(t, doc["id_token"])["groups"], "groups are those of now")

	second := doc["refresh_token"]
	d.entra.Revoke()
	_, doc = renew(second)
	require.Equal(t, []any{50173.0}, doc["error_codes"])
	_, doc = renew("x")
	require.Equal(t, []any{9002313.0}, doc["error_codes"])
	_, doc = d.redeem(d.code("ada@sandbox.example"))
	d.clock.Advance(91 * 24 * time.Hour)
	_, doc = renew(doc["refresh_token"])
	require.Equal(t, []any{700082.0}, doc["error_codes"])

	b, _ := d.browser("vera@sandbox.example")
	page, err := b.SignIn(t.Context(), d.authorize())
	require.NoError(t, err)
	require.Contains(t, page.Text, "AADSTS50057", "an account that is disabled")
}

func TestDeviceCodes(t *testing.T) {
	d := newDirectory(t)
	begin := func() (code, device string) {
		status, doc := d.post("/oauth2/v2.0/devicecode", url.Values{"client_id": {entra.SignInClientID}, "scope": {"openid profile offline_access"}})
		require.Equal(t, http.StatusOK, status, doc)
		require.InDelta(t, 5, doc["interval"], 0)
		require.Contains(t, doc["message"], doc["user_code"])
		return doc["user_code"].(string), doc["device_code"].(string)
	}
	ask := func(device string) map[string]any {
		_, doc := d.post("/oauth2/v2.0/token", url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "client_id": {entra.SignInClientID}, "device_code": {device}})
		return doc
	}
	b, _ := d.browser("sami@sandbox.example")
	code, device := begin()
	require.Equal(t, "authorization_pending", ask(device)["error"])
	require.Equal(t, "slow_down", ask(device)["error"], "not before the interval has passed")
	d.clock.Advance(5 * time.Second)
	require.Equal(t, "authorization_pending", ask(device)["error"])
	page, err := b.EnterCode(t.Context(), d.URL+"/devicelogin", "WRONG")
	require.NoError(t, err)
	require.Equal(t, http.StatusBadRequest, page.Status)
	require.Contains(t, page.Text, "That code didn't work")
	page, err = b.EnterCode(t.Context(), d.URL+"/devicelogin", " "+strings.ToLower(code))
	require.NoError(t, err)
	require.Contains(t, page.Text, "You have signed in to Causeway on your device")
	doc := ask(device)
	require.Equal(t, "Sami Berg", claims(t, doc["id_token"])["name"], doc)
	require.Equal(t, "bad_verification_code", ask(device)["error"], "a device code is used once")

	code, device = begin()
	b.As = ""
	_, err = b.EnterCode(t.Context(), d.URL+"/devicelogin", code)
	require.NoError(t, err)
	require.Equal(t, "authorization_declined", ask(device)["error"])

	_, device = begin()
	d.clock.Advance(16 * time.Minute)
	require.Equal(t, "expired_token", ask(device)["error"])
	require.Equal(t, "bad_verification_code", ask("x")["error"])
}

// The page works without scripts and by the keyboard: a form of labelled radio buttons, of
// which one is chosen, and it says which language it is in.
func TestThePageIsPlain(t *testing.T) {
	d := newDirectory(t)
	b, _ := d.browser("")
	page, err := b.Open(t.Context(), d.authorize("login_hint", "otto@sandbox.example"))
	require.NoError(t, err)
	require.Contains(t, page.Text, `<html lang="en">`)
	require.Contains(t, page.Text, "<legend>Pick a person</legend>")
	require.NotContains(t, page.Text, "<script")
	require.Len(t, regexp.MustCompile(`<label><input type="radio"`).FindAllString(page.Text, -1), 6)
	require.Regexp(t, `value="[^"]*04" checked autofocus required> Otto Lund`, page.Text, "the person whom the application named")
	require.Contains(t, page.Text, "member of Causeway operators")
}

// The answer comes the way it was asked for, and the form of a page works once.
func TestResponseModes(t *testing.T) {
	d := newDirectory(t)
	b, at := d.browser("vera@sandbox.example")
	_, err := b.SignIn(t.Context(), d.authorize("response_mode", "fragment"))
	require.NoError(t, err)
	require.Contains(t, at.Fragment, "code=")
	var sent url.Values
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		sent = r.PostForm
	}))
	defer app.Close()
	_, err = b.SignIn(t.Context(), d.authorize("response_mode", "form_post", "redirect_uri", app.URL))
	require.NoError(t, err)
	require.NotEmpty(t, sent.Get("code"))
	require.Equal(t, "st&te", sent.Get("state"))

	page, err := b.Open(t.Context(), d.authorize())
	require.NoError(t, err)
	ctx := regexp.MustCompile(`name="ctx" value="([^"]+)"`).FindStringSubmatch(page.Text)[1]
	for range 2 {
		res, err := b.Client.PostForm(d.URL+"/tenant/login", url.Values{"ctx": {ctx}, "action": {"cancel"}})
		require.NoError(t, err)
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		page.Text = string(text)
	}
	require.Contains(t, page.Text, "AADSTS50089")
}
