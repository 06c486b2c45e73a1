package ledgertest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // driver "pgx"
	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
)

// RequirePostgres set to 1 makes a missing PostgreSQL a failure instead of a skip.
const RequirePostgres = "CAUSEWAY_REQUIRE_POSTGRES"

// Postgres returns options for a new, empty database, dropped with the test, in
// a cluster that the test process starts once and that ends with it. Without
// PostgreSQL's programs the test is skipped.
func Postgres(t testing.TB) ledger.Options {
	t.Helper()
	bin := binaries()
	if bin == "" {
		if os.Getenv(RequirePostgres) == "1" {
			t.Fatalf("%s=1, but initdb and postgres are neither in PATH nor in /usr/lib/postgresql/*/bin", RequirePostgres)
		}
		t.Skip("SKIPPED: PostgreSQL is not installed (initdb and postgres are neither in PATH nor in /usr/lib/postgresql/*/bin)")
	}
	c, err := theCluster(bin)
	require.NoError(t, err, "starting a PostgreSQL cluster for this test process")
	name := fmt.Sprintf("t%d", c.databases.Add(1))
	_, err = c.admin.ExecContext(t.Context(), "CREATE DATABASE "+name+" TEMPLATE template0")
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := c.admin.ExecContext(context.WithoutCancel(t.Context()), "DROP DATABASE "+name+" WITH (FORCE)")
		require.NoError(t, err)
	})
	return ledger.Options{Driver: "postgres", DSN: c.dsn(name)}
}

// NewDatabase makes a new, empty database for a measurement, and answers its address. Its
// cluster ends with this process.
func NewDatabase(ctx context.Context) (dsn string, err error) {
	bin := binaries()
	if bin == "" {
		return "", errors.New("PostgreSQL is not installed (initdb and postgres are neither in PATH nor in /usr/lib/postgresql/*/bin)")
	}
	c, err := theCluster(bin)
	if err != nil {
		return "", fmt.Errorf("starting a PostgreSQL cluster: %w", err)
	}
	name := fmt.Sprintf("t%d", c.databases.Add(1))
	_, err = c.admin.ExecContext(ctx, "CREATE DATABASE "+name+" TEMPLATE template0")
	return c.dsn(name), err
}

// binaries is the folder of initdb and postgres, the newest one, or "".
func binaries() string {
	folders, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is well formed
	slices.Sort(folders)
	slices.Reverse(folders)
	if path, err := exec.LookPath("initdb"); err == nil {
		folders = append([]string{filepath.Dir(path)}, folders...)
	}
	for _, folder := range folders {
		if isFile(filepath.Join(folder, "initdb")) && isFile(filepath.Join(folder, "postgres")) {
			return folder
		}
	}
	return ""
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

type cluster struct {
	dir       string // of data, log and socket
	admin     *sql.DB
	databases atomic.Int64
	alive     io.Closer // closing it, or the end of this process, stops the cluster
}

var theCluster = func() func(bin string) (*cluster, error) {
	var once sync.Once
	var c *cluster
	var err error
	return func(bin string) (*cluster, error) {
		once.Do(func() { c, err = start(bin) })
		return c, err
	}
}()

// supervise runs the server until its standard input ends, which happens when
// the test process ends in whatever way, then stops it and removes the folder.
const supervise = `
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off -c full_page_writes=off -c max_connections=400 >"$2/log" 2>&1 </dev/null &
server=$!
read -r _
kill -INT $server
wait $server
cd / && rm -rf "$2"
`

const startTimeout = 60 * time.Second

func start(bin string) (*cluster, error) {
	dir, err := os.MkdirTemp(socketRoot(), "causeway-pg-")
	if err != nil {
		return nil, err
	}
	owner, err := giveAway(dir)
	if err != nil {
		return nil, err
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", filepath.Join(dir, "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.Dir, initdb.SysProcAttr = dir, owner
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	server := exec.Command("/bin/sh", "-c", supervise, "sh", bin, dir)
	server.Dir, server.SysProcAttr = dir, owner
	stdin, err := server.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := server.Start(); err != nil {
		return nil, err
	}
	c := &cluster{dir: dir, alive: stdin}
	if c.admin, err = sql.Open("pgx", c.dsn("postgres")); err != nil {
		return nil, err
	}
	return c, c.await()
}

// await polls, because the server tells nobody when it is ready.
func (c *cluster) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		err := c.admin.PingContext(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			log, _ := os.ReadFile(filepath.Join(c.dir, "log")) // only to explain
			return fmt.Errorf("the server does not answer: %w: %s", err, log)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (c *cluster) dsn(database string) string {
	return "host=" + c.dir + " user=postgres dbname=" + database
}

// socketRoot is where the cluster goes: a socket's path is limited to about a
// hundred bytes, so a long TMPDIR will not do.
func socketRoot() string {
	if root := os.TempDir(); len(root) < 60 {
		return root
	}
	return "/tmp"
}
