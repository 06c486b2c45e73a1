package deploy_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
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
	metricName = regexp.MustCompile(`\bcauseway_\w+`)
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
		names := metricName.FindAllString(r.Expr, -1)
		require.True(t, len(names) > 0 || strings.HasPrefix(r.Expr, "up{"), r.Alert)
		for _, name := range names {
			require.Contains(t, exposed, name, r.Alert)
		}
		for _, s := range selector.FindAllStringSubmatch(r.Expr, -1) {
			require.Contains(t, exposed[s[1]], s[2], "%s: a label of %s", r.Alert, s[1])
		}
		by := ""
		if g := grouping.FindStringSubmatch(r.Expr); g != nil {
			by = g[1]
			for label := range strings.SplitSeq(by, ", ") {
				require.Contains(t, exposed[names[0]], label, "%s: a label of %s", r.Alert, names[0])
			}
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

// Prometheus itself, where it is installed, takes its configuration and the rules, and
// fires them when it should.
func TestPrometheusTakesTheRules(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed")
	}
	for _, args := range [][]string{{"check", "config", "--syntax-only", "prometheus.yml"}, {"check", "rules", "alerts.yml"}, {"test", "rules", "testdata/alerts_test.yml"}} {
		out, err := exec.CommandContext(t.Context(), promtool, args...).CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
}
