// Package deploy_test checks what a container engine would find out late: that
// docker-compose.yml and the files beside it fit each other and the programs.
package deploy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"causeway.dev/config"
)

type composeFile struct {
	Services map[string]service `yaml:"services"`
	Volumes  map[string]any     `yaml:"volumes"`
}

type service struct {
	Image       string         `yaml:"image"`
	Build       string         `yaml:"build"`
	DependsOn   map[string]any `yaml:"depends_on"`
	Volumes     []string       `yaml:"volumes"`
	Ports       []string       `yaml:"ports"`
	Environment map[string]string
	Healthcheck map[string]any `yaml:"healthcheck"`
	Restart     string         `yaml:"restart"`
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
	for name, s := range c.Services {
		require.True(t, pinned.MatchString(s.Image) || s.Build != "", "%s: image %q is not pinned", name, s.Image)
		for other, condition := range s.DependsOn {
			require.Contains(t, c.Services, other, name)
			switch condition.(map[string]any)["condition"] {
			case "service_healthy":
				require.NotEmpty(t, c.Services[other].Healthcheck, "%s waits for the health of %s", name, other)
			case "service_completed_successfully":
				require.Empty(t, c.Services[other].Restart, "%s waits for the end of %s", name, other)
			default:
				require.Fail(t, "an unknown condition", "%s: %v", name, condition)
			}
		}
		for _, v := range s.Volumes {
			source, _, _ := strings.Cut(v, ":")
			if strings.HasPrefix(source, ".") {
				require.FileExists(t, filepath.Join("..", source), name)
			} else {
				require.Contains(t, c.Volumes, source, name)
			}
		}
		for _, p := range s.Ports {
			require.True(t, strings.HasPrefix(p, "127.0.0.1:"), "%s: port %s is open to everybody", name, p)
		}
		for variable, value := range s.Environment {
			secret := strings.Contains(variable, "PASS") || strings.Contains(variable, "PWD") || strings.Contains(variable, "DSN")
			require.True(t, !secret || strings.Contains(value, ":?"), "%s: %s holds a secret", name, variable)
		}
	}
}

func TestConfigurationLoads(t *testing.T) {
	cfg, err := config.Load("causeway.yaml")
	require.NoError(t, err)
	c := compose(t)
	require.Contains(t, c.Services["worker"].Environment, "LEDGER_DSN")
	require.Equal(t, "postgres", cfg.Ledger.Driver)
	require.Contains(t, c.Services, "sandbox", "the configuration names it")
	require.Contains(t, cfg.Dynamics.URL, "//sandbox:")
	require.True(t, strings.HasSuffix(cfg.Telemetry.Listen, ":9464"), "health and Prometheus ask this port")
}

func TestTheImageHoldsWhatItsContainersRun(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "Dockerfile"))
	require.NoError(t, err)
	for _, program := range []string{"./worker", "./sandbox", "./starter"} {
		require.Contains(t, string(data), program)
	}
	ignored, err := os.ReadFile(filepath.Join("..", ".dockerignore"))
	require.NoError(t, err)
	folders, err := os.ReadDir("..")
	require.NoError(t, err)
	for _, f := range folders {
		sources, err := filepath.Glob(filepath.Join("..", f.Name(), "*.go"))
		require.NoError(t, err)
		if len(sources) > 0 && f.Name() != "deploy" && f.Name() != "devstack" {
			require.Contains(t, string(ignored), "!"+f.Name()+"\n", "the image is built without it")
		}
	}
}

func TestPrometheusAsksServicesThatExist(t *testing.T) {
	data, err := os.ReadFile("prometheus.yml")
	require.NoError(t, err)
	c := compose(t)
	targets := regexp.MustCompile(`targets: \["([a-z]+):\d+"\]`).FindAllStringSubmatch(string(data), -1)
	require.NotEmpty(t, targets)
	for _, target := range targets {
		require.Contains(t, c.Services, target[1])
	}
}
