package host

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/temporal"

	"causeway.dev/config"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
)

// running is Temporal with workflows that run, by id.
type running struct {
	t         *testing.T
	workflows map[string]*workflowservice.DescribeWorkflowExecutionResponse
	ended     []string
}

func (r *running) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	if d := r.workflows[id]; d != nil {
		return d, nil
	}
	return nil, serviceerror.NewNotFound("no such workflow")
}

func (r *running) CompleteActivityByID(_ context.Context, namespace, workflow, run, activity string, result any, err error) error {
	require.Equal(r.t, "default", namespace)
	require.Nil(r.t, result)
	var app *temporal.ApplicationError
	require.ErrorAs(r.t, err, &app)
	require.False(r.t, app.NonRetryable())
	require.Positive(r.t, app.NextRetryDelay(), "else the policy's pause follows, which grows with each death")
	r.ended = append(r.ended, workflow+" "+run+" "+activity)
	return serviceerror.NewNotFound("it ended in this moment")
}

func (r *running) add(id string, children []string, activities ...*workflowpb.PendingActivityInfo) {
	d := &workflowservice.DescribeWorkflowExecutionResponse{
		WorkflowExecutionInfo: &workflowpb.WorkflowExecutionInfo{Execution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: "now"}},
		PendingActivities:     activities,
	}
	for _, child := range children {
		d.PendingChildren = append(d.PendingChildren, &workflowpb.PendingChildExecutionInfo{WorkflowId: child})
	}
	r.workflows[id] = d
}

func pending(id, identity string, state enumspb.PendingActivityState) *workflowpb.PendingActivityInfo {
	return &workflowpb.PendingActivityInfo{ActivityId: id, LastWorkerIdentity: identity, State: state}
}

// crew knows workers "dead" and "alive", and is worker "self".
type crew struct{}

func (crew) Worker() ledger.WorkerID { return "self" }
func (crew) Alive(_ context.Context, id ledger.WorkerID) (bool, error) {
	return id != "dead", nil
}
func (crew) Gone(context.Context) ([]ledger.WorkerID, error) { return []ledger.WorkerID{"dead"}, nil }
func (crew) TakeOver(ctx context.Context, f func(context.Context) error) error {
	return f(ctx)
}

// What a worker that is gone was at is ended in every workflow of the instance, so that it
// begins anew. Nothing else is touched.
func TestOnlyWhatADeadWorkerWasAtBeginsAnew(t *testing.T) {
	t.Parallel()
	const started = enumspb.PENDING_ACTIVITY_STATE_STARTED
	r := &running{t: t, workflows: map[string]*workflowservice.DescribeWorkflowExecutionResponse{}}
	r.add("acme/ingress/contacts", []string{"acme/ingress/contacts/backfill/r1"}, pending("1", "acme@host:1/dead", started))
	r.add("acme/ingress/contacts/backfill/r1", nil,
		pending("2", "acme@host:1/dead", started), pending("3", "acme@host:1/alive", started), pending("4", "acme@host:1/self", started),
		pending("5", "acme@host:1/dead", enumspb.PENDING_ACTIVITY_STATE_SCHEDULED), pending("6", "acme@host:1/dead", enumspb.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED),
		pending("7", "other@host:1/dead", started), pending("8", "acme@host:1", started))
	r.add("acme/ingress/contacts/audit", nil, pending("9", "acme@host:1/dead", started))
	r.add("acme/egress", nil, pending("10", "acme@host:1/dead", started))
	r.add("acme/optout", nil, pending("11", "acme@host:1/dead", started))
	c := &config.Config{Instance: "acme"}
	c.Ingress.Tables = map[string]mapping.Table{"contacts": {}}
	require.NoError(t, newTakeOver(c, r, "", crew{}, slog.New(slog.DiscardHandler)).once(t.Context()))
	require.ElementsMatch(t, []string{
		"acme/ingress/contacts now 1", "acme/ingress/contacts/backfill/r1 now 2", "acme/ingress/contacts/audit now 9", "acme/egress now 10", "acme/optout now 11",
	}, r.ended)
}
