package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
)

// TypeBackup is the workflow that a schedule begins every night to copy the ledger.
const TypeBackup = "Backup"

// BackupID is the id of the schedule of an instance, and begins those of its workflows.
func BackupID(instance string) string { return instance + "/backup" }

// BySchedule is who asked for what a schedule begins, in the log of operations.
const BySchedule = "schedule"

const (
	backupWithin = 6 * time.Hour    // for one copy
	backupStands = 20 * time.Hour   // before the next night
	backupSilent = 30 * time.Second // without a heartbeat, the worker is gone
	backupTries  = 3
)

// Backup has a worker copy the ledger. A copy that cannot be made fails it, and is told in
// status and the gauges.
func Backup(ctx workflow.Context) (*activities.LedgerBackup, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: QueueMain, StartToCloseTimeout: backupWithin, ScheduleToCloseTimeout: backupStands, HeartbeatTimeout: backupSilent,
		RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: backupTries},
	})
	var made activities.BackupLedgerResult
	if err := workflow.ExecuteActivity(ctx, activities.BackupLedger, activities.BackupLedgerInput{By: BySchedule}).Get(ctx, &made); err != nil {
		return nil, err
	}
	return made.Backup, nil
}
