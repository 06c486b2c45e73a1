package config

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// R5.11: however a configuration is printed, no secret is in it.
func TestSecretsNeverPrint(t *testing.T) {
	t.Setenv("DYNAMICS_CLIENT_SECRET", "hunter2")
	c, err := Parse("testdata/good.yaml", []byte(good(t)))
	require.NoError(t, err)
	secret, err := c.Dynamics.ClientSecret.Resolve()
	require.NoError(t, err)
	require.Equal(t, "hunter2", secret)

	asJSON, err := json.Marshal(c)
	require.NoError(t, err)
	for _, printed := range []string{c.String(), fmt.Sprintf("%v %+v %#v %s", c, *c, c.Dynamics, c.Dynamics.ClientSecret), string(asJSON)} {
		require.NotContains(t, printed, "hunter2")
		require.Contains(t, printed, "[set]")
		require.Contains(t, printed, "[missing]", "the file is not there")
	}
	require.Contains(t, c.String(), "page_size: 5000")
	require.Contains(t, c.String(), "poll_every: 3s")

	var problems *Problems
	require.ErrorAs(t, c.CheckSecrets(), &problems)
	require.Len(t, *problems, 1)
	require.Equal(t, "campaign.client_secret", (*problems)[0].Path)
	require.Equal(t, 10, (*problems)[0].Line)
}

func TestSecretForms(t *testing.T) {
	t.Setenv("EMPTY_SECRET", "")
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	require.NoError(t, os.WriteFile(empty, []byte("\n"), 0o600))
	for _, s := range []Secret{"", "env:EMPTY_SECRET", Secret("file:" + empty), "file:/nonexistent/secret", "hunter2"} {
		_, err := s.Resolve()
		require.Error(t, err)
		require.NotContains(t, err.Error(), "hunter2")
		require.Equal(t, "[missing]", s.String())
	}
	require.False(t, Secret("").IsSet())
	require.True(t, Secret("env:X").IsSet())
}
