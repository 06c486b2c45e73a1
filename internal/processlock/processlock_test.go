package processlock_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/processlock"
)

const holderEnv = "CAUSEWAY_LOCK_HOLDER" // the lock that a child process takes and keeps

func TestMain(m *testing.M) {
	if path := os.Getenv(holderEnv); path != "" {
		if _, err := processlock.Take(path); err != nil {
			os.Exit(1)
		}
		_, _ = os.Stdout.WriteString("taken\n")
		select {}
	}
	os.Exit(m.Run())
}

// child is another process that holds the lock until it is killed.
func child(t *testing.T, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), holderEnv+"="+path)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	word := make([]byte, 6)
	_, err = out.Read(word)
	require.NoError(t, err)
	require.Equal(t, "taken\n", string(word))
	return cmd
}

func TestAHeldLockNamesItsHolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new folder", "lock")
	other := child(t, path)
	_, err := processlock.Take(path)
	held := &processlock.HeldError{}
	require.ErrorAs(t, err, &held)
	require.Equal(t, other.Process.Pid, held.Holder.PID)
	host, err := os.Hostname()
	require.NoError(t, err)
	require.Contains(t, held.Error(), " on "+host+", since 20")
}

func TestTheNextProcessBeginsWhenTheFirstIsKilled(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	other := child(t, path)
	told := []int{}
	l, err := processlock.Wait(t.Context(), path, func(h processlock.Holder) {
		told = append(told, h.PID)
		require.NoError(t, other.Process.Kill())
	})
	require.NoError(t, err)
	require.Equal(t, []int{other.Process.Pid}, told)
	require.NoError(t, l.InPlace())
	require.NoError(t, os.Remove(path))
	require.Error(t, l.InPlace(), "removed under its holder")
	require.NoError(t, l.Release())
}

func TestWaitingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	first, err := processlock.Take(path)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	_, err = processlock.Wait(ctx, path, func(processlock.Holder) { cancel() })
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "is held by process")
	require.NoError(t, first.Release())
	again, err := processlock.Take(path)
	require.NoError(t, err)
	require.NoError(t, again.Release())
}
