// Package telemetry is the worker's logging and metrics. Our code and Temporal's SDK
// share one slog logger and one Prometheus registry. The worker and the devstack call
// it.
package telemetry

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/uber-go/tally/v4"
	tallyprom "github.com/uber-go/tally/v4/prometheus"
	"go.temporal.io/sdk/client"
	sdktally "go.temporal.io/sdk/contrib/tally"

	"causeway.dev/internal/readable"
)

// NewLogger writes records at or above level ("debug", "info", "warn", "error")
// to w as "text" or "json".
func NewLogger(w io.Writer, level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, fmt.Errorf("telemetry.log_level: got %q, want debug, info, warn or error", level)
	}
	options := &slog.HandlerOptions{Level: l}
	switch strings.ToLower(format) {
	case "text":
		return slog.New(slog.NewTextHandler(readable.Screen(w), options)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(readable.JSONLines(w), options)), nil
	default:
		return nil, fmt.Errorf("telemetry.log_format: got %q, want text or json", format)
	}
}

// Metrics is the registry of the process.
type Metrics struct {
	Scope    tally.Scope           // for our own metrics, named causeway_…
	Temporal client.MetricsHandler // for the SDK, with its standard names
	registry *prometheus.Registry
	closers  []io.Closer
}

// NewMetrics makes the registry. Close flushes it.
func NewMetrics(logger *slog.Logger) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	reporter := tallyprom.NewReporter(tallyprom.Options{
		Registerer:       m.registry,
		DefaultTimerType: tallyprom.HistogramTimerType,
		OnRegisterError:  func(err error) { logger.Warn("registering a metric", "error", err) },
	})
	scope := func(prefix string) tally.Scope {
		s, closer := tally.NewRootScope(tally.ScopeOptions{
			Prefix: prefix, CachedReporter: reporter, Separator: "_",
			SanitizeOptions: &sdktally.PrometheusSanitizeOptions, OmitCardinalityMetrics: true,
		}, time.Second)
		m.closers = append(m.closers, closer)
		return s
	}
	// The SDK's scope has no prefix, because existing dashboards know its names.
	m.Scope, m.Temporal = scope("causeway"), sdktally.NewMetricsHandler(sdktally.NewPrometheusNamingScope(scope("")))
	return m
}

// Handler serves the registry in Prometheus' text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// Close stops reporting.
func (m *Metrics) Close() error {
	for _, c := range m.closers {
		if err := c.Close(); err != nil {
			return err
		}
	}
	return nil
}
