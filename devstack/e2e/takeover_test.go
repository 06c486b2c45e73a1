package e2e

import (
	"bytes"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/workflows"
)

var workerIdentity = regexp.MustCompile(`WorkerID=(\S+)`)

// starts counts the workers that have begun to work.
func (w *world) starts() int {
	log, err := os.ReadFile(w.log)
	if !errors.Is(err, os.ErrNotExist) { // no worker yet
		require.NoError(w.t, err)
	}
	return bytes.Count(log, []byte("worker started"))
}

// startedWorker starts a worker and waits until it works.
func (w *world) startedWorker() *process {
	w.t.Helper()
	before := w.starts()
	p := w.startWorker()
	require.Eventually(w.t, func() bool { return w.starts() > before }, settleWithin, 10*time.Millisecond, "the worker works")
	log, err := os.ReadFile(w.log)
	require.NoError(w.t, err)
	found := workerIdentity.FindAllSubmatch(log, -1)
	p.identity = string(found[len(found)-1][1])
	return p
}

// firstWrite measures how long after a kill the next worker writes first. What the killed
// one had sent arrives within a time. Nothing comes when no write follows.
func (w *world) firstWrite(killed time.Time, sent time.Duration) <-chan time.Duration {
	out := make(chan time.Duration, 1)
	go func() {
		defer close(out)
		time.Sleep(time.Until(killed.Add(sent)))
		for mark := w.profileCount(); time.Since(killed) < 10*time.Second; time.Sleep(5 * time.Millisecond) {
			if w.profileCount() > mark {
				out <- time.Since(killed)
				return
			}
		}
	}()
	return out
}

// Workers that live for three seconds, less than a heartbeat may be missing, load a
// table. Each one takes over at once what the one before was killed at.
func TestShortLivedWorkersFinishALoad(t *testing.T) {
	t.Parallel()
	const life, latency = 3 * time.Second, 100 * time.Millisecond
	for name, open := range map[string]func(*testing.T, worldOptions) *world{"sqlite": newWorld, "postgres": newPostgresWorld} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t, worldOptions{contacts: 1_000, pageSize: 200, yaml: func(s string) string {
				return strings.Replace(s, "concurrency: 32", "concurrency: 8", 1)
			}})
			w.boxes.Campaign.SetLatency(latency)
			p := w.startedWorker()
			w.startFlow()
			done := func() bool {
				st, err := w.status()
				return err == nil && !st.Watermark.IsZero() && st.Run == ""
			}
			kills := 0
			var figures []time.Duration
			for until := time.Now().Add(2 * settleWithin); !done(); kills++ {
				require.Less(t, time.Now(), until, "%d records after %d kills", w.profileCount(), kills)
				time.Sleep(life) // of a worker: what the test is about
				killed := time.Now()
				p.kill()
				first := w.firstWrite(killed, 2*latency)
				p = w.startedWorker()
				if took, wrote := <-first; wrote {
					figures = append(figures, took.Round(10*time.Millisecond))
				}
			}
			w.loaded()
			t.Logf("%d kills, %d repeated writes; from a kill to the first write of the next worker: %v", kills, w.repeatedWrites(), figures)
			require.Positive(t, kills)
			require.Empty(t, w.differences(10))
			st, err := w.status()
			require.NoError(t, err)
			require.Equal(t, workflows.StateRunning, st.State)
			require.Zero(t, st.Quarantined)
		})
	}
}
