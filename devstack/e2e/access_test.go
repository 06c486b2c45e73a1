package e2e

import (
	"context"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"causeway.dev/activities"
	"causeway.dev/internal/access/accesstest"
	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

// signIn configures access with an issuer of the test.
func (w *world) signIn(issuer *accesstest.Issuer, fourEyes string, more ...string) {
	w.t.Helper()
	ca := filepath.Join(w.dir, "issuer.pem")
	require.NoError(w.t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issuer.Certificate()}), 0o600))
	text, err := os.ReadFile(w.cfgPath)
	require.NoError(w.t, err)
	section := fmt.Sprintf("access:\n  issuer: %s\n  client_id: %s\n  ca_file: issuer.pem\n  groups: {viewer: [v], support: [s], operator: [o], admin: [a]}\n  four_eyes: [%s]\n",
		issuer.URL(), accesstest.Audience, fourEyes)
	for _, line := range more {
		section += "  " + line + "\n"
	}
	require.NoError(w.t, os.WriteFile(w.cfgPath, append(text, section...), 0o600))
	w.load()
}

// as is the instance as somebody with this token asks it.
func (w *world) as(token string) *operator.Instance {
	w.t.Helper()
	temporal, err := operator.Connect(w.t.Context(), operator.Address{HostPort: w.address, Namespace: "default", By: "test", File: w.cfg.Temporal})
	require.NoError(w.t, err)
	i := operator.New(w.cfg, temporal, operator.Options{
		File: "causeway.yaml", By: "account", Token: func(context.Context) (string, error) { return token, nil },
	})
	w.t.Cleanup(i.Close)
	return i
}

// One operation of each kind, by people with and without the role: an update that begins a
// flow, updates, questions with and without values, an audit. The log says who was verified.
// Somebody who reaches Temporal and has no permit gets nothing done.
func TestPeopleDoWhatTheirRolesAllow(t *testing.T) {
	t.Parallel()
	for name, dynamic := range map[string]map[string]any{"standalone activities": nil, "questions as workflows": {"activity.enableStandalone": false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			issuer := accesstest.New(t)
			w := newWorld(t, worldOptions{contacts: 20, dynamic: dynamic})
			w.signIn(issuer, "rollback")
			w.startWorker()
			token := func(subject, group string) string {
				return issuer.Token(subject, strings.ToUpper(subject[:1])+subject[1:], []string{group}, nil)
			}
			ctx := t.Context()
			viewer, support, ada, bob := w.as(token("vera", "v")), w.as(token("sam", "s")), w.as(token("ada", "o")), w.as(token("bob", "o"))

			for who, i := range map[string]*operator.Instance{"viewer": viewer, "support": support} {
				_, err := i.Start(ctx, "contacts")
				require.ErrorContains(t, err, `"start" needs the role operator`, who)
				require.Equal(t, operator.BadInput, operator.KindOf(err), who)
			}
			for want, bad := range map[string]string{
				"sign in again":         issuer.Token("ada", "Ada", []string{"o"}, func(c map[string]any) { c["exp"] = time.Now().Add(-time.Hour).Unix() }),
				"or was changed":        issuer.Forged("ada", "Ada", []string{"o"}),
				"made for causeway-cli": issuer.Token("ada", "Ada", []string{"o"}, func(c map[string]any) { c["aud"] = "another-instance" }),
				"is not one that":       accesstest.New(t).Token("ada", "Ada", []string{"o"}, nil),
				"you are not signed in": "",
				"none of your groups":   token("eve", "other"),
				"too many groups":       issuer.Token("ada", "Ada", nil, func(c map[string]any) { delete(c, "groups"); c["hasgroups"] = true }),
			} {
				_, err := w.as(bad).Start(ctx, "contacts")
				require.ErrorContains(t, err, want)
			}
			_, err := w.client.DescribeWorkflowExecution(ctx, w.flowID(), "")
			require.Error(t, err, "nothing was begun")

			st, err := ada.Start(ctx, "contacts")
			require.NoError(t, err, w.tail())
			require.Equal(t, "Ada <ada>", st.StartedBy)
			w.loaded()
			run := runOf(t, viewer)

			// Updates.
			_, err = viewer.Pause(ctx, "contacts", "no")
			require.ErrorContains(t, err, "needs the role operator")
			_, err = ada.Pause(ctx, "contacts", "a look")
			require.NoError(t, err)
			_, err = bob.Resume(ctx, "contacts")
			require.NoError(t, err)
			// Questions.
			id := w.ids()[0]
			_, err = viewer.Explain(ctx, "contacts", id, false)
			require.ErrorContains(t, err, "needs the role support")
			_, err = support.Explain(ctx, "contacts", id, false)
			require.NoError(t, err)
			_, err = viewer.ShowQuarantined(ctx, "contacts", id, true)
			require.ErrorContains(t, err, "needs the role support")
			_, err = viewer.ListQuarantine(ctx, activities.QuarantineListInput{Limit: 1})
			require.NoError(t, err)
			// A workflow.
			_, err = viewer.BeginAudit(ctx, "contacts", false)
			require.ErrorContains(t, err, "needs the role operator")
			begun, err := ada.BeginAudit(ctx, "contacts", false)
			require.NoError(t, err)
			require.True(t, begun)
			_, err = ada.WatchAudit(ctx, "contacts", func(int, workflows.AuditProgress) {})
			require.NoError(t, err)

			w.withoutPermits()

			// Four eyes.
			_, err = ada.Rollback(ctx, run)
			require.ErrorContains(t, err, "waits for a second person")
			_, err = ada.Rollback(ctx, run)
			require.ErrorContains(t, err, "waits for a second person", "asking twice is no second person")
			waits, err := viewer.Requests(ctx, false)
			require.NoError(t, err)
			require.Len(t, waits.Requests, 1)
			request := waits.Requests[0].ID
			require.Equal(t, "Ada <ada>", waits.Requests[0].By)
			_, err = ada.Decide(ctx, request, true)
			require.ErrorContains(t, err, "you asked for this yourself")
			_, err = support.Decide(ctx, request, true)
			require.ErrorContains(t, err, "needs the role operator")
			_, err = bob.Decide(ctx, request, true)
			require.NoError(t, err)
			_, err = bob.Rollback(ctx, run)
			require.ErrorContains(t, err, "waits for a second person", "it was confirmed for Ada")
			_, err = ada.Rollback(ctx, run)
			require.NoError(t, err)
			_, err = ada.Rollback(ctx, run)
			require.ErrorContains(t, err, "waits for a second person", "it was confirmed once")

			require.EventuallyWithT(t, func(c *assert.CollectT) {
				log, err := viewer.Log(ctx, activities.OperationsInput{Limit: 100})
				require.NoError(c, err)
				did := map[string]string{}
				for _, op := range log.Operations {
					did[op.What] += op.By + ";"
				}
				require.Equal(c, "Ada <ada>;", did["start"])
				require.Equal(c, "Ada <ada>;", did["pause"])
				require.Equal(c, "Bob <bob>;", did["resume"])
				require.Equal(c, "Ada <ada>;", did["rollback"])
				require.Equal(c, "Bob <bob>;", did["confirm"])
				require.Equal(c, "Ada <ada>;Bob <bob>;Ada <ada>;", did["ask-second"])
			}, settleWithin, 100*time.Millisecond)
			// Every token begins so. It is looked for with twelve characters, because sealed
			// permits are random text, in which three of them stand by chance now and then.
			began := token("ada", "o")[:12]
			require.True(t, strings.HasPrefix(issuer.Forged("ada", "Ada", nil), began))
			require.NotContains(t, string(w.temporalBytes()), began, "no token is in Temporal")
		})
	}
}

func runOf(t *testing.T, i *operator.Instance) string {
	t.Helper()
	r, err := i.ListRuns(t.Context(), activities.RunListInput{Limit: 10}, false, false)
	require.NoError(t, err)
	for _, run := range r.Runs {
		if run.Kind == activities.KindInitial {
			return run.Run
		}
	}
	require.Fail(t, "no initial load")
	return ""
}

// withoutPermits asks Temporal itself, as somebody can who may write to its namespace: by an
// update, a question, an audit and a rollback that no flow began.
func (w *world) withoutPermits() {
	w.t.Helper()
	ctx := w.t.Context()
	handle, err := w.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: w.flowID(), UpdateName: workflows.UpdateStop, WaitForStage: client.WorkflowUpdateStageCompleted, Args: []any{workflows.StopRequest{By: "Ada <ada>"}},
	})
	if err == nil {
		err = handle.Get(ctx, nil)
	}
	require.ErrorContains(w.t, err, "this instance asks who you are")
	for id, one := range map[string]struct {
		kind  string
		input any
	}{
		"asked-around":   {workflows.TypeAsk, workflows.AskInput{Activity: activities.ListRuns, Input: []byte(`{}`), Queue: workflows.QueueMain}},
		"audited-around": {workflows.TypeAudit, workflows.AuditInput{Instance: "acme", Table: w.cfg.Ingress.Tables["contacts"], Repair: true}},
		"undone-around":  {workflows.TypeRollback, map[string]any{}},
	} {
		run, err := w.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id, TaskQueue: workflows.QueueMain, WorkflowExecutionTimeout: settleWithin}, one.kind, one.input)
		require.NoError(w.t, err)
		within, cancel := context.WithTimeout(ctx, settleWithin)
		err = run.Get(within, nil)
		cancel()
		require.Error(w.t, err, id)
		require.Contains(w.t, err.Error(), map[bool]string{true: "was not begun by the flow", false: "this instance asks who you are"}[one.kind == workflows.TypeRollback], id)
	}
	list, err := w.client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: "default"})
	require.NoError(w.t, err)
	for _, x := range list.GetExecutions() {
		require.False(w.t, x.GetType().GetName() == workflows.TypeRollback && x.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED)
	}
}
