package console

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/uber-go/tally/v4"

	"causeway.dev/internal/buildinfo"
	"causeway.dev/internal/telemetry"
	"causeway.dev/internal/temporalconn"
)

// meter counts the requests of a console, and serves the counts at an address of their own:
// they are for Prometheus, which signs in nowhere.
type meter struct {
	metrics  *telemetry.Metrics
	shown    map[string]bool // the instances that the console shows
	listener net.Listener
	server   *http.Server
}

var answerBuckets = tally.MustMakeExponentialDurationBuckets(5*time.Millisecond, 2, 14)

// newMeter listens for Prometheus; nil when that is not asked for.
func newMeter(ctx context.Context, listen string, configs []Config) (*meter, error) {
	if listen == "" {
		return nil, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("%w for metrics at %s: %w; choose another port", ErrListen, listen, err)
	}
	m := &meter{listener: listener, shown: map[string]bool{}, metrics: telemetry.NewMetrics(telemetry.Process{Identity: temporalconn.WorkerName("console")}, slog.New(slog.DiscardHandler))}
	for _, c := range configs {
		m.shown[c.Config.Instance] = true
		m.of(c.Config.Instance).Tagged(map[string]string{"version": buildinfo.Current().Version}).Gauge("console_info").Update(1)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.metrics.Handler())
	m.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = m.server.Serve(listener) }()
	return m, nil
}

func (m *meter) of(instance string) tally.Scope {
	return m.metrics.Scope.Tagged(map[string]string{telemetry.LabelInstance: instance})
}

// counted counts the requests for pages of an instance that there is; a nil meter none.
func (m *meter) counted(next http.Handler) http.Handler {
	if m == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began, answer := time.Now(), &answered{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(answer, r)
		rest, _ := strings.CutPrefix(r.URL.Path, "/i/")
		if instance, _, _ := strings.Cut(rest, "/"); m.shown[instance] {
			scope := m.of(instance)
			scope.Tagged(map[string]string{"status": strconv.Itoa(answer.status)}).Counter("console_requests").Inc(1)
			scope.Histogram("console_request_seconds", answerBuckets).RecordDuration(time.Since(began))
		}
	})
}

func (m *meter) close() error {
	if m == nil {
		return nil
	}
	_ = m.server.Close()
	return m.metrics.Close()
}

// answered remembers how a request was answered.
type answered struct {
	http.ResponseWriter
	status int
}

func (a *answered) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

// Unwrap lets a page flush what it has.
func (a *answered) Unwrap() http.ResponseWriter { return a.ResponseWriter }
