package ingress_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/worker"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/ingress"
	"causeway.dev/sandbox/kit"
)

// Who stops a flow while requests are on their way waits for their answers. So the ledger
// knows what Campaign has, nothing is in doubt, and the next start repeats nothing.
func TestAStopWaitsForTheAnswersOfWhatWasSent(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 1)
	s.Preflight()
	calls := s.EngineCalls()
	ref, _ := s.StageFirstPage(activities.KindInitial, activities.PhaseBaseline)
	delay, err := s.Sandboxes.Faults.Add(kit.Rule{Service: "campaign", Method: "POST", Path: "/profile", Action: kit.Delay, LatencyMS: 300, Times: 1})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	hit := s.Sandboxes.Faults.Hit(delay)
	go func() {
		<-hit
		cancel()
	}()
	env := activitytest.NewEnv()
	env.SetWorkerOptions(worker.Options{BackgroundActivityContext: ctx})
	stopped := ingress.New(s.IngressOptions)
	stopped.Register(env)
	_, _ = env.ExecuteActivity(stopped.WriteLane, activities.LaneInput{RunRef: ref, Page: 1})
	require.Error(t, ctx.Err())
	require.Len(t, s.Profiles(), 1)
	doubts, err := s.Ledger.DoubtCount(t.Context(), "contacts")
	require.NoError(t, err)
	require.Zero(t, doubts)
	result := activitytest.Call[activities.LaneResult](s, s.Ingress.WriteLane, activities.LaneInput{RunRef: ref, Page: 1})
	require.Equal(t, activities.Counts{Read: 1, Created: 1}, result.Counts)
	require.Equal(t, int64(1), s.EngineCalls()-calls)
}
