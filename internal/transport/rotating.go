package transport

import (
	"sync"
	"time"

	"causeway.dev/internal/apierr"
)

// newFor is how long a service may refuse a credential because it has not heard of it
// yet. Entra ID takes some minutes.
const newFor = 5 * time.Minute

// Rotating is a credential that may be replaced where it is kept while the program
// runs. It is read before each use, which is rare: a use is a request for a token, or
// a connection.
type Rotating[T any] struct {
	read  func() (string, error)
	build func(string) (T, error)

	mu      sync.Mutex
	raw     string
	value   T
	version int
	since   time.Time // when this version was first seen; zero for the first
	odd     Patience  // refusals of this version
}

// NewRotating builds the credential from raw, which is what was read at the start.
// read says what it is now; nil means that it never changes. Fails as build does.
func NewRotating[T any](raw string, read func() (string, error), build func(string) (T, error)) (*Rotating[T], error) {
	value, err := build(raw)
	if err != nil {
		return nil, err
	}
	return &Rotating[T]{read: read, build: build, raw: raw, value: value}, nil
}

// Get is the credential as it is now, and its version, which differs whenever the
// credential does. With an error it is the last one that could be used: a file that
// is being replaced is missing, or half written, for a moment.
func (r *Rotating[T]) Get() (T, int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.read == nil {
		return r.value, r.version, nil
	}
	raw, err := r.read()
	if err != nil || raw == r.raw {
		return r.value, r.version, err
	}
	value, err := r.build(raw)
	if err != nil {
		return r.value, r.version, err
	}
	r.raw, r.value = raw, value
	r.version++
	r.odd.Ends(credential)
	r.since = time.Now()
	return value, r.version, nil
}

// ToldTo has a Watch told of refusals by a service. It is called before any use.
func (r *Rotating[T]) ToldTo(w *Watch, service string) { r.odd.ToldTo(w, service) }

// Accepted notes that the service took the credential.
func (r *Rotating[T]) Accepted() { r.odd.Ends(credential) }

// Refused explains a refusal of the credential. It is tried again until it has been
// refused for two minutes, because a service refuses a good one, too, while it is being
// repaired; one that was replaced a moment ago until the service has heard of it.
// unusable is what Get said of a newer one. The texts name references and files, never
// what they hold.
func (r *Rotating[T]) Refused(fail *apierr.Error, unusable error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.odd.Lasts(credential, fail.Message) {
		fail.Class = apierr.Retryable
	}
	switch {
	case unusable != nil:
		fail.Message += "; the one that is configured now cannot be used: " + unusable.Error()
	case !r.since.IsZero() && time.Since(r.since) < newFor:
		fail.Class = apierr.Retryable
		fail.Message += "; it was replaced within the last minutes, and the service may not know it yet"
	}
}
