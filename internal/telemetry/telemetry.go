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
	"sync"
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

// The labels that every metric of a process has. Prometheus itself calls the address that it
// scrapes "instance", and would rename a label of that name to "exported_instance".
const (
	LabelInstance = "causeway_instance" // of the configuration
	LabelProcess  = "causeway_process"  // instance@host:pid, as Temporal shows it
)

// Process is whose metrics these are.
type Process struct {
	Instance string // "": a process of several, of which each metric says its own
	Identity string
}

// Metrics is the registry of the process.
type Metrics struct {
	Scope    tally.Scope           // for our own metrics, named causeway_…
	Temporal client.MetricsHandler // for the SDK, with its standard names
	registry *prometheus.Registry
	labelled prometheus.Registerer
	closers  []io.Closer
}

// NewMetrics makes the registry, of which every metric says whose it is. Close flushes it.
func NewMetrics(of Process, logger *slog.Logger) *Metrics {
	registry, labels := prometheus.NewRegistry(), prometheus.Labels{LabelProcess: of.Identity}
	if of.Instance != "" {
		labels[LabelInstance] = of.Instance
	}
	m := &Metrics{registry: registry, labelled: prometheus.WrapRegistererWith(labels, registry)}
	m.labelled.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	reporter := lateGauges{tallyprom.NewReporter(tallyprom.Options{
		Registerer:       m.labelled,
		DefaultTimerType: tallyprom.HistogramTimerType,
		OnRegisterError:  func(err error) { logger.Warn("registering a metric", "error", err) },
	})}
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
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.labelled})
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

// lateGauges shows a gauge from its first value on. It would be 0 until then, and a worker
// that has just begun would tell that a flow has no refused records, and then that it has
// thousands more than a moment ago.
type lateGauges struct{ tallyprom.Reporter }

// AllocateGauge makes a gauge that is shown once it is set.
func (r lateGauges) AllocateGauge(name string, tags map[string]string) tally.CachedGauge {
	return &lateGauge{allocate: sync.OnceValue(func() tally.CachedGauge { return r.Reporter.AllocateGauge(name, tags) })}
}

type lateGauge struct{ allocate func() tally.CachedGauge }

func (g *lateGauge) ReportGauge(value float64) { g.allocate().ReportGauge(value) }
