package operator

import (
	"context"
	"errors"
	"strings"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
)

func (t *temporalClient) Execution(ctx context.Context, workflowID, runID string) (*Execution, error) {
	answer, err := t.client.DescribeWorkflowExecution(ctx, workflowID, runID)
	if err != nil {
		return nil, t.explain(err)
	}
	if err := t.keys.Open(ctx, answer); err != nil {
		return nil, unopened(err)
	}
	x := executionOf(answer.GetWorkflowExecutionInfo())
	x.TaskAttempt = int(answer.GetPendingWorkflowTask().GetAttempt())
	x.Pending = describe(answer).Pending
	return &x, nil
}

// maxExecutions is how many executions of one workflow id are listed at most.
const maxExecutions = 1000

func (t *temporalClient) Executions(ctx context.Context, workflowID string) ([]Execution, error) {
	var out []Execution
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

func executionOf(info *workflowpb.WorkflowExecutionInfo) Execution {
	x := Execution{
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
		case errors.Is(err, ErrEnough):
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

func (t *temporalClient) Cancel(ctx context.Context, workflowID string) error {
	return t.explain(t.client.CancelWorkflow(ctx, workflowID, ""))
}
