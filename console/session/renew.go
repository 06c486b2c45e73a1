package session

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// ErrEnded is the failure of a renewal that will not come about any more: the issuer has
// ended the sign-in.
var ErrEnded = errors.New("the sign-in has ended")

const (
	spare       = time.Minute      // a token must outlast the way to a worker
	renewWithin = 10 * time.Second // one renewal
	keepRenewed = 2 * time.Minute  // for requests that began with the cookie before it
)

// renewals are made once for all requests of a session that come at the same time: an
// issuer may take a refresh token only once.
type renewals struct {
	once singleflight.Group

	mu   sync.Mutex
	done map[string]renewed // by the refresh token that was used
}

type renewed struct {
	arrival Arrival
	at      time.Time
}

// counts says whether a session counts now. One whose token ends is renewed first; who may
// do what is then read anew.
func (s *Sessions) counts(w http.ResponseWriter, r *http.Request, session *Session) bool {
	now := s.options.Now()
	if s.options.Renew == nil || session.Tokens.Until.After(now.Add(spare)) {
		return true
	}
	fresh, err := s.renew(r.Context(), session)
	switch {
	case errors.Is(err, ErrEnded):
		s.forget(session)
		s.options.Cookies.Remove(w, r, cookie)
		return false
	case err != nil: // the cookie stays, for when the issuer answers again
		return session.Tokens.Until.After(now)
	}
	session.Who, session.Tokens = fresh.Who, fresh.Tokens
	return s.write(w, session) == nil
}

func (s *Sessions) renew(ctx context.Context, session *Session) (Arrival, error) {
	with := session.Tokens.Refresh
	got, err, _ := s.renewal.once.Do(with, func() (any, error) {
		if done, ok := s.renewal.get(with, s.options.Now()); ok {
			return done, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewWithin)
		defer cancel()
		fresh, err := s.options.Renew(ctx, session.Tokens)
		if err == nil {
			s.renewal.put(with, renewed{fresh, s.options.Now()})
		}
		return fresh, err
	})
	arrival, _ := got.(Arrival)
	return arrival, err
}

func (r *renewals) get(with string, now time.Time) (Arrival, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for old, done := range r.done {
		if now.Sub(done.at) > keepRenewed || !done.arrival.Tokens.Until.After(now.Add(spare)) { // the same refresh token may serve again
			delete(r.done, old)
		}
	}
	done, ok := r.done[with]
	return done.arrival, ok
}

func (r *renewals) put(with string, done renewed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done == nil {
		r.done = map[string]renewed{}
	}
	r.done[with] = done
}
