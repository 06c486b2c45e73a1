package workflows

// Activities that tell what ran; the operators' tool runs them by themselves, on
// QueueMain.
const (
	ActivityListRuns = "ListRuns" // RunListInput -> RunListResult
	ActivityShowRun  = "ShowRun"  // ShowRunInput -> ShowRunResult
)
