package signin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"net/url"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"causeway.dev/config"
)

// WebOptions of a Web. Empty fields get what their comments say.
type WebOptions struct {
	Access   config.Access
	Secret   string           // of the application, where it is not a public one
	Redirect string           // where the issuer sends browsers back to
	Now      func() time.Time // default time.Now
}

// Web signs in people who come to a server of ours with a browser. It keeps nothing: who
// calls keeps a Visit until the browser comes back, and Tokens for as long as they count.
type Web struct {
	client   *Client
	redirect string
}

// NewWeb makes a Web. It asks the issuer nothing yet.
func NewWeb(o WebOptions) (*Web, error) {
	c, err := newClient(o.Access, o.Now)
	if err != nil {
		return nil, err
	}
	c.secret = o.Secret
	return &Web{c, o.Redirect}, nil
}

// Visit is a sign-in that was begun: what its answer has to fit.
type Visit struct{ State, Nonce, Verifier string }

// Tokens are what the issuer gave. They are secrets of whoever signed in.
type Tokens struct {
	Token   string // that requests to workers carry
	Refresh string // "" when the issuer renews nothing
	Until   time.Time
}

// HTTP is a client that trusts what the configuration says.
func (w *Web) HTTP() *http.Client { return w.client.http }

// Begin returns the address at the issuer to send a browser to. Fails with *Error.
func (w *Web) Begin(ctx context.Context) (string, Visit, error) {
	issuer, err := w.client.discover(w.client.asking(ctx))
	if err != nil {
		return "", Visit{}, err
	}
	v := Visit{rand.Text(), rand.Text(), oauth2.GenerateVerifier()}
	return w.client.oauth(issuer, w.redirect).AuthCodeURL(v.State, oidc.Nonce(v.Nonce), oauth2.S256ChallengeOption(v.Verifier)), v, nil
}

// Finish gets tokens for what the browser came back with. Fails with *Error.
func (w *Web) Finish(ctx context.Context, v Visit, query url.Values) (Tokens, error) {
	if v.State == "" || subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(v.State)) != 1 {
		return Tokens{}, fail(Refused, "this is not the answer to a sign-in that was begun here, or it took too long; sign in again")
	}
	ctx = w.client.asking(ctx)
	issuer, err := w.client.discover(ctx)
	if err != nil {
		return Tokens{}, err
	}
	got, err := w.client.exchange(ctx, issuer, w.client.oauth(issuer, w.redirect), query, v.Nonce, v.Verifier)
	return tokens(got), err
}

// Renew gets new tokens for old ones. Fails with *Error, of the kind NotSignedIn when the
// issuer renews them no more.
func (w *Web) Renew(ctx context.Context, old Tokens) (Tokens, error) {
	if old.Refresh == "" {
		return Tokens{}, fail(NotSignedIn, "the sign-in ended, and %s gave nothing to renew it with; sign in again", w.client.access.Issuer)
	}
	got, err := w.client.refresh(ctx, old.Refresh)
	return tokens(got), err
}

func tokens(s session) Tokens { return Tokens{s.Token, s.Refresh, s.Who.Until} }
