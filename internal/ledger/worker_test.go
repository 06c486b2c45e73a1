package ledger_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

const workerEnv = "CAUSEWAY_LEDGER_WORKER" // driver and address of the ledger whose worker a child process is

// workerProcess opens a lane as a worker, tells its id, and stays until it is killed.
func workerProcess(at string) error {
	ctx := context.Background()
	driver, address, _ := strings.Cut(at, "|")
	l, err := ledger.Open(ctx, ledger.Options{Driver: driver, Path: address, DSN: address, Synchronous: "normal", Worker: true})
	if err != nil {
		return err
	}
	if _, err := l.OpenLane(ctx, ledger.LaneID{Run: "r1", Page: 1}); err != nil {
		return err
	}
	fmt.Println("worker", l.Worker())
	select {}
}

func otherWorker(t *testing.T, at string) (*exec.Cmd, ledger.WorkerID) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), workerEnv+"="+at)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	lines := bufio.NewScanner(out)
	require.True(t, lines.Scan())
	word, id, _ := strings.Cut(lines.Text(), " ")
	require.Equal(t, "worker", word, lines.Text())
	return cmd, ledger.WorkerID(id)
}

// A lane says which worker held it, and of that one can be told whether it is gone.
func TestAKilledWorkerIsProvablyGone(t *testing.T) {
	t.Parallel()
	for driver, options := range map[string]func(testing.TB) ledger.Options{"sqlite": ledgertest.SQLite, "postgres": ledgertest.Postgres} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			o := options(t)
			tool := ledgertest.Open(t, o)
			require.Empty(t, tool.Worker())
			begin(t, tool, "r1")
			stage(t, tool, "r1", 1, 3)
			other, id := otherWorker(t, driver+"|"+o.Path+o.DSN)
			alive, err := tool.Alive(t.Context(), id)
			require.NoError(t, err)
			require.True(t, alive, "a tool knows nothing")

			o.Worker = true
			o.Waits = func(holder string) { // SQLite only
				require.Contains(t, holder, fmt.Sprintf("process %d on ", other.Process.Pid))
				require.NoError(t, other.Process.Kill())
			}
			l := ledgertest.Open(t, o)
			require.NotEmpty(t, l.Worker())
			require.NotEqual(t, id, l.Worker())
			if driver == "postgres" {
				alive, err = l.Alive(t.Context(), id)
				require.NoError(t, err)
				require.True(t, alive, "it runs")
				require.NoError(t, other.Process.Kill())
			}
			require.Error(t, other.Wait(), "killed")
			require.Eventually(t, func() bool {
				alive, err := l.Alive(t.Context(), id)
				require.NoError(t, err)
				return !alive
			}, 30*time.Second, 10*time.Millisecond)

			gone, err := l.Gone(t.Context())
			require.NoError(t, err)
			require.Equal(t, driver == "postgres", slices.Contains(gone, id), "on SQLite, all others are")
			require.NotContains(t, gone, l.Worker())

			for _, who := range []ledger.WorkerID{"", l.Worker()} {
				alive, err = l.Alive(t.Context(), who)
				require.NoError(t, err)
				require.True(t, alive, "%q", who)
			}
		})
	}
}

// A paused process is not gone: it may wake.
func TestAPausedWorkerIsAlive(t *testing.T) {
	t.Parallel()
	o := ledgertest.Postgres(t)
	o.Worker = true
	l := ledgertest.Open(t, o)
	begin(t, l, "r1")
	stage(t, l, "r1", 1, 3)
	other, id := otherWorker(t, "postgres|"+o.DSN)
	pause(t, other.Process)
	alive, err := l.Alive(t.Context(), id)
	require.NoError(t, err)
	require.True(t, alive)
	alive, err = l.Alive(t.Context(), "of another ledger")
	require.NoError(t, err)
	require.True(t, alive, "nothing is known of it")
}

// The server ends connections when it restarts. A worker whose lock went that way is
// not taken for dead, and takes its lock again.
func TestAWorkerOutlivesItsConnection(t *testing.T) {
	t.Parallel()
	o := ledgertest.Postgres(t)
	o.Worker = true
	l, other := ledgertest.Open(t, o), ledgertest.Open(t, o)
	admin, err := pgx.Connect(t.Context(), o.DSN)
	require.NoError(t, err)
	defer func() { require.NoError(t, admin.Close(context.WithoutCancel(t.Context()))) }()
	anew := func() (n int) { // workers that have taken their lock in this start of the server
		require.NoError(t, admin.QueryRow(t.Context(), `SELECT count(*) FROM worker WHERE server_start = pg_postmaster_start_time()::text`).Scan(&n))
		return n
	}
	require.Equal(t, 2, anew())
	_, err = admin.Exec(t.Context(), `UPDATE worker SET server_start = 'an earlier one'`)
	require.NoError(t, err)
	_, err = admin.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'causeway worker' AND datname = current_database()`)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		alive, err := other.Alive(t.Context(), l.Worker())
		require.NoError(t, err)
		require.True(t, alive)
		return anew() == 2
	}, 30*time.Second, 10*time.Millisecond)
	require.NoError(t, l.Close())
	require.Eventually(t, func() bool {
		alive, err := other.Alive(t.Context(), l.Worker())
		require.NoError(t, err)
		return !alive
	}, 30*time.Second, 10*time.Millisecond)
}

// One worker at a time takes over, so that none ends what another has begun anew.
func TestOneWorkerTakesOver(t *testing.T) {
	t.Parallel()
	o := ledgertest.Postgres(t)
	o.Worker = true
	l, other := ledgertest.Open(t, o), ledgertest.Open(t, o)
	var took []string
	note := func(who string) func(context.Context) error {
		return func(context.Context) error {
			took = append(took, who)
			return nil
		}
	}
	require.NoError(t, l.TakeOver(t.Context(), func(ctx context.Context) error {
		require.NoError(t, other.TakeOver(ctx, note("at the same time")))
		return nil
	}))
	require.NoError(t, other.TakeOver(t.Context(), note("after it")))
	require.Equal(t, []string{"after it"}, took)
}

// A worker that stands still in a transaction does not hold up the others for ever.
func TestAWorkerThatStandsStillGivesItsLocksBack(t *testing.T) {
	t.Parallel()
	o := ledgertest.Postgres(t)
	o.Worker = true
	l, other := ledgertest.Open(t, o), ledgertest.Open(t, o)
	require.NoError(t, l.TakeOver(t.Context(), func(ctx context.Context) error {
		took := false
		require.Eventually(t, func() bool {
			require.NoError(t, other.TakeOver(ctx, func(context.Context) error {
				took = true
				return nil
			}))
			return took
		}, time.Minute, 100*time.Millisecond)
		return nil
	}))
}
