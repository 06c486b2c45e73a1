package egress_test

import (
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uber-go/tally/v4"

	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/egress"
)

// gaugesOfAnotherWorker are what a worker shows that did nothing.
func (s *eventWorld) gaugesOfAnotherWorker() map[string]float64 {
	s.T.Helper()
	scope, o := tally.NewTestScope("", nil), s.o
	o.Metrics = scope
	require.NoError(s.T, egress.New(o).RefreshGauges(s.T.Context(), 120*time.Hour))
	return activitytest.Gauges(scope)
}
