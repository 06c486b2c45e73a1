package console_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/console"
)

// A console counts the requests for each instance that it shows, and says of each count
// whose it is. What is not an instance makes no metric, whatever address somebody asks for.
func TestAConsoleCountsRequestsByInstance(t *testing.T) {
	t.Parallel()
	s, err := listens(t, func(o *console.ServeOptions) {
		o.Configs = []console.Config{{File: "emea.yaml", Config: configured(t, "emea")}, {File: "apac.yaml", Config: configured(t, "apac")}}
		o.MetricsListen = "127.0.0.1:0"
	})
	require.NoError(t, err)
	for _, path := range []string{"/i/emea/", "/i/emea/runs", "/i/apac/", "/i/nobody/", "/healthz"} {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Host = "127.0.0.1"
		s.ServeHTTP(httptest.NewRecorder(), r)
	}
	var text string
	require.Eventually(t, func() bool {
		resp, err := http.Get(s.MetricsURL())
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		text = string(data)
		return err == nil && strings.Contains(text, `causeway_console_requests{causeway_instance="apac"`) && strings.Contains(text, "causeway_console_info{")
	}, time.Minute, 20*time.Millisecond)
	require.Regexp(t, `causeway_console_requests\{causeway_instance="emea",causeway_process="console@[^"]+:\d+",status="303"\} 2`, text)
	require.Regexp(t, `causeway_console_request_seconds_count\{causeway_instance="emea",causeway_process="console@[^"]+"\} 2`, text)
	require.NotContains(t, text, "nobody")
	for _, line := range regexp.MustCompile(`(?m)^(causeway|go|process)_.*`).FindAllString(text, -1) {
		require.Contains(t, line, `causeway_process="console@`)
		require.True(t, !strings.HasPrefix(line, "causeway_") || strings.Contains(line, `causeway_instance="`), line)
	}

	_, err = listens(t, func(o *console.ServeOptions) {
		o.MetricsListen = strings.TrimSuffix(strings.TrimPrefix(s.MetricsURL(), "http://"), "/metrics")
	})
	require.ErrorIs(t, err, console.ErrListen)
	require.ErrorContains(t, err, "for metrics at")
	quiet, err := listens(t, func(*console.ServeOptions) {})
	require.NoError(t, err)
	require.Empty(t, quiet.MetricsURL())
}
