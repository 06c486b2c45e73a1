package activitytest

import (
	"causeway.dev/activities"
)

// Plan predicts a run over the table.
func (s *World) Plan(in activities.PlanInput) activities.PlanResult {
	s.T.Helper()
	in.Table = s.Table
	return Call[activities.PlanResult](s, s.Ingress.Plan, in)
}

// DeltaUntilQuiet runs passes of changes until none finds anything.
func (s *World) DeltaUntilQuiet() {
	s.T.Helper()
	for s.Delta().Read > 0 {
	}
}
