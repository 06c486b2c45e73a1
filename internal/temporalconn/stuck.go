package temporalconn

import (
	"context"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
)

// Stuck is why a workflow does not go on: the code of a worker fails whenever it takes its
// task. Nothing but a worker with other code ends that.
type Stuck struct {
	// Differs says that the code does something else than the history holds: the worker is
	// of another build than the one that began the workflow. Otherwise it panics, or does
	// not know the type of the workflow.
	Differs bool
	Attempt int       // of the task
	Since   time.Time // of the first failure
}

// HistoryReader is the part of Temporal's service that reads the end of a history.
type HistoryReader interface {
	GetWorkflowExecutionHistoryReverse(ctx context.Context, in *workflowservice.GetWorkflowExecutionHistoryReverseRequest, opts ...grpc.CallOption) (*workflowservice.GetWorkflowExecutionHistoryReverseResponse, error)
}

// lastEvents is how many events at the end of a history are searched for a failed task.
// Only the first attempt is in the history; signals and updates that came since follow it.
const lastEvents = 100

// FindStuck says whether a described workflow is stuck; nil when it is not, as most are.
// Only one whose task is tried again costs a second call.
func FindStuck(ctx context.Context, c HistoryReader, namespace string, described *workflowservice.DescribeWorkflowExecutionResponse) (*Stuck, error) {
	info, task := described.GetWorkflowExecutionInfo(), described.GetPendingWorkflowTask()
	if info.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING || task.GetAttempt() <= 1 {
		return nil, nil
	}
	history, err := c.GetWorkflowExecutionHistoryReverse(ctx, &workflowservice.GetWorkflowExecutionHistoryReverseRequest{
		Namespace: namespace, Execution: info.GetExecution(), MaximumPageSize: lastEvents,
	})
	if err != nil {
		return nil, fmt.Errorf("reading why %s fails: %w", info.GetExecution().GetWorkflowId(), err)
	}
	failure := lastFailure(history.GetHistory().GetEvents())
	if failure == nil {
		return nil, nil
	}
	out := &Stuck{Attempt: int(task.GetAttempt()), Since: failure.GetEventTime().AsTime()}
	switch failure.GetWorkflowTaskFailedEventAttributes().GetCause() {
	case enumspb.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR:
		out.Differs = true
	case enumspb.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE:
	default:
		return nil, nil // the server's, and not the code's
	}
	return out, nil
}

// lastFailure is the failed task after the last that went well; nil when there is none,
// because a task that timed out is tried again as well. The newest event is the first.
func lastFailure(events []*historypb.HistoryEvent) *historypb.HistoryEvent {
	for _, e := range events {
		switch e.GetEventType() {
		case enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED:
			return e
		case enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
			return nil
		}
	}
	return nil
}
