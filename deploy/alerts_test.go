package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"causeway.dev/internal/telemetry"
)

type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func alerts(t *testing.T) []rule {
	t.Helper()
	data, err := os.ReadFile("alerts.yml")
	require.NoError(t, err)
	var file struct {
		Groups []struct {
			Rules []rule `yaml:"rules"`
		} `yaml:"groups"`
	}
	require.NoError(t, yaml.Unmarshal(data, &file))
	var out []rule
	for _, g := range file.Groups {
		out = append(out, g.Rules...)
	}
	require.NotEmpty(t, out)
	return out
}

var (
	metricName = regexp.MustCompile(`\bcauseway_(?:\w+)`)
	selector   = regexp.MustCompile(`(\bcauseway_\w+)\{(\w+)`)
	grouping   = regexp.MustCompile(`by \(([\w, ]+)\)`)
	labelUsed  = regexp.MustCompile(`\$labels\.(\w+)`)
)

// A rule about a metric or a label that no worker has never fires.
func TestAlertsAskForWhatAWorkerExposes(t *testing.T) {
	exposed := scrape(t) // name -> its labels
	seen := map[string]bool{}
	for _, r := range alerts(t) {
		require.False(t, seen[r.Alert], "%s is there twice", r.Alert)
		seen[r.Alert] = true
		names := metricsIn(r.Expr)
		require.True(t, len(names) > 0 || strings.Contains(r.Expr, "(up{"), r.Alert)
		for _, name := range names {
			require.Contains(t, exposed, name, r.Alert)
		}
		for _, s := range selector.FindAllStringSubmatch(r.Expr, -1) {
			require.Contains(t, exposed[s[1]], s[2], "%s: a label of %s", r.Alert, s[1])
		}
		g := grouping.FindStringSubmatch(r.Expr)
		require.NotNil(t, g, r.Alert)
		by := g[1]
		for label := range strings.SplitSeq(by, ", ") {
			require.True(t, len(names) == 0 || slices.Contains(exposed[names[0]], label), "%s: %s, a label of %v", r.Alert, label, names)
		}
		for _, l := range labelUsed.FindAllStringSubmatch(r.Annotations["summary"], -1) {
			require.Contains(t, strings.Split(by, ", "), l[1], "%s: its text names a label that the expression drops", r.Alert)
		}
		require.NotEmpty(t, r.Annotations["summary"], r.Alert)
		require.Contains(t, []string{"warning", "critical"}, r.Labels["severity"], r.Alert)
		if r.For != "" {
			_, err := time.ParseDuration(r.For)
			require.NoError(t, err, r.Alert)
		}
		// A gauge that was never set is 0: the age of a flow that there is not would be
		// that of the epoch.
		for _, name := range names {
			if strings.HasSuffix(name, "_timestamp_seconds") {
				require.Regexp(t, name+`\) > 0`, r.Expr, "%s: without a guard against 0", r.Alert)
			}
		}
	}
	for _, flow := range []string{"ingress", "egress", "optout"} {
		age := "watermark_timestamp_seconds"
		if flow == "optout" {
			age = "carried_up_to_timestamp_seconds" // the watermark, or a choice that is refused since before
		}
		for _, what := range []string{age, "runs_ended", "quarantine_open"} {
			require.True(t, asked(t, "causeway_"+flow+"_"+what), "no rule looks at %s of %s", what, flow)
		}
	}
}

func asked(t *testing.T, name string) bool {
	for _, r := range alerts(t) {
		if strings.Contains(r.Expr, name) {
			return true
		}
	}
	return false
}

// metricsIn are the metrics that an expression asks for, each as often as it does.
func metricsIn(expr string) []string {
	return slices.DeleteFunc(metricName.FindAllString(expr, -1), func(name string) bool { return name == telemetry.LabelInstance || name == telemetry.LabelProcess })
}

// Instances that share a Prometheus neither fire nor hide each other's alerts: whatever is
// put together is put together by instance. What is asked of Prometheus' own "up" is by
// address, because a target that does not answer says nothing of its instance.
func TestAlertsAreByInstance(t *testing.T) {
	t.Parallel()
	for _, r := range alerts(t) {
		aggregations := aggregated.FindAllString(r.Expr, -1)
		require.NotEmpty(t, aggregations, r.Alert)
		if strings.Contains(r.Expr, "(up{") {
			continue
		}
		for _, g := range aggregations {
			require.Contains(t, g, "by ("+telemetry.LabelInstance, "%s: %s", r.Alert, r.Expr)
		}
	}
}

var aggregated = regexp.MustCompile(`\b(?:max|min|sum|count|avg)\b *(?:by \([\w, ]*\))?`)

// unitTests are what promtool runs, a file a value.
func unitTests(t *testing.T) (files []string, tests []unitTest) {
	t.Helper()
	files, err := filepath.Glob("testdata/alerts_*_test.yml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		data, err := os.ReadFile(f)
		require.NoError(t, err)
		var file struct{ Tests []unitTest }
		require.NoError(t, yaml.Unmarshal(data, &file))
		tests = append(tests, file.Tests...)
	}
	return files, tests
}

type unitTest struct {
	Name   string `yaml:"name"`
	Series []struct {
		Series string `yaml:"series"`
	} `yaml:"input_series"`
	Rules []struct {
		At     string `yaml:"eval_time"`
		Alert  string `yaml:"alertname"`
		Firing []any  `yaml:"exp_alerts"`
	} `yaml:"alert_rule_test"`
	Expressions []struct {
		Expr string `yaml:"expr"`
	} `yaml:"promql_expr_test"`
}

// at is a time of promtool's.
func at(t *testing.T, text string) time.Duration {
	t.Helper()
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		require.NoError(t, err)
		return time.Duration(n) * 24 * time.Hour
	}
	d, err := time.ParseDuration(text)
	require.NoError(t, err)
	return d
}

// A rule that nobody has seen fire may never do, and one that nobody has seen end may stay.
func TestEveryAlertIsTestedToFireAndToEnd(t *testing.T) {
	t.Parallel()
	ends := map[string]bool{}
	_, tests := unitTests(t)
	for _, u := range tests {
		fired := map[string]time.Duration{}
		for _, r := range u.Rules {
			when, before := at(t, r.At), fired[r.Alert]
			switch {
			case len(r.Firing) > 0:
				fired[r.Alert] = when
			case before > 0 && when > before:
				ends[r.Alert] = true
			}
		}
	}
	for _, r := range alerts(t) {
		require.True(t, ends[r.Alert], "no unit test in deploy/testdata shows that %s fires, and later that it has ended", r.Alert)
	}
}

// The test of a restart knows of every metric that a rule asks for: of a rule about another
// it would show nothing.
func TestTheRestartOfAWorkerIsTestedWithEveryAlert(t *testing.T) {
	t.Parallel()
	_, tests := unitTests(t)
	var restart string
	for _, u := range tests {
		for _, e := range u.Expressions {
			if e.Expr == `ALERTS{alertstate="firing"}` {
				for _, s := range u.Series {
					restart += s.Series + "\n"
				}
			}
		}
	}
	for _, r := range alerts(t) {
		for _, name := range metricsIn(r.Expr) {
			require.Contains(t, restart, name+"{", r.Alert)
		}
	}
}

// Prometheus itself, where it is installed, takes its configuration and the rules, and
// fires them when it should.
func TestPrometheusTakesTheRules(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		require.Empty(t, os.Getenv("CAUSEWAY_REQUIRE_PROMETHEUS"), "promtool is not installed")
		t.Skip("promtool is not installed")
	}
	calls := [][]string{{"check", "config", "--syntax-only", "prometheus.yml"}, {"check", "rules", "alerts.yml"}}
	files, _ := unitTests(t)
	for _, f := range files {
		calls = append(calls, []string{"test", "rules", f})
	}
	for _, args := range calls {
		out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
}
