package deploy_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"causeway.dev/internal/telemetry"
)

type dashboard struct {
	UID, Title string
	Panels     []struct {
		ID         int
		Title      string
		Datasource struct{ UID string }
		Targets    []struct{ Expr, LegendFormat string }
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

// onlyWithAnError are queries of panels that find nothing while all is well, and why.
var onlyWithAnError = map[string]string{
	"ALERTS{": "an alert that fires",
	"temporal_workflow_task_execution_failed_total": "a workflow task that failed",
}

// Every query of every panel finds something in a real Prometheus that scrapes real workers
// of two instances, and what it finds is of the instance that was chosen, and names it.
func TestDashboardsShowSomethingOfTheirInstance(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a Prometheus")
	}
	address := temporal(t)
	ask := startPrometheus(t, prometheusHere(t), startWorker(t, here, address).host(), startWorker(t, there, address).host())
	used := map[string]bool{}
	for file, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				where := fmt.Sprintf("%s: %s: %s", file, p.Title, q.Expr)
				require.Contains(t, q.Expr, telemetry.LabelInstance+`=~"$instance"`, where)
				require.Contains(t, q.LegendFormat, "{{"+telemetry.LabelInstance+"}}", where)
				if part := excused(q.Expr); part != "" {
					used[part] = true
					continue
				}
				for _, instance := range []string{here, there} {
					var found []map[string]string
					require.Eventually(t, func() bool {
						found = ask(strings.ReplaceAll(strings.ReplaceAll(q.Expr, "$instance", instance), "$__rate_interval", "1m"))
						return len(found) > 0
					}, time.Minute, 250*time.Millisecond, "%s shows nothing", where)
					for _, labels := range found {
						require.Equal(t, instance, labels[telemetry.LabelInstance], where)
					}
				}
			}
		}
	}
	require.Empty(t, ask("causeway_no_such_metric"))
	for part, why := range onlyWithAnError {
		require.True(t, used[part], "no panel asks for %s: %s", part, why)
	}
}

// excused is the part of a query that finds something only with an error; "" for none.
func excused(expr string) string {
	for part := range onlyWithAnError {
		if strings.Contains(expr, part) {
			return part
		}
	}
	return ""
}

// What is the matter in one instance fires in that one alone, also when its worker is gone.
func TestInstancesOfOnePrometheusDoNotSeeEachOther(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a Prometheus")
	}
	address := temporal(t, here+"/egress")
	sick, well := startWorker(t, here, address), startWorker(t, there, address)
	ask := startPrometheus(t, prometheusHere(t), sick.host(), well.host())
	rules := map[string]rule{}
	for _, r := range alerts(t) {
		rules[r.Alert] = r
	}
	shows := func(what string, labels map[string]string) {
		t.Helper()
		require.Eventually(t, func() bool {
			found := ask(rules[what].Expr)
			return len(found) == 1 && reflect.DeepEqual(found[0], labels)
		}, time.Minute, 250*time.Millisecond, what)
	}
	of := func(instance string) string {
		return `count(causeway_worker_info{causeway_instance="` + instance + `"})`
	}
	for _, instance := range []string{here, there} {
		require.Eventually(t, func() bool { return len(ask(of(instance))) > 0 }, time.Minute, 250*time.Millisecond)
	}
	shows("CausewayFlowFailed", map[string]string{telemetry.LabelInstance: here, "flow": "egress"})
	for name, r := range rules {
		if name != "CausewayFlowFailed" {
			require.Eventually(t, func() bool { return len(ask(r.Expr)) == 0 && len(ask("up")) > 0 }, time.Minute, 250*time.Millisecond, name)
		}
	}
	sick.stop()
	sick.server.Close()
	shows("CausewayNoWorker", map[string]string{telemetry.LabelInstance: here})
	require.Empty(t, ask(rules["CausewayFlowFailed"].Expr), "nobody knows")
	require.Len(t, ask(of(there)), 1)
}

func prometheusHere(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		require.Empty(t, os.Getenv("CAUSEWAY_REQUIRE_PROMETHEUS"), "prometheus is not installed")
		t.Skip("prometheus is not installed")
	}
	return program
}

// startPrometheus scrapes targets every two seconds, and tells the labels of the series that a
// query finds; none while it does not answer.
func startPrometheus(t *testing.T, program string, targets ...string) (ask func(query string) []map[string]string) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	require.NoError(t, os.WriteFile(file, []byte(fmt.Sprintf(
		"global: {scrape_interval: 2s, scrape_timeout: 2s}\nscrape_configs: [{job_name: causeway, static_configs: [{targets: [\"%s\"]}]}]\n", strings.Join(targets, `", "`))), 0o600))
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := free.Addr().String()
	require.NoError(t, free.Close())
	cmd := exec.CommandContext(t.Context(), program, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	cmd.Stderr = t.Output()
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return func(query string) (found []map[string]string) {
		resp, err := http.PostForm("http://"+address+"/api/v1/query", url.Values{"query": {query}})
		if err != nil {
			return nil
		}
		defer resp.Body.Close()
		var answer struct {
			Error string
			Data  struct {
				Result []struct{ Metric map[string]string }
			}
		}
		if json.NewDecoder(resp.Body).Decode(&answer) != nil {
			return nil
		}
		require.Empty(t, answer.Error, query)
		for _, r := range answer.Data.Result {
			found = append(found, r.Metric)
		}
		return found
	}
}
