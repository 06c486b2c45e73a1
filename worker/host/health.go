package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// health serves /metrics, /healthz (the process lives) and /readyz (it can work).
type health struct {
	listen   string
	server   *http.Server
	listener net.Listener
	started  atomic.Bool
	waits    atomic.Pointer[string] // why it has not started
}

func newHealth(listen string, metrics http.Handler, ready func(context.Context) error) *health {
	h := &health{listen: listen}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if !h.started.Load() {
			why := "not started, or draining"
			if waits := h.waits.Load(); waits != nil {
				why = *waits
			}
			http.Error(w, why, http.StatusServiceUnavailable)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
		defer cancel()
		if err := ready(ctx); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ready\n"))
	})
	h.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	return h
}

// start listens, if it does not yet; "" as address turns the endpoint off.
func (h *health) start() error {
	if h.listen == "" || h.listener != nil {
		return nil
	}
	l, err := net.Listen("tcp", h.listen)
	if err != nil {
		return fmt.Errorf("telemetry.listen: %w; free the port or choose another", err)
	}
	h.listener = l
	go func() { _ = h.server.Serve(l) }()
	return nil
}

func (h *health) setStarted(started bool) {
	h.started.Store(started)
	h.waits.Store(nil)
}

// waitFor says why the worker has not started.
func (h *health) waitFor(why string) { h.waits.Store(&why) }

func (h *health) address() string {
	if h.listener == nil {
		return h.listen
	}
	return h.listener.Addr().String()
}

func (h *health) close() error {
	if h.listener == nil {
		return nil
	}
	if err := h.server.Close(); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("closing the health endpoint: %w", err)
	}
	return nil
}
