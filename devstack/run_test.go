package main

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/processlock"
	"causeway.dev/internal/temporalcodec"
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

// With --encrypt there is a key, in the configuration too. It stays in use, so that what it
// has sealed is read.
func TestAFolderThatIsSealedStaysSealed(t *testing.T) {
	t.Parallel()
	o := options{data: t.TempDir(), codecPort: 8234}
	endpoint, err := makeKey(o)
	require.NoError(t, err)
	require.Empty(t, endpoint)
	require.NoFileExists(t, keyFile(o))
	o.encrypt = true
	endpoint, err = makeKey(o)
	require.NoError(t, err)
	require.Equal(t, "http://127.0.0.1:8234", endpoint)
	key, err := os.ReadFile(keyFile(o))
	require.NoError(t, err)
	_, err = temporalcodec.ParseKeys(string(key))
	require.NoError(t, err)
	info, err := os.Stat(keyFile(o))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	o.encrypt = false
	endpoint, err = makeKey(o)
	require.NoError(t, err)
	require.NotEmpty(t, endpoint)
	again, err := os.ReadFile(keyFile(o))
	require.NoError(t, err)
	require.Equal(t, key, again)
}

// The ledger has a key from the first start on, which stays the same.
func TestTheLedgerOfADevstackHasAKey(t *testing.T) {
	t.Parallel()
	o := options{data: t.TempDir()}
	require.NoError(t, makeLedgerKey(o))
	key, err := os.ReadFile(ledgerKeyFile(o))
	require.NoError(t, err)
	_, err = ledger.ParseKeys(string(key))
	require.NoError(t, err)
	info, err := os.Stat(ledgerKeyFile(o))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, makeLedgerKey(o))
	again, err := os.ReadFile(ledgerKeyFile(o))
	require.NoError(t, err)
	require.Equal(t, key, again)
}
