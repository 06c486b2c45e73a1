package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/uber-go/tally/v4"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"causeway.dev/activities"
	"causeway.dev/internal/temporalconn"
	"causeway.dev/workflows"
)

// These are names of the SDK's metrics, which it promises to keep.
const (
	failedTasks   = "temporal_workflow_task_execution_failed"
	failureReason = "failure_reason"
	differs       = "NonDeterminismError"
)

// codeWatch knows whether the workflow code of this build fits the histories that there
// are. Temporal tells of workflows that are stuck, and the SDK's metrics whether it is this
// process that cannot replay one: other workers of a rolling update must stay ready.
type codeWatch struct {
	client.MetricsHandler // of the SDK
	own                   *ownFailures
	reason                string // the tag of counters

	mu    sync.Mutex
	stuck []string // flows, by their names on the command line
}

// ownFailures says that this process could not replay a history.
type ownFailures struct{ seen atomic.Bool }

func newCodeWatch(metrics client.MetricsHandler) *codeWatch {
	return &codeWatch{MetricsHandler: metrics, own: &ownFailures{}}
}

// WithTags passes on, and keeps why tasks of a counter failed.
func (c *codeWatch) WithTags(tags map[string]string) client.MetricsHandler {
	out := &codeWatch{MetricsHandler: c.MetricsHandler.WithTags(tags), own: c.own, reason: c.reason}
	if reason, ok := tags[failureReason]; ok {
		out.reason = reason
	}
	return out
}

// Counter passes on, and notices tasks whose history could not be replayed.
func (c *codeWatch) Counter(name string) client.MetricsCounter {
	if name == failedTasks && c.reason == differs {
		c.own.seen.Store(true)
	}
	return c.MetricsHandler.Counter(name)
}

// fits fails while a flow is stuck and this process has the wrong code.
func (c *codeWatch) fits() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.stuck) == 0 || !c.own.seen.Load() {
		return nil
	}
	return fmt.Errorf("the workflow code of this worker is not that which began %s; where they differ: causeway runs verify %s", strings.Join(c.stuck, ", "), c.stuck[0])
}

// found takes which flows are stuck now.
func (c *codeWatch) found(stuck []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stuck = stuck; len(stuck) == 0 {
		c.own.seen.Store(false)
	}
}

// describer is the part of Temporal's client that knows workflows.
type describer interface {
	workflowLister
	DescribeWorkflowExecution(ctx context.Context, workflowID, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error)
	WorkflowService() workflowservice.WorkflowServiceClient
}

// stuckGauges show flows of which the workflow code of a worker fails. They are not FAILED:
// their workflow cannot say anything.
type stuckGauges struct {
	scope               tally.Scope
	instance, namespace string
	code                *codeWatch
	known               map[string]bool
}

// standing is whether a flow stands still, and whether that is because another build began
// it.
type standing struct{ stuck, differs bool }

// refresh looks at the workflows of the instance that run: an owner for each flow, and a
// run of it.
func (g *stuckGauges) refresh(ctx context.Context, c describer) error {
	flows, unanswered := map[string]standing{}, map[string]bool{}
	for name := range g.known {
		flows[name] = standing{}
	}
	var errs []error
	err := eachRunning(ctx, c, func(id, runID string) {
		name, ours := flowOf(g.instance, id)
		if !ours {
			return
		}
		found, err := g.look(ctx, c, id, runID)
		if err != nil { // it has just ended, say
			errs, unanswered[name] = append(errs, err), true
		}
		was := flows[name]
		flows[name] = standing{stuck: was.stuck || found.stuck, differs: was.differs || found.differs}
	})
	if err != nil {
		return err
	}
	for name, is := range flows {
		if is.stuck || !unanswered[name] || !g.known[name] {
			of := g.scope.Tagged(map[string]string{"flow": name})
			of.Gauge("flow_stuck").Update(valueOf(is.stuck))
			of.Gauge("flow_code_differs").Update(valueOf(is.differs))
		}
		g.known[name] = true
	}
	maps.DeleteFunc(flows, func(_ string, is standing) bool { return !is.stuck })
	g.code.found(slices.Sorted(maps.Keys(flows)))
	return errors.Join(errs...)
}

// look says whether a workflow is stuck, and why.
func (g *stuckGauges) look(ctx context.Context, c describer, id, runID string) (standing, error) {
	described, err := c.DescribeWorkflowExecution(ctx, id, runID)
	if err != nil {
		return standing{}, err
	}
	found, err := temporalconn.FindStuck(ctx, c.WorkflowService(), g.namespace, described)
	if err != nil || found == nil {
		return standing{}, err
	}
	return standing{stuck: true, differs: found.Differs}, nil
}

func valueOf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// flowTypes are the types of the workflows that belong to a flow.
var flowTypes = []string{
	workflows.TypeTableSync, workflows.TypeEventSync, workflows.TypeOptOutSync, workflows.TypeBackfill, workflows.TypeDeltaPass, workflows.TypeRollback,
	workflows.TypeRelease, workflows.TypeEventPass, workflows.TypeOptOutPass, workflows.TypeAudit,
}

// eachRunning calls each with the workflows of our types that run.
func eachRunning(ctx context.Context, c workflowLister, each func(id, runID string)) error {
	request := &workflowservice.ListWorkflowExecutionsRequest{Query: "WorkflowType IN ('" + strings.Join(flowTypes, "', '") + "') AND ExecutionStatus = 'Running'"}
	for {
		page, err := c.ListWorkflow(ctx, request)
		if err != nil {
			return err
		}
		for _, e := range page.Executions {
			each(e.GetExecution().GetWorkflowId(), e.GetExecution().GetRunId())
		}
		if request.NextPageToken = page.NextPageToken; len(request.NextPageToken) == 0 {
			return nil
		}
	}
}

// flowOf is the flow, by its name on the command line, of the id of its owner or of one of
// its runs; false for another instance's.
func flowOf(instance, id string) (string, bool) {
	rest, ours := strings.CutPrefix(id, instance+"/")
	if !ours {
		return "", false
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(rest, activities.FlowIngress+"/"), "/")
	return name, true
}
