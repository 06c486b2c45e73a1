package config

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const issuer = "issuer: https://login.example/tenant/v2.0, client_id: app, "

// Who may do what is either checked or not; a half of it is refused.
func TestAccessIsWholeOrAbsent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, path, want string }{
		"four eyes without an issuer":   {"four_eyes: [rollback]", "access.four_eyes", "without one nobody is asked who they are"},
		"groups without an issuer":      {"groups: { admin: [a] }", "access.groups", "without one nobody is asked who they are"},
		"an audience without an issuer": {"audience: api://x", "access.audience", "without one nobody is asked who they are"},
		"a client without an issuer":    {"client_id: app", "access.client_id", "without one nobody is asked who they are"},
		"no client":                     {"issuer: https://login.example, groups: { admin: [a] }", "access.client_id", "the application (client) id"},
		"plain http":                    {"issuer: http://login.example, client_id: app, groups: { admin: [a] }", "access.issuer", "https"},
		"no group":                      {issuer, "access.groups", "a group for at least one role"},
		"an empty group":                {issuer + "groups: { viewer: [a, ''] }", "access.groups.viewer[1]", "a group as the claim writes it"},
		"a group in two roles":          {issuer + "groups: { viewer: [a], admin: [b, a] }", "access.groups.admin[1]", "which access.groups.viewer[0] has already"},
		"an unknown role":               {issuer + "groups: { admin: [a], auditor: [b] }", "access.groups.auditor", "one of viewer, support, operator, admin"},
		"an unknown operation":          {issuer + "groups: { admin: [a] }, four_eyes: [aprove]", "access.four_eyes[0]", "did you mean approve?"},
		"an operation twice":            {issuer + "groups: { admin: [a] }, four_eyes: [reveal, reveal]", "access.four_eyes[1]", "each operation once"},
		"no openid":                     {issuer + "groups: { admin: [a] }, scopes: [profile]", "access.scopes", "openid among them"},
		"no claim":                      {issuer + "groups: { admin: [a] }, groups_claim: ''", "access.groups_claim", "the name of a claim"},
		"an endless request":            {issuer + "groups: { admin: [a] }, request_within: 2h", "access.request_within", "10s to 1h"},
	} {
		problems := problemsOf(t, "c.yaml", good(t)+"access: { "+c.text+" }\n")
		require.Len(t, problems, 1, "%s: %s", name, problems.text())
		require.Equal(t, c.path, problems[0].Path, name)
		require.Contains(t, problems.text(), c.want, name)
	}
}

func TestAccessHasDefaults(t *testing.T) {
	t.Parallel()
	c, err := Parse("/etc/causeway/c.yaml", []byte(good(t)+"access: { "+issuer+"groups: { viewer: [a], admin: [b] }, four_eyes: [forget], ca_file: ca.pem }\n"))
	require.NoError(t, err)
	a := c.Access
	require.True(t, a.Configured())
	require.Equal(t, "app", a.TokenAudience())
	require.Equal(t, "groups", a.GroupsClaim)
	require.Contains(t, a.Scopes, "openid")
	require.Equal(t, []time.Duration{24 * time.Hour, 5 * time.Minute, time.Minute}, []time.Duration{a.FourEyesWithin, a.RequestWithin, a.ClockSkew})
	require.Equal(t, "/etc/causeway/ca.pem", a.CAFile)

	c, err = Parse("c.yaml", []byte(good(t)+"access: { "+issuer+"audience: api://causeway, groups: { admin: [b] } }\n"))
	require.NoError(t, err)
	require.Equal(t, "api://causeway", c.Access.TokenAudience())

	c, err = Parse("c.yaml", []byte(good(t)))
	require.NoError(t, err)
	require.False(t, c.Access.Configured(), "names are self-declared")
}
