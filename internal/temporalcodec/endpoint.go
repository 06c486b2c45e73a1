package temporalcodec

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.temporal.io/sdk/converter"
)

// Endpoint opens sealed payloads for Temporal's Web UI and command line.
type Endpoint struct {
	Keys   *Keys
	Listen string // host:port on the loopback of this machine
	UI     string // address of the Web UI; its pages, and no others, may ask
	// May is asked before each answer; its error is the answer then. nil: whoever reaches
	// the endpoint may read.
	May func(context.Context) error
}

const (
	maxBody     = 64 << 20 // of one request; a page of a history has less
	headWithin  = 10 * time.Second
	closeWithin = 5 * time.Second
)

// Loopback refuses an address that other machines may reach.
func Loopback(listen string) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("got %q, want host:port, such as 127.0.0.1:8234", listen)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("got %q, want an address of this machine alone, such as 127.0.0.1:8234: it is for the people who work on this machine, and does not ask others who they are", listen)
	}
	return nil
}

// Serve answers until ctx ends. listening is told the address.
func (e Endpoint) Serve(ctx context.Context, listening func(address string)) error {
	if err := Loopback(e.Listen); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", e.Listen)
	if err != nil {
		return fmt.Errorf("%w; choose another address", err)
	}
	server := &http.Server{Handler: e.Handler(), ReadHeaderTimeout: headWithin}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	listening(listener.Addr().String())
	select {
	case err = <-done:
	case <-ctx.Done():
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWithin)
		defer cancel()
		err = server.Shutdown(closing)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Handler opens, and does not seal: whoever could have values sealed could have workers
// believe them. A page in a browser must be of the Web UI, and must have named this
// machine, so that a page from elsewhere cannot ask in its user's name.
func (e Endpoint) Handler() http.Handler {
	opens := converter.NewPayloadCodecHTTPHandler(e.Keys)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if named := r.Host; Loopback(named) != nil && Loopback(net.JoinHostPort(named, "80")) != nil {
			http.Error(w, "this endpoint is for this machine alone: call it 127.0.0.1 or localhost", http.StatusForbidden)
			return
		}
		w.Header().Set("Vary", "Origin")
		if origin := r.Header.Get("Origin"); origin != "" {
			if origin != originOf(e.UI) {
				http.Error(w, "pages from "+origin+" may not read what is sealed; set temporal.ui_url to the address of Temporal's Web UI", http.StatusForbidden)
				return
			}
			w.Header().Set("Access-Control-Allow-Origin", origin)
			w.Header().Set("Access-Control-Allow-Methods", "POST, OPTIONS")
			w.Header().Set("Access-Control-Allow-Headers", "Content-Type, X-Namespace, Authorization")
		}
		switch {
		case r.Method == http.MethodOptions:
			w.WriteHeader(http.StatusNoContent)
			return
		case strings.HasSuffix(r.URL.Path, "/encode"):
			http.Error(w, "this endpoint opens what is sealed, and seals nothing; start and update flows with causeway", http.StatusForbidden)
			return
		}
		if e.May != nil {
			if err := e.May(r.Context()); err != nil {
				http.Error(w, err.Error(), http.StatusForbidden)
				return
			}
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		opens.ServeHTTP(w, r)
	})
}

// originOf is what a browser calls the pages of an address; "" of none.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
