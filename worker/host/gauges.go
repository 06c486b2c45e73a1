package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/uber-go/tally/v4"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"causeway.dev/activities"
	"causeway.dev/activities/budget"
	"causeway.dev/activities/egress"
	"causeway.dev/activities/ingress"
	"causeway.dev/activities/optout"
	"causeway.dev/config"
	"causeway.dev/internal/buildinfo"
	"causeway.dev/workflows"
)

// refreshEvery is how often a worker refreshes its gauges. It can be slow, because alerts
// wait for minutes.
const refreshEvery = 30 * time.Second

// gaugeRefresher refreshes the gauges whose values are in the ledger or in Temporal. It
// is no activity, because each worker has gauges of its own.
type gaugeRefresher struct {
	config  *config.Config
	ingress *ingress.Activities
	egress  *egress.Activities
	optOut  *optout.Activities
	budget  *budget.Budget
	sealing *sealingGauges
	checkup *checkupGauges
	backups *backupGauges

	outbound *outboundGauges
}

// refresh brings the gauges of the configured flows up to date.
func (g *gaugeRefresher) refresh(ctx context.Context) error {
	var errs []error
	for _, table := range slices.Sorted(maps.Keys(g.config.Ingress.Tables)) {
		errs = append(errs, g.ingress.RefreshGauges(ctx, table))
	}
	if g.config.Egress.Settings().Enabled() {
		errs = append(errs, g.egress.RefreshGauges(ctx, g.config.Egress.LagAlarm))
	}
	if g.config.OptOut.Mode.WritesDynamics() {
		errs = append(errs, g.optOut.RefreshGauges(ctx))
	}
	return errors.Join(append(errs, g.budget.RefreshGauges(ctx), g.sealing.refresh(ctx), g.checkup.refresh(ctx), g.backups.refresh(ctx), g.outbound.refresh(ctx))...)
}

// refreshGauges keeps the gauges right until ctx ends.
func (h *Host) refreshGauges(ctx context.Context) {
	flows := newFlowGauges(h.metrics.Scope, h.o.Config.Instance)
	expiry := newExpiryWatch(h.o.Config, h.metrics.Scope, h.o.Logger)
	stuck := &stuckGauges{scope: h.metrics.Scope, instance: h.o.Config.Instance, namespace: h.namespace, code: h.code, known: map[string]bool{}}
	h.metrics.Scope.Tagged(map[string]string{"version": buildinfo.Current().Version}).Gauge("worker_info").Update(1)
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	for {
		expiry.refresh()
		h.watch.Refresh()
		if err := h.gauges.refresh(ctx); err != nil && ctx.Err() == nil {
			h.o.Logger.Warn("refreshing gauges from the ledger", "error", err)
		}
		if err := flows.refresh(ctx, h.client); err != nil && ctx.Err() == nil {
			h.o.Logger.Warn("refreshing gauges from Temporal", "error", err)
		} else if err == nil {
			if err := h.levels.keep(ctx, flows.running, time.Now()); err != nil && ctx.Err() == nil {
				h.o.Logger.Warn("keeping how flows stand, for charts", "error", err)
			}
		}
		if err := stuck.refresh(ctx, h.client); err != nil && ctx.Err() == nil {
			h.o.Logger.Warn("asking Temporal whether workflows are stuck", "error", err)
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

// flowGauges show which flows are FAILED, and which run. One that is FAILED waits for an
// operator, and has no run that could count as failed.
type flowGauges struct {
	scope    tally.Scope
	instance string
	known    map[string]bool // the names of flows on the command line
	running  map[string]bool // likewise, as the last look found them
}

func newFlowGauges(scope tally.Scope, instance string) *flowGauges {
	return &flowGauges{scope: scope, instance: instance, known: map[string]bool{}}
}

// refresh reads the states of the flows from Temporal. A flow that no longer exists is
// not FAILED.
func (g *flowGauges) refresh(ctx context.Context, c workflowLister) error {
	failed, running := map[string]float64{}, map[string]bool{}
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
			failed[name], running[name] = 0, state == string(workflows.StateRunning)
			if state == string(workflows.StateFailed) {
				failed[name] = 1
			}
		}
		if request.NextPageToken = page.NextPageToken; len(request.NextPageToken) == 0 {
			break
		}
	}
	for name, value := range failed {
		g.known[name] = true
		of := g.scope.Tagged(map[string]string{"flow": name})
		of.Gauge("flow_failed").Update(value)
		of.Gauge("flow_running").Update(valueOf(running[name]))
	}
	g.running = running
	return nil
}
