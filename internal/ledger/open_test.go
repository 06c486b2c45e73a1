package ledger_test

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/ledger/ledgertest"
)

func TestANewFileIsItsOwnersOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new folder", "odd ?#%41 name.db")
	l := ledgertest.Open(t, ledger.Options{Driver: "sqlite", Path: path})
	begin(t, l, "r1")
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), suffix)
	}
}

func TestALedgerOutlivesItsProcess(t *testing.T) {
	t.Parallel()
	for driver, options := range map[string]func(testing.TB) ledger.Options{"sqlite": ledgertest.SQLite, "postgres": ledgertest.Postgres} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			o := options(t)
			l, err := ledger.Open(t.Context(), o)
			require.NoError(t, err)
			begin(t, l, "r1")
			stage(t, l, "r1", 1, 3)
			require.NoError(t, l.Close())
			require.NoError(t, l.Close())
			require.Error(t, l.SetRunState(t.Context(), "r1", "RUNNING", ""), "closed")

			l = ledgertest.Open(t, o)
			require.Len(t, openLane(t, l, "r1", 1, 0).Entries, 3)
		})
	}
}

func TestWhatCannotBeALedgerIsRefusedInASentence(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.WriteFile(file("notes"), bytes.Repeat([]byte("not a database\n"), 100), 0o600))
	query(t, file("other"), `CREATE TABLE theirs (x)`)
	query(t, file("marked"), `PRAGMA application_id = 5`)
	newer := ledger.Options{Driver: "sqlite", Path: file("newer")}
	require.NoError(t, ledgertest.Open(t, newer).Close())
	query(t, newer.Path, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)`)
	query(t, newer.Path, `INSERT INTO fact (name, value) VALUES ('schema.oldest', '998')`)

	tests := map[string]struct {
		o    ledger.Options
		says string
	}{
		"no path":               {ledger.Options{Driver: "sqlite"}, "ledger.path: got nothing"},
		"no address":            {ledger.Options{Driver: "postgres"}, "ledger.dsn: got nothing"},
		"a driver":              {ledger.Options{Driver: "mysql"}, `ledger.driver: got "mysql", want sqlite or postgres`},
		"a synchronous":         {ledger.Options{Driver: "sqlite", Path: file("s"), Synchronous: "off"}, `ledger.synchronous: got "off", want full or normal`},
		"a short key":           {ledger.Options{Driver: "sqlite", Path: file("k"), Keys: [][]byte{[]byte("short")}}, "ledger.encryption_key: got 5 bytes, want 32"},
		"a folder":              {ledger.Options{Driver: "sqlite", Path: dir}, "is a directory; name a file in a folder the worker may write to"},
		"below a file":          {ledger.Options{Driver: "sqlite", Path: file("notes/ledger.db")}, "not a directory; name a file"},
		"no SQLite file":        {ledger.Options{Driver: "sqlite", Path: file("notes")}, "is not a SQLite file; name a new file"},
		"another's database":    {ledger.Options{Driver: "sqlite", Path: file("other")}, "is another program's database; name a new file"},
		"another's mark":        {ledger.Options{Driver: "sqlite", Path: file("marked")}, "is another program's database"},
		"a newer ledger":        {newer, "the ledger was written by a newer build (schema 999, for programs that know 998 or newer; this build knows"},
		"no PostgreSQL address": {ledger.Options{Driver: "postgres", DSN: "postgres://u:hunter2@h:port/d"}, "ledger.dsn: not a PostgreSQL address"},
		"no server":             {ledger.Options{Driver: "postgres", DSN: "postgres://u:hunter2@127.0.0.1:1/d"}, "ledger.dsn: database d on 127.0.0.1:1 cannot be reached as u"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ledger.Open(t.Context(), tt.o)
			require.ErrorContains(t, err, tt.says)
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
	require.Equal(t, int64(1), number(t, file("other"), `SELECT count(*) FROM sqlite_schema`), "theirs is untouched")
}

func TestALockedFileIsRefusedInASentence(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer db.Close()
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	for _, q := range []string{`PRAGMA locking_mode = exclusive`, `CREATE TABLE x (x)`, `BEGIN EXCLUSIVE`} {
		_, err = conn.ExecContext(t.Context(), q)
		require.NoError(t, err)
	}
	_, err = ledger.Open(t.Context(), ledger.Options{Driver: "sqlite", Path: path})
	require.ErrorContains(t, err, "is locked by another program; close that one first")
}

// What waits for another program ends with its sentence, not with a heartbeat that
// was missed meanwhile.
func TestALedgerThatIsLockedMeanwhileSaysSo(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	l, err := ledger.Open(t.Context(), ledger.Options{Driver: "sqlite", Path: path})
	require.NoError(t, err)
	defer l.Close()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer db.Close()
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.ExecContext(t.Context(), `BEGIN IMMEDIATE`)
	require.NoError(t, err)
	failures := make(chan error, 3)
	for range cap(failures) {
		go func() { failures <- l.SaveBefore(t.Context(), "run", "contacts", ledger.BeforeImage{Key: "k"}) }()
	}
	for range cap(failures) {
		require.ErrorContains(t, <-failures, "ledger.path: "+path+" is locked by another program; close that one first")
	}
	_, err = conn.ExecContext(t.Context(), `ROLLBACK`)
	require.NoError(t, err)
	require.NoError(t, l.SaveBefore(t.Context(), "run", "contacts", ledger.BeforeImage{Key: "k"}))
}

func TestManyMayOpenANewLedgerAtOnce(t *testing.T) {
	t.Parallel()
	for driver, options := range map[string]func(testing.TB) ledger.Options{"sqlite": ledgertest.SQLite, "postgres": ledgertest.Postgres} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			o := options(t)
			ledgers := make([]*ledger.Ledger, 4)
			var wg sync.WaitGroup
			for i := range ledgers {
				wg.Go(func() {
					var err error
					if ledgers[i], err = ledger.Open(t.Context(), o); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			for _, l := range ledgers {
				require.NotNil(t, l)
				require.NoError(t, l.Ping(t.Context()))
			}
			for _, l := range ledgers {
				require.NoError(t, l.Close())
			}
		})
	}
}

// Several workers on one ledger, on SQLite too, only wait for each other.
func TestTwoWorkersShareALedger(t *testing.T) {
	t.Parallel()
	for driver, options := range map[string]func(testing.TB) ledger.Options{"sqlite": ledgertest.SQLite, "postgres": ledgertest.Postgres} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			o := options(t)
			workers := []*ledger.Ledger{ledgertest.Open(t, o), ledgertest.Open(t, o)}
			begin(t, workers[0], "r1")
			stage(t, workers[0], "r1", 1, 100, 100, 100, 100)
			var wg sync.WaitGroup
			for n := range 4 {
				wg.Go(func() {
					l := workers[n%2]
					ln, err := l.OpenLane(t.Context(), ledger.LaneID{Run: "r1", Page: 1, Lane: n})
					for i := 0; err == nil && i < 100; i += 5 {
						group := make([]ledger.Result, 0, 5)
						for j := i; j < i+5; j++ {
							s := created(ln, j)
							s.Record.Key = key(j) // the same keys in every lane: rows are fought over
							group = append(group, s)
						}
						err = l.Commit(t.Context(), ln.ID, ln.Token, group)
					}
					if err == nil {
						_, err = l.CloseLane(t.Context(), ln.ID, ln.Token)
					}
					if err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			run, err := workers[1].Advance(t.Context(), "r1", mark("r1"))
			require.NoError(t, err)
			require.Equal(t, ledger.Counts{Read: 400, Created: 400}, run.Counts)
			n, err := workers[0].KnownCount(t.Context(), table)
			require.NoError(t, err)
			require.EqualValues(t, 100, n)
			if o.Path != "" {
				require.Equal(t, "ok", intact(t, o.Path))
			}
		})
	}
}

func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func query(t *testing.T, path, text string) {
	t.Helper()
	_, err := raw(t, path).ExecContext(t.Context(), text)
	require.NoError(t, err)
}

func number(t *testing.T, path, text string) (n int64) {
	t.Helper()
	require.NoError(t, raw(t, path).QueryRowContext(t.Context(), text).Scan(&n))
	return n
}

func intact(t *testing.T, path string) (says string) {
	t.Helper()
	require.NoError(t, raw(t, path).QueryRowContext(t.Context(), `PRAGMA integrity_check`).Scan(&says))
	return says
}
