package access_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/config"
	"causeway.dev/internal/access"
	"causeway.dev/internal/access/accesstest"
)

func settings(i *accesstest.Issuer) config.Access {
	a := config.Defaults().Access
	a.Issuer, a.ClientID = i.URL(), accesstest.Audience
	a.Groups = config.AccessGroups{Viewer: []string{"v", "v2"}, Support: []string{"s"}, Operator: []string{"o"}, Admin: []string{"a"}}
	return a
}

func TestATokenSaysWhoSomebodyIs(t *testing.T) {
	t.Parallel()
	issuer := accesstest.New(t)
	v := access.NewVerifier(settings(issuer), issuer.Client(), nil)
	for groups, want := range map[string]access.Role{"": access.None, "x": access.None, "v2": access.Viewer, "s": access.Support, "o": access.Operator, "a": access.Admin, "v o": access.Operator} {
		who, err := v.Verify(t.Context(), issuer.Token("sub-1", "Ada", strings.Fields(groups), nil))
		require.NoError(t, err, groups)
		require.Equal(t, access.Who{Subject: "sub-1", Name: "Ada", Role: want}, who, groups)
		require.Equal(t, "Ada <sub-1>", who.String())
	}
	require.EqualValues(t, 1, issuer.Asked.Load(), "keys are kept")

	who, err := v.Verify(t.Context(), issuer.Token("sub-1", "Ada <sub-2>", nil, func(c map[string]any) { c["groups"] = "o" }))
	require.NoError(t, err)
	require.Equal(t, access.Who{Subject: "sub-1", Name: "Ada sub-2", Role: access.Operator}, who, "one group as a text; a name cannot look like a subject")
}

// What is wrong with a token is said, and is never a matter of trying again.
func TestATokenThatIsNotGoodIsRefused(t *testing.T) {
	t.Parallel()
	issuer, other := accesstest.New(t), accesstest.New(t)
	v := access.NewVerifier(settings(issuer), issuer.Client(), nil)
	good := issuer.Token("sub-1", "Ada", []string{"a"}, nil)
	parts := strings.Split(good, ".")
	with := func(change func(map[string]any)) string { return issuer.Token("sub-1", "Ada", []string{"a"}, change) }
	unix := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	for name, c := range map[string]struct{ token, want string }{
		"expired":                        {with(func(c map[string]any) { c["exp"] = unix(-2 * time.Minute) }), "sign in again: causeway login"},
		"not yet":                        {with(func(c map[string]any) { c["nbf"] = unix(5 * time.Minute) }), "not yet"},
		"for another application":        {with(func(c map[string]any) { c["aud"] = "other-instance" }), "made for causeway-cli"},
		"of another issuer":              {other.Token("sub-1", "Ada", []string{"a"}, nil), "is not one that"},
		"another issuer's key, our name": {other.Token("sub-1", "Ada", []string{"a"}, func(c map[string]any) { c["iss"] = issuer.URL() }), "is not one that"},
		"forged":                         {issuer.Forged("sub-1", "Ada", []string{"a"}), "or was changed"},
		"changed":                        {parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"`+issuer.URL()+`","aud":"causeway-cli","sub":"x","groups":["a"],"exp":9999999999}`)) + "." + parts[2], "or was changed"},
		"unsigned":                       {base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".", "is not one that"},
		"no token":                       {"hello", "is not one that"},
		"nobody's":                       {with(func(c map[string]any) { delete(c, "sub") }), "does not say whose it is"},
		"groups elsewhere":               {with(func(c map[string]any) { delete(c, "groups"); c["_claim_names"] = map[string]string{"groups": "src1"} }), "too many groups"},
		"groups are many":                {with(func(c map[string]any) { delete(c, "groups"); c["hasgroups"] = true }), "too many groups"},
		"groups are no list":             {with(func(c map[string]any) { c["groups"] = map[string]int{"a": 1} }), "no list of groups"},
	} {
		_, err := v.Verify(t.Context(), c.token)
		_, refused := errors.AsType[*access.RefusedError](err)
		require.True(t, refused, "%s: %v", name, err)
		require.ErrorContains(t, err, c.want, name)
		require.NotContains(t, err.Error(), parts[1], name)
	}
	_, err := v.Verify(t.Context(), with(func(c map[string]any) { c["exp"] = unix(-30 * time.Second) }))
	require.NoError(t, err, "within access.clock_skew")
}

// The issuer's keys change; one that does not answer is no reason to send anybody away.
func TestAnIssuerThatChangesOrIsSilent(t *testing.T) {
	t.Parallel()
	issuer := accesstest.New(t)
	token := func() string { return issuer.Token("sub-1", "Ada", []string{"a"}, nil) }
	passes := func(v *access.Verifier, token string) {
		_, err := v.Verify(t.Context(), token)
		require.ErrorContains(t, err, "does not answer as it should")
		_, refused := errors.AsType[*access.RefusedError](err)
		require.False(t, refused, "%v", err)
	}
	issuer.Silent.Store(true)
	v := access.NewVerifier(settings(issuer), issuer.Client(), nil)
	passes(v, token())
	issuer.Silent.Store(false)
	old := token()
	_, err := v.Verify(t.Context(), old)
	require.NoError(t, err)

	issuer.Rotate("second")
	issuer.Silent.Store(true)
	_, err = v.Verify(t.Context(), old)
	require.NoError(t, err, "its keys are known")
	passes(v, token())
	issuer.Silent.Store(false)
	_, err = v.Verify(t.Context(), token())
	require.NoError(t, err, "a key that was not known is read")
}
