package exports_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/sandbox/exports"
)

// §9: commands take effect later, and which ones do something depends on the state.
func TestCommands(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare []string
		command string
		want    string
	}{
		"a running one is paused":                    {nil, "pause", "warning"},
		"a paused one is resumed":                    {[]string{"pause"}, "resume", "started"},
		"start resumes a paused one":                 {[]string{"pause"}, "start", "started"},
		"a running one is stopped":                   {nil, "stop", "finished"},
		"a paused one is stopped":                    {[]string{"pause"}, "stop", "finished"},
		"a stopped one is started":                   {[]string{"stop"}, "start", "started"},
		"a stopped one cannot be resumed":            {[]string{"stop"}, "resume", "finished"},
		"a stopped one cannot be paused":             {[]string{"stop"}, "pause", "finished"},
		"one that failed is not started":             {[]string{"fail"}, "start", "error"},
		"one that failed is not resumed":             {[]string{"fail"}, "resume", "error"},
		"one that failed is stopped":                 {[]string{"fail"}, "stop", "finished"},
		"one that failed and was stopped is started": {[]string{"fail", "stop"}, "start", "started"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t)
			for _, p := range c.prepare {
				if p == "fail" {
					require.NoError(t, e.Fail(exports.OptOuts, ""))
				} else {
					e.Command(exports.OptOuts, p)
				}
				e.clock.Advance(6 * time.Second)
			}
			before := e.status(exports.OptOuts).State
			e.Command(exports.OptOuts, c.command)
			require.Equal(t, before, e.status(exports.OptOuts).State, "not at once")
			e.clock.Advance(6 * time.Second)
			require.Equal(t, c.want, e.status(exports.OptOuts).State)
			require.Equal(t, "started", e.status(exports.Logs).State, "the other one is left alone")
		})
	}
}

// §9: a workflow that is paused, stopped or failed exports nothing. Later it goes on
// after its last query. One that is paused or failed for seven days is stopped.
func TestStoppedWorkflows(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"pause", "stop", "fail"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t)
			e.optOut("a", "true")
			if how == "fail" {
				require.NoError(t, e.Fail(exports.OptOuts, "out of memory"))
				require.Equal(t, "out of memory", e.status(exports.OptOuts).Error)
			} else {
				e.Command(exports.OptOuts, how)
			}
			e.clock.Advance(50 * time.Hour)
			e.RunDue()
			require.Empty(t, e.files())
			w, ok := e.Workflow(exports.OptOuts)
			require.True(t, ok)
			require.True(t, w.Next.IsZero())
			if how == "fail" {
				require.Equal(t, []string{"erroneous", "error"}, []string{w.State, w.LogicalStatus})
				e.Command(exports.OptOuts, "stop")
			}
			e.Command(exports.OptOuts, "start")
			e.clock.Advance(6 * time.Second)
			e.RunDue()
			require.Empty(t, e.files(), "the scheduler waits for its time")
			e.clock.Advance(25 * time.Hour)
			e.RunDue()
			require.Len(t, e.files(), 1)
		})
	}
	e := newEngine(t)
	e.Command(exports.OptOuts, "pause")
	require.NoError(t, e.Fail(exports.Logs, ""))
	e.clock.Advance(6*24*time.Hour + time.Hour)
	require.Equal(t, "warning", e.status(exports.OptOuts).State)
	e.clock.Advance(24 * time.Hour)
	require.Equal(t, "finished", e.status(exports.OptOuts).State)
	require.Equal(t, "finished", e.status(exports.Logs).State)
}

// §8: a full server makes the workflow fail. What was not exported comes later.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.optOut("a", "true")
	e.room = errors.New("disk quota exceeded")
	_, err := e.Run(t.Context(), exports.OptOuts)
	require.ErrorContains(t, err, "disk quota exceeded")
	require.Equal(t, "error", e.status(exports.OptOuts).State)
	require.Contains(t, e.status(exports.OptOuts).Error, "disk quota exceeded")
	require.Empty(t, e.files())
	e.room = nil
	require.Equal(t, 1, e.export(exports.OptOuts).Rows)
}

// States and the last run survive a restart; missed runs are not made up for.
func TestSaveAndLoad(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.optOut("a", "true")
	e.clock.Advance(time.Second)
	e.export(exports.OptOuts)
	e.Command(exports.Logs, "pause")
	e.clock.Advance(6 * time.Second)
	e.RunDue()
	dir := t.TempDir()
	require.NoError(t, e.Save(dir))
	again := newEngine(t)
	again.clock.Advance(72 * time.Hour)
	*again.profiles = *e.profiles
	again.optOut("b", "true")
	require.NoError(t, again.Load(dir))
	require.NoError(t, again.Load(t.TempDir()), "nothing was saved")
	require.Equal(t, "warning", again.status(exports.Logs).State)
	require.Empty(t, again.files())
	require.True(t, again.status(exports.OptOuts).Next.After(again.clock.Now()))
	require.Equal(t, 1, again.export(exports.OptOuts).Rows)
}

func TestUnknownWorkflow(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	const want = `workflow: got "WKF17", want WKF_optout or WKF_logs`
	_, err := e.Run(t.Context(), "WKF17")
	require.EqualError(t, err, want)
	require.EqualError(t, e.Fail("WKF17", ""), want)
	require.EqualError(t, e.SetLastRun("WKF17", time.Time{}), want)
	_, ok := e.Workflow("WKF17")
	require.False(t, ok)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = e.Run(ended, exports.OptOuts)
	require.ErrorIs(t, err, context.Canceled)
}

// Row ACS-W2: a signal runs the workflow at once, from a moment on when it says so.
func TestSignal(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.clock.Advance(time.Hour)
	e.Signal(exports.OptOuts, "signal1", nil)
	first, err := e.Status(exports.OptOuts)
	require.NoError(t, err)
	require.False(t, first.LastRun.IsZero(), "it ran")
	e.Command(exports.OptOuts, "pause")
	e.clock.Advance(time.Minute)
	e.Signal(exports.OptOuts, "signal1", map[string]string{"since": "2019-04-03 08:17:19.100Z"})
	second, err := e.Status(exports.OptOuts)
	require.NoError(t, err)
	require.Equal(t, first.LastRun, second.LastRun, "a workflow that does not run takes none")
}
