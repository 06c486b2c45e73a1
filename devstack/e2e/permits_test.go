package e2e

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"causeway.dev/activities"
	"causeway.dev/internal/access"
	"causeway.dev/internal/access/accesstest"
	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

// permit asks a worker for a permit as the command line does, and returns a context that
// sends it.
func (w *world) permit(temporal operator.Temporal, token, name, target string, input any) (context.Context, access.Permit) {
	w.t.Helper()
	ctx := w.t.Context()
	var key activities.AccessKeyResult
	require.NoError(w.t, temporal.Run(ctx, activities.AccessKey, activities.AccessKeyInput{}, &key))
	r := access.Request{Token: token, Instance: "acme", Name: name, Target: target, Nonce: access.NewNonce(), At: time.Now().UTC()}
	var err error
	r.Input, err = json.Marshal(input)
	require.NoError(w.t, err)
	sealed, err := access.Seal(r, key.Public)
	require.NoError(w.t, err)
	var answer activities.AskPermitResult
	require.NoError(w.t, temporal.Run(ctx, activities.AskPermit, activities.AskPermitInput{Sealed: sealed}, &answer))
	var p access.Permit
	require.NoError(w.t, json.Unmarshal(answer.Permit, &p))
	return access.WithPermit(ctx, p), p
}

// Whoever reads Temporal sees permits. None of them does anything a second time: not in the
// same history, not after the flow has continued as new, not of a question, and not after a
// reset, which applies anew what was accepted before.
func TestPermitsAreUsedOnce(t *testing.T) {
	t.Parallel()
	issuer := accesstest.New(t)
	w := newWorld(t, worldOptions{contacts: 20, dynamic: map[string]any{"limit.historyCount.suggestContinueAsNew": 60}})
	w.signIn(issuer, "forget", "request_within: 15s", "clock_skew: 0s")
	w.seal(aKey(1)) // headers are sealed too
	w.startWorker()
	token := issuer.Token("ada", "Ada", []string{"a"}, nil)
	ada := w.as(token)
	ctx := t.Context()
	_, err := ada.Start(ctx, "contacts")
	require.NoError(t, err, w.tail())
	w.loaded()
	raw, err := operator.Connect(ctx, operator.Address{HostPort: w.address, Namespace: "default", By: "test", File: w.cfg.Temporal})
	require.NoError(t, err)
	t.Cleanup(raw.Close)

	// A question.
	asks, _ := w.permit(raw, token, access.Ask(activities.ListRuns), "", activities.RunListInput{Limit: 5})
	var list activities.RunListResult
	require.NoError(t, raw.Run(asks, activities.ListRuns, activities.RunListInput{Limit: 5}, &list))
	require.ErrorContains(t, raw.Run(asks, activities.ListRuns, activities.RunListInput{Limit: 5}, &list), "was used before")

	// An update, again after the flow has continued as new.
	var st workflows.Status
	pause := workflows.PauseRequest{Reason: "a look", By: "x"}
	pauses, permit := w.permit(raw, token, access.Update(workflows.UpdatePause), w.flowID(), pause)
	require.NoError(t, raw.Update(pauses, w.flowID(), workflows.UpdatePause, pause, &st))
	run := w.currentRun()
	_, err = ada.Resume(ctx, "contacts")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := ada.SyncNow(ctx, "contacts")
		require.NoError(t, err)
		return w.currentRun() != run
	}, settleWithin, time.Millisecond)
	require.True(t, time.Now().Before(permit.Until), "the permit still counts")
	err = raw.Update(pauses, w.flowID(), workflows.UpdatePause, pause, &st)
	require.ErrorContains(t, err, "was used before")

	// A reset applies what was accepted, long after the permit has ended.
	pauses, permit = w.permit(raw, token, access.Update(workflows.UpdatePause), w.flowID(), pause)
	require.NoError(t, raw.Update(pauses, w.flowID(), workflows.UpdatePause, pause, &st))
	require.Eventually(t, func() bool { return time.Now().After(permit.Until) }, settleWithin, 100*time.Millisecond)
	run = w.currentRun()
	_, err = w.client.ResetWorkflowExecution(ctx, &workflowservice.ResetWorkflowExecutionRequest{
		Namespace: "default", WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: w.flowID(), RunId: run}, Reason: "test", RequestId: access.NewNonce(), WorkflowTaskFinishEventId: w.firstTask(run),
	})
	require.NoError(t, err)
	require.NotEqual(t, run, w.currentRun())
	w.until("the pause that was accepted before", func(st workflows.Status) bool { return st.State == workflows.StatePaused })
	err = raw.Update(pauses, w.flowID(), workflows.UpdatePause, workflows.PauseRequest{Reason: "another"}, &st)
	require.NoError(t, err, "Temporal answers what it has answered before")
}

// currentRun is the history that the flow has now.
func (w *world) currentRun() string {
	w.t.Helper()
	d, err := w.client.DescribeWorkflowExecution(w.t.Context(), w.flowID(), "")
	require.NoError(w.t, err)
	return d.GetWorkflowExecutionInfo().GetExecution().GetRunId()
}

// firstTask is the event at which the first task of a history of the flow completed.
func (w *world) firstTask(run string) int64 {
	w.t.Helper()
	events := w.client.GetWorkflowHistory(w.t.Context(), w.flowID(), run, false, 0)
	for events.HasNext() {
		e, err := events.Next()
		require.NoError(w.t, err)
		if e.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			return e.GetEventId()
		}
	}
	require.Fail(w.t, "no task was completed")
	return 0
}

// Whoever may look at a refused record gets no values for it, also not by asking a worker
// with another client than ours: the permit of a look is none of a reveal, and that of a
// reveal is for one key.
func TestThePermitOfALookRevealsNothing(t *testing.T) {
	t.Parallel()
	issuer := accesstest.New(t)
	w := newWorld(t, worldOptions{contacts: 20})
	w.signIn(issuer, "reveal")
	w.startWorker()
	ctx := t.Context()
	raw, err := operator.Connect(ctx, operator.Address{HostPort: w.address, Namespace: "default", By: "test", File: w.cfg.Temporal})
	require.NoError(t, err)
	t.Cleanup(raw.Close)

	viewer, ask := issuer.Token("vera", "Vera", []string{"v"}, nil), access.Ask(activities.ShowQuarantined)
	look := activities.ShowQuarantinedInput{Table: "contacts", ID: "00000000-0000-4000-8000-000000000001"}
	reveal := look
	reveal.RevealTo = make([]byte, 32)
	var got activities.ShowQuarantinedResult
	looks, _ := w.permit(raw, viewer, ask, "", look)
	require.ErrorContains(t, raw.Run(looks, activities.ShowQuarantined, reveal, &got), "for something else")

	// An audit without a permit does nothing: not from its middle, not when Temporal begins it again.
	in := workflows.AuditInput{Instance: "acme", Table: activities.Table{Name: "contacts"}, At: &workflows.AuditProgress{Run: "audit-x"}}
	for name, more := range map[string]client.StartWorkflowOptions{"middle": {}, "cron": {CronSchedule: "@every 1s"}, "again": {RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 2, InitialInterval: time.Millisecond}}} {
		more.ID, more.TaskQueue = "mine/"+name, workflows.QueueMain
		run, err := w.client.ExecuteWorkflow(ctx, more, workflows.TypeAudit, in)
		require.NoError(t, err)
		why, next := w.failure(more.ID, run.GetRunID())
		require.Contains(t, why, "was begun in another way", name)
		require.Equal(t, name == "cron", next != "", name)
		if next != "" {
			why, _ = w.failure(more.ID, next)
			require.Contains(t, why, "was begun in another way", "the second time")
		}
	}
}

// failure waits until a history ends, and says why it failed and which one comes next.
func (w *world) failure(id, run string) (why, next string) {
	w.t.Helper()
	event, err := w.client.GetWorkflowHistory(w.t.Context(), id, run, true, enumspb.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT).Next()
	require.NoError(w.t, err)
	if again := event.GetWorkflowExecutionContinuedAsNewEventAttributes(); again != nil {
		//lint:ignore SA1019 servers tell it nowhere else
		return again.GetFailure().GetMessage(), again.GetNewExecutionRunId()
	}
	return event.GetWorkflowExecutionFailedEventAttributes().GetFailure().GetMessage(), ""
}
