package activitytest

import (
	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
)

// ReleaseQuarantined tries quarantined records again, as the workflow does.
func (s *World) ReleaseQuarantined(r activities.Release) activities.Counts {
	s.T.Helper()
	s.releasing = &r
	defer func() { s.releasing = nil }()
	out := s.Pass(activities.KindRelease, activities.PhaseQuarantined)
	require.Equal(s.T, "COMPLETED", out.State)
	return out.Counts
}

// ListQuarantine lists refused records.
func (s *World) ListQuarantine(in activities.QuarantineListInput) activities.QuarantineListResult {
	s.T.Helper()
	return Call[activities.QuarantineListResult](s, s.Operator.ListQuarantine, in)
}

// InterruptedRelease is a release that is stopped after some of its lanes. between is
// called after it has read its records and before it writes them.
func (s *World) InterruptedRelease(lanes int, between func()) {
	s.T.Helper()
	s.Runs++
	ref := activities.RunRef{Run: s.LastRun(), Table: s.Table.Name, Revision: s.Table.Revision(), Kind: activities.KindRelease}
	all := &activities.Release{}
	Call[activities.OpenRunResult](s, s.Ingress.OpenRun, activities.OpenRunInput{RunRef: ref, Release: all})
	page := Call[activities.FetchResult](s, s.Ingress.FetchPage, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseQuarantined, Lanes: 4, Release: all})
	between()
	for lane, size := range page.Lanes {
		if size > 0 && lane < lanes {
			Call[activities.LaneResult](s, s.Ingress.WriteLane, activities.LaneInput{RunRef: ref, Page: 1, Lane: lane})
		}
	}
	_, err := s.Env.ExecuteActivity(s.Ingress.EndRun, activities.EndRunInput{RunRef: ref, State: "STOPPED", Drop: true})
	require.NoError(s.T, err)
}

// ShowQuarantined says what is known of a refused record, with values sealed to a key.
func (s *World) ShowQuarantined(id string, to []byte) activities.ShowQuarantinedResult {
	s.T.Helper()
	return Call[activities.ShowQuarantinedResult](s, s.Ingress.ShowQuarantined, activities.ShowQuarantinedInput{Table: s.Table.Name, ID: id, RevealTo: to, By: "ada"})
}
