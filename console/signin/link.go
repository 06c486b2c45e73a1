// Package signin lets people in to the console. OpenID has them sign in at the issuer that
// the configuration names. Link does without an issuer: whoever can read what the console
// prints on its machine is let in.
package signin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"causeway.dev/console/session"
)

// Path is where a way to sign in answers: Path itself, and what is below.
const Path = "/sign-in/"

// SignIn is one way to sign in. Its handler answers below Path.
type SignIn interface {
	Handler(d Desk) http.Handler
	// Door is what the page for people who are not signed in offers; next is where they
	// wanted to go.
	Door(next string) Door
	// Renew gets new tokens for those of a session, and who that is now. It fails with
	// session.ErrEnded when that is over.
	Renew(ctx context.Context, tokens session.Tokens) (session.Arrival, error)
}

// Desk is what a way to sign in answers with.
type Desk struct {
	// In lets somebody in who has shown who they are, and sends them on to next, which is
	// checked.
	In func(w http.ResponseWriter, r *http.Request, a session.Arrival, next string)
	// Out says on the page for people who are not signed in why nobody was let in.
	Out func(w http.ResponseWriter, r *http.Request, why string)
}

// Door is what somebody who is not signed in is told, and the button there.
type Door struct {
	Text   string
	Label  string // of the button
	Action string // that the button posts to
	Link   string // that the button leads to, in place of Action
	Hint   string
}

// Link signs people in by a link that is printed where the console was started. A link is
// good once, and not for long.
type Link struct {
	who   session.Who
	lasts time.Duration
	print func(path string)
	now   func() time.Time

	mu     sync.Mutex
	tokens map[[sha256.Size]byte]time.Time // when they end
}

// tooMany bounds the links that are good at the same time.
const tooMany = 5

// NewLink signs in who by links, each good for a time. print is told the path of a link that
// somebody asks for at the door.
func NewLink(who session.Who, lasts time.Duration, now func() time.Time, print func(path string)) *Link {
	return &Link{who: who, lasts: lasts, now: now, print: print, tokens: map[[sha256.Size]byte]time.Time{}}
}

// New makes a link, and returns its path; "" when too many are good already.
func (l *Link) New() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	for token, ends := range l.tokens {
		if !now.Before(ends) {
			delete(l.tokens, token)
		}
	}
	if len(l.tokens) >= tooMany {
		return ""
	}
	token := rand.Text()
	l.tokens[sha256.Sum256([]byte(token))] = now.Add(l.lasts)
	return Path + "link?token=" + token
}

// take says whether a token is good, and makes sure that it is not a second time.
func (l *Link) take(token string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	sum := sha256.Sum256([]byte(token))
	ends, known := l.tokens[sum]
	delete(l.tokens, sum)
	return known && l.now().Before(ends)
}

// Handler answers links, and the button of the door.
func (l *Link) Handler(d Desk) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Path+"link", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || !l.take(r.URL.Query().Get("token")) {
			http.Redirect(w, r, Path+"?used=1", http.StatusSeeOther)
			return
		}
		d.In(w, r, session.Arrival{Who: l.who}, Local(r.URL.Query().Get("next")))
	})
	mux.HandleFunc("POST "+Path+"link", func(w http.ResponseWriter, r *http.Request) {
		if path := l.New(); path != "" {
			l.print(path)
		}
		http.Redirect(w, r, Path+"?printed=1", http.StatusSeeOther)
	})
	return mux
}

// Door tells where the link is.
func (l *Link) Door(string) Door {
	return Door{
		Text:   "The link to sign in was printed where the console was started. It is good once.",
		Label:  "Print another link",
		Action: Path + "link",
		Hint:   "It is printed in the same place, because whoever can read that may come in.",
	}
}

// Renew keeps a session as it is: a link gives no token.
func (l *Link) Renew(_ context.Context, tokens session.Tokens) (session.Arrival, error) {
	return session.Arrival{Who: l.who, Tokens: tokens}, nil
}

// Local is a path of this console to go on to; "/" for anything else, so that no link of
// ours leads away.
func Local(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(next, "/") ||
		strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") {
		return "/"
	}
	return next
}
