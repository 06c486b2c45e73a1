package deploy_test

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"causeway.dev/config"
)

type composeFile struct {
	Services map[string]service `yaml:"services"`
	Volumes  map[string]any     `yaml:"volumes"`
}

type service struct {
	Image       string            `yaml:"image"`
	Build       any               `yaml:"build"`
	DependsOn   map[string]any    `yaml:"depends_on"`
	Volumes     []string          `yaml:"volumes"`
	Tmpfs       []string          `yaml:"tmpfs"`
	Ports       []string          `yaml:"ports"`
	Environment map[string]string `yaml:"environment"`
	Entrypoint  []string          `yaml:"entrypoint"`
	Command     []string          `yaml:"command"`
	Profiles    []string          `yaml:"profiles"`
	Healthcheck struct {
		Test []string `yaml:"test"`
	} `yaml:"healthcheck"`
	Restart     string   `yaml:"restart"`
	ReadOnly    bool     `yaml:"read_only"`
	CapDrop     []string `yaml:"cap_drop"`
	CapAdd      []string `yaml:"cap_add"`
	SecurityOpt []string `yaml:"security_opt"`
	MemLimit    string   `yaml:"mem_limit"`
	PidsLimit   int      `yaml:"pids_limit"`
	Name        string   `yaml:"container_name"`
	Logging     struct {
		Options map[string]string `yaml:"options"`
	} `yaml:"logging"`
}

// ours says that a container runs a program of this repository.
func (s service) ours() bool { return s.Build != nil }

// mounts are the targets of the service's volumes, with their sources.
func (s service) mounts() map[string]string {
	out := map[string]string{}
	for _, v := range s.Volumes {
		parts := strings.Split(v, ":")
		out[parts[1]] = parts[0]
	}
	return out
}

func compose(t *testing.T) composeFile {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "docker-compose.yml"))
	require.NoError(t, err)
	var c composeFile
	require.NoError(t, yaml.Unmarshal(data, &c))
	require.NotEmpty(t, c.Services)
	return c
}

func TestServicesFitTogether(t *testing.T) {
	c := compose(t)
	pinned := regexp.MustCompile(`^[a-z/]+[a-z-]*:v?\d+\.\d+`)
	taken := map[string]string{} // ports of the host
	for name, s := range c.Services {
		require.True(t, pinned.MatchString(s.Image) || s.ours(), "%s: image %q is not pinned", name, s.Image)
		for other, condition := range s.DependsOn {
			require.Contains(t, c.Services, other, name)
			switch condition.(map[string]any)["condition"] {
			case "service_healthy":
				require.NotEmpty(t, c.Services[other].Healthcheck.Test, "%s waits for the health of %s", name, other)
			case "service_completed_successfully":
				require.Empty(t, c.Services[other].Restart, "%s waits for the end of %s", name, other)
			default:
				require.Fail(t, "an unknown condition", "%s: %v", name, condition)
			}
		}
		for target, source := range s.mounts() {
			require.True(t, path.IsAbs(target), name)
			if strings.HasPrefix(source, ".") {
				_, err := os.Stat(filepath.Join("..", source))
				require.NoError(t, err, name)
			} else {
				require.Contains(t, c.Volumes, source, name)
			}
		}
		for _, p := range s.Ports {
			onHost := strings.Join(strings.Split(p, ":")[:2], ":")
			require.Empty(t, taken[onHost], "%s: port %s is taken", name, p)
			taken[onHost] = name
			require.True(t, strings.HasPrefix(p, "127.0.0.1:"), "%s: port %s is open to everybody", name, p)
		}
	}
	for volume := range c.Volumes {
		require.True(t, slices.ContainsFunc(mapValues(c.Services), func(s service) bool { return slices.Contains(mapValues(s.mounts()), volume) }), "nobody has volume %s", volume)
	}
}

func mapValues[K comparable, V any](m map[K]V) []V {
	out := make([]V, 0, len(m))
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

// A container may do what it needs, and fill neither memory nor disk. What runs for good
// comes back, and says whether it works.
func TestContainersAreContained(t *testing.T) {
	writes := []string{"temporal-ui"} // into their own image
	silent := []string{"temporal-ui"} // its image is not known to have a program that could ask it
	for name, s := range compose(t).Services {
		require.True(t, s.ReadOnly || slices.Contains(writes, name), "%s may write everywhere", name)
		require.Equal(t, []string{"ALL"}, s.CapDrop, name)
		require.True(t, len(s.CapAdd) == 0 || name == "secrets", "%s: %v", name, s.CapAdd)
		require.Contains(t, s.SecurityOpt, "no-new-privileges:true", name)
		require.NotEmpty(t, s.MemLimit, "%s: memory", name)
		require.Positive(t, s.PidsLimit, "%s: processes", name)
		require.NotEmpty(t, s.Logging.Options["max-size"], "%s: logs", name)
		require.Contains(t, []string{"", "unless-stopped"}, s.Restart, name)
		if s.Restart != "" {
			require.True(t, len(s.Healthcheck.Test) > 0 || slices.Contains(silent, name), "%s: nobody knows whether it works", name)
		}
		require.Empty(t, s.Name, "%s could be there once only", name)
	}
	require.Empty(t, compose(t).Services["worker"].Ports, "three workers cannot have one port of the host")
}

// Secrets are files in volumes: none is in an environment, and each is where it is needed.
func TestSecretsAreWhereTheyAreNeeded(t *testing.T) {
	want := map[string][]string{
		"ledger-key": {"worker"}, "temporal-key": {"causeway", "console", "setup", "worker"},
		"ledger-password": {"ledger-db", "worker"}, "temporal-password": {"temporal", "temporal-db", "temporal-schema"},
		"grafana-password": {"grafana"}, "sandbox": {"sandbox", "worker"}, // its certificate, and secrets of clients
	}
	c := compose(t)
	got := map[string][]string{}
	for name, s := range c.Services {
		for variable, value := range s.Environment {
			secret := regexp.MustCompile(`PASS|PWD|SECRET|KEY|TOKEN`).MatchString(variable)
			require.True(t, !secret || strings.HasPrefix(value, "/") && slices.Contains(mapKeys(s.mounts()), path.Dir(value)), "%s: %s holds a secret", name, variable)
			require.NotRegexp(t, `://[^/@]*:[^/@]*@`, value, "%s: a password in the address %s", name, variable)
		}
		for _, source := range s.mounts() {
			if want[source] != nil && name != "secrets" {
				got[source] = append(got[source], name)
			}
		}
	}
	for volume := range got {
		slices.Sort(got[volume])
		require.Contains(t, c.Services["secrets"].mounts(), "/"+volume)
	}
	require.Equal(t, want, got)
	cfg, err := config.Load("causeway.yaml")
	require.NoError(t, err)
	for what, s := range map[config.Secret]string{cfg.Ledger.EncryptionKey: "file:/ledger-key/key", cfg.Temporal.EncryptionKey: "file:/temporal-key/key", cfg.Ledger.Password: "file:/ledger-password/password"} {
		require.Equal(t, s, string(what))
	}
	made := strings.Join(c.Services["secrets"].Command, "\n")
	for name, s := range c.Services {
		if name != "secrets" && slices.ContainsFunc(mapValues(s.mounts()), func(source string) bool { return want[source] != nil }) {
			require.Contains(t, after(c, name), "secrets", "%s begins before its secrets are made", name)
		}
	}
	for _, folder := range []string{"/ledger-key", "/temporal-key", "/ledger-password", "/temporal-password", "/grafana-password", "/erasures", "/sandbox"} {
		require.Contains(t, made, folder)
	}
}

// after are all services that are up or done before one begins.
func after(c composeFile, name string) []string {
	var out []string
	for other := range c.Services[name].DependsOn {
		out = append(append(out, other), after(c, other)...)
	}
	if len(c.Services[name].Profiles) > 0 { // run by hand, while the others run
		return []string{"secrets"}
	}
	return out
}

func mapKeys[K comparable, V any](m map[K]V) []K {
	out := make([]K, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	return out
}

// Every command of ours is one that the program has, with flags that it has; every file
// that it names is mounted.
func TestComposeRunsWhatProgramsHave(t *testing.T) {
	for name, s := range compose(t).Services {
		if !s.ours() {
			continue
		}
		command := append(slices.Clone(s.Entrypoint), s.Command...)
		requireCommand(t, name, command)
		if command[0] != "sandbox" {
			require.Equal(t, "./deploy/causeway.yaml", s.mounts()["/etc/causeway/causeway.yaml"], "%s: the image's CAUSEWAY_CONFIG", name)
		}
	}
}

// Health is asked where it is served.
func TestHealthIsAskedWhereItIsServed(t *testing.T) {
	cfg, err := config.Load("causeway.yaml")
	require.NoError(t, err)
	_, port, _ := strings.Cut(cfg.Telemetry.Listen, ":")
	c := compose(t)
	require.Contains(t, c.Services["worker"].Healthcheck.Test, fmt.Sprintf("http://localhost:%s/readyz", port))
	require.Contains(t, c.Services["console"].Command, "0.0.0.0:8280")
	require.Contains(t, c.Services["console"].Healthcheck.Test, "http://127.0.0.1:8280/healthz")
	for _, file := range []string{"../worker/host/health.go", "../console/server.go"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Contains(t, string(text), "GET /healthz", file)
	}
}

// The image is built with the Go that go.mod names.
func TestTheImageHasTheGoOfTheModule(t *testing.T) {
	module, err := os.ReadFile("../go.mod")
	require.NoError(t, err)
	version := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(string(module))[1]
	image, err := os.ReadFile("../Dockerfile")
	require.NoError(t, err)
	require.Contains(t, string(image), "FROM golang:"+version+"-alpine")
}

func TestPrometheusAsksServicesThatExist(t *testing.T) {
	data, err := os.ReadFile("prometheus.yml")
	require.NoError(t, err)
	var p struct {
		Scrape []struct {
			Job    string                       `yaml:"job_name"`
			Static []struct{ Targets []string } `yaml:"static_configs"`
			DNS    []struct {
				Names []string
				Type  string
				Port  int
			} `yaml:"dns_sd_configs"`
		} `yaml:"scrape_configs"`
		Alerting struct {
			Alertmanagers []struct {
				Static []struct{ Targets []string } `yaml:"static_configs"`
			}
		}
		Rules []string `yaml:"rule_files"`
	}
	require.NoError(t, yaml.Unmarshal(data, &p))
	c := compose(t)
	var targets []string
	for _, s := range p.Scrape {
		for _, st := range s.Static {
			targets = append(targets, st.Targets...)
		}
		for _, d := range s.DNS { // as many as there are: static names would find one of three workers
			require.Equal(t, []any{"causeway", []string{"worker"}, "A", 9464}, []any{s.Job, d.Names, d.Type, d.Port})
			targets = append(targets, fmt.Sprintf("%s:%d", d.Names[0], d.Port))
		}
	}
	for _, a := range p.Alerting.Alertmanagers {
		targets = append(targets, a.Static[0].Targets...)
	}
	require.ElementsMatch(t, []string{"worker:9464", "console:9465", "temporal:8000", "alertmanager:9093"}, targets)
	for _, target := range targets {
		host, _, _ := strings.Cut(target, ":")
		require.Contains(t, c.Services, host)
	}
	require.Equal(t, "./deploy/alerts.yml", c.Services["prometheus"].mounts()[p.Rules[0]])
	for _, name := range []string{"prometheus", "alertmanager"} {
		s := c.Services[name]
		file := strings.TrimPrefix(s.Command[0], "--config.file=")
		require.Equal(t, "./deploy/"+name+".yml", s.mounts()[file])
	}
}
