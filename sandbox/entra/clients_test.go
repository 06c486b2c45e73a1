package entra_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/public"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/stretchr/testify/require"

	"causeway.dev/sandbox/entra"
	"causeway.dev/sandbox/entra/entratest"
)

// go-oidc finds the endpoints, and checks a token with the published keys: also after a key
// was replaced, and not any more once the old one is withdrawn.
func TestGoOIDCChecksTokens(t *testing.T) {
	d := newDirectory(t)
	ctx := oidc.ClientContext(t.Context(), d.Client())
	provider, err := oidc.NewProvider(ctx, d.URL+"/tenant/v2.0")
	require.NoError(t, err)
	require.Equal(t, d.URL+"/tenant/oauth2/v2.0/devicecode", provider.Endpoint().DeviceAuthURL)
	verify := provider.Verifier(&oidc.Config{ClientID: entra.SignInClientID, Now: d.clock.Now}).Verify

	_, doc := d.redeem(d.code("vera@sandbox.example", "scope", "openid profile api://"+entra.SignInClientID+"/.default"))
	first := doc["id_token"].(string)
	token, err := verify(ctx, first)
	require.NoError(t, err)
	require.Equal(t, "n0nce", token.Nonce)
	_, err = verify(ctx, doc["access_token"].(string))
	require.NoError(t, err, "a token for the application's own API")
	_, doc = d.redeem(d.code("vera@sandbox.example"))
	_, err = provider.Verifier(&oidc.Config{SkipClientIDCheck: true, SkipIssuerCheck: true}).Verify(ctx, doc["access_token"].(string))
	require.ErrorContains(t, err, "failed to verify signature", "nobody but Microsoft Graph can check its tokens")

	d.entra.RotateKey()
	_, doc = d.redeem(d.code("vera@sandbox.example"))
	for _, text := range []string{first, doc["id_token"].(string)} {
		_, err = verify(ctx, text)
		require.NoError(t, err)
	}
	d.entra.WithdrawKeys()
	again, err := oidc.NewProvider(ctx, d.URL+"/tenant/v2.0")
	require.NoError(t, err)
	_, err = again.Verifier(&oidc.Config{ClientID: entra.SignInClientID}).Verify(ctx, first)
	require.ErrorContains(t, err, "failed to verify signature")
}

// The documents of both versions have what a client must find in them, and the keys they
// name are there.
func TestDiscovery(t *testing.T) {
	d := newDirectory(t)
	get := func(address string) map[string]any {
		res, err := d.Client().Get(address)
		require.NoError(t, err)
		defer res.Body.Close()
		require.Equal(t, http.StatusOK, res.StatusCode, address)
		var doc map[string]any
		require.NoError(t, json.NewDecoder(res.Body).Decode(&doc))
		return doc
	}
	for path, issuer := range map[string]string{"/tenant/v2.0": "/tenant/v2.0", "/tenant": "/tenant/"} {
		doc := get(d.URL + path + "/.well-known/openid-configuration")
		require.Equal(t, d.URL+issuer, doc["issuer"])
		for _, member := range []string{
			"authorization_endpoint", "token_endpoint", "jwks_uri", "response_types_supported", "subject_types_supported", "id_token_signing_alg_values_supported",
		} {
			require.NotEmpty(t, doc[member], path+" "+member)
		}
		key := get(doc["jwks_uri"].(string))["keys"].([]any)[0].(map[string]any)
		require.Equal(t, "RSA", key["kty"])
		require.Equal(t, key["x5t"], key["kid"])
		require.NotEmpty(t, key["x5c"])
	}
	res, err := d.Client().Get(d.URL + "/v2.0/.well-known/openid-configuration")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusBadRequest, res.StatusCode, "a tenant is named")
}

func msal(t *testing.T, d *directory) public.Client {
	t.Helper()
	c, err := public.New(entra.SignInClientID, public.WithAuthority(d.URL+"/tenant"), public.WithInstanceDiscovery(false), public.WithHTTPClient(d.Client()))
	require.NoError(t, err)
	return c
}

// MSAL for Go signs in through a browser, and renews what it has.
func TestMSALInteractive(t *testing.T) {
	d := newDirectory(t)
	c := msal(t, d)
	scopes := []string{"api://" + entra.SignInClientID + "/access"}
	browser := entratest.Browser{Client: d.Client(), As: "otto@sandbox.example"}
	failed := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got, err := c.AcquireTokenInteractive(ctx, scopes, public.WithOpenURL(func(address string) error {
		go func() {
			_, err := browser.SignIn(ctx, address)
			failed <- err
			if err != nil {
				cancel()
			}
		}()
		return nil
	}))
	require.NoError(t, <-failed)
	require.NoError(t, err)
	require.Equal(t, "Otto Lund", got.IDToken.Name)
	require.Equal(t, "otto@sandbox.example", got.Account.PreferredUsername)
	require.Empty(t, got.DeclinedScopes)
	silent, err := c.AcquireTokenSilent(t.Context(), scopes, public.WithSilentAccount(got.Account))
	require.NoError(t, err)
	require.Equal(t, got.AccessToken, silent.AccessToken)
	d.entra.Revoke()
	_, err = c.AcquireTokenSilent(t.Context(), scopes, public.WithSilentAccount(got.Account), public.WithClaims(`{"access_token":{}}`))
	require.ErrorContains(t, err, "AADSTS50173")
}

func TestMSALDeviceCode(t *testing.T) {
	d := newDirectory(t)
	flow, err := msal(t, d).AcquireTokenByDeviceCode(t.Context(), []string{"api://" + entra.SignInClientID + "/.default"})
	require.NoError(t, err)
	_, err = entratest.Browser{Client: d.Client(), As: "sami@sandbox.example"}.EnterCode(t.Context(), flow.Result.VerificationURL, flow.Result.UserCode)
	require.NoError(t, err)
	got, err := flow.AuthenticationResult(t.Context())
	require.NoError(t, err)
	require.Equal(t, "Sami Berg", got.IDToken.Name)
}

// A confidential client may write its secret into the header, and the v1 endpoint names a
// resource; the token that services get is signed with a published key too.
func TestServices(t *testing.T) {
	d := newDirectory(t)
	ctx := oidc.ClientContext(t.Context(), d.Client())
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {d.URL + "/.default"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL+"/tenant/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth("app", "secret")
	res, err := d.Client().Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	var doc map[string]any
	require.NoError(t, json.NewDecoder(res.Body).Decode(&doc))
	require.Equal(t, http.StatusOK, res.StatusCode, doc)
	keys := oidc.NewRemoteKeySet(ctx, d.URL+"/tenant/discovery/keys")
	_, err = oidc.NewVerifier(d.URL+"/tenant/", keys, &oidc.Config{ClientID: d.URL}).Verify(ctx, doc["access_token"].(string))
	require.NoError(t, err)
	require.Equal(t, "app", claims(t, doc["access_token"])["appid"])
	require.True(t, d.entra.Valid(doc["access_token"].(string)))

	form = url.Values{"grant_type": {"client_credentials"}, "client_id": {"app"}, "client_secret": {"secret"}, "resource": {d.URL}}
	status, doc := d.post("/oauth2/token", form)
	require.Equal(t, http.StatusOK, status, doc)
	require.Equal(t, "3599", doc["expires_in"], "v1 writes numbers as texts")
	require.True(t, d.entra.Valid(doc["access_token"].(string)))
	form.Del("resource")
	_, doc = d.post("/oauth2/token", form)
	require.Equal(t, []any{900144.0}, doc["error_codes"])
	_, doc = d.redeem(d.code("vera@sandbox.example"))
	require.False(t, d.entra.Valid(doc["access_token"].(string)), "a person's token is none for Dataverse")
}

func TestAdmin(t *testing.T) {
	d := newDirectory(t)
	admin := httptest.NewServer(d.entra.AdminHandler())
	defer admin.Close()
	do := func(method, path, body string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, admin.URL+path, strings.NewReader(body))
		require.NoError(t, err)
		res, err := admin.Client().Do(req)
		require.NoError(t, err)
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(text)
	}
	_, before := do("GET", "/keys", "")
	status, after := do("POST", "/keys", "")
	require.Equal(t, http.StatusCreated, status)
	require.Equal(t, 2, strings.Count(after, ",")+1)
	require.NotEqual(t, before, after)
	_, left := do("DELETE", "/keys", "")
	require.Zero(t, strings.Count(left, ","))
	_, text := do("GET", "/directory", "")
	require.Contains(t, text, entra.AdminGroup)
	status, _ = do("PUT", "/directory", `{"people":[]}`)
	require.Equal(t, http.StatusBadRequest, status)
	status, _ = do("PUT", "/directory", strings.Replace(text, "Ada Nyberg", "Ada Nyborg", 1))
	require.Equal(t, http.StatusOK, status)
	_, doc := d.redeem(d.code("ada@sandbox.example"))
	require.Equal(t, "Ada Nyborg", claims(t, doc["id_token"])["name"])
	status, _ = do("DELETE", "/sessions", "")
	require.Equal(t, http.StatusNoContent, status)
	_, doc = d.post("/oauth2/v2.0/token", url.Values{"grant_type": {"refresh_token"}, "client_id": {entra.SignInClientID}, "refresh_token": {doc["refresh_token"].(string)}})
	require.Equal(t, []any{50173.0}, doc["error_codes"])
}
