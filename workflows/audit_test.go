package workflows_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

// fakeAudit finds something in a list of three steps and four looks.
type fakeAudit struct {
	pages, looks int
	order        []string
	found        activities.AuditFindings
}

func (f *fakeAudit) OpenAudit(context.Context, activities.AuditInput) (*activities.OpenAuditResult, error) {
	f.order = append(f.order, "open")
	return &activities.OpenAuditResult{Held: 60_500}, nil
}

func (f *fakeAudit) AuditPages(context.Context, activities.AuditInput) (*activities.AuditPagesResult, error) {
	f.pages++
	f.order = append(f.order, "list")
	return &activities.AuditPagesResult{Listed: 20_000, More: f.pages < 3}, nil
}

func (f *fakeAudit) AuditMissing(_ context.Context, in activities.AuditMissingInput) (*activities.AuditMissingResult, error) {
	f.looks++
	f.order = append(f.order, "look behind "+in.After)
	return &activities.AuditMissingResult{Checked: 500, After: string(rune('a' + f.looks)), More: f.looks < 2}, nil
}

func (f *fakeAudit) Plan(_ context.Context, in activities.PlanInput) (*activities.PlanResult, error) {
	if !in.Baseline || !in.AllNew {
		return nil, errors.New("want a new baseline without look-ups in Campaign")
	}
	f.order = append(f.order, "plan")
	return &activities.PlanResult{Run: "new baseline"}, nil
}

func (f *fakeAudit) EndAudit(context.Context, activities.AuditInput) (*activities.AuditFindings, error) {
	f.order = append(f.order, "end")
	return &f.found, nil
}

func (f *fakeAudit) env() *testsuite.TestWorkflowEnvironment {
	env := newWorkflowEnv()
	for name, fn := range map[string]any{"OpenAudit": f.OpenAudit, "AuditPages": f.AuditPages, "AuditMissing": f.AuditMissing, "Plan": f.Plan, "EndAudit": f.EndAudit} {
		env.RegisterActivityWithOptions(fn, activity.RegisterOptions{Name: name})
	}
	return env
}

var auditInput = workflows.AuditInput{Instance: "acme", Table: activities.Table{Name: "contacts"}, Repair: true, By: "ada"}

func TestAnAuditAsksTheOwnerToRepair(t *testing.T) {
	t.Parallel()
	f := &fakeAudit{found: activities.AuditFindings{Changed: 1}}
	env := f.env()
	var asked workflows.Repair
	env.OnSignalExternalWorkflow(mock.Anything, "acme/ingress/contacts", "", workflows.SignalRepair, mock.Anything).
		Return(func(_, _, _, _ string, arg any) error { asked = arg.(workflows.Repair); return nil })
	env.ExecuteWorkflow(workflows.Audit, auditInput)
	var out workflows.AuditResult
	require.NoError(t, env.GetWorkflowResult(&out))
	require.True(t, out.Repair)
	require.Equal(t, workflows.Repair{Audit: out.Run, By: "ada"}, asked)
	require.Equal(t, []string{"open", "list", "list", "list", "look behind ", "look behind b", "plan", "end"}, f.order)

	f = &fakeAudit{found: activities.AuditFindings{Changed: 1}}
	env = f.env()
	env.OnSignalExternalWorkflow(mock.Anything, mock.Anything, mock.Anything, mock.Anything, mock.Anything).Return(errors.New("not found"))
	out = workflows.AuditResult{}
	env.ExecuteWorkflow(workflows.Audit, auditInput)
	require.NoError(t, env.GetWorkflowResult(&out))
	require.False(t, out.Repair)
	require.Contains(t, out.Refused, "does not run")

	f = &fakeAudit{}
	env = f.env()
	env.ExecuteWorkflow(workflows.Audit, auditInput) // a signal would panic: it is not expected
	out = workflows.AuditResult{}
	require.NoError(t, env.GetWorkflowResult(&out))
	require.False(t, out.Repair)
	require.True(t, out.InStep())
}

// Standard 4: wherever the history calls for a new one, the audit goes on.
func TestAnAuditContinuesAsNew(t *testing.T) {
	t.Parallel()
	f := &fakeAudit{found: activities.AuditFindings{Stray: 1}}
	in := auditInput
	for continued := 0; ; continued++ {
		require.Less(t, continued, 10)
		env := f.env()
		env.SetContinueAsNewSuggested(continued < 3)
		if continued > 0 { // one step each
			env.OnActivity("AuditPages", mock.Anything, mock.Anything).Return(func(ctx context.Context, in activities.AuditInput) (*activities.AuditPagesResult, error) {
				env.SetContinueAsNewSuggested(continued < 3)
				return f.AuditPages(ctx, in)
			})
			env.SetContinueAsNewSuggested(false)
		}
		env.ExecuteWorkflow(workflows.Audit, in)
		err := env.GetWorkflowError()
		var next *workflow.ContinueAsNewError
		if !errors.As(err, &next) {
			require.NoError(t, err)
			break
		}
		in = workflows.AuditInput{}
		require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(next.Input, &in))
		require.NotNil(t, in.At)
	}
	require.Equal(t, []string{"open", "list", "list", "list", "look behind ", "look behind b", "plan", "end"}, f.order)
}

// The owner corrects its ledger between two passes, then loads the table anew.
func TestTheOwnerRepairsWhatAnAuditFound(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
	o.at(time.Hour, func() { o.env.SignalWorkflow(workflows.SignalRepair, workflows.Repair{Audit: "audit-1", By: "ada"}) })
	o.at(2*time.Hour, func() {
		st := o.status()
		require.Equal(t, workflows.StateRunning, st.State)
		require.Empty(t, st.Queued(workflows.RequestRepair))
		require.Equal(t, activities.KindInitial, st.LastRun.Kind)
		o.asks(workflows.UpdateStop, o.mustAccept, workflows.StopRequest{})
	})
	o.at(3*time.Hour, func() { o.env.SignalWorkflow(workflows.SignalRepair, workflows.Repair{Audit: "audit-2"}) })
	o.at(4*time.Hour, func() {
		require.Equal(t, []string{"audit-2"}, o.status().Queued(workflows.RequestRepair), "waits until the flow is started")
	})
	o.run(5 * time.Hour)
	steps := o.f.steps()
	require.Contains(t, steps, "correct audit-1")
	require.NotContains(t, steps, "correct audit-2")
	initial := 0
	for _, s := range steps {
		if s == "open initial" {
			initial++
		}
	}
	require.Equal(t, 2, initial)
}

// An audit that fails, or is cancelled, is one of the runs that did, with its reason.
func TestAnAuditThatFailsEndsInTheLedger(t *testing.T) {
	t.Parallel()
	for state, fail := range map[string]func(*testsuite.TestWorkflowEnvironment, *fakeAudit){
		"FAILED": func(env *testsuite.TestWorkflowEnvironment, _ *fakeAudit) {
			env.OnActivity("AuditPages", mock.Anything, mock.Anything).Return(nil, temporal.NewNonRetryableApplicationError("Campaign says no", "Forbidden", nil))
		},
		"CANCELLED": func(env *testsuite.TestWorkflowEnvironment, f *fakeAudit) {
			env.RegisterDelayedCallback(env.CancelWorkflow, time.Minute)
			env.OnActivity("AuditPages", mock.Anything, mock.Anything).Return(f.AuditPages).After(time.Hour)
		},
	} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			f := &fakeAudit{}
			env := f.env()
			var ended activities.EndRunInput
			env.RegisterActivityWithOptions(func(_ context.Context, in activities.EndRunInput) error {
				ended = in
				return nil
			}, activity.RegisterOptions{Name: "EndRun"})
			fail(env, f)
			env.ExecuteWorkflow(workflows.Audit, auditInput)
			require.Error(t, env.GetWorkflowError())
			require.Equal(t, state, ended.State)
			require.Contains(t, ended.Run, "audit-contacts-")
			if state == "FAILED" {
				require.Equal(t, "Campaign says no", ended.Reason)
			}
		})
	}
}
