package host

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uber-go/tally/v4"
	"go.temporal.io/sdk/client"

	"causeway.dev/activities"
	"causeway.dev/activities/operator"
	"causeway.dev/config"
	"causeway.dev/workflows"
)

// The nightly backup follows the configuration. A PostgreSQL ledger has none, and nobody is
// warned of its age.
func TestTheBackupIsWhenItIsConfigured(t *testing.T) {
	t.Parallel()
	c := &calendar{}
	cfg := &config.Config{Instance: "acme", Ledger: config.Ledger{Driver: "sqlite", Backup: config.Backup{Nightly: "02:30", WarnAfter: time.Hour}}}
	require.NoError(t, backupOf(cfg).keep(t.Context(), c))
	require.Equal(t, 2, c.kept.Spec.Calendars[0].Hour[0].Start)
	require.Equal(t, workflows.TypeBackup, c.kept.Action.(*client.ScheduleWorkflowAction).Workflow)
	require.Equal(t, "acme/backup", c.kept.Action.(*client.ScheduleWorkflowAction).ID)
	require.Equal(t, time.Hour, backupsOf(cfg).WarnAfter)
	require.Equal(t, "acme", backupsOf(cfg).Instance, "copies are told from those of other instances")
	cfg.Ledger.Driver = "postgres"
	require.NoError(t, backupOf(cfg).keep(t.Context(), c))
	require.Nil(t, c.kept)
	require.Zero(t, backupsOf(cfg).WarnAfter)
}

// The gauges and the doctor show how backups stand, and that one which failed is mended by the
// next that goes well.
func TestTheGaugesAndTheDoctorShowBackups(t *testing.T) {
	t.Parallel()
	p := newPatient(t, disease{})
	p.cfg.Ledger.Driver = "sqlite"
	p.cfg.Ledger.Backup = config.Backup{Folder: filepath.Join(t.TempDir(), "copies"), Nightly: "02:30", Keep: 3, WarnAfter: time.Hour}
	scope := tally.NewTestScope("", nil)
	g := &backupGauges{ledger: p.ledger, scope: scope, settings: backupsOf(p.cfg)}
	gauge := func(name string) float64 {
		require.NoError(t, g.refresh(t.Context()))
		return scope.Snapshot().Gauges()["ledger_backup_"+name+"+"].Value()
	}
	check := func() activities.Check {
		return checkOf(p.look(activities.DoctorInput{Areas: []string{activities.AreaLedger}}, nil), "ledger: backup")
	}
	backup := func() error {
		_, err := operator.New(operator.Options{Ledger: p.ledger, Backups: backupsOf(p.cfg)}).BackupLedger(t.Context(), activities.BackupLedgerInput{})
		return err
	}
	require.Zero(t, gauge("last_timestamp_seconds"))
	require.InDelta(t, 3600, gauge("warn_after_seconds"), 0)
	require.Equal(t, activities.CheckOK, check().State, "it is made tonight")
	require.NoError(t, backup())
	require.InDelta(t, time.Now().Unix(), gauge("last_timestamp_seconds"), 60)
	require.Zero(t, gauge("failed"))
	require.Contains(t, check().Found, "the last is from ")

	require.NoError(t, errors.Join(os.RemoveAll(p.cfg.Ledger.Backup.Folder), os.WriteFile(p.cfg.Ledger.Backup.Folder, nil, 0o600)))
	require.Error(t, backup())
	require.InDelta(t, 1, gauge("failed"), 0)
	require.Equal(t, activities.CheckWarn, check().State)
	require.Contains(t, check().Remedy, "causeway ledger backup")
	require.NoError(t, os.Remove(p.cfg.Ledger.Backup.Folder))
	require.NoError(t, backup())
	require.Zero(t, gauge("failed"))
	require.Equal(t, activities.CheckOK, check().State)
}
