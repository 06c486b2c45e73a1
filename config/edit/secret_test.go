package edit

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/config"
)

func TestASecretIsReplacedInItsFile(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "secret"), filepath.Join(dir, "link")
	require.NoError(t, os.WriteFile(file, []byte("before"), 0o600))
	require.NoError(t, os.Chmod(file, 0o440|0o200))
	require.NoError(t, os.Symlink(file, link))
	secret := config.Secret("file:" + link)

	require.NoError(t, ReplaceSecret(secret, []byte(" line 1\r\nline 2\r\n")))
	value, err := secret.Resolve()
	require.NoError(t, err)
	require.Equal(t, "line 1\nline 2", value)
	info, err := os.Lstat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode().Perm(), "the mode is kept")
	info, err = os.Lstat(link)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&os.ModeSymlink, "the link is kept")

	fresh := config.Secret("file:" + filepath.Join(dir, "new"))
	require.NoError(t, ReplaceSecret(fresh, []byte("x")))
	info, err = os.Stat(filepath.Join(dir, "new"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	// What cannot be replaced stays, and no error has the value.
	require.NoError(t, os.Chmod(file, 0o400))
	err = ReplaceSecret(secret, []byte("sesame"))
	var ro *ReadOnly
	require.ErrorAs(t, err, &ro)
	require.NotContains(t, err.Error(), "sesame")
	require.Empty(t, ro.Files)
	for _, s := range []config.Secret{"env:NAME", ""} {
		require.ErrorContains(t, ReplaceSecret(s, []byte("sesame")), "not kept in a file")
	}
	require.ErrorContains(t, ReplaceSecret(fresh, []byte(" \n")), "empty secret")
	left, err := filepath.Glob(filepath.Join(dir, ".causeway-*"))
	require.NoError(t, err)
	require.Empty(t, left)
}
