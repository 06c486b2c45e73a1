package deploy_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

type dashboard struct {
	UID, Title string
	Panels     []struct {
		ID         int
		Title      string
		Datasource struct{ UID string }
		Targets    []struct{ Expr string }
	}
}

func dashboards(t *testing.T) map[string]dashboard {
	t.Helper()
	files, err := filepath.Glob("grafana/dashboards/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	out := map[string]dashboard{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		require.NoError(t, err)
		var d dashboard
		require.NoError(t, json.Unmarshal(data, &d), f)
		require.NotEmpty(t, d.Panels, f)
		out[f] = d
	}
	return out
}

// Grafana cannot be had here, so that what it would be told is compared: dashboards name
// a source of data that is provisioned, and are in the folder that is mounted.
func TestGrafanaFindsItsDashboards(t *testing.T) {
	t.Parallel()
	var sources struct{ Datasources []struct{ UID, URL string } }
	data, err := os.ReadFile("grafana/provisioning/datasources/prometheus.yml")
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(data, &sources))
	require.Len(t, sources.Datasources, 1)
	c := compose(t)
	u, err := url.Parse(sources.Datasources[0].URL)
	require.NoError(t, err)
	require.Contains(t, c.Services, u.Hostname())

	var providers struct {
		Providers []struct{ Options struct{ Path string } }
	}
	data, err = os.ReadFile("grafana/provisioning/dashboards/causeway.yml")
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(data, &providers))
	require.Contains(t, c.Services["grafana"].Volumes, "./deploy/grafana/dashboards:"+providers.Providers[0].Options.Path+":ro")
	uids := map[string]bool{}
	for file, d := range dashboards(t) {
		require.False(t, uids[d.UID], "%s: uid %s is taken", file, d.UID)
		uids[d.UID] = true
		ids := map[int]bool{}
		for _, p := range d.Panels {
			require.False(t, ids[p.ID], "%s: panel %d is there twice", file, p.ID)
			ids[p.ID] = true
			require.Equal(t, sources.Datasources[0].UID, p.Datasource.UID, "%s: %s", file, p.Title)
			require.NotEmpty(t, p.Targets, "%s: %s", file, p.Title)
		}
	}
}

var zero = regexp.MustCompile(`(?m)^(causeway_.*) 0$`)

// Every query of every panel finds something in a real Prometheus that scrapes what a
// real worker exposes.
func TestDashboardsShowSomething(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a Prometheus")
	}
	program, err := exec.LookPath("prometheus")
	if err != nil {
		require.Empty(t, os.Getenv("CAUSEWAY_REQUIRE_PROMETHEUS"), "prometheus is not installed")
		t.Skip("prometheus is not installed")
	}
	text := zero.ReplaceAllString(scrapeText(t), "$1 1") // what is shown above 0 alone is to be shown
	worker := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }))
	t.Cleanup(worker.Close)
	target, err := url.Parse(worker.URL)
	require.NoError(t, err)
	ask := startPrometheus(t, program, target.Host)
	for file, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				require.Eventually(t, func() bool { return ask(q.Expr) > 0 }, time.Minute, 250*time.Millisecond, "%s: %s shows nothing: %s", file, p.Title, q.Expr)
			}
		}
	}
	require.Zero(t, ask("causeway_no_such_metric"))
}

// startPrometheus scrapes a target every second, and tells how many series a query has;
// -1 while it does not answer.
func startPrometheus(t *testing.T, program, target string) (ask func(query string) int) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	require.NoError(t, os.WriteFile(file, []byte(fmt.Sprintf(
		"global: {scrape_interval: 1s}\nscrape_configs: [{job_name: causeway, static_configs: [{targets: [%q]}]}]\n", target)), 0o600))
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := free.Addr().String()
	require.NoError(t, free.Close())
	cmd := exec.CommandContext(t.Context(), program, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	cmd.Stderr = t.Output()
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return func(query string) int {
		resp, err := http.PostForm("http://"+address+"/api/v1/query", url.Values{"query": {query}})
		if err != nil {
			return -1
		}
		defer resp.Body.Close()
		var answer struct{ Data struct{ Result []any } }
		if json.NewDecoder(resp.Body).Decode(&answer) != nil || resp.StatusCode != http.StatusOK {
			return -1
		}
		return len(answer.Data.Result)
	}
}
