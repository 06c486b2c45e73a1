package transport

import (
	"context"
	"net/http"
	"time"
)

// Witness is told of each request and what its answer shows by the way, whatever the
// answer means.
type Witness interface {
	// Left counts a request that is about to leave.
	Left(req *http.Request)
	// Came says by which clock the service answered, zero when it did not say, when our
	// request left and its answer came by ours, and when the certificate of the service
	// ends, zero without one.
	Came(host string, date, left, came, certificateEnds time.Time)
}

type witnessKey struct{}

// WithWitness has the requests of ctx witnessed.
func WithWitness(ctx context.Context, w Witness) context.Context {
	return context.WithValue(ctx, witnessKey{}, w)
}

// Witnessed is base, of which the witness of a request's context is told. A Client does
// so by itself.
func Witnessed(base http.RoundTripper) http.RoundTripper { return witnessed{base} }

type witnessed struct{ base http.RoundTripper }

func (w witnessed) RoundTrip(req *http.Request) (*http.Response, error) {
	return roundTrip(w.base, req)
}

func roundTrip(base http.RoundTripper, req *http.Request) (*http.Response, error) {
	to, ok := req.Context().Value(witnessKey{}).(Witness)
	if !ok {
		return base.RoundTrip(req)
	}
	left := time.Now()
	to.Left(req)
	res, err := base.RoundTrip(req)
	if err != nil {
		return res, err
	}
	var ends time.Time
	if res.TLS != nil && len(res.TLS.PeerCertificates) > 0 {
		ends = res.TLS.PeerCertificates[0].NotAfter.UTC()
	}
	date, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil {
		date = time.Time{}
	}
	if !date.IsZero() {
		date = date.UTC()
	}
	to.Came(req.URL.Host, date, left, time.Now(), ends)
	return res, nil
}
