//go:build unix && !solaris && !aix

package processlock

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// A program that the holder starts has copies of its descriptors for a moment.
func TestACopyOfTheDescriptorDoesNotKeepTheLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	l, err := Take(path)
	require.NoError(t, err)
	twin, err := syscall.Dup(int(l.file.Fd()))
	require.NoError(t, err)
	defer syscall.Close(twin)
	require.NoError(t, l.Release())
	again, err := Take(path)
	require.NoError(t, err)
	require.NoError(t, again.Release())
}
