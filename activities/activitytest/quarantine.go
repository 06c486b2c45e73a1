package activitytest

import (
	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
)

// Release tries quarantined records again, as the workflow does.
func (s *World) Release(r activities.Release) activities.Counts {
	s.T.Helper()
	s.trying = &r
	defer func() { s.trying = nil }()
	out := s.Pass(activities.KindRelease, activities.PhaseQuarantined)
	require.Equal(s.T, "COMPLETED", out.State)
	return out.Counts
}

func (s *World) Quarantine(in activities.QuarantineListInput) activities.QuarantineListResult {
	s.T.Helper()
	return Call[activities.QuarantineListResult](s, s.Op.ListQuarantine, in)
}

// TornRelease is a release that is stopped after some of its lanes, with other
// work between what it read and what it writes.
func (s *World) TornRelease(lanes int, between func()) {
	s.T.Helper()
	s.Runs++
	ref := activities.RunRef{Run: s.LastRun(), Table: s.Table.Name, Revision: s.Table.Revision(), Kind: activities.KindRelease}
	all := &activities.Release{}
	Call[activities.OpenRunResult](s, s.In.OpenRun, activities.OpenRunInput{RunRef: ref, Release: all})
	page := Call[activities.FetchResult](s, s.In.FetchPage, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseQuarantined, Lanes: 4, Release: all})
	between()
	for lane, size := range page.Lanes {
		if size > 0 && lane < lanes {
			Call[activities.LaneResult](s, s.In.WriteLane, activities.LaneInput{RunRef: ref, Page: 1, Lane: lane})
		}
	}
	_, err := s.Env.ExecuteActivity(s.In.EndRun, activities.EndRunInput{RunRef: ref, State: "STOPPED", Drop: true})
	require.NoError(s.T, err)
}

func (s *World) Show(id string, to []byte) activities.ShowQuarantinedResult {
	s.T.Helper()
	return Call[activities.ShowQuarantinedResult](s, s.In.ShowQuarantined, activities.ShowQuarantinedInput{Table: s.Table.Name, ID: id, RevealTo: to, By: "ada"})
}
