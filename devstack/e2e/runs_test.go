package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"causeway.dev/activities/ingress"
	"causeway.dev/activities/operator"

	"github.com/stretchr/testify/require"
	"github.com/uber-go/tally/v4"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
	"causeway.dev/internal/histories"
	"causeway.dev/internal/ledger"
	operatorface "causeway.dev/internal/operator"
	"causeway.dev/worker/host"
	"causeway.dev/workflows"
)

// testBuild plays a worker of another build, in this process. It registers the workflows
// of register under the product's names, and the product's activities, except those in
// broken. stop ends it.
func (w *world) testBuild(register func(worker.Worker), broken map[string]any) (stop func()) {
	w.t.Helper()
	services, err := host.NewServices(w.cfg, tally.NoopScope, slog.New(slog.DiscardHandler))
	require.NoError(w.t, err)
	books, err := ledger.Open(w.t.Context(), ledger.Options{Driver: "sqlite", Path: w.cfg.Ledger.Path, Synchronous: "normal"})
	require.NoError(w.t, err)
	in := ingress.New(ingress.Options{
		Instance: w.cfg.Instance, Source: services.Dataverse, Target: services.Campaign, TargetGate: services.CampaignGate, Ledger: books, Concurrency: 8, Lanes: 4,
	})
	options := worker.Options{WorkerStopTimeout: 10 * time.Second, MaxHeartbeatThrottleInterval: time.Second, DefaultHeartbeatThrottleInterval: time.Second}
	// It takes the place of the version that there is, whose code it changes.
	deployment, err := w.versions().Describe(w.t.Context())
	require.NoError(w.t, err)
	if deployment.Current != "" {
		options.DeploymentOptions = worker.DeploymentOptions{UseVersioning: true, DefaultVersioningBehavior: workflow.VersioningBehaviorAutoUpgrade,
			Version: worker.WorkerDeploymentVersion{DeploymentName: deployment.Name, BuildID: deployment.Current}}
	}
	var started []worker.Worker
	for _, queue := range []string{workflows.QueueMain, workflows.QueueDataverse, workflows.QueueCampaign} {
		one := worker.New(w.client, queue, options)
		if queue == workflows.QueueMain {
			register(one)
		}
		in.Register(one)
		operator.New(operator.Options{Ledger: books, Ingress: in}).Register(one)
		for name, fn := range broken {
			one.RegisterActivityWithOptions(fn, activity.RegisterOptions{Name: name, DisableAlreadyRegisteredCheck: true})
		}
		require.NoError(w.t, one.Start())
		started = append(started, one)
	}
	return func() {
		for _, one := range started {
			one.Stop()
		}
		require.NoError(w.t, books.Close())
	}
}

// runs runs the command line and reads its JSON.
func runs[T any](w *world, args ...string) T {
	w.t.Helper()
	code, out, stderr := w.causeway(append(args, "-o", "json")...)
	require.Zero(w.t, code, "%v: %s\n%s", args, stderr, w.tail())
	var answer T
	require.NoError(w.t, json.Unmarshal([]byte(out), &answer), out)
	return answer
}

// history reads the history of the newest execution of a workflow.
func (w *world) history(id string) *historypb.History {
	w.t.Helper()
	var history historypb.History
	events := w.client.GetWorkflowHistory(w.t.Context(), id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(w.t, err)
		history.Events = append(history.Events, event)
	}
	return &history
}

type replayed struct {
	How, Why string
	Event    int64
	NewRunID string `json:"new_run_id"`
}

// A workflow failed because of a bug. Once the code is repaired, it is reset to the step
// that failed, and completes.
func TestAFailedWorkflowIsResetAndCompletes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{contacts: 60, pageSize: 30})
	first := w.startWorker()
	w.startFlow()
	w.loaded()
	require.Eventually(t, func() bool {
		began := runs[activities.OperationsResult](w, "log", "--what", "start").Operations
		return len(began) == 1 && began[0].By == "test" && began[0].Revision == w.cfg.Ingress.Tables["contacts"].Revision()
	}, settleWithin, 100*time.Millisecond, "the start is in the audit trail")
	first.drain()

	stop := w.testBuild(func(r worker.Worker) { workflows.Register(r) }, map[string]any{
		"AuditPages": func(context.Context, activities.AuditInput) (*activities.AuditPagesResult, error) {
			return nil, temporal.NewNonRetryableApplicationError("index out of range", "Fault", nil)
		},
	})
	audit := w.audit("contacts", false)
	ctx, cancel := context.WithTimeout(t.Context(), settleWithin)
	defer cancel()
	require.ErrorContains(t, audit.Get(ctx, nil), "index out of range")
	failed := runs[activities.RunListResult](w, "runs", "list", "--failed")
	stop()
	require.Len(t, failed.Runs, 1)
	require.Equal(t, "index out of range", failed.Runs[0].Reason)
	run := failed.Runs[0].Run

	w.startWorker()
	code, out, stderr := w.causeway("runs", "show", run)
	require.Zero(t, code, stderr)
	require.Contains(t, out, "index out of range")
	got := runs[replayed](w, "runs", "replay", run, "--yes")
	require.Equal(t, "reset", got.How)
	require.Contains(t, got.Why, "AuditPages failed")
	var result workflows.AuditResult
	require.NoError(t, w.client.GetWorkflow(ctx, audit.GetID(), got.NewRunID).Get(ctx, &result), w.tail())
	require.EqualValues(t, 60, result.Held)
	require.True(t, result.InStep())
	list := runs[activities.RunListResult](w, "runs", "list", "--kind", "audit")
	require.Equal(t, "COMPLETED", list.Runs[0].State)
	require.Eventually(t, func() bool {
		log := runs[activities.OperationsResult](w, "log", "--run", run)
		return len(log.Operations) == 1 && log.Operations[0].What == activities.OpReplay
	}, settleWithin, 100*time.Millisecond, "the replay is in the audit trail")

	// Both executions are exported, and they replay with this build.
	dir := filepath.Join(t.TempDir(), "histories")
	exported := runs[struct{ Files []struct{ File string } }](w, "runs", "export", run, "--to", dir)
	require.Len(t, exported.Files, 2)
	code, out, stderr = w.causeway("runs", "verify", dir)
	require.Zero(t, code, out+stderr)
}

// A flow was begun by another build and does not replay with this one, so it is stuck.
// verify names the place. After a reset to it the flow goes on, with the requests that
// it had received.
func TestAStuckFlowIsResetToWhereTheBuildsDiffer(t *testing.T) {
	t.Parallel()
	health := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	w := newWorld(t, worldOptions{contacts: 60, pageSize: 30, yaml: func(text string) string { return strings.Replace(text, "listen: 127.0.0.1:0", "listen: "+health, 1) }})
	other := func(r workflows.Registry) {
		r.RegisterWorkflowWithOptions(func(ctx workflow.Context, in workflows.TableSyncInput) error {
			workflow.NewTimer(ctx, time.Millisecond) // which the product does not have
			return workflows.TableSync(ctx, in)
		}, workflow.RegisterOptions{Name: workflows.TypeTableSync})
		for name, pass := range map[string]any{workflows.TypeBackfill: workflows.Backfill, workflows.TypeDeltaPass: workflows.DeltaPass} {
			r.RegisterWorkflowWithOptions(pass, workflow.RegisterOptions{Name: name})
		}
	}
	stop := w.testBuild(func(r worker.Worker) { other(r) }, nil)
	w.startFlow()
	w.loaded()
	stop()

	w.startWorker()
	// The first question that the worker takes shows it, before the owner has had anything to do.
	var code int
	var out, stderr string
	require.Eventually(t, func() bool {
		code, out, stderr = w.causeway("status", "contacts")
		return code != 3 // no worker answers: it is still starting
	}, settleWithin, 100*time.Millisecond)
	require.Equal(t, 1, code, stderr)
	require.Contains(t, out, "the workflow code of a worker is not that which began contacts")
	require.Contains(t, out, "where they differ: causeway runs verify contacts")
	w.edit(w.ids()[0], map[string]any{"address1_city": "Nebelheim"})
	require.Eventually(t, func() bool { // a query makes the code fail
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_ = w.client.SignalWorkflow(ctx, w.flowID(), "", "nudge", nil)
		d, err := w.client.DescribeWorkflowExecution(ctx, w.flowID(), "")
		return err == nil && d.GetPendingWorkflowTask().GetAttempt() > 1
	}, settleWithin, 200*time.Millisecond)
	code, out, stderr = w.causeway("status", "-o", "json")
	require.Equal(t, 1, code, stderr)
	var report operatorface.Report
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	require.NotNil(t, report.Flows[0].Stuck, out)
	require.True(t, report.Flows[0].Stuck.NonDeterministic)
	require.Greater(t, report.Flows[0].Stuck.Attempt, 1)
	var ready, metrics string
	require.Eventually(t, func() bool {
		ready, metrics = page(t, health, "/readyz"), page(t, health, "/metrics")
		return shown(metrics, "causeway_flow_stuck", 1) && shown(metrics, "causeway_flow_code_differs", 1) && strings.Contains(ready, "runs verify contacts")
	}, settleWithin, 100*time.Millisecond, "it is alarmed, and the worker is not ready: %s", ready)

	code, out, stderr = w.causeway("runs", "verify", "contacts")
	require.Equal(t, 1, code, stderr)
	require.Contains(t, out, "TimerStarted")
	history := w.history(w.flowID())
	mine, err := histories.Verify(history, "", func(r worker.WorkflowReplayer) { workflows.Register(r) })
	require.NoError(t, err)
	require.Equal(t, "TimerStarted", mine.History)
	theirs, err := histories.Verify(history, "", func(r worker.WorkflowReplayer) { other(r) })
	require.NoError(t, err)
	require.Nil(t, theirs, "the build that recorded it")

	got := runs[replayed](w, "runs", "replay", "contacts", "--yes")
	require.Equal(t, "reset", got.How)
	require.Equal(t, mine.Task, got.Event)
	w.loaded()
	w.inStep()
	require.Eventually(t, func() bool {
		return shown(page(t, health, "/metrics"), "causeway_flow_stuck", 0) && page(t, health, "/readyz") == "ready\n"
	}, settleWithin, 100*time.Millisecond, "it fits again")
}

// shown says that a metric of the flow contacts has a value.
func shown(metrics, name string, value int) bool {
	return regexp.MustCompile(fmt.Sprintf(`(?m)^%s\{[^}]*flow="contacts"[^}]*\} %d$`, name, value)).MatchString(metrics)
}

// page is what a worker says on its health endpoint.
func page(t *testing.T, address, path string) string {
	t.Helper()
	resp, err := http.Get("http://" + address + path)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(body)
}

// The code of a load fails while it runs. The load is reset, while its owner goes on
// waiting for it and takes its result.
func TestAStuckLoadIsResetBeneathItsOwner(t *testing.T) {
	t.Parallel()
	w := newWorld(t, worldOptions{contacts: 600, pageSize: 30})
	w.boxes.Campaign.SetLatency(200 * time.Millisecond)
	stop := w.testBuild(func(r worker.Worker) {
		r.RegisterWorkflowWithOptions(workflows.TableSync, workflow.RegisterOptions{Name: workflows.TypeTableSync})
		r.RegisterWorkflowWithOptions(func(ctx workflow.Context, in workflows.PassInput) (*workflows.PassResult, error) {
			workflow.NewTimer(ctx, time.Millisecond) // which the product does not have
			return workflows.Backfill(ctx, in)
		}, workflow.RegisterOptions{Name: workflows.TypeBackfill})
	}, nil)
	w.startFlow()
	st := w.until("the load to be at work", func(st workflows.Status) bool { return st.RunWorkflow != "" })
	require.Eventually(t, func() bool { // its first task is done, with what the product does not have
		d, err := w.client.DescribeWorkflowExecution(t.Context(), st.RunWorkflow, "")
		return err == nil && d.WorkflowExecutionInfo.HistoryLength > 4
	}, settleWithin, 20*time.Millisecond)
	stop()
	w.boxes.Campaign.SetLatency(0)
	w.startWorker()
	require.Eventually(t, func() bool {
		d, err := w.client.DescribeWorkflowExecution(t.Context(), st.RunWorkflow, "")
		return err == nil && d.GetPendingWorkflowTask().GetAttempt() > 1
	}, settleWithin, 200*time.Millisecond)
	got := runs[replayed](w, "runs", "replay", st.Run, "--yes")
	require.Equal(t, "reset", got.How)
	require.Contains(t, got.Why, "TimerStarted")
	done := w.loaded()
	require.Equal(t, "COMPLETED", done.LastRun.State)
	require.Equal(t, st.Run, done.LastRun.Run)
	require.EqualValues(t, 1, done.Runs)
	w.inStep()
}
