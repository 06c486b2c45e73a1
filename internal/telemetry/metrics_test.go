package telemetry_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/telemetry"
)

// exposed is what Prometheus reads, a sample a line.
func exposed(t *testing.T, m *telemetry.Metrics) []string {
	t.Helper()
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	var out []string
	for line := range strings.Lines(answer.Body.String()) {
		if !strings.HasPrefix(line, "#") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

// Whatever a process shows, ours, the SDK's, and Go's, says whose it is.
func TestEveryMetricSaysWhoseItIs(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics(telemetry.Process{Instance: "emea", Identity: "emea@host:7"}, slog.New(slog.DiscardHandler))
	m.Scope.Tagged(map[string]string{"flow": "contacts"}).Gauge("flow_failed").Update(0)
	m.Scope.Counter("runs").Inc(1)
	m.Temporal.WithTags(map[string]string{"operation": "StartWorkflowExecution"}).Counter("temporal_request").Inc(1)
	require.NoError(t, m.Close())
	seen := exposed(t, m)
	for _, name := range []string{"causeway_flow_failed{", "causeway_runs{", "temporal_request", "go_goroutines{", "process_"} {
		require.Contains(t, strings.Join(seen, "\n"), name)
	}
	for _, line := range seen {
		require.Contains(t, line, `causeway_instance="emea"`)
		require.Contains(t, line, `causeway_process="emea@host:7"`)
	}
}

// A gauge that nobody has set yet is not 0: it is not there.
func TestAGaugeIsShownFromItsFirstValueOn(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics(telemetry.Process{Instance: "emea", Identity: "emea@host:7"}, slog.New(slog.DiscardHandler))
	m.Scope.Gauge("never_set")
	m.Scope.Gauge("set_to_none").Update(0)
	require.NoError(t, m.Close())
	text := strings.Join(exposed(t, m), "\n")
	require.NotContains(t, text, "never_set")
	require.Contains(t, text, "causeway_set_to_none{")
}
