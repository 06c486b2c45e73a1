package host

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"causeway.dev/config"
	"causeway.dev/internal/ledger"
	"causeway.dev/workflows"
)

const (
	// lookEvery is how often a worker asks the ledger which workers are gone.
	lookEvery = time.Second
	// takeFor is how long it looks for activities of workers that are gone, after it has
	// begun and after it has seen a worker go: Temporal may still give something to one.
	takeFor = 15 * time.Second
)

// takeOver has Temporal begin activities anew at once whose worker is provably gone.
// Temporal itself waits for their heartbeats to run out, and longer after each time.
//
// An activity is ended by its id, because nobody but its worker knows the attempt. In the
// moment between the look and the end the next attempt may have begun, and is then ended
// in the place of the dead one. That does no harm: the fence of the lane lets one attempt
// write, and another one follows.
type takeOver struct {
	temporal  activityEnder
	namespace string
	ledger    presences
	instance  string
	roots     []string // ids of workflows that have no parent
	logger    *slog.Logger
}

// activityEnder is what is asked of Temporal.
type activityEnder interface {
	DescribeWorkflowExecution(ctx context.Context, workflowID, runID string) (*workflowservice.DescribeWorkflowExecutionResponse, error)
	CompleteActivityByID(ctx context.Context, namespace, workflowID, runID, activityID string, result any, err error) error
}

// presences is what the ledger knows of workers.
type presences interface {
	Worker() ledger.WorkerID
	Alive(context.Context, ledger.WorkerID) (bool, error)
	Gone(context.Context) ([]ledger.WorkerID, error)
	TakeOver(context.Context, func(context.Context) error) error
}

func newTakeOver(c *config.Config, temporal activityEnder, namespace string, l presences, logger *slog.Logger) *takeOver {
	if namespace == "" {
		namespace = client.DefaultNamespace
	}
	roots := []string{workflows.EventFlow(c.Instance).WorkflowID(), workflows.OptOutFlow(c.Instance).WorkflowID(), workflows.NotifyID(c.Instance)}
	for table := range c.Ingress.Tables {
		flow := workflows.TableFlow(c.Instance, table)
		roots = append(roots, flow.WorkflowID(), flow.AuditID())
	}
	return &takeOver{temporal: temporal, namespace: namespace, ledger: l, instance: c.Instance, roots: roots, logger: logger}
}

// identityOf is what Temporal shows of a worker: its name, and after a slash its id in the
// ledger, so that others can ask whether it is gone. The name alone would not do: a
// container that starts again may have the same.
func identityOf(name string, worker ledger.WorkerID) string {
	return name + "/" + string(worker)
}

// workerOf is the worker of an identity; "" for one of another instance or program.
func workerOf(instance, identity string) ledger.WorkerID {
	name, id, ok := strings.Cut(identity, "/")
	if !ok || !strings.HasPrefix(name, instance+"@") {
		return ""
	}
	return ledger.WorkerID(id)
}

// run takes over until ctx ends.
func (t *takeOver) run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	seen, until := map[ledger.WorkerID]bool{}, time.Now().Add(takeFor)
	told := false
	for {
		gone, err := t.ledger.Gone(ctx)
		for _, id := range gone {
			if !seen[id] {
				seen[id], until = true, time.Now().Add(takeFor)
			}
		}
		if err == nil && time.Now().Before(until) {
			err = t.ledger.TakeOver(ctx, t.once)
		}
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			told = false
		case !told:
			t.logger.Warn("work of workers that are gone is not taken over now; Temporal begins it anew when their heartbeats run out", "error", err)
			told = true
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// once looks through the workflows of the instance, and ends the activities of workers
// that are gone.
func (t *takeOver) once(ctx context.Context) error {
	gone := map[ledger.WorkerID]bool{t.ledger.Worker(): false, "": false}
	todo := append([]string{}, t.roots...)
	for len(todo) > 0 {
		id := todo[0]
		todo = todo[1:]
		d, err := t.temporal.DescribeWorkflowExecution(ctx, id, "")
		if notThere(err) {
			continue
		}
		if err != nil {
			return err
		}
		for _, child := range d.PendingChildren {
			todo = append(todo, child.WorkflowId)
		}
		for _, a := range d.PendingActivities {
			// One that is to be cancelled is left to its heartbeat: it gets no other attempt.
			if a.State != enumspb.PENDING_ACTIVITY_STATE_STARTED {
				continue
			}
			worker := workerOf(t.instance, a.LastWorkerIdentity)
			if _, asked := gone[worker]; !asked {
				alive, err := t.ledger.Alive(ctx, worker)
				if err != nil {
					return err
				}
				gone[worker] = !alive
			}
			if !gone[worker] {
				continue
			}
			if err := t.end(ctx, d.WorkflowExecutionInfo, a); err != nil {
				return err
			}
		}
	}
	return nil
}

// end has Temporal begin an activity anew at once.
func (t *takeOver) end(ctx context.Context, w *workflowpb.WorkflowExecutionInfo, a *workflowpb.PendingActivityInfo) error {
	why := temporal.NewApplicationErrorWithOptions("the worker of this attempt is gone", "WorkerGone", temporal.ApplicationErrorOptions{
		NextRetryDelay: time.Millisecond, // 0 is the policy's, which grows with each attempt
		Category:       temporal.ApplicationErrorCategoryBenign,
	})
	err := t.temporal.CompleteActivityByID(ctx, t.namespace, w.Execution.WorkflowId, w.Execution.RunId, a.ActivityId, nil, why)
	if notThere(err) {
		return nil // it has ended meanwhile
	}
	if err == nil {
		t.logger.Info("an activity of a worker that is gone begins anew", "workflow", w.Execution.WorkflowId, "activity", a.ActivityType.GetName(), "attempt", a.Attempt, "worker", a.LastWorkerIdentity)
	}
	return err
}

func notThere(err error) bool {
	_, not := errors.AsType[*serviceerror.NotFound](err)
	return not
}
