package histories

import (
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
)

// ResetPoint is the workflow task from which a workflow is to run again.
type ResetPoint struct {
	Event int64  `json:"event"` // of the WorkflowTaskCompleted that Temporal's reset asks for
	Why   string `json:"why"`   // in words
}

// PointOf finds the task from which a failed workflow should run again. If the failure
// of an activity or child ended it, this is the task that began that one, so that it
// is tried again. Else the code itself failed, and it is the last task. It returns
// false when no task was ever completed, because there is nothing to go back to.
func PointOf(history *historypb.History) (ResetPoint, bool) {
	var last int64 // WorkflowTaskCompleted
	tasks := map[int64]int64{}
	names := map[int64]string{}
	for _, e := range history.GetEvents() {
		switch e.GetEventType() {
		case enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
			last = e.GetEventId()
		case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
			a := e.GetActivityTaskScheduledEventAttributes()
			tasks[e.GetEventId()], names[e.GetEventId()] = a.GetWorkflowTaskCompletedEventId(), a.GetActivityType().GetName()
		case enumspb.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED:
			a := e.GetStartChildWorkflowExecutionInitiatedEventAttributes()
			tasks[e.GetEventId()], names[e.GetEventId()] = a.GetWorkflowTaskCompletedEventId(), a.GetWorkflowType().GetName()
		case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
			for _, f := range causes(e.GetWorkflowExecutionFailedEventAttributes().GetFailure()) {
				began := max(f.GetActivityFailureInfo().GetScheduledEventId(), f.GetChildWorkflowExecutionFailureInfo().GetInitiatedEventId())
				if task := tasks[began]; task > 0 {
					return ResetPoint{Event: task, Why: fmt.Sprintf("%s failed (event %d), and is begun again", names[began], began)}, true
				}
			}
		}
	}
	if last == 0 {
		return ResetPoint{}, false
	}
	return ResetPoint{Event: last, Why: fmt.Sprintf("its last task (event %d) is done again", last)}, true
}
