package host

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/uber-go/tally/v4"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/workflows"
)

// measureEvery is how often a worker looks up what its gauges show. Alerts wait
// for minutes.
const measureEvery = 30 * time.Second

// measured says which flows the configuration has.
func measured(c *config.Config) activities.Measured {
	return activities.Measured{
		Tables: slices.Sorted(maps.Keys(c.Ingress.Tables)),
		Egress: c.Egress.Settings().Enabled(), LagAlarm: c.Egress.LagAlarm, OptOut: c.OptOut.Mode.WritesDynamics(),
	}
}

// measure keeps the gauges right until ctx ends.
func (h *Host) measure(ctx context.Context, standing *activities.Standing) {
	flows := newFlowGauges(h.metrics.Scope, h.o.Config.Instance)
	tick := time.NewTicker(measureEvery)
	defer tick.Stop()
	for {
		if err := standing.Measure(ctx, measured(h.o.Config)); err != nil && ctx.Err() == nil {
			h.o.Logger.Warn("measuring from the ledger", "error", err)
		}
		if err := flows.measure(ctx, h.client); err != nil && ctx.Err() == nil {
			h.o.Logger.Warn("measuring from Temporal", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// workflowLister is the part of Temporal's client that knows which flows there are.
type workflowLister interface {
	ListWorkflow(ctx context.Context, in *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error)
}

// flowGauges show which flows are FAILED: they wait for somebody, and have no run
// that could count as failed.
type flowGauges struct {
	scope    tally.Scope
	instance string
	known    map[string]tally.Gauge // by the name that causeway status takes
}

func newFlowGauges(scope tally.Scope, instance string) *flowGauges {
	return &flowGauges{scope: scope, instance: instance, known: map[string]tally.Gauge{}}
}

// measure asks Temporal. A flow that is gone is no longer FAILED.
func (g *flowGauges) measure(ctx context.Context, c workflowLister) error {
	failed := map[string]float64{}
	for name := range g.known {
		failed[name] = 0
	}
	request := &workflowservice.ListWorkflowExecutionsRequest{Query: fmt.Sprintf("WorkflowType IN ('%s', '%s', '%s') AND ExecutionStatus = 'Running'",
		workflows.TypeTableSync, workflows.TypeEventSync, workflows.TypeOptOutSync)}
	for {
		page, err := c.ListWorkflow(ctx, request)
		if err != nil {
			return err
		}
		for _, e := range page.Executions {
			name, ours := strings.CutPrefix(e.GetExecution().GetWorkflowId(), g.instance+"/")
			if !ours {
				continue
			}
			name = strings.TrimPrefix(name, activities.FlowIngress+"/")
			var state string
			if p := e.GetSearchAttributes().GetIndexedFields()[workflows.AttrState.GetName()]; p != nil {
				if err := converter.GetDefaultDataConverter().FromPayload(p, &state); err != nil {
					return fmt.Errorf("the state of %s: %w", name, err)
				}
			}
			failed[name] = 0
			if state == string(workflows.StateFailed) {
				failed[name] = 1
			}
		}
		if request.NextPageToken = page.NextPageToken; len(request.NextPageToken) == 0 {
			break
		}
	}
	for name, value := range failed {
		gauge, ok := g.known[name]
		if !ok {
			gauge = g.scope.Tagged(map[string]string{"flow": name}).Gauge("flow_failed")
			g.known[name] = gauge
		}
		gauge.Update(value)
	}
	return nil
}
