package workflows

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
)

// webhook is one that answers messages as a test says, and a flow that fails from the
// beginning on.
type webhook struct {
	answers []error // of each message; then it takes all
	looks   int     // until nobody is to be told any more

	looked []activities.NotifyLookInput
	sent   []time.Time
}

func (w *webhook) run(t *testing.T) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	cause := activities.Cause{Name: "flow_failed", Flow: "contacts"}
	env.RegisterActivityWithOptions(func(_ context.Context, in activities.NotifyLookInput) (*activities.NotifyLookResult, error) {
		w.looked = append(w.looked, in)
		if len(w.looked) > w.looks {
			return &activities.NotifyLookResult{Off: true}, nil
		}
		out := &activities.NotifyLookResult{Every: time.Minute, Seen: in.Seen}
		if len(in.Seen) == 0 {
			out.Seen = []activities.SeenCause{{Cause: cause, Since: env.Now()}}
		}
		if s := out.Seen[0]; !s.Told || s.Unsure {
			out.Tell = []activities.Notice{{Cause: cause, State: activities.NoticeBegun}}
		}
		return out, nil
	}, activity.RegisterOptions{Name: activities.NotifyLook})
	env.RegisterActivityWithOptions(func(context.Context, activities.NotifySendInput) error {
		w.sent = append(w.sent, env.Now())
		if n := len(w.sent); n <= len(w.answers) {
			return w.answers[n-1]
		}
		return nil
	}, activity.RegisterOptions{Name: activities.NotifySend})
	env.ExecuteWorkflow(Notify, NotifyInput{})
	require.True(t, env.IsWorkflowCompleted())
	require.NoError(t, env.GetWorkflowError())
}

// A message that was not taken is sent again, at growing pauses, until it is taken; then
// that is remembered.
func TestNotifySendsUntilItIsTaken(t *testing.T) {
	t.Parallel()
	no := temporal.NewNonRetryableApplicationError("it answered with status 500", activities.NotSent, nil)
	w := &webhook{answers: []error{no, no, no, no, no, no}, looks: 8}
	w.run(t)
	require.Len(t, w.sent, 7)
	var pauses []time.Duration
	for i := range w.sent[1:] {
		pauses = append(pauses, w.sent[i+1].Sub(w.sent[i]).Round(time.Minute))
	}
	require.Equal(t, []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute, 15 * time.Minute}, pauses)
	last := w.looked[len(w.looked)-1].Seen[0]
	require.True(t, last.Told)
	require.False(t, last.Unsure)
	require.WithinDuration(t, w.sent[6], last.LastTold, time.Second)
}

// A message that may have arrived, because the worker died or there was no answer, counts as
// told, and as unsure.
func TestNotifyDoesNotRepeatWhatMayHaveArrived(t *testing.T) {
	t.Parallel()
	w := &webhook{answers: []error{errors.New("no answer in time")}, looks: 1}
	w.run(t)
	require.Len(t, w.sent, 1, "the activity is tried once")
	last := w.looked[1].Seen[0]
	require.True(t, last.Told)
	require.True(t, last.Unsure)
}

// What was told is not forgotten when the history becomes long.
func TestNotifyContinuesAsNewWithWhatWasTold(t *testing.T) {
	t.Parallel()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetContinueAsNewSuggested(true)
	seen := []activities.SeenCause{{Cause: activities.Cause{Name: "doctor"}, Told: true}}
	env.RegisterActivityWithOptions(func(_ context.Context, in activities.NotifyLookInput) (*activities.NotifyLookResult, error) {
		return &activities.NotifyLookResult{Seen: in.Seen}, nil
	}, activity.RegisterOptions{Name: activities.NotifyLook})
	env.ExecuteWorkflow(Notify, NotifyInput{Seen: seen})
	again, ok := errors.AsType[*workflow.ContinueAsNewError](env.GetWorkflowError())
	require.True(t, ok, "%v", env.GetWorkflowError())
	require.Equal(t, TypeNotify, again.WorkflowType.Name)
}
