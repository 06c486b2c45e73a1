package host

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/uber-go/tally/v4"
	commonpb "go.temporal.io/api/common/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"causeway.dev/workflows"
)

// listed plays Temporal's list of flows, with one flow a page.
type listed struct {
	ids, states []string
	err         error
}

func (l *listed) ListWorkflow(_ context.Context, in *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	if l.err != nil || len(l.ids) == 0 {
		return &workflowservice.ListWorkflowExecutionsResponse{}, l.err
	}
	n := len(in.NextPageToken)
	state, err := converter.GetDefaultDataConverter().ToPayload(l.states[n])
	if err != nil {
		return nil, err
	}
	out := &workflowservice.ListWorkflowExecutionsResponse{Executions: []*workflowpb.WorkflowExecutionInfo{{
		Execution:        &commonpb.WorkflowExecution{WorkflowId: l.ids[n]},
		SearchAttributes: &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{workflows.AttrState.GetName(): state}},
	}}}
	if n+1 < len(l.ids) {
		out.NextPageToken = make([]byte, n+1)
	}
	return out, nil
}

// named are the gauges of a name, by flow.
func named(s tally.TestScope, name string) map[string]float64 {
	out := map[string]float64{}
	for _, g := range s.Snapshot().Gauges() {
		if g.Name() == name {
			out[g.Tags()["flow"]] = g.Value()
		}
	}
	return out
}

// R8: the gauge shows a FAILED flow until it runs again or no longer exists.
func TestFailedFlowsAreShown(t *testing.T) {
	t.Parallel()
	scope := tally.NewTestScope("", nil)
	g := newFlowGauges(scope, "acme")
	temporal := &listed{
		ids:    []string{"acme/ingress/contacts", "acme/egress", "acme/optout", "other/egress"},
		states: []string{"FAILED", "RUNNING", "FAILED", "FAILED"},
	}
	require.NoError(t, g.refresh(t.Context(), temporal))
	require.Equal(t, map[string]float64{"contacts": 1, "egress": 0, "optout": 1}, named(scope, "flow_failed"), "of this instance")
	require.Equal(t, map[string]float64{"contacts": 0, "egress": 1, "optout": 0}, named(scope, "flow_running"))

	temporal.states[0] = "RUNNING"
	temporal.err = errors.New("down")
	require.Error(t, g.refresh(t.Context(), temporal))
	require.Equal(t, 1.0, named(scope, "flow_failed")["contacts"], "nothing new is known")
	temporal.err = nil
	require.NoError(t, g.refresh(t.Context(), temporal))
	require.Equal(t, map[string]float64{"contacts": 0, "egress": 0, "optout": 1}, named(scope, "flow_failed"))
	temporal.ids = nil
	require.NoError(t, g.refresh(t.Context(), temporal))
	require.Equal(t, map[string]float64{"contacts": 0, "egress": 0, "optout": 0}, named(scope, "flow_failed"), "a flow that is gone")
}
