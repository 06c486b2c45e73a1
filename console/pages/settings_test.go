package pages

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/config"
)

// Every setting is on one tab, with a name of its own there.
func TestEverySettingHasAPlace(t *testing.T) {
	seen := map[string]string{}
	for _, s := range config.Defaults().Settings() {
		if s.Path == "include" {
			continue
		}
		part := partOf(s.Path)
		_, known := partNamed(part)
		require.True(t, known, s.Path)
		at := part + " " + labelOf(s.Path, s.Name)
		require.Empty(t, seen[at], "%s and %s are both called %q", s.Path, seen[at], at)
		seen[at] = s.Path
	}
	for path := range usual {
		require.NotEmpty(t, partOf(path))
	}
}

// Nobody saves groups that take away the role that would be needed to put it right.
func TestNobodyLocksThemselvesOut(t *testing.T) {
	groups := func(admin ...string) *config.Config {
		return &config.Config{Access: config.Access{Issuer: "https://issuer.example", GroupsClaim: "groups", Groups: config.AccessGroups{Viewer: []string{"all"}, Admin: admin}}}
	}
	signedIn := func(claims string) string {
		return lockedOut("e30."+base64.RawURLEncoding.EncodeToString([]byte(claims))+".sig", groups("owners"), groups("others"))
	}
	require.Contains(t, signedIn(`{"groups":["owners"]}`), "lock yourself out")
	require.Empty(t, signedIn(`{"groups":["others"]}`))
	require.Contains(t, signedIn(`{"groups":7}`), "not known here")
	require.Empty(t, lockedOut("", groups("owners"), &config.Config{}), "without an issuer nobody is asked")
}
