package edit_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/config"
	"causeway.dev/config/edit"
)

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(data)
}

func TestASaveKeepsModeAndLinkAndLeavesNothingBeside(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no links and modes")
	}
	main, contacts := example(t)
	kept := filepath.Join(t.TempDir(), "kept.yaml")
	require.NoError(t, os.Rename(contacts, kept))
	require.NoError(t, os.Chmod(kept, 0o640))
	require.NoError(t, os.Symlink(kept, contacts))
	d := open(t, main)
	require.NoError(t, d.ApplyUpdate("contacts", 0, false))
	saved, err := d.Save()
	require.NoError(t, err)
	require.Equal(t, read(t, kept), string(saved.Files[0].After))
	require.Contains(t, read(t, kept), "to: email, apply_updates: false }")
	info, err := os.Lstat(contacts)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&os.ModeSymlink)
	info, err = os.Stat(kept)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode().Perm())
	for _, dir := range []string{filepath.Dir(kept), filepath.Dir(contacts)} {
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, left, 1)
	}
	require.Empty(t, d.Changes(), "a draft goes on from what it saved")
	again, err := d.Save()
	require.NoError(t, err)
	require.Empty(t, again.Files)
}

// Two people edit the same mapping: the second is told what the first did.
func TestTheSecondOfTwoIsToldAndOverwritesNothing(t *testing.T) {
	t.Parallel()
	main, contacts := example(t)
	first, second := open(t, main), open(t, main)
	require.NoError(t, first.ApplyUpdate("contacts", 0, false))
	require.NoError(t, second.Set(edit.At("ingress", "lanes"), 2), "even of another file")
	saved, err := first.Save()
	require.NoError(t, err)
	_, err = second.Save()
	conflict, ok := errors.AsType[*edit.Conflict](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, contacts, conflict.File)
	require.Equal(t, edit.Digest(saved.Files[0].After), conflict.Digest)
	require.ErrorContains(t, err, "Mapping contacts: Field emailaddress1 -> email: apply updates is now off")
	require.Contains(t, read(t, main), "lanes: 8 # parts of a page written in parallel")
}

func TestOfManySavesAtOnceOneIsWritten(t *testing.T) {
	t.Parallel()
	main, _ := example(t)
	var all sync.WaitGroup
	won := make(chan int, 8)
	var drafts []*edit.Draft
	for range 8 {
		drafts = append(drafts, open(t, main))
	}
	for i, d := range drafts {
		require.NoError(t, d.Set(edit.At("ingress", "lanes"), i+10))
		all.Go(func() {
			if _, err := d.Save(); err == nil {
				won <- i + 10
			}
		})
	}
	all.Wait()
	require.Len(t, won, 1)
	cfg, err := config.Load(main)
	require.NoError(t, err)
	require.Equal(t, <-won, cfg.Ingress.Lanes)
}

func TestWhatCannotBeWrittenIsHandedOver(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"the file": "mappings/contacts.yaml", "the folder": "mappings"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			main, contacts := example(t)
			before := read(t, contacts)
			locked := filepath.Join(filepath.Dir(main), filepath.FromSlash(path))
			info, err := os.Stat(locked)
			require.NoError(t, err)
			require.NoError(t, os.Chmod(locked, info.Mode().Perm()&^0o222))
			t.Cleanup(func() { _ = os.Chmod(locked, 0o700) }) //nolint:gosec // to be removed
			d := open(t, main)
			require.NoError(t, d.ApplyUpdate("contacts", 0, false))
			_, err = d.Save()
			readOnly, ok := errors.AsType[*edit.ReadOnly](err)
			require.True(t, ok, "%v", err)
			require.Equal(t, contacts, readOnly.File)
			require.Len(t, readOnly.Files, 1)
			require.Contains(t, string(readOnly.Files[0].After), "to: email, apply_updates: false }")
			require.Equal(t, before, read(t, contacts))
		})
	}
}

// A configuration with a mistake can be opened and mended.
func TestABrokenConfigurationIsMended(t *testing.T) {
	t.Parallel()
	main, _ := example(t)
	require.NoError(t, os.WriteFile(main, []byte(read(t, main)+"failures: { retry_after: soon }\n"), 0o600))
	d := open(t, main)
	require.Nil(t, d.Opened())
	_, err := d.Check()
	require.ErrorContains(t, err, "failures.retry_after")
	require.NoError(t, d.Set(edit.At("failures", "retry_after"), "2m"))
	saved, err := d.Save()
	require.NoError(t, err)
	require.Len(t, saved.Differences, 1)
	cfg, err := config.Load(main)
	require.NoError(t, err)
	require.Equal(t, "2m0s", cfg.Failures.RetryAfter.String())
}
