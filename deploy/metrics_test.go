package deploy_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/telemetry"
)

var metricRow = regexp.MustCompile("(?m)^\\| `(causeway_\\w+)` \\| ([^|]*) \\| (all|worker) \\| .+ \\|$|^\\| `(causeway_\\w+)` \\| \\| (all|worker) \\| .+ \\|$")

// shownLater are metrics that a worker which has had no work does not show, and from when.
var shownLater = map[string]string{
	"causeway_egress_batch_rows": "the first request of events",
	"causeway_notify_messages":   "the first message",
	"causeway_hooks_calls":       "the first call",
	"causeway_flow_pushed":       "the first look of a flow that is told of changes",
}

// The table of metrics says what a worker exposes, with its labels, and nothing else.
func TestTheTableOfMetricsIsWhatAWorkerExposes(t *testing.T) {
	page, err := os.ReadFile("../docs/production.md")
	require.NoError(t, err)
	table := map[string][]string{}
	for _, row := range metricRow.FindAllStringSubmatch(string(page), -1) {
		name := row[1] + row[4]
		require.NotContains(t, table, name, "twice")
		table[name] = strings.FieldsFunc(row[2], func(r rune) bool { return strings.ContainsRune("`, ", r) })
		slices.Sort(table[name])
	}
	require.Greater(t, len(table), 50)
	seen := map[string]bool{}
	for name, labels := range scrape(t) {
		require.Contains(t, labels, telemetry.LabelInstance, name)
		require.Contains(t, labels, telemetry.LabelProcess, name)
		if strings.HasPrefix(name, "causeway_http_request_seconds_") {
			name = "causeway_http_request_seconds"
		}
		seen[name] = true
		own := slices.DeleteFunc(slices.Clone(labels), func(l string) bool { return l == telemetry.LabelInstance || l == telemetry.LabelProcess || l == "le" })
		slices.Sort(own)
		require.Contains(t, table, name, "docs/production.md says nothing of it")
		require.ElementsMatch(t, own, table[name], name)
	}
	for name := range table {
		require.True(t, seen[name] || shownLater[name] != "", "%s is in docs/production.md, and no worker shows it", name)
		require.False(t, seen[name] && shownLater[name] != "", "%s is shown at once", name)
	}
}
