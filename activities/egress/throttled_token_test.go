package egress_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/sandbox/kit"
)

// A sign-in service that asks to wait is waited for: nobody asks it again meanwhile,
// and no lane spins.
func TestAThrottledSignInIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 150)
	s.generate(1000, nil)
	s.begin()
	ref := s.ref(activities.KindDelta)
	activitytest.Call[activities.OpenRunResult](s.World, s.eg.OpenEventRun, activities.OpenRunInput{RunRef: ref})
	page := activitytest.Call[activities.FetchResult](s.World, s.eg.FetchEvents, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseJournal, Lanes: 1})
	require.Equal(t, 300, page.Read)

	s.Sandboxes.Entra.ExpireAll()
	const wait = 3 * time.Second
	for _, rule := range []kit.Rule{
		{Action: kit.Respond, Status: 429, Times: 1, Headers: map[string]string{"Retry-After": "3"}},
		{Action: kit.Delay}, // counts the rest
	} {
		rule.Service, rule.Method = "entra", http.MethodPost
		_, err := s.Sandboxes.Faults.Add(rule)
		require.NoError(t, err)
	}
	began := time.Now()
	activitytest.Call[activities.LaneResult](s.World, s.eg.WriteTimeline, activities.LaneInput{RunRef: ref, Page: 1, Lane: 0})
	require.GreaterOrEqual(t, time.Since(began), wait)
	requests := 0
	for _, rule := range s.Sandboxes.Faults.List() {
		requests += rule.Hits
	}
	require.LessOrEqual(t, requests, 2, "requests for a token")
	waits := int64(0)
	for _, c := range s.Scope.Snapshot().Counters() {
		if c.Name() == "causeway.egress.throttle_waits" {
			waits += c.Value()
		}
	}
	require.LessOrEqual(t, waits, int64(2*s.o.Concurrency), "each writer waits about once")
}
