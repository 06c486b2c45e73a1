package temporalconn

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// environment is a set of variables that a test gives.
type environment map[string]string

func (e environment) LookupEnv(name string) (string, bool) {
	value, ok := e[name]
	return value, ok
}

func (e environment) Environ() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(e)) {
		out = append(out, name+"="+e[name])
	}
	return out
}

// What is given beats the environment, the environment beats the configuration
// file, and that beats Temporal's defaults.
func TestOrderOfSources(t *testing.T) {
	t.Parallel()
	profiles := filepath.Join(t.TempDir(), "temporal.toml")
	require.NoError(t, os.WriteFile(profiles, []byte("[profile.ours]\naddress = \"profile:1\"\nnamespace = \"profile\"\n[profile.theirs]\naddress = \"theirs:1\"\n"), 0o600))
	file := Settings{Address: "file:1", Namespace: "file"}
	tests := map[string]struct {
		file               Settings
		address, namespace string
		env                environment
		want               [2]string
	}{
		"nothing is set":              {want: [2]string{"localhost:7233", "default"}},
		"the file":                    {file: file, want: [2]string{"file:1", "file"}},
		"the environment":             {file: file, env: environment{"TEMPORAL_ADDRESS": "env:1", "TEMPORAL_NAMESPACE": "env"}, want: [2]string{"env:1", "env"}},
		"what is given":               {file: file, address: "given:1", namespace: "given", env: environment{"TEMPORAL_ADDRESS": "env:1", "TEMPORAL_NAMESPACE": "env"}, want: [2]string{"given:1", "given"}},
		"a profile the file names":    {file: Settings{Address: "file:1", Profile: "ours"}, env: environment{"TEMPORAL_CONFIG_FILE": profiles}, want: [2]string{"profile:1", "profile"}},
		"a profile of the operator's": {file: Settings{Profile: "ours"}, env: environment{"TEMPORAL_CONFIG_FILE": profiles, "TEMPORAL_PROFILE": "theirs"}, want: [2]string{"theirs:1", "default"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tt.env["TEMPORAL_CONFIG_FILE"] == "" { // not the one of this machine
				env := environment{"TEMPORAL_CONFIG_FILE": filepath.Join(t.TempDir(), "none.toml")}
				maps.Copy(env, tt.env)
				tt.env = env
			}
			options, err := Options(tt.file, tt.address, tt.namespace, tt.env)
			require.NoError(t, err)
			require.Equal(t, tt.want, [2]string{options.HostPort, options.Namespace})
		})
	}
}

func TestAddressThatCannotBeDialled(t *testing.T) {
	t.Parallel()
	env := environment{"TEMPORAL_CONFIG_FILE": filepath.Join(t.TempDir(), "none.toml")}
	for _, address := range []string{"localhost", "localhost:", "localhost:0", "localhost:65536", "localhost:http"} {
		_, err := Options(Settings{Address: address}, "", "", env)
		require.ErrorContains(t, err, "want host:port")
	}
	options, err := Options(Settings{Address: "dns:///temporal:7233"}, "", "", env)
	require.NoError(t, err)
	require.Equal(t, "dns:///temporal:7233", options.HostPort)
}
