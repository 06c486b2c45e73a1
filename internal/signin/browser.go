package signin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// answered is how the browser came back, and where to say how that ended.
type answered struct {
	query url.Values
	told  chan string
}

// Browser signs in through a browser on this machine: show gets the address to open, and
// the issuer's answer comes back to a port of this machine alone. It waits until ctx ends.
// Fails with *Error.
func (c *Client) Browser(ctx context.Context, show func(address string)) (Who, error) {
	ctx = c.asking(ctx)
	issuer, err := c.discover(ctx)
	if err != nil {
		return Who{}, err
	}
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	back := make(chan answered)
	redirect, closeServer, err := listen(ctx, state, back)
	if err != nil {
		return Who{}, err
	}
	defer closeServer()
	oauth := c.oauth(issuer, redirect)
	show(oauth.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)))
	select {
	case <-ctx.Done():
		return Who{}, fail(Refused, "interrupted; nobody was signed in")
	case a := <-back:
		kept, err := c.exchange(ctx, issuer, oauth, a.query, nonce, verifier)
		if err == nil {
			err = c.keep.write(kept)
		}
		if err != nil {
			a.told <- "You are not signed in: " + err.Error()
			return Who{}, err
		}
		a.told <- "You are signed in to Causeway. You may close this window."
		return kept.Who, nil
	}
}

// exchange gets tokens for the code that came back.
func (c *Client) exchange(ctx context.Context, issuer *oidc.Provider, oauth *oauth2.Config, query url.Values, nonce, verifier string) (session, error) {
	switch code := query.Get("error"); {
	case code == "access_denied":
		return session{}, fail(Refused, "the sign-in was declined at %s", c.access.Issuer)
	case code != "":
		return session{}, fail(Refused, "%s refused the sign-in: %s", c.access.Issuer, oneLine(code+" "+query.Get("error_description")))
	case query.Get("code") == "":
		return session{}, fail(Refused, "%s sent the browser back without a code", c.access.Issuer)
	}
	answer, err := oauth.Exchange(ctx, query.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		return session{}, c.silent(err)
	}
	return c.check(ctx, issuer, answer, nonce)
}

// listen waits for the browser at a free port of this machine. Only a request that knows
// state counts: any page of the web can send a browser here.
func listen(ctx context.Context, state string, back chan<- answered) (redirect string, closeServer func(), err error) {
	var lc net.ListenConfig
	first, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fail(Setting, "no port to wait for the browser at: %v; causeway login --device needs none", err)
	}
	port := first.Addr().(*net.TCPAddr).Port
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		if r.URL.Path != "/" || subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(state)) != 1 {
			http.Error(w, "This is not the answer to a sign-in that causeway waits for.", http.StatusBadRequest)
			return
		}
		a := answered{query, make(chan string, 1)}
		text := "Nobody waits for this any more."
		select {
		case back <- a:
			select {
			case text = <-a.told:
			case <-r.Context().Done():
			}
		case <-ctx.Done():
		case <-r.Context().Done():
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Referrer-Policy", "no-referrer")
		fmt.Fprintf(w, "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Causeway</title></head><body><p>%s</p></body></html>\n", html.EscapeString(text))
	})}
	go func() { _ = server.Serve(first) }()
	// Where localhost is an IPv6 address too, browsers may try that first.
	if second, err := lc.Listen(ctx, "tcp", fmt.Sprintf("[::1]:%d", port)); err == nil {
		go func() { _ = server.Serve(second) }()
	}
	return fmt.Sprintf("http://localhost:%d", port), func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(closing) // the browser gets its page
		_ = server.Close()
	}, nil
}
