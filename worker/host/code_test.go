package host

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uber-go/tally/v4"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// described plays Temporal with workflows whose task is at an attempt, and the events at
// the end of their histories, the newest first.
type described struct {
	listed
	ends     ends
	attempts map[string]int32
	down     map[string]bool
}

// ends are the last events of histories.
type ends struct {
	workflowservice.WorkflowServiceClient
	of map[string][]*historypb.HistoryEvent
}

func (d *described) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	if d.down[id] {
		return nil, errors.New("lost the server")
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{
		WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{Status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, Execution: &commonpb.WorkflowExecution{WorkflowId: id}},
		PendingWorkflowTask:   &workflowpb.PendingWorkflowTaskInfo{Attempt: d.attempts[id]},
	}, nil
}

func (d *described) WorkflowService() workflowservice.WorkflowServiceClient { return d.ends }

func (e ends) GetWorkflowExecutionHistoryReverse(_ context.Context, in *workflowservice.GetWorkflowExecutionHistoryReverseRequest, _ ...grpc.CallOption) (*workflowservice.GetWorkflowExecutionHistoryReverseResponse, error) {
	return &workflowservice.GetWorkflowExecutionHistoryReverseResponse{History: &historypb.History{Events: e.of[in.GetExecution().GetWorkflowId()]}}, nil
}

func event(kind enumspb.EventType) *historypb.HistoryEvent {
	return &historypb.HistoryEvent{EventType: kind, EventTime: timestamppb.New(time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC))}
}

func failed(cause enumspb.WorkflowTaskFailedCause) *historypb.HistoryEvent {
	e := event(enumspb.EVENT_TYPE_WORKFLOW_TASK_FAILED)
	e.Attributes = &historypb.HistoryEvent_WorkflowTaskFailedEventAttributes{WorkflowTaskFailedEventAttributes: &historypb.WorkflowTaskFailedEventAttributes{Cause: cause}}
	return e
}

// A flow is stuck when the code of a worker fails on its owner or on a run of it. A task
// that timed out because its worker died, or that the server refused, is none.
func TestStuckFlowsAreShown(t *testing.T) {
	t.Parallel()
	const contacts, load, egress, other = "acme/ingress/contacts", "acme/ingress/leads/backfill/leads-1", "acme/egress", "other/egress"
	unfit := failed(enumspb.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR)
	temporal := &described{
		listed:   listed{ids: []string{contacts, load, egress, other, "acme/optout"}, states: make([]string, 5)},
		attempts: map[string]int32{contacts: 7, load: 2, egress: 3, other: 9, "acme/optout": 1},
		ends: ends{of: map[string][]*historypb.HistoryEvent{
			contacts: {event(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED), unfit},
			load:     {failed(enumspb.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE)},
			egress:   {event(enumspb.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT), event(enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED), unfit},
			other:    {unfit},
		}},
		down: map[string]bool{},
	}
	scope := tally.NewTestScope("", nil)
	code := newCodeWatch(client.MetricsNopHandler)
	g := &stuckGauges{scope: scope, instance: "acme", code: code, known: map[string]bool{}}
	require.NoError(t, g.refresh(t.Context(), temporal))
	require.Equal(t, map[string]float64{"contacts": 1, "leads": 1, "egress": 0, "optout": 0}, named(scope, "flow_stuck"))
	require.Equal(t, map[string]float64{"contacts": 1, "leads": 0, "egress": 0, "optout": 0}, named(scope, "flow_code_differs"), "leads panics")
	require.NoError(t, code.fits(), "another worker has the wrong code")

	code.WithTags(map[string]string{"workflow_type": "TableSync", "failure_reason": "WorkflowError"}).Counter("temporal_workflow_task_execution_failed").Inc(1)
	require.NoError(t, code.fits())
	code.WithTags(map[string]string{"failure_reason": "NonDeterminismError"}).WithTags(map[string]string{"task_queue": "causeway"}).Counter("temporal_workflow_task_execution_failed").Inc(1)
	require.ErrorContains(t, code.fits(), "the workflow code of this worker is not that which began contacts, leads; where they differ: causeway runs verify contacts")

	temporal.down[contacts], temporal.attempts[load] = true, 1
	require.ErrorContains(t, g.refresh(t.Context(), temporal), "lost the server")
	require.Equal(t, map[string]float64{"contacts": 1, "leads": 0, "egress": 0, "optout": 0}, named(scope, "flow_stuck"), "nothing new is known of contacts")

	temporal.down[contacts], temporal.attempts[contacts] = false, 1
	require.NoError(t, g.refresh(t.Context(), temporal))
	require.Zero(t, named(scope, "flow_stuck")["contacts"])
	temporal.attempts[contacts] = 2
	require.NoError(t, g.refresh(t.Context(), temporal))
	require.NoError(t, code.fits(), "this worker has failed on what is mended")
}
