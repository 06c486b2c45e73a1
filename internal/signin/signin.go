// Package signin signs a person in at the OpenID Connect issuer that the configuration
// names, keeps the tokens in a private file, and renews them. The command line calls it.
// Tokens never leave it in an error or a log line.
package signin

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"causeway.dev/config"
)

// Options of a Client. Empty fields get what their comments say.
type Options struct {
	Access config.Access
	Folder string           // of kept tokens; default causeway/tokens in the account's folder for settings
	Now    func() time.Time // default time.Now
}

// Client signs one person in at one issuer. A nil Client is that of a configuration
// without access: it has no token, and none is wanted.
type Client struct {
	access config.Access
	secret string // of the application; a public one has none
	keep   store
	now    func() time.Time
	http   *http.Client

	mu sync.Mutex // one renewal at a time
}

// issuerWithin bounds one question to the issuer.
const issuerWithin = 30 * time.Second

// spare is how long a token must still be good for, so that it outlasts the way to a worker.
const spare = time.Minute

// New returns the Client of a configuration, nil where nobody signs in.
func New(o Options) (*Client, error) {
	if !o.Access.Configured() {
		return nil, nil
	}
	keep, err := newStore(o.Folder, o.Access)
	if err != nil {
		return nil, err
	}
	c, err := newClient(o.Access, o.Now)
	if err != nil {
		return nil, err
	}
	c.keep = keep
	return c, nil
}

// newClient keeps nothing.
func newClient(access config.Access, now func() time.Time) (*Client, error) {
	pool, err := trusted(access.CAFile)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if pool != nil {
		transport.TLSClientConfig.RootCAs = pool
	}
	if now == nil {
		now = time.Now
	}
	return &Client{access: access, now: now, http: &http.Client{Transport: transport, Timeout: issuerWithin}}, nil
}

// trusted are the system's authorities and those of a file; nil without a file.
func trusted(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fail(Setting, "access.ca_file: %v", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fail(Setting, "access.ca_file: %s holds no certificate", file)
	}
	return pool, nil
}

// Who is a person as the issuer knows them.
type Who struct {
	Name     string    `json:"name,omitempty"`
	Username string    `json:"username,omitempty"`
	Subject  string    `json:"subject"`
	Groups   []string  `json:"groups,omitempty"`
	Until    time.Time `json:"expires_at"` // of the token; it is renewed
}

// Token is what a request to a worker carries: "" where nobody signs in. It is renewed
// when it ends within a minute. Fails with *Error.
func (c *Client) Token(ctx context.Context) (string, error) {
	if c == nil {
		return "", nil
	}
	kept, err := c.current(ctx)
	if err != nil {
		return "", err
	}
	return kept.Token, nil
}

// Who is the person who is signed in.
func (c *Client) Who(ctx context.Context) (Who, error) {
	kept, err := c.current(ctx)
	if err != nil {
		return Who{}, err
	}
	return kept.Who, nil
}

// Forget removes what is kept of a sign-in, and says whether there was one.
func (c *Client) Forget() (bool, error) { return c.keep.remove() }

// current is what is kept, renewed where that is due.
func (c *Client) current(ctx context.Context) (session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept, err := c.keep.read()
	if err != nil || c.lasts(kept, spare) {
		return kept, err
	}
	fresh, err := c.renew(ctx, kept)
	if err == nil {
		return fresh, nil
	}
	// Another command may have renewed it: an issuer may take a refresh token only once.
	if other, readErr := c.keep.read(); readErr == nil && other.Token != kept.Token && c.lasts(other, spare) {
		return other, nil
	}
	if KindOf(err) == Unreachable && c.lasts(kept, 0) {
		return kept, nil
	}
	return session{}, err
}

func (c *Client) lasts(s session, spare time.Duration) bool {
	return s.Who.Until.After(c.now().Add(spare))
}

// renew gets new tokens for the refresh token and keeps them.
func (c *Client) renew(ctx context.Context, kept session) (session, error) {
	if kept.Refresh == "" {
		return session{}, fail(NotSignedIn, "the sign-in ended at %s, and %s gave nothing to renew it with; run: causeway login",
			kept.Who.Until.Format(time.RFC3339), c.access.Issuer)
	}
	fresh, err := c.refresh(ctx, kept.Refresh)
	if err != nil {
		return session{}, err
	}
	return fresh, c.keep.write(fresh)
}

// refresh gets new tokens for a refresh token.
func (c *Client) refresh(ctx context.Context, token string) (session, error) {
	ctx = c.asking(ctx)
	issuer, err := c.discover(ctx)
	if err != nil {
		return session{}, err
	}
	answer, err := c.oauth(issuer, "").TokenSource(ctx, &oauth2.Token{RefreshToken: token}).Token()
	if err != nil {
		if why := c.refusal(err); why != "" {
			return session{}, fail(NotSignedIn, "the sign-in has ended (%s); run: causeway login", why)
		}
		return session{}, c.silent(err)
	}
	answer.RefreshToken = cmp.Or(answer.RefreshToken, token)
	return c.check(ctx, issuer, answer, "")
}

// asking has everything of a context ask the issuer through our client.
func (c *Client) asking(ctx context.Context) context.Context { return oidc.ClientContext(ctx, c.http) }

// discover learns the issuer's addresses.
func (c *Client) discover(ctx context.Context) (*oidc.Provider, error) {
	issuer, err := oidc.NewProvider(ctx, c.access.Issuer)
	if err != nil {
		return nil, c.silent(err)
	}
	return issuer, nil
}

func (c *Client) oauth(issuer *oidc.Provider, redirect string) *oauth2.Config {
	endpoint := issuer.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInParams // a public client has no secret to hide in a header
	return &oauth2.Config{ClientID: c.access.ClientID, ClientSecret: c.secret, Endpoint: endpoint, RedirectURL: redirect, Scopes: c.access.Scopes}
}

// accept checks what the issuer gave, and keeps it.
func (c *Client) accept(ctx context.Context, issuer *oidc.Provider, answer *oauth2.Token, nonce string) (session, error) {
	kept, err := c.check(ctx, issuer, answer, nonce)
	if err != nil {
		return kept, err
	}
	return kept, c.keep.write(kept)
}

// check checks what the issuer gave.
func (c *Client) check(ctx context.Context, issuer *oidc.Provider, answer *oauth2.Token, nonce string) (session, error) {
	raw, _ := answer.Extra("id_token").(string)
	if raw == "" {
		return session{}, fail(Refused, "%s gave no ID token; access.scopes needs openid", c.access.Issuer)
	}
	id, err := issuer.Verifier(&oidc.Config{ClientID: c.access.ClientID, Now: c.now}).Verify(ctx, raw)
	switch {
	case err != nil:
		return session{}, fail(Refused, "the ID token that %s gave is not good: %v", c.access.Issuer, err)
	case id.Nonce != nonce && nonce != "":
		return session{}, fail(Refused, "the ID token that %s gave is not the answer to this sign-in; sign in again", c.access.Issuer)
	}
	token := id
	if c.access.Audience != "" {
		raw = answer.AccessToken
		token, err = issuer.Verifier(&oidc.Config{ClientID: c.access.Audience, Now: c.now}).Verify(ctx, raw)
		if err != nil {
			return session{}, fail(Refused, "the access token that %s gave is not one for access.audience %s: %v; access.scopes must ask for a scope of it",
				c.access.Issuer, c.access.Audience, err)
		}
	}
	kept := session{Issuer: c.access.Issuer, ClientID: c.access.ClientID, Token: raw, Refresh: answer.RefreshToken, Who: c.who(id, token)}
	return kept, nil
}

// who reads a name from the ID token, and groups from the token that workers get.
func (c *Client) who(id, token *oidc.IDToken) Who {
	var named struct {
		Name     string `json:"name"`
		Username string `json:"preferred_username"`
		Email    string `json:"email"`
	}
	claims := map[string]any{}
	_, _ = id.Claims(&named), token.Claims(&claims) // a claim of another form is as good as none
	out := Who{Name: named.Name, Username: cmp.Or(named.Username, named.Email), Subject: id.Subject, Until: token.Expiry.UTC()}
	switch groups := claims[c.access.GroupsClaim].(type) {
	case string:
		out.Groups = []string{groups}
	case []any:
		for _, g := range groups {
			out.Groups = append(out.Groups, fmt.Sprint(g))
		}
	}
	return out
}

// refusal is what the issuer said against a request; "" when it said nothing of the kind.
func (c *Client) refusal(err error) string {
	answer, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok || answer.Response != nil && answer.Response.StatusCode >= http.StatusInternalServerError {
		return ""
	}
	return oneLine(cmp.Or(answer.ErrorDescription, answer.ErrorCode, fmt.Sprintf("status %d", answer.Response.StatusCode)))
}
