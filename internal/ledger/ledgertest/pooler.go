package ledgertest

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
)

// RequirePooler set to 1 makes a missing PgBouncer a failure instead of a skip.
const RequirePooler = "CAUSEWAY_REQUIRE_PGBOUNCER"

// Pooled is what Postgres returns, with PgBouncer in between, in its mode session or
// transaction.
func Pooled(t testing.TB, mode string) ledger.Options {
	t.Helper()
	o := Postgres(t)
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer"
	}
	if !isFile(program) {
		if os.Getenv(RequirePooler) == "1" {
			t.Fatalf("%s=1, but pgbouncer is not installed", RequirePooler)
		}
		t.Skip("SKIPPED: pgbouncer is not installed")
	}
	dir, err := os.MkdirTemp(socketRoot(), "causeway-pgb-")
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	owner, err := giveAway(dir)
	require.NoError(t, err)
	settings := filepath.Join(dir, "pgbouncer.ini")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "users"), []byte("\"postgres\" \"\"\n"), 0o644))
	require.NoError(t, os.WriteFile(settings, []byte(fmt.Sprintf("[databases]\n* = %s\n[pgbouncer]\nlisten_addr =\nunix_socket_dir = %s\nauth_type = any\nauth_file = %s\npool_mode = %s\nignore_startup_parameters = statement_timeout,lock_timeout,extra_float_digits,application_name,idle_in_transaction_session_timeout,tcp_user_timeout,default_transaction_isolation\n",
		strings.NewReplacer("dbname="+after(o.DSN, "dbname="), "").Replace(o.DSN), dir, filepath.Join(dir, "users"), mode)), 0o644))
	server := exec.Command(program, settings)
	server.Dir, server.SysProcAttr = dir, owner
	var said strings.Builder
	server.Stderr = &said
	require.NoError(t, server.Start())
	t.Cleanup(func() {
		_ = server.Process.Kill() // it is killed on purpose
		_ = server.Wait()
	})
	o.DSN = fmt.Sprintf("host=%s port=6432 user=postgres dbname=%s default_query_exec_mode=simple_protocol", dir, after(o.DSN, "dbname="))
	db, err := sql.Open("pgx", o.DSN)
	require.NoError(t, err)
	defer db.Close()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	for err = db.PingContext(ctx); err != nil && ctx.Err() == nil; err = db.PingContext(ctx) {
		time.Sleep(20 * time.Millisecond) // it tells nobody when it is ready
	}
	require.NoError(t, err, "pgbouncer does not answer")
	return o
}

func after(text, mark string) string {
	_, rest, _ := strings.Cut(text, mark)
	return rest
}
