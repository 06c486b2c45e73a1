package commands

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
)

func TestLedgerBackup(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.on("Run "+activities.ListQuarantine, activities.QuarantineListResult{})
	w.on("Run BackupLedger", activities.BackupLedgerResult{Backup: &activities.LedgerBackup{File: "/backups/ledger-20260301T120000.000Z.db", Size: 3 << 20, At: noon, Removed: 2}})
	code, out, _ := w.run(t, "ledger", "backup", "--to", "/backups")
	require.Zero(t, code)
	require.Equal(t, "/backups/ledger-20260301T120000.000Z.db, 3.0 MiB, read from end to end and found whole\n2 older removed\n", out)
	require.Equal(t, activities.BackupLedgerInput{To: "/backups", By: "ada"}, w.Requests["Run BackupLedger"][0])
}

// A ledger in PostgreSQL is not copied: the commands name its database, and nothing is said
// to be done.
func TestLedgerBackupOfPostgreSQL(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.on("Run "+activities.ListQuarantine, activities.QuarantineListResult{})
	w.on("Run BackupLedger", activities.BackupLedgerResult{Server: &activities.LedgerServer{Host: "db.acme.example", Port: 5433, User: "sync", Database: "causeway_prod"}})
	code, out, _ := w.run(t, "ledger", "backup")
	require.Equal(t, 1, code)
	require.Contains(t, out, "nothing was copied")
	require.Contains(t, out, "pg_dump --host=db.acme.example --port=5433 --username=sync --format=custom --file=causeway_prod.dump causeway_prod\n")
	require.Contains(t, out, "pg_basebackup --host=db.acme.example --port=5433 --username=sync")
}

func TestLedgerBackupWithoutAWorker(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.on("Run "+activities.ListQuarantine, operator.ErrNoWorker)
	code, _, _ := w.run(t, "ledger", "backup")
	require.Equal(t, exitUnreachable, code)
	require.NotContains(t, w.Asked, "Run BackupLedger")
}

// The status tells when the ledger was copied last, and when that does not go well.
func TestStatusOfBackups(t *testing.T) {
	t.Parallel()
	old := &activities.LedgerBackup{File: "/backups/l.db", Size: 2048, At: noon.Add(-50 * time.Hour)}
	for want, s := range map[string]*activities.BackupState{
		"last backup of the ledger ":                              {Last: old},
		"the last backup of the ledger is from 2026-":             {Last: old, WarnAfter: 48 * time.Hour},
		"backing the ledger up failed 2026-":                      {Last: old, Failed: "no room", FailedAt: noon.Add(-time.Hour)},
		": no room; put that right, then: causeway ledger backup": {Failed: "no room", FailedAt: noon.Add(-time.Hour)},
	} {
		w := newWorld()
		w.on("Query "+contactsFlow+" Status", contacts(nil))
		w.on("Run "+activities.Meter, activities.MeterResult{Backup: s})
		_, out, _ := w.run(t, "status")
		require.Contains(t, out, want)
	}
	w := newWorld()
	w.on("Query "+contactsFlow+" Status", contacts(nil))
	w.on("Run "+activities.Meter, activities.MeterResult{Backup: &activities.BackupState{Last: old, WarnAfter: 51 * time.Hour}})
	_, out, _ := w.run(t, "status")
	require.NotContains(t, out, "longer ago")
}
