package signin_test

import (
	"context"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/config"
	"causeway.dev/internal/signin"
	"causeway.dev/sandbox/entra"
	"causeway.dev/sandbox/entra/entratest"
	"causeway.dev/sandbox/kit"
)

// desk is somebody at a machine, and a directory to sign in at.
type desk struct {
	*testing.T
	server *httptest.Server
	entra  *entra.Server
	faults *kit.Faults
	clock  *kit.Clock
	access config.Access
	folder string
	asked  atomic.Int64 // requests to the token endpoint
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{T: t, faults: &kit.Faults{}, clock: &kit.Clock{}, folder: filepath.Join(t.TempDir(), "causeway", "tokens")}
	d.entra = entra.New(entra.Options{Clock: d.clock, Faults: d.faults, Tenant: "tenant", DeviceInterval: time.Second})
	d.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/token") {
			d.asked.Add(1)
		}
		d.entra.ServeHTTP(w, r)
	}))
	t.Cleanup(d.server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: d.server.Certificate().Raw}), 0o600))
	d.access = config.Access{
		Issuer: d.server.URL + "/tenant/v2.0", ClientID: entra.SignInClientID, Scopes: []string{"openid", "profile", "offline_access"},
		GroupsClaim: "groups", CAFile: ca,
	}
	return d
}

func (d *desk) client() *signin.Client {
	d.Helper()
	c, err := signin.New(signin.Options{Access: d.access, Folder: d.folder, Now: d.clock.Now})
	require.NoError(d, err)
	return c
}

// browser signs somebody in as soon as there is an address.
func (d *desk) browser(as string) func(string) {
	return func(address string) {
		go func() { _, _ = entratest.Browser{Client: d.server.Client(), As: as}.SignIn(d.Context(), address) }()
	}
}

// files are those of kept sign-ins.
func (d *desk) files() []string {
	found, err := filepath.Glob(filepath.Join(d.folder, "*"))
	require.NoError(d, err)
	return found
}

func TestWithoutAccessNobodySignsIn(t *testing.T) {
	t.Parallel()
	c, err := signin.New(signin.Options{})
	require.NoError(t, err)
	require.Nil(t, c)
	token, err := c.Token(t.Context())
	require.NoError(t, err)
	require.Empty(t, token)
}

func TestSignInThroughABrowser(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	c := d.client()
	_, err := c.Token(t.Context())
	require.Equal(t, signin.NotSignedIn, signin.KindOf(err))
	require.ErrorContains(t, err, "run: causeway login")
	who, err := c.Browser(t.Context(), d.browser("olga@sandbox.example"))
	require.NoError(t, err)
	require.Equal(t, "Olga Dahl", who.Name)
	require.Equal(t, "olga@sandbox.example", who.Username)
	require.Equal(t, []string{entra.OperatorGroup}, who.Groups)

	token, err := d.client().Token(t.Context()) // of another command
	require.NoError(t, err)
	require.Len(t, strings.Split(token, "."), 3)
	require.EqualValues(t, 1, d.asked.Load(), "a token that is good is not renewed")
	require.Len(t, d.files(), 1)
	info, err := os.Stat(d.files()[0])
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	info, err = os.Stat(d.folder)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())

	forgot, err := c.Forget()
	require.NoError(t, err)
	require.True(t, forgot)
	require.Empty(t, d.files())
	forgot, err = c.Forget()
	require.NoError(t, err)
	require.False(t, forgot)
}

// With an audience the access token is what workers get.
func TestAnAccessTokenForAnAudience(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.access.Audience = entra.SignInClientID
	d.access.Scopes = append(d.access.Scopes, "api://"+entra.SignInClientID+"/access")
	who, err := d.client().Browser(t.Context(), d.browser("ada@sandbox.example"))
	require.NoError(t, err)
	require.Equal(t, "Ada Nyberg", who.Name)
	require.Equal(t, []string{entra.AdminGroup}, who.Groups)

	d.access.Scopes = []string{"openid", "profile"}
	_, err = d.client().Browser(t.Context(), d.browser("ada@sandbox.example"))
	require.Equal(t, signin.Refused, signin.KindOf(err))
	require.ErrorContains(t, err, "access.scopes must ask for a scope of it")
}

// Another issuer, application or audience has a file of its own.
func TestEachApplicationHasItsOwnSignIn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	_, err := d.client().Browser(t.Context(), d.browser("ada@sandbox.example"))
	require.NoError(t, err)
	d.access.ClientID = "other"
	_, err = d.client().Token(t.Context())
	require.Equal(t, signin.NotSignedIn, signin.KindOf(err))
}

func TestATokenIsRenewed(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	_, err := d.client().Browser(t.Context(), d.browser("vera@sandbox.example"))
	require.NoError(t, err)
	first, err := d.client().Token(t.Context())
	require.NoError(t, err)
	d.clock.Advance(59 * time.Minute)
	second, err := d.client().Token(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, first, second)
	again, err := d.client().Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, second, again, "what was renewed is kept")

	_, err = d.faults.Add(kit.Rule{Service: "entra", Path: "/token$", Action: kit.Respond, Status: 503})
	require.NoError(t, err)
	d.clock.Advance(59*time.Minute + 20*time.Second)
	again, err = d.client().Token(t.Context())
	require.NoError(t, err, "the issuer does not answer, and the token is good for 40 seconds more")
	require.Equal(t, second, again)
	d.clock.Advance(2 * time.Minute)
	_, err = d.client().Token(t.Context())
	require.Equal(t, signin.Unreachable, signin.KindOf(err), err)
	d.faults.Clear("")

	d.entra.RotateKey()
	d.entra.WithdrawKeys()
	third, err := d.client().Token(t.Context())
	require.NoError(t, err, "with another key")
	require.NotEqual(t, second, third)
	d.entra.Revoke()
	d.clock.Advance(2 * time.Hour)
	_, err = d.client().Token(t.Context())
	require.Equal(t, signin.NotSignedIn, signin.KindOf(err))
	require.ErrorContains(t, err, "AADSTS50173")
	require.ErrorContains(t, err, "run: causeway login")
}

// Of two commands that renew at once, where an issuer takes a refresh token only once, the
// later one uses what the other got.
func TestARenewalByAnotherCommand(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	_, err := d.client().Browser(t.Context(), d.browser("vera@sandbox.example"))
	require.NoError(t, err)
	old, err := os.ReadFile(d.files()[0])
	require.NoError(t, err)
	d.clock.Advance(59 * time.Minute)
	fresh, err := d.client().Token(t.Context())
	require.NoError(t, err)
	renewed, err := os.ReadFile(d.files()[0])
	require.NoError(t, err)

	require.NoError(t, os.WriteFile(d.files()[0], old, 0o600))
	d.entra.Revoke()
	d.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/token") { // the other command is done by now
			_ = os.WriteFile(d.files()[0], renewed, 0o600)
		}
		d.entra.ServeHTTP(w, r)
	})
	token, err := d.client().Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, fresh, token)
}

func TestWithoutARefreshTokenASignInEnds(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.access.Scopes = []string{"openid", "profile"}
	_, err := d.client().Browser(t.Context(), d.browser("vera@sandbox.example"))
	require.NoError(t, err)
	d.clock.Advance(time.Hour)
	_, err = d.client().Token(t.Context())
	require.Equal(t, signin.NotSignedIn, signin.KindOf(err))
	require.ErrorContains(t, err, "gave nothing to renew it with")
}

func TestSignInByCode(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	sign := func(as string) func(signin.Code) {
		return func(c signin.Code) {
			_, err := entratest.Browser{Client: d.server.Client(), As: as}.EnterCode(t.Context(), c.Address, c.Code)
			require.NoError(t, err)
		}
	}
	who, err := d.client().Device(t.Context(), sign("sami@sandbox.example"))
	require.NoError(t, err)
	require.Equal(t, "Sami Berg", who.Name)
	_, err = d.client().Token(t.Context())
	require.NoError(t, err)

	_, err = d.client().Device(t.Context(), sign(""))
	require.Equal(t, signin.Refused, signin.KindOf(err))
	require.ErrorContains(t, err, "was declined")
	_, err = d.client().Device(t.Context(), func(signin.Code) { d.clock.Advance(16 * time.Minute) })
	require.ErrorContains(t, err, "run causeway login --device again")
	ctx, cancel := context.WithCancel(t.Context())
	_, err = d.client().Device(ctx, func(signin.Code) { cancel() })
	require.ErrorContains(t, err, "interrupted")
}

// What comes to the port counts only with the state of this sign-in.
func TestOnlyTheAnswerToThisSignInCounts(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	who, err := d.client().Browser(t.Context(), func(address string) {
		asked, err := url.Parse(address)
		require.NoError(t, err)
		q := asked.Query()
		require.Equal(t, "S256", q.Get("code_challenge_method"))
		require.NotEmpty(t, q.Get("nonce"))
		back := strings.Replace(q.Get("redirect_uri"), "localhost", "127.0.0.1", 1)
		for _, odd := range []string{"/?code=x&state=", "/?code=x&state=other", "/?error=access_denied", "/favicon.ico", "/x?code=x&state=" + q.Get("state")} {
			res, err := http.Get(back + odd)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Equal(t, http.StatusBadRequest, res.StatusCode, odd)
		}
		d.browser("vera@sandbox.example")(address)
	})
	require.NoError(t, err)
	require.Equal(t, "Vera Holm", who.Name)
}

// A sign-in that fails says so on both ends, and nothing is kept.
func TestSignInsThatFail(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*desk)
		as     string
		kind   signin.Kind
		want   string
	}{
		"declined":               {func(*desk) {}, "", signin.Refused, "the sign-in was declined at"},
		"a scope of nobody":      {func(d *desk) { d.access.Scopes = append(d.access.Scopes, "api://x/y") }, "", signin.Refused, "AADSTS500011"},
		"another issuer":         {func(d *desk) { d.access.Issuer = d.server.URL + "/other/v2.0" }, "", signin.Unreachable, "check access.issuer"},
		"v1 is not v2":           {func(d *desk) { d.access.Issuer = d.server.URL + "/tenant" }, "", signin.Unreachable, "did not match"},
		"an unknown certificate": {func(d *desk) { d.access.CAFile = "" }, "", signin.Setting, "access.ca_file"},
		"nobody there":           {func(d *desk) { d.server.Close() }, "", signin.Unreachable, "cannot reach"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			c.change(d)
			page := make(chan string, 1)
			_, err := d.client().Browser(t.Context(), func(address string) {
				go func() {
					b := entratest.Browser{Client: d.server.Client(), As: c.as}
					got, err := b.SignIn(t.Context(), address)
					if err != nil { // the answer came without a form
						got, _ = b.Open(t.Context(), address)
					}
					page <- got.Text
				}()
			})
			require.Equal(t, c.kind, signin.KindOf(err), err)
			require.ErrorContains(t, err, c.want)
			require.Empty(t, d.files())
			if name == "declined" {
				require.Contains(t, <-page, "You are not signed in: the sign-in was declined")
			}
		})
	}
}

// A code that was taken is of no use: neither without the verifier, nor a second time.
func TestATakenCodeIsOfNoUse(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	code := make(chan url.Values, 1)
	_, err := d.client().Browser(t.Context(), func(address string) {
		client := *d.server.Client()
		client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
			code <- r.URL.Query()
			return nil
		}
		go func() {
			_, _ = entratest.Browser{Client: &client, As: "ada@sandbox.example"}.SignIn(t.Context(), address)
		}()
	})
	require.NoError(t, err)
	res, err := d.server.Client().PostForm(d.server.URL+"/tenant/oauth2/v2.0/token", url.Values{
		"grant_type": {"authorization_code"}, "client_id": {entra.SignInClientID}, "code": {(<-code).Get("code")}, "redirect_uri": {"http://localhost"},
	})
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusBadRequest, res.StatusCode, string(text))
}

func TestAFileThatIsNotPrivateOrBroken(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	_, err := d.client().Browser(t.Context(), d.browser("vera@sandbox.example"))
	require.NoError(t, err)
	require.NoError(t, os.Chmod(d.files()[0], 0o644))
	_, err = d.client().Token(t.Context())
	require.Equal(t, signin.Setting, signin.KindOf(err))
	require.ErrorContains(t, err, "can be read by other accounts")
	require.NoError(t, os.WriteFile(d.files()[0], []byte(`{"token":"hunter2`), 0o600))
	require.NoError(t, os.Chmod(d.files()[0], 0o600))
	_, err = d.client().Token(t.Context())
	require.ErrorContains(t, err, "run causeway logout, then causeway login")
	require.NotContains(t, err.Error(), "hunter2")
}
