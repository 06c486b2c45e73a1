package workflows

import (
	"fmt"
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

// CheckupInput says what is looked at besides the checks.
type CheckupInput struct {
	Audits []AuditInput `json:"audits,omitempty"` // one after the other
}

// CheckupResult says how many checks ended how. The ledger keeps each.
type CheckupResult struct {
	OK      int `json:"ok"`
	Warn    int `json:"warn"`
	Fail    int `json:"fail"`
	Skipped int `json:"skipped"`
	Audits  int `json:"audits,omitempty"` // that came to an end
}

// Checkup has a worker look whether everything outside is as it has to be, and keep what it
// found for status and the gauges; then it has tables compared.
func Checkup(ctx workflow.Context, in CheckupInput) (*CheckupResult, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: QueueMain, StartToCloseTimeout: checkupWithin + time.Minute, ScheduleToCloseTimeout: checkupStands,
		RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: AskAttempts},
	})
	var found activities.DoctorResult
	if err := workflow.ExecuteActivity(ctx, activities.Doctor, activities.DoctorInput{Within: checkupWithin, Keep: true}).Get(ctx, &found); err != nil {
		return nil, err
	}
	out := &CheckupResult{
		OK: found.Count(activities.CheckOK), Warn: found.Count(activities.CheckWarn),
		Fail: found.Count(activities.CheckFail), Skipped: found.Count(activities.CheckSkipped),
	}
	var told []activities.Check
	for _, audit := range in.Audits {
		check := auditOfTheNight(ctx, audit)
		if check.State != activities.CheckSkipped {
			out.Audits++
		}
		told = append(told, check)
	}
	if len(told) == 0 {
		return out, nil
	}
	return out, workflow.ExecuteActivity(ctx, activities.KeepChecks, activities.KeepChecksInput{Checks: told}).Get(ctx, nil)
}

// auditOfTheNight compares a table, and says what differs as a check does. Somebody else's
// audit of the table goes on as it is.
func auditOfTheNight(ctx workflow.Context, in AuditInput) activities.Check {
	name := in.Table.Name
	check := activities.Check{Area: activities.AreaModels, What: "audit of " + name, State: activities.CheckOK, Found: "both systems are in step"}
	id := FlowID{Instance: in.Instance, Flow: activities.FlowIngress, Table: name}
	options := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID: id.AuditID(), TaskQueue: QueueMain, StaticSummary: "audit of " + name + " at night",
		TypedSearchAttributes: id.Searchable(in.Table.Revision()),
	})
	var result AuditResult
	if err := workflow.ExecuteChildWorkflow(options, Audit, in).Get(ctx, &result); err != nil {
		check.State, check.Found = activities.CheckSkipped, err.Error()
		return check
	}
	if f := result.Findings; !result.InStep() {
		check.State, check.Wanted = activities.CheckWarn, "both systems in step"
		check.Found = fmt.Sprintf("in Campaign %d changed, %d missing, %d with a key in another spelling; in Dynamics %d to write that have not been",
			f.Changed, f.Missing, f.Duplicate, result.Source.Counts.Created+result.Source.Counts.Updated+result.Source.Counts.Deleted)
		check.Remedy = "look, and have it repaired: causeway audit " + name + " --repair"
	}
	return check
}
