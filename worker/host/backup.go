package host

import (
	"context"

	"github.com/uber-go/tally/v4"

	"causeway.dev/activities/operator"
	"causeway.dev/config"
	"causeway.dev/internal/ledger"
	"causeway.dev/workflows"
)

// backupOf is the schedule of an instance that copies the ledger every night. PostgreSQL is
// backed up by its own tools.
func backupOf(cfg *config.Config) nightly {
	n := nightly{setting: "ledger.backup.nightly", at: cfg.Ledger.Backup.Nightly, id: workflows.BackupID(cfg.Instance), workflow: workflows.TypeBackup, summary: "backup of the night"}
	if cfg.Ledger.Driver != "sqlite" {
		n.at = ""
	}
	return n
}

// backupsOf are the settings of backups as the worker uses them.
func backupsOf(cfg *config.Config) operator.Backups {
	b := cfg.Ledger.Backup
	out := operator.Backups{Instance: cfg.Instance, Folder: b.Folder, Keep: b.Keep, KeepFor: b.KeepFor}
	if backupOf(cfg).at != "" {
		out.WarnAfter = b.WarnAfter
	}
	return out
}

// backupGauges show when the ledger was copied last, and whether that goes well.
type backupGauges struct {
	ledger   *ledger.Ledger
	scope    tally.Scope
	settings operator.Backups
}

func (g *backupGauges) refresh(ctx context.Context) error {
	s, err := operator.BackupState(ctx, g.ledger, g.settings)
	if err != nil || s == nil {
		return err
	}
	last := 0.0 // none was made
	if s.Last != nil {
		last = float64(s.Last.At.Unix())
	}
	g.scope.Gauge("ledger_backup_last_timestamp_seconds").Update(last)
	g.scope.Gauge("ledger_backup_failed").Update(valueOf(s.Failed != ""))
	g.scope.Gauge("ledger_backup_warn_after_seconds").Update(s.WarnAfter.Seconds())
	return nil
}
