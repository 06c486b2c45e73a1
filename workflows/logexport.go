package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
)

// TypeLogExport is the workflow that a schedule begins every day.
const TypeLogExport = "LogExport"

// LogExportID is the id of the schedule of an instance, and begins those of its workflows.
func LogExportID(instance string) string { return instance + "/logs" }

// logExportWithin is how long one file is tried. The next day begins with what is missing.
const logExportWithin = 20 * time.Hour

// LogExportResult says what was written.
type LogExportResult struct {
	Files   int   `json:"files"`
	Lines   int64 `json:"lines"`
	Removed int   `json:"removed"` // old files
}

// LogExport writes what flows did on the days that have ended. It stands beside the flows:
// none waits for it.
func LogExport(ctx workflow.Context) (*LogExportResult, error) {
	options := activityOptions(QueueMain, activities.KindRelease, "exports logs")
	options.ScheduleToCloseTimeout = logExportWithin
	ctx = workflow.WithActivityOptions(ctx, options)
	var days activities.LogDaysResult
	if err := workflow.ExecuteActivity(ctx, activities.LogDays, activities.LogDaysInput{}).Get(ctx, &days); err != nil {
		return nil, err
	}
	out := &LogExportResult{}
	for _, day := range days.Days {
		for _, flow := range days.Flows {
			var file activities.ExportLogResult
			if err := workflow.ExecuteActivity(ctx, activities.ExportLog, activities.ExportLogInput{Flow: flow, Day: day}).Get(ctx, &file); err != nil {
				return nil, err
			}
			out.Files, out.Lines = out.Files+1, out.Lines+file.Lines
		}
		var ended activities.EndLogDayResult
		if err := workflow.ExecuteActivity(ctx, activities.EndLogDay, activities.EndLogDayInput{Day: day}).Get(ctx, &ended); err != nil {
			return nil, err
		}
		out.Removed += ended.Removed
	}
	return out, nil
}
