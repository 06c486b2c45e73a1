package commands

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A server that has just been started is waited for, and what was done meanwhile is done
// again.
func TestSetupWaitsForTemporal(t *testing.T) {
	t.Parallel()
	const young = "no Temporal server answers at temporal:7233 (Frontend is not healthy yet)"
	answersAfter := func(w *world, tries int) *int {
		n := 0
		w.dial = func() error {
			if n++; n <= tries {
				return unreachable(young)
			}
			return nil
		}
		return &n
	}
	t.Run("until it answers", func(t *testing.T) {
		w := newWorld()
		w.Kept, w.Attributes = 0, nil
		dials := answersAfter(w, 3)
		code, out, stderr := w.run(t, "setup")
		require.Zero(t, code, stderr)
		require.Contains(t, out, "namespace acme: created")
		require.Equal(t, 4, *dials)
		require.Equal(t, 1, strings.Count(stderr, "\n"), "it is said once: %s", stderr)
		require.Contains(t, stderr, "waiting for Temporal, until 2 min have passed: "+young)
	})
	t.Run("and no longer than --wait", func(t *testing.T) {
		w := newWorld()
		answersAfter(w, 1000)
		code, out, stderr := w.run(t, "setup", "--wait", "30s")
		require.Equal(t, exitUnreachable, code)
		require.Empty(t, out)
		require.Contains(t, stderr, young+"; waited 30 s for it")
		require.Equal(t, noon.Add(30*time.Second), w.clock)
	})
	t.Run("not at all where that is asked for", func(t *testing.T) {
		w := newWorld()
		dials := answersAfter(w, 1)
		code, _, stderr := w.run(t, "setup", "--wait", "0")
		require.Equal(t, exitUnreachable, code)
		require.Equal(t, 1, *dials)
		require.NotContains(t, stderr, "waiting")
	})
	t.Run("nor for something that waiting does not mend", func(t *testing.T) {
		w := newWorld()
		n := 0
		w.dial = func() error { n++; return failed("the key is wrong") }
		code, _, _ := w.run(t, "setup")
		require.Equal(t, exitFailed, code)
		require.Equal(t, 1, n)
	})
	t.Run("a time that cannot be", func(t *testing.T) {
		code, _, stderr := newWorld().run(t, "setup", "--wait", "-1s")
		require.Equal(t, exitBadInput, code)
		require.Contains(t, stderr, "--wait: got -1s, want 0 or more")
	})
}
