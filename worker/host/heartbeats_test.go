package host

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
)

// An activity that waits for a long call of the ledger, and gives no sign of life itself,
// is not taken for dead.
func TestActivitiesGiveSignsOfLifeWhateverTheyWaitFor(t *testing.T) {
	t.Parallel()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{&heartbeats{}}})
	beaten := make(chan struct{}, 100)
	env.SetOnActivityHeartbeatListener(func(*activity.Info, converter.EncodedValues) { beaten <- struct{}{} })
	waits := func(ctx context.Context) error {
		select {
		case <-beaten:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	env.RegisterActivityWithOptions(waits, activity.RegisterOptions{Name: "waits"})
	_, err := env.ExecuteActivity("waits")
	require.NoError(t, err)
}

// beats takes heartbeats in Temporal's place.
type beats struct {
	interceptor.ActivityOutboundInterceptorBase
	sent chan []any
}

func (b *beats) RecordHeartbeat(_ context.Context, details ...any) { b.sent <- details }

// What an activity had said is not lost by the signs of life that follow.
func TestASignOfLifeRepeatsWhatTheActivitySaid(t *testing.T) {
	t.Parallel()
	next := &beats{sent: make(chan []any, 100)}
	last := &lastBeat{ActivityOutboundInterceptorBase: interceptor.ActivityOutboundInterceptorBase{Next: next}}
	last.RecordHeartbeat(t.Context(), 7)
	require.Equal(t, []any{7}, <-next.sent)
	done := make(chan struct{})
	go last.repeat(t.Context(), done)
	require.Equal(t, []any{7}, <-next.sent)
	close(done)
}
