package e2e

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/devstack/temporalserver"
	"causeway.dev/workflows"
)

// A test that kills Temporal runs it in a process of its own. The process is this
// binary, started with these variables in its environment.
const temporalDir, temporalPort = "CAUSEWAY_E2E_TEMPORAL_DIR", "CAUSEWAY_E2E_TEMPORAL_PORT"

func TestMain(m *testing.M) {
	if dir := os.Getenv(temporalDir); dir != "" {
		if err := serveTemporal(dir, os.Getenv(temporalPort)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func serveTemporal(dir, port string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	n, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	s, err := temporalserver.Start(ctx, temporalOptions(dir, n))
	if err != nil {
		return err
	}
	fmt.Println("ready")
	<-ctx.Done()
	s.Stop()
	return nil
}

func temporalOptions(dir string, port int) temporalserver.Options {
	return temporalserver.Options{
		Dir: dir, FrontendPort: port, UIPort: -1, Namespace: "default", Retention: 30 * 24 * time.Hour, SearchAttributes: workflows.SearchAttributes(),
	}
}

// startTemporal starts a Temporal process and waits until it answers.
func (w *world) startTemporal(port int) *process {
	w.t.Helper()
	self, err := os.Executable()
	require.NoError(w.t, err)
	p := &process{cmd: exec.Command(self), done: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), temporalDir+"="+w.dir, temporalPort+"="+strconv.Itoa(port))
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	require.NoError(w.t, err)
	require.NoError(w.t, p.cmd.Start())
	w.t.Cleanup(p.kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	require.NoError(w.t, err, "Temporal did not start")
	require.Equal(w.t, "ready", strings.TrimSpace(line))
	return p
}

func freePort(t *testing.T) int {
	t.Helper()
	port, err := temporalserver.FreePort()
	require.NoError(t, err)
	return port
}

// Temporal itself is killed and started again.
func TestTemporalIsKilledAndComesBack(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	w := newWorld(t, worldOptions{contacts: 3_000, pageSize: 300, temporalPort: port})
	w.boxes.Campaign.SetLatency(15 * time.Millisecond)
	w.startWorker()
	w.startFlow()
	require.Eventually(t, func() bool { return w.profileCount() > 500 }, settleWithin, 5*time.Millisecond)
	w.temporalProcess.kill()
	w.temporalProcess = w.startTemporal(port)
	w.loaded()
	require.Empty(t, w.differences(10))
	require.LessOrEqual(t, w.repeatedWrites(), int64(100))

	// Temporal is killed while the flow waits for changes. The flow gets the next change
	// all the same.
	w.temporalProcess.kill()
	w.edit(w.ids()[0], map[string]any{"address1_city": "Ostwaldsruh"})
	w.temporalProcess = w.startTemporal(port)
	w.inStep()
}

// A flow that continues as new after 1, 2 or 3 pages comes to the same end.
func TestContinuingAsNewGivesTheSameEnd(t *testing.T) {
	t.Parallel()
	for pages := 1; pages <= 3; pages++ {
		t.Run(fmt.Sprint(pages), func(t *testing.T) {
			w := newWorld(t, worldOptions{contacts: 700, pageSize: 100})
			w.startWorker()
			req := w.startRequest()
			req.Tuning.PagesPerRun = pages
			_, err := w.tryStart(req)
			require.NoError(t, err)
			st := w.loaded()
			require.Equal(t, int64(700), st.Totals.Created)
			require.Empty(t, w.differences(10))
			require.Equal(t, int64(700+keyProbe), w.engineCalls())
			require.Greater(t, w.runsOf(st.LastRun.Run), 1, "the run was to continue as new")
		})
	}
}
