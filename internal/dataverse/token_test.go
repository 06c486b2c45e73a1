package dataverse_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/transport"
	"causeway.dev/sandbox/entra"
	"causeway.dev/sandbox/kit"
)

var (
	_ transport.TokenSource       = (*dataverse.MSALTokens)(nil)
	_ transport.ClaimsTokenSource = (*dataverse.MSALTokens)(nil)
)

const (
	tenant   = "0f0e0d0c-0000-4000-8000-000000000001"
	clientID = "0f0e0d0c-0000-4000-8000-000000000002"
	secret   = "s&cret~1"
)

// signIn is the sandbox's token endpoint, as MSAL sees it.
type signIn struct {
	*recorder
	entra  *entra.Server
	faults *kit.Faults
}

func newSignIn(t *testing.T) *signIn {
	t.Helper()
	s := &signIn{faults: &kit.Faults{}}
	s.entra = entra.New(entra.Options{Clock: &kit.Clock{}, Faults: s.faults, Tenant: tenant, ClientID: clientID, ClientSecret: secret})
	s.recorder = record(t, func(w http.ResponseWriter, r *http.Request) {
		r.Body = body(s.last().Body) // the recorder has read it
		s.entra.ServeHTTP(w, r)
	})
	return s
}

func body(text string) *reader { return &reader{strings.NewReader(text)} }

type reader struct{ *strings.Reader }

func (*reader) Close() error { return nil }

func (r *recorder) last() seen { all := r.all(); return all[len(all)-1] }

func (r *recorder) options() dataverse.MSALOptions {
	return dataverse.MSALOptions{Authority: r.url + "/" + tenant, ClientID: clientID, Secret: secret, Scope: r.url + "/.default",
		HTTPClient: &http.Client{Transport: transport.NewBase(r.pool)}}
}

// posted are the forms that asked for a token.
func (r *recorder) posted(t *testing.T) []url.Values {
	t.Helper()
	var forms []url.Values
	for _, s := range r.all() {
		if s.Method == http.MethodPost {
			form, err := url.ParseQuery(s.Body)
			require.NoError(t, err)
			forms = append(forms, form)
		}
	}
	return forms
}

func source(t *testing.T, o dataverse.MSALOptions) *dataverse.MSALTokens {
	t.Helper()
	s, err := dataverse.NewMSALTokens(o)
	require.NoError(t, err)
	return s
}

func TestATokenForASecretIsFetchedOnce(t *testing.T) {
	t.Parallel()
	in := newSignIn(t)
	tokens := source(t, in.options())
	require.Empty(t, in.all(), "nobody is called before the first token")
	first, err := tokens.Token(t.Context())
	require.NoError(t, err)
	require.True(t, in.entra.Valid(first))
	again, err := tokens.Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, first, again)
	forms := in.posted(t)
	require.Len(t, forms, 1)
	require.Equal(t, "client_credentials", forms[0].Get("grant_type"))
	require.Equal(t, secret, forms[0].Get("client_secret"))
	require.Contains(t, strings.Fields(forms[0].Get("scope")), in.url+"/.default")
}

func TestInvalidateForgetsThatVeryToken(t *testing.T) {
	t.Parallel()
	in := newSignIn(t)
	tokens := source(t, in.options())
	first, err := tokens.Token(t.Context())
	require.NoError(t, err)
	tokens.Invalidate("another")
	same, err := tokens.Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, first, same)
	tokens.Invalidate(first)
	second, err := tokens.Token(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, first, second)
	require.True(t, in.entra.Valid(second))
	require.Len(t, in.posted(t), 2)
}

func TestAClaimsChallengeIsAnsweredPastTheCache(t *testing.T) {
	t.Parallel()
	in := newSignIn(t)
	tokens := source(t, in.options())
	first, err := tokens.Token(t.Context())
	require.NoError(t, err)
	claims := `{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}`
	rec := record(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer "+first {
			answer(401, "HTTP Error 401", "WWW-Authenticate", `Bearer error="insufficient_claims", claims="`+base64.StdEncoding.EncodeToString([]byte(claims))+`"`)(w, r)
			return
		}
		answer(200, `{"UserId":"u"}`)(w, r)
	})
	c, err := dataverse.New(dataverse.Options{OrgURL: rec.url, PageSize: 100, Transport: transport.New(transport.Options{RootCAs: rec.pool, Tokens: tokens})})
	require.NoError(t, err)
	_, err = c.WhoAmI(t.Context())
	require.NoError(t, err)
	forms := in.posted(t)
	require.Len(t, forms, 2)
	require.Empty(t, forms[0].Get("claims"))
	require.JSONEq(t, claims, forms[1].Get("claims"))
}

func TestOneRequestForManyCallersSurvivesOnesCancellation(t *testing.T) {
	t.Parallel()
	arrived, goOn := make(chan struct{}), make(chan struct{})
	in := newSignIn(t)
	in.recorder = record(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			close(arrived) // a second request would panic
			<-goOn
			r.Body = body(in.last().Body)
		}
		in.entra.ServeHTTP(w, r)
	})
	tokens := source(t, in.options())
	ctx, cancel := context.WithCancel(t.Context())
	quitter := make(chan error, 1)
	go func() {
		_, err := tokens.Token(ctx)
		quitter <- err
	}()
	<-arrived
	cancel()
	require.Equal(t, context.Canceled, <-quitter)
	got := make(chan string, 20)
	var all sync.WaitGroup
	for range cap(got) {
		all.Go(func() {
			token, err := tokens.Token(t.Context())
			if err != nil {
				t.Error(err)
			}
			got <- token
		})
	}
	close(goOn)
	all.Wait()
	first := <-got
	require.True(t, in.entra.Valid(first))
	for range cap(got) - 1 {
		require.Equal(t, first, <-got)
	}
	require.Len(t, in.posted(t), 1)
}

func TestTokenFailuresAreClassified(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*dataverse.MSALOptions)
		fault  *kit.Rule
		class  apierr.Class
		reason string
		code   string
	}{
		"wrong secret":      {func(o *dataverse.MSALOptions) { o.Secret = "another-s&cret~1" }, nil, apierr.Retryable, apierr.ReasonCredentials, "AADSTS7000215"},
		"unknown client":    {func(o *dataverse.MSALOptions) { o.ClientID = "x" }, nil, apierr.Retryable, apierr.ReasonCredentials, "AADSTS700016"},
		"unknown resource":  {func(o *dataverse.MSALOptions) { o.Scope = "https://elsewhere.test/.default" }, nil, apierr.Blocked, apierr.ReasonConfig, "AADSTS500011"},
		"unknown tenant":    {func(o *dataverse.MSALOptions) { o.Authority = strings.Replace(o.Authority, tenant, "acme", 1) }, nil, apierr.Retryable, apierr.ReasonCredentials, "AADSTS90002"},
		"too many":          {nil, &kit.Rule{Action: kit.Respond, Status: 429, Headers: map[string]string{"Retry-After": "30"}}, apierr.Throttled, apierr.ReasonThrottled, ""},
		"down":              {nil, &kit.Rule{Action: kit.Respond, Status: 503, Body: "<html>"}, apierr.Retryable, apierr.ReasonServiceFault, ""},
		"gone":              {nil, &kit.Rule{Action: kit.ResetBefore}, apierr.Retryable, apierr.ReasonNetwork, ""},
		"no JSON":           {nil, &kit.Rule{Action: kit.Respond, Status: 200, Body: "<html>s&cret~1"}, apierr.Retryable, apierr.ReasonBadResponse, ""},
		"no token":          {nil, &kit.Rule{Action: kit.Respond, Status: 200, Body: `{"expires_in":3599}`}, apierr.Retryable, apierr.ReasonBadResponse, ""},
		"a scope declined":  {nil, &kit.Rule{Action: kit.Respond, Status: 200, Body: `{"access_token":"s&cret~1","expires_in":3599,"scope":"other"}`}, apierr.Retryable, apierr.ReasonBadResponse, ""},
		"a page in between": {nil, &kit.Rule{Action: kit.Respond, Status: 400, Body: "s&cret~1"}, apierr.Retryable, apierr.ReasonConfig, ""},
		"an unknown reason": {nil, &kit.Rule{Action: kit.Respond, Status: 400, Body: `{"error":"x","error_description":"AADSTS1: s&cret~1"}`}, apierr.Retryable, apierr.ReasonCredentials, "AADSTS1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := newSignIn(t)
			o := in.options()
			if tt.change != nil {
				tt.change(&o)
			}
			if tt.fault != nil {
				tt.fault.Service, tt.fault.Method = "entra", http.MethodPost
				_, err := in.faults.Add(*tt.fault)
				require.NoError(t, err)
			}
			_, err := source(t, o).Token(t.Context())
			e := failure(t, err)
			require.Equal(t, tt.class, e.Class, e)
			require.Equal(t, tt.reason, e.Reason)
			require.Equal(t, tt.code, e.Code)
			require.Equal(t, "entra", e.Service)
			require.NotContains(t, err.Error(), "s&cret")
			if tt.class == apierr.Throttled {
				require.Equal(t, 30*time.Second, e.RetryAfter)
			}
		})
	}
}

func TestAThrottledSignInIsLeftAlone(t *testing.T) {
	t.Parallel()
	in := newSignIn(t)
	_, err := in.faults.Add(kit.Rule{Service: "entra", Method: http.MethodPost, Action: kit.Respond, Status: 429, Headers: map[string]string{"Retry-After": "60"}})
	require.NoError(t, err)
	tokens := source(t, in.options())
	for range 3 {
		_, err := tokens.Token(t.Context())
		require.Equal(t, apierr.Throttled, apierr.ClassOf(err))
	}
	require.Len(t, in.posted(t), 1)
}

func TestASignInThatIsDownIsAskedAgainWhenItSays(t *testing.T) {
	t.Parallel()
	in := newSignIn(t)
	_, err := in.faults.Add(kit.Rule{Service: "entra", Method: http.MethodPost, Action: kit.Respond, Status: 503, Headers: map[string]string{"Retry-After": "60"}})
	require.NoError(t, err)
	tokens := source(t, in.options())
	_, err = tokens.Token(t.Context())
	require.Equal(t, apierr.ReasonServiceFault, failure(t, err).Reason)
	require.Equal(t, time.Minute, failure(t, err).RetryAfter)
	_, err = tokens.Token(t.Context())
	require.Equal(t, apierr.Throttled, apierr.ClassOf(err))
	require.Len(t, in.posted(t), 1)
}

func TestTheSecretFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	elsewhere := newSignIn(t)
	in := newSignIn(t)
	_, err := in.faults.Add(kit.Rule{Service: "entra", Method: http.MethodPost, Action: kit.Respond, Status: http.StatusTemporaryRedirect,
		Headers: map[string]string{"Location": elsewhere.url + "/" + tenant + "/oauth2/v2.0/token"}})
	require.NoError(t, err)
	_, err = source(t, in.options()).Token(t.Context())
	require.Equal(t, apierr.ReasonConfig, failure(t, err).Reason)
	require.Len(t, in.posted(t), 1)
	require.Empty(t, elsewhere.all())
}

// certificate is a key and its certificate in PEM.
func certificate(t *testing.T) (text []byte, key *rsa.PrivateKey, der []byte) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "causeway"}, NotAfter: time.Now().Add(time.Hour)}
	der, err = x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, pem.Encode(&b, &pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
	require.NoError(t, pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return b.Bytes(), key, der
}

// The sandbox takes secrets only, so the assertion is checked here.
func TestATokenForACertificate(t *testing.T) {
	t.Parallel()
	text, key, der := certificate(t)
	in := newSignIn(t)
	_, err := in.faults.Add(kit.Rule{Service: "entra", Method: http.MethodPost, Action: kit.Respond, Status: 200, Body: `{"access_token":"t1","expires_in":3599,"token_type":"Bearer"}`})
	require.NoError(t, err)
	o := in.options()
	o.Secret, o.CertificatePEM = "", text
	token, err := source(t, o).Token(t.Context())
	require.NoError(t, err)
	require.Equal(t, "t1", token)
	form := in.posted(t)[0]
	require.Empty(t, form.Get("client_secret"))
	require.Equal(t, "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", form.Get("client_assertion_type"))
	parts := strings.Split(form.Get("client_assertion"), ".")
	require.Len(t, parts, 3)
	var header struct {
		Alg string
		X5c []string
	}
	var claims struct{ Aud, Iss, Sub string }
	decode(t, parts[0], &header)
	decode(t, parts[1], &claims)
	require.Equal(t, "PS256", header.Alg)
	require.Equal(t, []string{base64.StdEncoding.EncodeToString(der)}, header.X5c)
	require.Equal(t, in.url+"/"+tenant+"/oauth2/v2.0/token", claims.Aud)
	require.Equal(t, clientID, claims.Iss)
	require.Equal(t, clientID, claims.Sub)
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	require.NoError(t, err)
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	require.NoError(t, rsa.VerifyPSS(&key.PublicKey, crypto.SHA256, digest[:], signature, nil))
}

func decode(t *testing.T, part string, into any) {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(part)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, into))
}

func TestCredentialsThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	text, _, _ := certificate(t)
	for name, o := range map[string]dataverse.MSALOptions{
		"no credential":             {Authority: "https://login.example.test/acme", ClientID: "x"},
		"half a certificate":        {Authority: "https://login.example.test/acme", ClientID: "x", CertificatePEM: text[:len(text)/2]},
		"no PEM":                    {Authority: "https://login.example.test/acme", ClientID: "x", CertificatePEM: []byte("s&cret~1")},
		"an authority without TLS":  {Authority: "http://login.example.test/acme", ClientID: "x", Secret: secret},
		"an authority with no name": {Authority: "https://login.example.test", ClientID: "x", Secret: secret},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := dataverse.NewMSALTokens(o)
			require.Error(t, err)
			require.NotContains(t, err.Error(), "s&cret")
		})
	}
}

// everything answers all requests alike.
type everything func() *http.Response

func (f everything) RoundTrip(*http.Request) (*http.Response, error) { return f(), nil }

// What is in between may answer for a moment; an address that is wrong does so for
// minutes.
func TestAnswersOfSomethingElseAreFinalOnceTheyLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens := source(t, dataverse.MSALOptions{Authority: "https://login.example.test/" + tenant, ClientID: clientID, Secret: secret,
			HTTPClient: &http.Client{Transport: everything(func() *http.Response {
				return &http.Response{StatusCode: 403, Body: io.NopCloser(strings.NewReader("<html>")), Request: &http.Request{}}
			})}})
		class := func() apierr.Class {
			_, err := tokens.Token(t.Context())
			require.Equal(t, apierr.ReasonConfig, apierr.ReasonOf(err))
			return apierr.ClassOf(err)
		}
		require.Equal(t, apierr.Retryable, class())
		time.Sleep(2*time.Minute - time.Second)
		require.Equal(t, apierr.Retryable, class())
		time.Sleep(time.Second)
		require.Equal(t, apierr.Blocked, class())
	})
}
