package buildinfo

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"testing"

	"os"

	"github.com/stretchr/testify/require"
)

func TestWhatIsStampedWins(t *testing.T) {
	t.Parallel()
	info := &debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "0a1b2c"}, {Key: "vcs.modified", Value: "true"}}}
	info.Main.Version = "v0.0.0-20260101-0a1b2c"
	require.Equal(t, "v1.2.3 (0a1b2c, modified) "+runtime.Version(), of("v1.2.3", info, true).String())
	require.Equal(t, "v0.0.0-20260101-0a1b2c", of("", info, true).Version)
	require.Equal(t, "(devel) "+runtime.Version(), of("", &debug.BuildInfo{}, true).String())
	require.Equal(t, "v1.2.3", of("v1.2.3", nil, false).Version)
	require.Equal(t, "unknown", of("", nil, false).Version)
}

// Every recipe that builds programs stamps a variable that exists: the linker says
// nothing of one that does not.
func TestTheStampReachesTheProgram(t *testing.T) {
	t.Parallel()
	for _, recipe := range []string{"Makefile", "Dockerfile", "deploy/release"} {
		text, err := os.ReadFile(filepath.Join("..", "..", recipe))
		require.NoError(t, err)
		flags := regexp.MustCompile(`-X (\S+?)=`).FindAllStringSubmatch(string(text), -1)
		require.NotEmpty(t, flags, "%s builds programs without a version", recipe)
		for _, f := range flags {
			require.Contains(t, []string{"causeway.dev/internal/buildinfo.stamped", "causeway.dev/sandbox/commands.version"}, f[1], recipe)
		}
	}
	for program, argument := range map[string]string{"starter": "version", "worker": "--version", "sandbox": "--version"} {
		out, err := exec.Command("go", "run", "-ldflags", "-X causeway.dev/internal/buildinfo.stamped=v1.2.3 -X causeway.dev/sandbox/commands.version=v1.2.3",
			"../../"+program, argument).CombinedOutput()
		require.NoError(t, err, string(out))
		require.Contains(t, string(out), " v1.2.3", program)
	}
}

func TestABuildHasAShortName(t *testing.T) {
	t.Parallel()
	for want, b := range map[string]Build{
		"v1.2.3":             {Version: "v1.2.3", Revision: "0a1b2c3d4e5f6071"},
		"devel-0a1b2c3d4e5f": {Version: "(devel)", Revision: "0a1b2c3d4e5f6071"},
		"unknown":            {Version: "unknown"},
		"v1-2-3":             {Version: "v1:2 3"},
	} {
		require.Equal(t, want, b.ID())
	}
}
