package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/access/accesstest"
)

// The command line, with a token in CAUSEWAY_TOKEN: what is wrong with one is said, with the
// exit code of bad input and nothing done; a reveal waits for a second person, is shown to
// the one who asked, and is in the log without a value.
func TestTheCommandLineAsksWithATokenOfTheEnvironment(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir()) // nobody is signed in here
	issuer, other := accesstest.New(t), accesstest.New(t)
	w := newWorld(t, worldOptions{contacts: 20, yaml: func(text string) string {
		return strings.Replace(text, "on_too_long: truncate", "on_too_long: reject", 1) + "quarantine: {stop_ratio: 0.9}\n"
	}})
	w.signIn(issuer, "reveal")
	refused := w.ids()[3]
	w.edit(refused, map[string]any{"firstname": tooLong})
	w.startWorker()
	as := func(token string, args ...string) (int, string, string) {
		t.Helper()
		t.Setenv("CAUSEWAY_TOKEN", token)
		return w.causeway(args...)
	}
	token := func(subject, group string) string {
		return issuer.Token(subject, strings.ToUpper(subject[:1])+subject[1:], []string{group}, nil)
	}
	admin := func(change func(map[string]any)) string { return issuer.Token("ada", "Ada", []string{"a"}, change) }
	for name, c := range map[string]struct{ token, says string }{
		"expired":            {admin(func(c map[string]any) { c["exp"] = time.Now().Add(-time.Hour).Unix() }), "sign in again: causeway login"},
		"forged":             {issuer.Forged("ada", "Ada", []string{"a"}), "or was changed"},
		"another instance's": {admin(func(c map[string]any) { c["aud"] = "causeway-other" }), "made for causeway-cli"},
		"another issuer's":   {other.Token("ada", "Ada", []string{"a"}, nil), "is not one that"},
		"none":               {"", "causeway login"},
		"a viewer's":         {token("vera", "v"), `"start" needs the role operator`},
	} {
		code, out, stderr := as(c.token, "start", "contacts")
		require.Equal(t, 2, code, "%s: %s%s", name, out, stderr)
		require.Contains(t, stderr, c.says, name)
		require.NotContains(t, stderr, "eyJ", "no token is in an error")
	}
	_, err := w.client.DescribeWorkflowExecution(t.Context(), w.flowID(), "")
	require.Error(t, err, "nothing was begun")

	code, _, stderr := as(admin(nil), "start", "contacts")
	require.Zero(t, code, stderr)
	require.Equal(t, int64(1), w.loaded().Quarantined)

	show := []string{"quarantine", "show", "contacts", refused, "--reveal"}
	code, out, stderr := as(token("sam", "s"), show...)
	require.Equal(t, 1, code, stderr)
	require.NotContains(t, out+stderr, tooLong)
	require.Contains(t, stderr, "waits for a second person")
	code, out, stderr = as(token("vera", "v"), "requests")
	require.Zero(t, code, stderr)
	lines := strings.Split(out, "\n")
	require.Regexp(t, `^REQUEST +STATE +WHAT +OF +WITH +BY +UNTIL`, lines[0])
	require.Regexp(t, `^ask-\w+ +asked +quarantine show --reveal .*`+refused+`.* Sam <sam> `, lines[1])
	require.Contains(t, out, "to decide: causeway requests confirm <request>")
	request := strings.Fields(lines[1])[0]
	for by, says := range map[string]string{token("sam", "s"): "you asked for this yourself", token("vera", "v"): "needs the role support"} {
		code, _, stderr = as(by, "requests", "confirm", request)
		require.Equal(t, 2, code, stderr)
		require.Contains(t, stderr, says)
	}
	code, out, stderr = as(token("sue", "s"), "requests", "confirm", request)
	require.Zero(t, code, stderr)
	require.Contains(t, out, "Sam <sam> may run their command again now")
	code, out, stderr = as(token("sue", "s"), show...)
	require.Equal(t, 1, code, "it was confirmed for Sam: %s%s", out, stderr)
	code, out, stderr = as(token("sam", "s"), show...)
	require.Zero(t, code, stderr)
	require.Contains(t, out, fmt.Sprintf("%q", tooLong))

	code, out, stderr = as(token("vera", "v"), "log", "--what", "reveal")
	require.Zero(t, code, stderr)
	require.Contains(t, out, "Sam <sam>")
	require.Contains(t, out, refused)
	require.Contains(t, out, "firstname")
	require.NotContains(t, out, tooLong)
	code, out, stderr = as(token("vera", "v"), "log", "verify")
	require.Zero(t, code, out+stderr)
	require.NotContains(t, string(w.temporalBytes()), tooLong)
}
