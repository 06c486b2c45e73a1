package ledger_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

const (
	victimEnv   = "CAUSEWAY_LEDGER_VICTIM" // driver and address of the ledger a child process commits to
	victimPages = 100_000                  // more than it lives to write
	victimLane  = 40
	kills       = 12
)

func TestMain(m *testing.M) {
	if at := os.Getenv(victimEnv); at != "" {
		if err := victim(at); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if at := os.Getenv(workerEnv); at != "" {
		if err := workerProcess(at); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// victim stages and writes page after page from where the ledger stands, and
// tells what was acknowledged, until it is killed.
func victim(at string) error {
	ctx := context.Background()
	driver, address, _ := strings.Cut(at, "|")
	l, err := ledger.Open(ctx, ledger.Options{Driver: driver, Path: address, DSN: address, Synchronous: "normal"})
	if err != nil {
		return err
	}
	run := ledger.Run{ID: "r1", Flow: flow, Table: table}
	if _, err := l.BeginRun(ctx, run); err != nil {
		return err
	}
	resume, err := l.Resume(ctx, "r1")
	if err != nil {
		return err
	}
	page := 0
	if resume.LastPage != nil {
		page = resume.LastPage.Number
	}
	for _, ref := range resume.Unfinished {
		if err := victimWrite(ctx, l, ref.LaneID); err != nil {
			return err
		}
	}
	for page++; page < victimPages; page++ {
		in := ledger.PageInput{Run: "r1", Table: table, Number: page, Lanes: [][]ledger.Entry{entries(page*1000, victimLane)}}
		if _, err := l.StagePage(ctx, in); err != nil {
			return err
		}
		if err := victimWrite(ctx, l, ledger.LaneID{Run: "r1", Page: page}); err != nil {
			return err
		}
	}
	return nil
}

func victimWrite(ctx context.Context, l *ledger.Ledger, id ledger.LaneID) error {
	ln, err := l.OpenLane(ctx, id)
	if err != nil {
		return err
	}
	for i := range ln.Entries {
		if ln.Outcomes[i] != ledger.Pending {
			continue
		}
		if err := l.Commit(ctx, id, ln.Token, []ledger.Result{created(ln, i)}); err != nil {
			return err
		}
		fmt.Println("committed", ln.Entries[i].Key)
	}
	_, err = l.CloseLane(ctx, id, ln.Token)
	return err
}

// I1, I2: a process killed at any moment loses nothing it was told is kept, and
// counts nothing twice.
func TestAKilledProcessLosesNothing(t *testing.T) {
	t.Parallel()
	for driver, options := range map[string]func(testing.TB) ledger.Options{"sqlite": ledgertest.SQLite, "postgres": ledgertest.Postgres} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			o := options(t)
			acknowledged := map[string]bool{}
			for range kills {
				for _, k := range lifeOf(t, driver+"|"+o.Path+o.DSN, 1+rand.IntN(150)) {
					require.False(t, acknowledged[k], "%s was committed, and handed out again", k)
					acknowledged[k] = true
				}
			}
			l := ledgertest.Open(t, o)
			keys := make([]string, 0, len(acknowledged))
			for k := range acknowledged {
				keys = append(keys, k)
			}
			found, err := l.Records(t.Context(), table, keys)
			require.NoError(t, err)
			require.Len(t, found, len(keys))

			finish(t, l, "r1")
			resume, err := l.Resume(t.Context(), "r1")
			require.NoError(t, err)
			run, err := l.Advance(t.Context(), "r1", mark("r1"))
			require.NoError(t, err)
			require.Equal(t, ledger.RunCompleted, run.State)
			n := int64(resume.LastPage.Number * victimLane)
			require.Equal(t, ledger.Counts{Read: n, Created: n}, run.Counts)
			known, err := l.KnownCount(t.Context(), table)
			require.NoError(t, err)
			require.Equal(t, n, known)
			if o.Path != "" {
				require.Equal(t, "ok", intact(t, o.Path))
			}
		})
	}
}

// lifeOf runs a victim, kills it once it has acknowledged n commits, and
// returns all that it acknowledged.
func lifeOf(t *testing.T, at string, n int) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victimEnv+"="+at)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var keys []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		word, k, _ := strings.Cut(lines.Text(), " ")
		require.Equal(t, "committed", word, lines.Text())
		if keys = append(keys, k); len(keys) == n {
			require.NoError(t, cmd.Process.Kill())
		}
	}
	require.Error(t, cmd.Wait(), "killed")
	require.GreaterOrEqual(t, len(keys), n)
	return keys
}
