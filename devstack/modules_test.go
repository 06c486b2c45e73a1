package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func goList(t *testing.T, dir string, args ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...)
	cmd.Dir = dir
	out, err := cmd.Output()
	require.NoError(t, err)
	return strings.Fields(string(out))
}

// The root module does not depend on the Temporal server; only this module does.
func TestTheRootModuleDoesWithoutTheServer(t *testing.T) {
	deps := goList(t, "..", "-deps", "./...")
	require.Contains(t, deps, "go.temporal.io/sdk/workflow")
	for _, d := range deps {
		require.False(t, strings.HasPrefix(d, "go.temporal.io/server"), d)
	}
}

// The versions that are tested here are those of the root module.
func TestBothModulesUseTheSameVersions(t *testing.T) {
	for _, module := range []string{
		"go.temporal.io/sdk", "go.temporal.io/api", "github.com/gorilla/securecookie", "github.com/uber-go/tally/v4", "github.com/AzureAD/microsoft-authentication-library-for-go", "modernc.org/sqlite",
	} {
		version := func(dir string) []string { return goList(t, dir, "-m", "-f", "{{.Version}}", module) }
		require.Equal(t, version(".."), version("."), module)
	}
}
