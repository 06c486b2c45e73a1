package main

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/processlock"
)

func TestASecondDevstackOnOneFolderIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := processlock.Take(filepath.Join(dir, "devstack.lock"))
	require.NoError(t, err)
	defer func() { require.NoError(t, first.Release()) }()
	err = run(t.Context(), options{data: dir, out: os.Stdout})
	require.ErrorContains(t, err, "--data: "+dir+" is in use by process "+strconv.Itoa(os.Getpid())+" on ")
	require.ErrorContains(t, err, "; stop that one first, or choose another folder")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1, "nothing was begun")
}
