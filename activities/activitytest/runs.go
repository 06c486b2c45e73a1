package activitytest

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
)

// LastRollback is the id of the last rollback of a run.
func (s *World) LastRollback(of string) string {
	return activities.RollbackPrefix(of) + s.LastRun()[len(s.Table.Name)+1:]
}

// RunToFailure runs a pass until an activity fails, and returns the failure.
func (s *World) RunToFailure(ref activities.RunRef) error {
	s.T.Helper()
	if _, err := s.Env.ExecuteActivity(s.Ingress.OpenRun, activities.OpenRunInput{RunRef: ref}); err != nil {
		return err
	}
	value, err := s.Env.ExecuteActivity(s.Ingress.FetchPage, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseDelta, Lanes: 4})
	if err != nil {
		return err
	}
	var page activities.FetchResult
	require.NoError(s.T, value.Get(&page))
	for lane, size := range page.Lanes {
		if size == 0 {
			continue
		}
		if _, err := s.Env.ExecuteActivity(s.Ingress.WriteLane, activities.LaneInput{RunRef: ref, Page: 1, Lane: lane}); err != nil {
			return err
		}
	}
	return nil
}

// FailRun closes a run as the workflow does after a failure.
func (s *World) FailRun(ref activities.RunRef) {
	s.T.Helper()
	_, err := s.Env.ExecuteActivity(s.Ingress.EndRun, activities.EndRunInput{RunRef: ref, State: "FAILED", Reason: "drift", Drop: true})
	require.NoError(s.T, err)
}

// Scan runs a backfill of a window.
func (s *World) Scan(w activities.Window) activities.Counts {
	s.T.Helper()
	s.Window = w
	defer func() { s.Window = activities.Window{} }()
	return s.Pass(activities.KindBackfill, activities.PhaseScan).Counts
}

// Ref names the next run of the table, for a test that carries it out by itself.
func (s *World) Ref(kind activities.Kind) activities.RunRef {
	s.Runs++
	return activities.RunRef{Run: fmt.Sprintf("%s-%d", s.Table.Name, s.Runs), Table: s.Table.Name, Revision: s.Table.Revision(), Kind: kind}
}
