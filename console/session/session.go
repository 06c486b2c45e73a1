package session

import (
	"context"
	"crypto/rand"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/securecookie"
)

// cookie is the name of the cookie that holds the session.
const cookie = "causeway_session"

// Session is one stay of somebody, from a sign-in to its end.
type Session struct {
	ID           string
	Who          Who
	Ends         time.Time
	Acknowledged []string // the instances for which the person has acknowledged the privacy text
}

// Has says that the privacy text was acknowledged for an instance.
func (s *Session) Has(instance string) bool { return slices.Contains(s.Acknowledged, instance) }

// Options of the sessions.
type Options struct {
	Lasts  time.Duration // from the sign-in on
	Secure bool          // the console is reached by https alone
	Now    func() time.Time
}

// Sessions makes, reads and ends sessions. The keys are of this process: when it ends, so do
// all sessions.
type Sessions struct {
	options Options
	code    *securecookie.SecureCookie

	mu    sync.Mutex
	ended map[string]time.Time // sessions signed out, until they would have ended
}

// New makes sessions with keys of their own.
func New(o Options) *Sessions {
	if o.Now == nil {
		o.Now = time.Now
	}
	code := securecookie.New(securecookie.GenerateRandomKey(64), securecookie.GenerateRandomKey(32))
	code.SetSerializer(securecookie.JSONEncoder{})
	code.MaxAge(0) // the end stands inside
	return &Sessions{options: o, code: code, ended: map[string]time.Time{}}
}

// Begin starts a session with an id that nobody has seen before, and ends the one that the
// browser had.
func (s *Sessions) Begin(w http.ResponseWriter, r *http.Request, who Who) error {
	if old := s.read(r); old != nil {
		s.forget(old)
	}
	return s.write(w, &Session{ID: rand.Text(), Who: who, Ends: s.options.Now().Add(s.options.Lasts)})
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
	http.SetCookie(w, s.cookie("", -1))
}

func (s *Sessions) write(w http.ResponseWriter, session *Session) error {
	value, err := s.code.Encode(cookie, session)
	if err == nil {
		http.SetCookie(w, s.cookie(value, int(session.Ends.Sub(s.options.Now()).Seconds())))
	}
	return err
}

func (s *Sessions) cookie(value string, age int) *http.Cookie {
	return &http.Cookie{Name: cookie, Value: value, Path: "/", MaxAge: age, HttpOnly: true, Secure: s.options.Secure, SameSite: http.SameSiteLaxMode}
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
	c, err := r.Cookie(cookie)
	if err != nil {
		return nil
	}
	session := &Session{}
	if s.code.Decode(cookie, c.Value, session) != nil || session.ID == "" || !s.options.Now().Before(session.Ends) {
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
		if session := s.read(r); session != nil {
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
