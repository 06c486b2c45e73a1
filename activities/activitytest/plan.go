package activitytest

import (
	"causeway.dev/activities"
)

func (s *World) Plan(in activities.PlanInput) activities.PlanResult {
	s.T.Helper()
	in.Table = s.Table
	return Call[activities.PlanResult](s, s.In.Plan, in)
}

// SettleDown runs passes of changes until none finds anything.
func (s *World) SettleDown() {
	s.T.Helper()
	for s.Delta().Read > 0 {
	}
}
