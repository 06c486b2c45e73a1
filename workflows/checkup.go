package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
)

// TypeCheckup is the workflow that a schedule begins every night.
const TypeCheckup = "Checkup"

// CheckupID is the id of the schedule of an instance, and begins those of its workflows.
func CheckupID(instance string) string { return instance + "/checkup" }

const (
	checkupWithin = 3 * time.Minute // for all checks: nobody waits for them
	checkupStands = time.Hour       // that a worker has to come by
)

// CheckupResult says how many checks ended how. The ledger keeps each.
type CheckupResult struct {
	OK      int `json:"ok"`
	Warn    int `json:"warn"`
	Fail    int `json:"fail"`
	Skipped int `json:"skipped"`
}

// Checkup has a worker look whether everything outside is as it has to be, and keep what it
// found for status and the gauges.
func Checkup(ctx workflow.Context) (*CheckupResult, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: QueueMain, StartToCloseTimeout: checkupWithin + time.Minute, ScheduleToCloseTimeout: checkupStands,
		RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: AskAttempts},
	})
	var found activities.DoctorResult
	if err := workflow.ExecuteActivity(ctx, activities.Doctor, activities.DoctorInput{Within: checkupWithin, Keep: true}).Get(ctx, &found); err != nil {
		return nil, err
	}
	return &CheckupResult{
		OK: found.Count(activities.CheckOK), Warn: found.Count(activities.CheckWarn),
		Fail: found.Count(activities.CheckFail), Skipped: found.Count(activities.CheckSkipped),
	}, nil
}
