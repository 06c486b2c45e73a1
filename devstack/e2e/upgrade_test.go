package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"causeway.dev/internal/temporalconn"
)

// Builds of the worker that differ in their version, and where a test says so in more.
const (
	oldBuild = "v1.0.0"
	newBuild = "v1.1.0"
)

// buildWorker builds a worker as a release does, with a version of its own.
func buildWorker(t *testing.T, version string, flags ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "worker-"+version)
	cmd := exec.Command("go", append(append([]string{"build"}, flags...), "-ldflags", "-X causeway.dev/internal/buildinfo.stamped="+version, "-o", path, "./worker")...)
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	return path
}

func (w *world) versions() temporalconn.Versions {
	return temporalconn.Versions{Service: w.client.WorkflowService(), Namespace: w.namespace, Name: temporalconn.DeploymentName(w.cfg.Instance), Identity: "test"}
}

// current waits until a version of the worker is the current one.
func (w *world) current(build string) {
	w.t.Helper()
	var d *temporalconn.Deployment
	var err error
	if !assert.Eventually(w.t, func() bool {
		d, err = w.versions().Describe(w.t.Context())
		return err == nil && d.Current == build
	}, settleWithin, 2*time.Second) {
		require.FailNow(w.t, "a version does not become the current one", "%s: %+v %v; worker log:\n%s", build, d, err, w.tail())
	}
}

// logged asserts that a worker has said something.
func (w *world) logged(what string) {
	w.t.Helper()
	log, err := os.ReadFile(w.log)
	require.NoError(w.t, err)
	require.Contains(w.t, string(log), what)
}

// writes waits until so many more profiles are there.
func (w *world) writes(more int64) {
	w.t.Helper()
	want := w.profileCount() + more
	if !assert.Eventually(w.t, func() bool { return w.profileCount() >= want }, settleWithin, 10*time.Millisecond) {
		require.FailNow(w.t, "no more is written", "%d of %d; worker log:\n%s", w.profileCount(), want, w.tail())
	}
}

// The new version is built with the tag releasetest: it extends the ledger by a step that the
// old one does not know.

// A rolling upgrade and a rollback in the middle of a load: workers of the old version,
// both, the new one alone, and the old one again. Nobody does anything but start and stop
// workers. Nothing is lost or written twice.
func TestARollingUpgradeAndARollbackMidLoad(t *testing.T) {
	t.Parallel()
	before, after := buildWorker(t, oldBuild), buildWorker(t, newBuild, "-tags", "releasetest")
	w := newPostgresWorld(t, worldOptions{contacts: 6_000, pageSize: 300})
	w.boxes.Campaign.SetLatency(60 * time.Millisecond)
	first := w.startBuild(before)
	w.current(oldBuild)
	w.startFlow()
	w.writes(300)

	second := w.startBuild(after) // both
	w.current(newBuild)
	w.logged(`"ledger migrated" from=1 to=2`)
	w.writes(300)
	first.drain() // the new one alone: it goes on with the load that the old one began
	w.writes(300)

	third := w.startBuild(before) // back: the new one is not there any more, so the old one takes its place
	second.drain()
	w.current(oldBuild)
	w.logged(`"a newer build has extended the ledger; this one works with it"`)
	w.writes(300)
	third.kill() // and a crash of it costs no more than any other
	w.startBuild(before)
	w.loaded()
	require.Empty(t, w.differences(10))
	require.LessOrEqual(t, w.repeatedWrites(), int64(100), "of the one kill")

	ids := w.ids()
	for i := range 50 {
		w.edit(ids[i], map[string]any{"address1_city": fmt.Sprintf("Nebelheim %d", i)})
	}
	w.inStep()
	w.noPersonalData()
}

// One worker on SQLite is replaced by one of another version, as a new image replaces the
// old one: killed in a load, and the new version begins. It goes on by itself.
func TestANewVersionReplacesAKilledOne(t *testing.T) {
	t.Parallel()
	before, after := buildWorker(t, oldBuild), buildWorker(t, newBuild, "-tags", "releasetest")
	w := newWorld(t, worldOptions{contacts: 2_000, pageSize: 300})
	w.boxes.Campaign.SetLatency(60 * time.Millisecond)
	p := w.startBuild(before)
	w.startFlow()
	w.writes(300)
	p.kill()
	p = w.startBuild(after)
	w.current(newBuild)
	w.writes(300)
	p.kill()
	w.startBuild(before)
	w.current(oldBuild)
	w.loaded()
	require.Empty(t, w.differences(10))
	require.LessOrEqual(t, w.repeatedWrites(), int64(200), "of two kills")
}
