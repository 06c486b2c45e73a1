package session

import (
	"context"
	"crypto/rand"
	"net/http"
	"slices"
	"sync"
	"time"
)

// cookie is the name of the cookie that holds the session.
const cookie = "session"

// Session is one stay of somebody, from a sign-in to its end.
type Session struct {
	ID           string
	Who          Who
	Ends         time.Time
	Acknowledged []string // the instances for which the person has acknowledged the privacy text
	Tokens       Tokens   `json:",omitzero"`
}

// Tokens are what an issuer gave at the sign-in; empty without one. No page has them.
type Tokens struct {
	Token   string // that requests to workers carry
	Refresh string
	Until   time.Time
}

// Arrival is somebody who has shown who they are.
type Arrival struct {
	Who    Who
	Tokens Tokens
}

// Has says that the privacy text was acknowledged for an instance.
func (s *Session) Has(instance string) bool { return slices.Contains(s.Acknowledged, instance) }

// Options of the sessions.
type Options struct {
	Lasts   time.Duration // from the sign-in on
	Cookies *Cookies
	Now     func() time.Time
	// Renew asks the issuer for new tokens, and who that is now. Fails with ErrEnded when
	// the issuer renews them no more. nil: there is no issuer.
	Renew func(context.Context, Tokens) (Arrival, error)
}

// Sessions makes, reads and ends sessions.
type Sessions struct {
	options Options
	renewal renewals

	mu    sync.Mutex
	ended map[string]time.Time // sessions signed out, until they would have ended
}

// New makes sessions.
func New(o Options) *Sessions {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Sessions{options: o, ended: map[string]time.Time{}}
}

// Begin starts a session with an id that nobody has seen before, and ends the one that the
// browser had.
func (s *Sessions) Begin(w http.ResponseWriter, r *http.Request, a Arrival) error {
	if old := s.read(r); old != nil {
		s.forget(old)
	}
	return s.write(w, &Session{ID: rand.Text(), Who: a.Who, Tokens: a.Tokens, Ends: s.options.Now().Add(s.options.Lasts)})
}

// Acknowledge notes in the session that the privacy text was acknowledged.
func (s *Sessions) Acknowledge(w http.ResponseWriter, current *Session, instance string) error {
	if current.Has(instance) {
		return nil
	}
	current.Acknowledged = append(current.Acknowledged, instance)
	return s.write(w, current)
}

// End ends the session of a request.
func (s *Sessions) End(w http.ResponseWriter, r *http.Request) {
	if old := s.read(r); old != nil {
		s.forget(old)
	}
	s.options.Cookies.Remove(w, r, cookie)
}

func (s *Sessions) write(w http.ResponseWriter, session *Session) error {
	return s.options.Cookies.Write(w, cookie, session, session.Ends.Sub(s.options.Now()))
}

// forget makes sure that a copy of the cookie is worth nothing.
func (s *Sessions) forget(session *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.options.Now()
	for id, ends := range s.ended {
		if ends.Before(now) {
			delete(s.ended, id)
		}
	}
	s.ended[session.ID] = session.Ends
}

// read is the session of a request; nil when there is none that counts.
func (s *Sessions) read(r *http.Request) *Session {
	session := &Session{}
	if !s.options.Cookies.Read(r, cookie, session) || session.ID == "" || !s.options.Now().Before(session.Ends) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ended := s.ended[session.ID]; ended {
		return nil
	}
	return session
}

type key struct{}

// Attach hands the session of a request on to next, which asks Of.
func (s *Sessions) Attach(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if session := s.read(r); session != nil && s.counts(w, r, session) {
			r = r.WithContext(context.WithValue(r.Context(), key{}, session))
		}
		next.ServeHTTP(w, r)
	})
}

// Of is the session of a request; nil when nobody is signed in.
func Of(r *http.Request) *Session {
	session, _ := r.Context().Value(key{}).(*Session)
	return session
}
