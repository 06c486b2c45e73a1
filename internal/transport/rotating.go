package transport

import "sync"

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
	return value, r.version, nil
}
