package entra_test

import (
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"causeway.dev/sandbox/entra"
	"causeway.dev/sandbox/kit"
)

// directory is a tenant and a plain client of it.
type directory struct {
	*testing.T
	*httptest.Server
	entra  *entra.Server
	faults *kit.Faults
	clock  *kit.Clock
	cert   *x509.Certificate
	key    *rsa.PrivateKey
}

func newDirectory(t *testing.T) *directory {
	t.Helper()
	path := filepath.Join(t.TempDir(), "client.pem")
	cert, err := kit.ClientCertificate(path)
	require.NoError(t, err)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	block, _ := pem.Decode(data)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	require.NoError(t, err)
	d := &directory{T: t, clock: &kit.Clock{}, faults: &kit.Faults{}, cert: cert, key: key.(*rsa.PrivateKey)}
	d.entra = entra.New(entra.Options{Clock: d.clock, Faults: d.faults, Tenant: "tenant", ClientID: "app", ClientSecret: "secret", Certificate: cert})
	d.Server = httptest.NewTLSServer(d.entra)
	t.Cleanup(d.Close)
	return d
}

// ask posts a form to the token endpoint; pairs replace the good values.
func (d *directory) ask(pairs ...string) (int, map[string]any) {
	d.Helper()
	f := url.Values{"grant_type": {"client_credentials"}, "client_id": {"app"}, "client_secret": {"secret"},
		"scope": {d.URL + "/.default openid offline_access profile"}}
	for i := 0; i < len(pairs); i += 2 {
		f.Set(pairs[i], pairs[i+1])
	}
	res, err := d.Client().PostForm(d.URL+"/tenant/oauth2/v2.0/token", f)
	require.NoError(d, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(d, err)
	var doc map[string]any
	require.NoError(d, json.Unmarshal(body, &doc), string(body))
	return res.StatusCode, doc
}

func TestTokensLiveAsLongAsTheySay(t *testing.T) {
	d := newDirectory(t)
	status, doc := d.ask()
	require.Equal(t, http.StatusOK, status)
	require.InDelta(t, 3599, doc["expires_in"], 0)
	token := doc["access_token"].(string)
	require.True(t, d.entra.Valid(token))
	require.False(t, d.entra.Valid(token+"x"))
	d.clock.Advance(time.Hour)
	require.False(t, d.entra.Valid(token))
}

// §1.2: error codes and statuses.
func TestRefusals(t *testing.T) {
	d := newDirectory(t)
	for name, c := range map[string]struct {
		pairs  []string
		status int
		code   string
		number float64
	}{
		"wrong secret":   {[]string{"client_secret", "x"}, 401, "invalid_client", 7000215},
		"no credential":  {[]string{"client_secret", ""}, 401, "invalid_client", 7000216},
		"other app":      {[]string{"client_id", "x"}, 400, "unauthorized_client", 700016},
		"other grant":    {[]string{"grant_type", "password"}, 400, "unsupported_grant_type", 70003},
		"no default":     {[]string{"scope", d.URL + "/user_impersonation"}, 400, "invalid_scope", 1002012},
		"other resource": {[]string{"scope", "https://elsewhere.example/.default"}, 400, "invalid_resource", 500011},
	} {
		t.Run(name, func(t *testing.T) {
			status, doc := d.ask(c.pairs...)
			require.Equal(t, c.status, status)
			require.Equal(t, c.code, doc["error"])
			require.Equal(t, []any{c.number}, doc["error_codes"])
			require.Contains(t, doc["error_description"], "AADSTS")
		})
	}
}

// A secret that was replaced has expired; the new one is the only one.
func TestAReplacedSecret(t *testing.T) {
	d := newDirectory(t)
	_, err := d.faults.Add(kit.Rule{Service: "entra", Action: kit.Named, Name: "secret_replaced", Body: "new"})
	require.NoError(t, err)
	for secret, number := range map[string]float64{"secret": 7000222, "another": 7000215} {
		status, doc := d.ask("client_secret", secret)
		require.Equal(t, http.StatusUnauthorized, status)
		require.Equal(t, []any{number}, doc["error_codes"])
	}
	status, doc := d.ask("client_secret", "new")
	require.Equal(t, http.StatusOK, status)
	require.True(t, d.entra.Valid(doc["access_token"].(string)))
	d.entra.ExpireAll()
	require.False(t, d.entra.Valid(doc["access_token"].(string)))
}

// §1.2: an assertion proves the certificate, once.
func TestAssertions(t *testing.T) {
	d := newDirectory(t)
	now := time.Now()
	make := func(change func(h map[string]any, c *jwt.RegisteredClaims)) string {
		sum := sha256.Sum256(d.cert.Raw)
		c := jwt.RegisteredClaims{ID: "1", Issuer: "app", Subject: "app", Audience: jwt.ClaimStrings{d.URL + "/tenant/oauth2/v2.0/token"},
			NotBefore: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(10 * time.Minute))}
		token := jwt.NewWithClaims(jwt.SigningMethodPS256, &c)
		token.Header["x5t#S256"] = base64.StdEncoding.EncodeToString(sum[:])
		change(token.Header, &c)
		text, err := token.SignedString(d.key)
		require.NoError(t, err)
		return text
	}
	ask := func(assertion string) (int, map[string]any) {
		return d.ask("client_secret", "", "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion", assertion)
	}
	for name, change := range map[string]func(h map[string]any, c *jwt.RegisteredClaims){
		"other thumbprint": func(h map[string]any, _ *jwt.RegisteredClaims) { h["x5t#S256"] = "AAAA" },
		"other audience": func(_ map[string]any, c *jwt.RegisteredClaims) {
			c.Audience = jwt.ClaimStrings{"https://elsewhere.example"}
		},
		"other app": func(_ map[string]any, c *jwt.RegisteredClaims) { c.Issuer = "x" },
		"expired":   func(_ map[string]any, c *jwt.RegisteredClaims) { c.ExpiresAt = jwt.NewNumericDate(now.Add(-time.Hour)) },
		"no id":     func(_ map[string]any, c *jwt.RegisteredClaims) { c.ID = "" },
		"for ever": func(_ map[string]any, c *jwt.RegisteredClaims) {
			c.ExpiresAt = jwt.NewNumericDate(now.Add(1000 * time.Hour))
		},
	} {
		t.Run(name, func(t *testing.T) {
			status, doc := ask(make(change))
			require.Equal(t, http.StatusUnauthorized, status)
			require.Equal(t, []any{700027.0}, doc["error_codes"])
		})
	}
	sums := func(h map[string]any) (sha256Sum [32]byte, sha1Sum [20]byte) {
		delete(h, "x5t#S256")
		return sha256.Sum256(d.cert.Raw), sha1.Sum(d.cert.Raw)
	}
	for name, header := range map[string]func(h map[string]any){
		"as the documentation says": func(h map[string]any) {
			sum, _ := sums(h)
			h["x5t#S256"] = base64.RawURLEncoding.EncodeToString(sum[:])
		},
		"the older thumbprint": func(h map[string]any) {
			_, sum := sums(h)
			h["x5t"] = base64.RawURLEncoding.EncodeToString(sum[:])
		},
	} {
		status, doc := ask(make(func(h map[string]any, c *jwt.RegisteredClaims) {
			header(h)
			c.ID = name
		}))
		require.Equal(t, http.StatusOK, status, "%s: %v", name, doc)
	}
	status, _ := ask(make(func(h map[string]any, _ *jwt.RegisteredClaims) { delete(h, "x5t#S256") }))
	require.Equal(t, http.StatusUnauthorized, status, "no thumbprint")
	good := make(func(map[string]any, *jwt.RegisteredClaims) {})
	status, _ = ask(good)
	require.Equal(t, http.StatusOK, status)
	status, _ = ask(good)
	require.Equal(t, http.StatusUnauthorized, status, "an assertion is used once")
	status, _ = ask(good[:len(good)-4] + "AAAA")
	require.Equal(t, http.StatusUnauthorized, status)
}
