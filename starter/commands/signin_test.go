package commands

import (
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/config"
	"causeway.dev/internal/signin"
)

// Without access there is nobody to sign in, and names are what people say they are.
func TestWithoutAccessNamesAreSelfDeclared(t *testing.T) {
	t.Parallel()
	code, _, stderr := newWorld().run(t, "login")
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "access.issuer: got nothing")
	code, out, _ := newWorld().run(t, "whoami")
	require.Zero(t, code)
	require.Contains(t, out, "ada, self-declared")
	code, out, _ = newWorld().run(t, "whoami", "-o", "json")
	require.Zero(t, code)
	require.JSONEq(t, `{"self_declared":"ada"}`, out)
	code, out, _ = newWorld().run(t, "logout")
	require.Zero(t, code)
	require.Contains(t, out, "Nobody was signed in")
	code, _, _ = newWorld().run(t, "login", "--device", "--no-browser")
	require.Equal(t, 2, code)
}

func TestThePersonIsNamedWithTheHighestRole(t *testing.T) {
	t.Parallel()
	a := config.Access{Groups: config.AccessGroups{Viewer: []string{"v"}, Operator: []string{"o"}, Admin: []string{"a"}}}
	for want, who := range map[string]signin.Who{
		"Ada (ada@x), operator":                {Name: "Ada", Username: "ada@x", Groups: []string{"o", "v"}},
		"ada@x, admin":                         {Username: "ada@x", Groups: []string{"a"}},
		"s1, in no group that has a role here": {Subject: "s1", Groups: []string{"x"}},
	} {
		require.Equal(t, want, personOf(a, who).text())
	}
}

// A browser is opened only where somebody may see it.
func TestABrowserIsOpenedOnlyAtADesk(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		system string
		env    map[string]string
		want   bool
	}{
		"a Mac":                    {"darwin", nil, true},
		"a Mac from afar":          {"darwin", map[string]string{"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}, false},
		"Linux with a screen":      {"linux", map[string]string{"WAYLAND_DISPLAY": "wayland-0"}, true},
		"Linux without":            {"linux", nil, false},
		"an automatic build":       {"windows", map[string]string{"CI": "true"}, false},
		"Linux with the older one": {"linux", map[string]string{"DISPLAY": ":0"}, true},
	} {
		require.Equal(t, c.want, desk(c.system, func(n string) string { return c.env[n] }), name)
	}
}
