package commands

import (
	"cmp"
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
)

func newLedgerBackup(e *env) *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use: "backup", Short: "Copy the ledger while flows run",
		Long: `Have a worker copy its SQLite ledger while flows run, read the copy from end to
end, and keep it in ledger.backup.folder on the machine of the worker. Older copies there
go as ledger.backup.keep and keep_for say. Nothing is ever written over.

A copy is of no use without ledger.encryption_key, which is not in it. Keep it with the
file ledger.erasures, and that one apart when you restore: docs/backup.md has the order.

A ledger in PostgreSQL is backed up by the tools of the server: then nothing is copied,
the commands that do it are printed, and the exit code is 1.

With -o json: {backup: {file, size, at, removed}, server: {host, port, user, database}}.`,
		Example: "  causeway ledger backup\n  causeway ledger backup --to /mnt/backup\n  causeway ledger backup --to /mnt/backup/before-the-update.db",
		Args:    exactly("none", 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return judge(cmd.Context(), e, func(i *operator.Instance) (*activities.BackupLedgerResult, error) {
				r, err := i.BackupLedger(cmd.Context(), to)
				return &r, err
			}, writeBackup, func(r *activities.BackupLedgerResult) int { return failedIf(r.Backup == nil) })
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "a new `path` of a file, or a folder, on the machine of the worker (default ledger.backup.folder)")
	return cmd
}

// writeBackup says where the copy is, or what to do in its place.
func writeBackup(e *env, r *activities.BackupLedgerResult) {
	if b := r.Backup; b != nil {
		fmt.Fprintf(e.out, "%s, %s, read from end to end and found whole\n", b.File, humanize.IBytes(uint64(max(0, b.Size))))
		if b.Removed > 0 {
			fmt.Fprintf(e.out, "%d older removed\n", b.Removed)
		}
		return
	}
	if s := r.Server; s != nil {
		at := fmt.Sprintf("--host=%s --port=%d --username=%s", cmp.Or(s.Host, "localhost"), s.Port, s.User)
		fmt.Fprintf(e.out, `nothing was copied: the ledger is in PostgreSQL, whose own tools back it up. As the worker reaches it:

  pg_dump %s --format=custom --file=%s.dump %s
  pg_restore %s --clean --if-exists --dbname=%s %s.dump

To any moment, with archived WAL (for the whole server): pg_basebackup %s --pgdata=<folder> --wal-method=stream
They ask for the password, or read it from ~/.pgpass. docs/backup.md has the order of a restore.
`, at, s.Database, s.Database, at, s.Database, s.Database, at)
	}
}
