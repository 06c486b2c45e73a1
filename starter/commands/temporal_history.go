package commands

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"causeway.dev/workflows"
)

// historyAPI is what the commands about runs ask of Temporal. Without a run id,
// the newest execution of the workflow is meant.
type historyAPI interface {
	// Execution tells of one execution.
	Execution(ctx context.Context, workflowID, runID string) (*execution, error)
	// Executions lists the executions of a workflow id, the newest first.
	Executions(ctx context.Context, workflowID string) ([]execution, error)
	// History hands the events of an execution to each, which may end it with
	// errEnough.
	History(ctx context.Context, workflowID, runID string, each func(*historypb.HistoryEvent) error) error
	// Reset takes an execution back to before a WorkflowTaskCompleted event, in a
	// new execution, whose run id it returns.
	Reset(ctx context.Context, workflowID, runID string, event int64, reason string) (string, error)
	// Cancel asks a workflow to end.
	Cancel(ctx context.Context, workflowID string) error
}

// errEnough ends reading a history; it is no failure.
var errEnough = errors.New("enough was read")

// execution is one execution of a workflow, as the server tells of it.
type execution struct {
	WorkflowID  string            `json:"workflow_id"`
	RunID       string            `json:"run_id"`
	Type        string            `json:"type"`
	Status      string            `json:"status"` // Running, Completed, Failed, Canceled, Terminated, ContinuedAsNew, TimedOut
	Started     time.Time         `json:"started"`
	Closed      time.Time         `json:"closed,omitzero"`
	Events      int64             `json:"events"`
	Bytes       int64             `json:"bytes"`
	TaskAttempt int               `json:"task_attempt,omitempty"` // of the workflow task in hand; above 1 the code fails
	Pending     []pendingActivity `json:"pending,omitempty"`
}

// running says that it has not ended.
func (x *execution) running() bool { return x.Status == "Running" }

// stuck says that the workflow's own code fails, which nothing but other code ends.
func (x *execution) stuck() bool { return x.running() && x.TaskAttempt > 1 }

func (t *temporalClient) Execution(ctx context.Context, workflowID, runID string) (*execution, error) {
	answer, err := t.client.DescribeWorkflowExecution(ctx, workflowID, runID)
	if err != nil {
		return nil, t.explain(err)
	}
	x := executionOf(answer.GetWorkflowExecutionInfo())
	x.TaskAttempt = int(answer.GetPendingWorkflowTask().GetAttempt())
	x.Pending = describe(answer).Pending
	return &x, nil
}

// maxExecutions bounds the executions of one workflow id that are looked through.
const maxExecutions = 1000

func (t *temporalClient) Executions(ctx context.Context, workflowID string) ([]execution, error) {
	var out []execution
	request := &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: t.space, PageSize: 100, Query: "WorkflowId = '" + strings.ReplaceAll(workflowID, "'", "''") + "'",
	}
	for {
		answer, err := t.client.ListWorkflow(ctx, request)
		if err != nil {
			return nil, t.explain(err)
		}
		for _, info := range answer.GetExecutions() {
			out = append(out, executionOf(info))
		}
		if request.NextPageToken = answer.GetNextPageToken(); len(request.NextPageToken) == 0 || len(out) >= maxExecutions {
			return out, nil
		}
	}
}

func executionOf(info *workflowpb.WorkflowExecutionInfo) execution {
	x := execution{
		WorkflowID: info.GetExecution().GetWorkflowId(), RunID: info.GetExecution().GetRunId(), Type: info.GetType().GetName(),
		Status: info.GetStatus().String(), Started: info.GetStartTime().AsTime(), Events: info.GetHistoryLength(), Bytes: info.GetHistorySizeBytes(),
	}
	if info.GetCloseTime() != nil {
		x.Closed = info.GetCloseTime().AsTime()
	}
	return x
}

func (t *temporalClient) History(ctx context.Context, workflowID, runID string, each func(*historypb.HistoryEvent) error) error {
	events := t.client.GetWorkflowHistory(ctx, workflowID, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return t.explain(err)
		}
		switch err := each(event); {
		case errors.Is(err, errEnough):
			return nil
		case err != nil:
			return err
		}
	}
	return nil
}

func (t *temporalClient) Reset(ctx context.Context, workflowID, runID string, event int64, reason string) (string, error) {
	answer, err := t.client.ResetWorkflowExecution(ctx, &workflowservice.ResetWorkflowExecutionRequest{
		Namespace: t.space, WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: workflowID, RunId: runID},
		WorkflowTaskFinishEventId: event, Reason: reason, RequestId: uuid.NewString(),
	})
	if err != nil {
		return "", asFailed(t.explain(err))
	}
	return answer.GetRunId(), nil
}

// keepTrying is how long work waits for a worker that nobody waits for.
const keepTrying = 14 * 24 * time.Hour

func (t *temporalClient) Later(ctx context.Context, activity string, input any) error {
	_, err := t.client.ExecuteActivity(ctx, client.StartActivityOptions{
		ID: activity + "/" + newID(), TaskQueue: workflows.QueueMain, ScheduleToCloseTimeout: keepTrying, StartToCloseTimeout: time.Minute,
		Summary: "left by causeway",
	}, activity, input)
	return t.explain(err)
}

func (t *temporalClient) Cancel(ctx context.Context, workflowID string) error {
	return t.explain(t.client.CancelWorkflow(ctx, workflowID, ""))
}
