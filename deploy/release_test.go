package deploy_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A release of one program for this system: it says its version, its archive is the one
// whose sum is given, and what it is made of is listed.
func TestRelease(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	dist := filepath.Join(t.TempDir(), "dist")
	run := func(dir, name string, args ...string) string {
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		// As the tests are built, so that little has to be built for it.
		cmd.Env = append(os.Environ(), "DIST="+dist, "FLAGS=", "CGO_ENABLED="+goEnv(t, "CGO_ENABLED"), "TARGETS="+goEnv(t, "GOOS")+"/"+goEnv(t, "GOARCH"), "PROGRAMS=causeway")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		return string(out)
	}
	run(".", "bash", "./release", "v1.2.3")
	name := "causeway_v1.2.3_" + goEnv(t, "GOOS") + "_" + goEnv(t, "GOARCH")
	require.Contains(t, run(dist, "sha256sum", "--check", "--strict", "SHA256SUMS"), name+".tar.gz: OK")
	run(dist, "tar", "-xzf", name+".tar.gz")
	require.Contains(t, run(dist, filepath.Join(dist, name, "causeway"), "version"), "causeway v1.2.3 ")
	require.FileExists(t, filepath.Join(dist, name, "LICENSE"))

	var sbom struct {
		BOMFormat  string
		Metadata   struct{ Component struct{ Version string } }
		Components []struct{ Name, Version string }
	}
	data, err := os.ReadFile(filepath.Join(dist, name+"_causeway.cdx.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &sbom))
	require.Equal(t, "CycloneDX", sbom.BOMFormat)
	require.Equal(t, "v1.2.3", sbom.Metadata.Component.Version)
	var names []string
	for _, c := range sbom.Components {
		names = append(names, c.Name)
	}
	require.Contains(t, names, "go.temporal.io/sdk")
	require.Contains(t, names, "std", "the standard library has holes of its own")
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}
