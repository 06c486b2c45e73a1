package ingress_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/sandbox/kit"
)

// A token service that asks to wait is waited for: nobody asks it again meanwhile, no
// lane spins, and what waits for a token uses nothing of the hour's engine calls.
func TestAThrottledTokenServiceIsWaitedFor(t *testing.T) {
	t.Parallel()
	base := activitytest.NewWorld(t, 300)
	base.Load()
	s, b := base.WithBudget(600, activitytest.NewBudgetClock())
	s.Runs = base.Runs
	for _, key := range s.Sandboxes.Dynamics.Keys("contacts") {
		s.Edit(key, map[string]any{"address1_city": "Nebelheim"})
	}
	s.Sandboxes.IMS.ExpireAll()
	const wait = 3 * time.Second
	_, err := s.Sandboxes.Faults.Add(kit.Rule{Service: "ims", Action: kit.Respond, Status: 429, Times: 1, Headers: map[string]string{"Retry-After": "3"}})
	require.NoError(t, err)
	_, err = s.Sandboxes.Faults.Add(kit.Rule{Service: "ims", Action: kit.Delay}) // counts the rest
	require.NoError(t, err)

	var told atomic.Pointer[activities.Wait]
	s.Env.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) {
		var beat activities.LaneBeat
		if details.Get(&beat) == nil && beat.Waits != nil {
			told.Store(beat.Waits)
		}
	})
	before, began := s.EngineCalls(), time.Now()
	require.Equal(t, activities.Counts{Read: 300, Updated: 300}, s.Delta())
	require.GreaterOrEqual(t, time.Since(began), wait)
	require.EqualValues(t, 300, s.EngineCalls()-before)
	require.NotNil(t, told.Load(), "whoever looks sees why nothing moves")
	require.Equal(t, "ims", told.Load().For)
	require.GreaterOrEqual(t, told.Load().Until.Sub(began), time.Second)
	requests := 0
	for _, rule := range s.Sandboxes.Faults.List() {
		requests += rule.Hits
	}
	require.LessOrEqual(t, requests, 2, "requests for a token")
	waits := int64(0)
	for _, c := range s.Scope.Snapshot().Counters() {
		if c.Name() == "causeway.ingress.throttle_waits" {
			waits += c.Value()
		}
	}
	require.Positive(t, waits)
	require.LessOrEqual(t, waits, int64(2*s.IngressOptions.Concurrency*s.IngressOptions.Lanes), "each writer of each lane waits about once")
	require.NoError(t, b.Close(t.Context()))
	require.EqualValues(t, 300, s.CountedCalls(), "our meter and Campaign's agree")
}
