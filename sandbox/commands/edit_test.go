package commands

import (
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/sandbox/stack"
)

// A contact and its profile are edited with the same command.
func TestEdit(t *testing.T) {
	t.Parallel()
	b := newBoxes(t, stack.Options{Contacts: 3})
	first := b.Dynamics.Keys("contacts")[0]
	require.NoError(t, b.Campaign.Insert("profile", []byte(`{"externalId":"`+first+`"}`)))
	for name, c := range map[string]struct {
		args []string
		want string
		code int
	}{
		"the first contact":          {[]string{"contact", "--set", "jobtitle=Captain"}, "contact " + first + "\n", 0},
		"the profile of the first":   {[]string{"profile", "--set", "blackListEmail=true"}, "profile " + first + "\n", 0},
		"an unknown profile":         {[]string{"profile", "6f1d", "--set", "blackListEmail=true"}, "profile 6f1d: no such record", 2},
		"an unknown column":          {[]string{"profile", first, "--set", "blackListPigeon=true"}, "blackListPigeon", 2},
		"nothing to set":             {[]string{"profile"}, "--set: want at least one column=value", 2},
		"something else than a pair": {[]string{"profile", "--set", "blackListEmail"}, `--set: got "blackListEmail", want column=value`, 2},
	} {
		out, code := b.run(append([]string{"edit"}, c.args...)...)
		require.Equal(t, c.code, code, "%s: %s", name, out)
		require.Contains(t, out, c.want, name)
	}
	require.Equal(t, true, b.Campaign.Record("profile", first)["blackListEmail"])
	require.Equal(t, "Captain", b.Dynamics.Row("contacts", first)["jobtitle"])
}
