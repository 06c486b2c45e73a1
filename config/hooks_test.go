package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Calls are taken only with a secret, and from other machines only where it cannot be read on
// the way.
func TestHooksAreSafeOrRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, problem string }{
		"off":                      {"", ""},
		"no secret":                {"  listen: 127.0.0.1:8443", "hooks.secret"},
		"this machine alone":       {"  listen: 127.0.0.1:8443\n  secret: env:HOOK", ""},
		"no TLS":                   {"  listen: 0.0.0.0:8443\n  secret: env:HOOK", "hooks.certificate"},
		"no TLS, any address":      {"  listen: :8443\n  secret: env:HOOK", "hooks.certificate"},
		"TLS":                      {"  listen: 0.0.0.0:8443\n  secret: env:HOOK\n  certificate: file:cert.pem", ""},
		"behind a proxy":           {"  listen: 0.0.0.0:8443\n  secret: env:HOOK\n  behind_proxy: true", ""},
		"both":                     {"  listen: 0.0.0.0:8443\n  secret: env:HOOK\n  behind_proxy: true\n  certificate: file:cert.pem", "hooks.behind_proxy"},
		"callers without TLS":      {"  listen: 0.0.0.0:8443\n  secret: env:HOOK\n  behind_proxy: true\n  client_ca_file: ca.pem", "hooks.client_ca_file"},
		"more than twice a second": {"  listen: 127.0.0.1:8443\n  secret: env:HOOK\n  every: 1ms", "hooks.every"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := good(t)
			if c.text != "" {
				text += "hooks:\n" + c.text + "\n"
			}
			if c.problem == "" {
				_, err := Parse("c.yaml", []byte(text))
				require.NoError(t, err)
				return
			}
			require.Contains(t, problemsOf(t, "c.yaml", text).text(), c.problem)
		})
	}
}

// A secret that could be guessed is refused.
func TestAHookSecretIsLong(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "secret")
	h := Hooks{Secret: Secret("file:" + file)}
	require.NoError(t, os.WriteFile(file, []byte("hunter2\n"), 0o600))
	_, err := h.Secrets()
	require.ErrorContains(t, err, "too short")
	require.NotContains(t, err.Error(), "hunter2")
	require.NoError(t, os.WriteFile(file, []byte("0123456789abcdef\n"), 0o600))
	got, err := h.Secrets()
	require.NoError(t, err)
	require.Equal(t, []string{"0123456789abcdef"}, got)
	_, err = Hooks{}.Secrets()
	require.Error(t, err)
}
