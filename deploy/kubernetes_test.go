package deploy_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"causeway.dev/config"
)

type manifest struct {
	Kind     string
	Metadata struct {
		Name   string
		Labels map[string]string
	}
	Spec struct {
		Replicas       int
		MaxUnavailable int `yaml:"maxUnavailable"`
		Selector       yaml.Node
		Ports          []struct {
			Name       string
			Port       int
			TargetPort string `yaml:"targetPort"`
		}
		Template struct {
			Metadata struct{ Labels map[string]string }
			Spec     pod
		}
		VolumeClaimTemplates []struct{ Metadata struct{ Name string } } `yaml:"volumeClaimTemplates"`
		Endpoints            []struct{ Port string }
		JobLabel             string `yaml:"jobLabel"`
	}
	Data map[string]string
}

type pod struct {
	Containers []struct {
		Name, Image string
		Command     []string
		Ports       []struct {
			Name          string
			ContainerPort int `yaml:"containerPort"`
		}
		StartupProbe   probe `yaml:"startupProbe"`
		ReadinessProbe probe `yaml:"readinessProbe"`
		LivenessProbe  probe `yaml:"livenessProbe"`
		Resources      struct{ Requests, Limits map[string]string }
		VolumeMounts   []struct {
			Name      string
			MountPath string `yaml:"mountPath"`
			ReadOnly  bool   `yaml:"readOnly"`
		} `yaml:"volumeMounts"`
		SecurityContext struct {
			ReadOnlyRootFilesystem   bool  `yaml:"readOnlyRootFilesystem"`
			AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
			Capabilities             struct{ Drop []string }
		} `yaml:"securityContext"`
	}
	Volumes []struct {
		Name      string
		ConfigMap struct{ Name string } `yaml:"configMap"`
		Secret    struct {
			Name string `yaml:"secretName"`
		}
	}
	GracePeriod     int `yaml:"terminationGracePeriodSeconds"`
	SecurityContext struct {
		RunAsNonRoot bool `yaml:"runAsNonRoot"`
		RunAsUser    int  `yaml:"runAsUser"`
	} `yaml:"securityContext"`
}

type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
}

func (c *probe) path() string { return c.HTTPGet.Path }

// manifests are those of a folder, as kustomize makes them where kubectl is there.
func manifests(t *testing.T, folder string) map[string]manifest {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "kubernetes")
	require.NoError(t, os.CopyFS(dir, os.DirFS("kubernetes")))
	example, err := os.ReadFile("kubernetes/base/causeway.yaml.example")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "base", "causeway.yaml"), example, 0o600))
	var text []byte
	if kubectl, err := exec.LookPath("kubectl"); err == nil {
		text, err = exec.Command(kubectl, "kustomize", filepath.Join(dir, folder)).CombinedOutput()
		require.NoError(t, err, string(text))
	} else {
		require.Empty(t, os.Getenv("CAUSEWAY_REQUIRE_KUBECTL"), "kubectl is not installed")
		text = listed(t, filepath.Join(dir, folder))
	}
	out := map[string]manifest{}
	for d := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var m manifest
		err := d.Decode(&m)
		if errors.Is(err, io.EOF) {
			return out
		}
		require.NoError(t, err)
		if m.Kind == "ConfigMap" { // whose name has a hash of what is in it
			m.Metadata.Name = "causeway-config"
		}
		out[m.Kind+"/"+m.Metadata.Name] = m
	}
}

// listed are the files that a kustomization names, as they are.
func listed(t *testing.T, dir string) []byte {
	t.Helper()
	var k struct {
		Resources []string
		Generated []struct{ Name string } `yaml:"configMapGenerator"`
	}
	data, err := os.ReadFile(filepath.Join(dir, "kustomization.yaml"))
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(data, &k))
	var out []byte
	for _, r := range k.Resources {
		if !strings.HasSuffix(r, ".yaml") {
			out = append(out, listed(t, filepath.Join(dir, r))...)
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, r))
		require.NoError(t, err)
		out = append(append(out, "\n---\n"...), data...)
	}
	for range k.Generated {
		text, err := os.ReadFile(filepath.Join(dir, "causeway.yaml"))
		require.NoError(t, err)
		made, err := yaml.Marshal(map[string]any{"kind": "ConfigMap", "data": map[string]string{"causeway.yaml": string(text)}})
		require.NoError(t, err)
		out = append(append(out, "\n---\n"...), made...)
	}
	return out
}

func TestManifestsFitThePrograms(t *testing.T) {
	all := manifests(t, "base")
	cfg, err := config.Load("kubernetes/base/causeway.yaml.example")
	require.NoError(t, err)
	_, metrics, _ := strings.Cut(cfg.Telemetry.Listen, ":")
	mounted := map[string]map[string]string{} // by workload: path, and what is there
	for _, name := range []string{"Job/setup", "StatefulSet/worker", "Deployment/console"} {
		require.Contains(t, all, name)
		spec := all[name].Spec.Template.Spec
		require.True(t, spec.SecurityContext.RunAsNonRoot)
		require.Equal(t, 10001, spec.SecurityContext.RunAsUser, "the user of the image")
		require.Len(t, spec.Containers, 1)
		c := spec.Containers[0]
		requireCommand(t, name, c.Command)
		require.True(t, c.SecurityContext.ReadOnlyRootFilesystem && !*c.SecurityContext.AllowPrivilegeEscalation, name)
		require.Equal(t, []string{"ALL"}, c.SecurityContext.Capabilities.Drop)
		require.NotEmpty(t, c.Resources.Requests["cpu"], name)
		require.NotEmpty(t, c.Resources.Limits["memory"], name)
		volumes := map[string]string{}
		for _, v := range spec.Volumes {
			volumes[v.Name] = "volume"
			if v.ConfigMap.Name != "" {
				require.True(t, strings.HasPrefix(v.ConfigMap.Name, "causeway-config"), name)
			}
			if v.Secret.Name != "" {
				volumes[v.Name] = v.Secret.Name
			}
		}
		for _, v := range all[name].Spec.VolumeClaimTemplates {
			volumes[v.Metadata.Name] = "claim"
		}
		mounted[name] = map[string]string{}
		for _, m := range c.VolumeMounts {
			require.Contains(t, volumes, m.Name, "%s mounts what is not there", name)
			mounted[name][m.MountPath] = volumes[m.Name]
		}
		require.Contains(t, mounted[name], "/etc/causeway", "the image's CAUSEWAY_CONFIG")
	}
	require.Contains(t, all["ConfigMap/causeway-config"].Data, "causeway.yaml")

	worker := all["StatefulSet/worker"].Spec.Template.Spec
	c := worker.Containers[0]
	require.Equal(t, metrics, fmt.Sprint(c.Ports[0].ContainerPort))
	require.Equal(t, []string{"/healthz", "/readyz", "/healthz"}, []string{c.StartupProbe.path(), c.ReadinessProbe.path(), c.LivenessProbe.path()})
	require.Greater(t, worker.GracePeriod, 20, "what it takes to settle what is in flight")
	require.Equal(t, "claim", mounted["StatefulSet/worker"][filepath.Dir(cfg.Ledger.Erasures)], "who was forgotten outlives the pod")
	require.Equal(t, 1, all["PodDisruptionBudget/worker"].Spec.MaxUnavailable)
	require.Contains(t, all, "NetworkPolicy/default")
	require.Contains(t, all["Deployment/console"].Spec.Template.Spec.Containers[0].Command, fmt.Sprintf("0.0.0.0:%d", all["Deployment/console"].Spec.Template.Spec.Containers[0].Ports[0].ContainerPort))

	// The secrets that the settings name are mounted, those of the worker there alone.
	for _, s := range []config.Secret{cfg.Dynamics.ClientSecret, cfg.Campaign.ClientSecret, cfg.Ledger.DSN, cfg.Ledger.Password, cfg.Ledger.EncryptionKey} {
		dir := filepath.Dir(strings.TrimPrefix(string(s), "file:"))
		require.Equal(t, "causeway-worker", mounted["StatefulSet/worker"][dir], s)
		require.NotContains(t, mounted["Deployment/console"], dir)
		require.NotContains(t, mounted["Job/setup"], dir)
	}
	for name, m := range mounted {
		require.Equal(t, "causeway-temporal", m[filepath.Dir(strings.TrimPrefix(string(cfg.Temporal.EncryptionKey), "file:"))], name)
	}
}

// The operator of Prometheus finds the workers, under the job that alerts ask for.
func TestServiceMonitorFindsTheWorkers(t *testing.T) {
	all := manifests(t, "monitoring")
	monitor, service := all["ServiceMonitor/worker"], all["Service/worker"]
	var selects struct{ MatchLabels map[string]string }
	require.NoError(t, monitor.Spec.Selector.Decode(&struct {
		MatchLabels *map[string]string `yaml:"matchLabels"`
	}{&selects.MatchLabels}))
	require.NotEmpty(t, selects.MatchLabels)
	for label, value := range selects.MatchLabels {
		require.Equal(t, value, service.Metadata.Labels[label])
	}
	require.Equal(t, service.Spec.Ports[0].Name, monitor.Spec.Endpoints[0].Port)
	require.Equal(t, "metrics", service.Spec.Ports[0].TargetPort)
	if service.Metadata.Labels[monitor.Spec.JobLabel] != "" { // kustomize adds it
		require.Equal(t, "causeway", service.Metadata.Labels[monitor.Spec.JobLabel])
	}
	text, err := os.ReadFile("kubernetes/base/kustomization.yaml")
	require.NoError(t, err)
	require.Contains(t, string(text), monitor.Spec.JobLabel+": causeway")
}
