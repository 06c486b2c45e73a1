package activitytest

import (
	"encoding/json"
	"fmt"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
)

// Rollback undoes a run, as the workflow does.
func (s *World) Rollback(run string) activities.SaveWatermarkResult {
	s.T.Helper()
	may := Call[activities.MayRollbackResult](s, s.Ingress.MayRollback, activities.MayRollbackInput{Run: run})
	s.Runs++
	ref := activities.RunRef{Run: activities.RollbackPrefix(run) + fmt.Sprint(s.Runs), Table: s.Table.Name,
		Revision: may.Mapping, Kind: activities.KindRollback, Undoes: run}
	s.Unrecorded = Call[activities.UnrecordedWritesResult](s, s.Ingress.FindUnrecordedWrites, activities.UnrecordedWritesInput{RunRef: ref})
	return s.RunPhases(ref, activities.PhaseUndo)
}

// Profiles is what Campaign holds of profiles, without the fields that it sets itself.
func (s *World) Profiles() map[string]string {
	s.T.Helper()
	out := map[string]string{}
	s.Sandboxes.Campaign.Each("profile", func(id string, p map[string]any) bool {
		kept := map[string]any{}
		for _, name := range []string{"externalId", "firstName", "lastName", "email", "birthDate", "location", "blackListEmail", "cusText"} {
			kept[name] = p[name]
		}
		text, err := json.Marshal(kept)
		require.NoError(s.T, err)
		out[id] = string(text)
		return true
	})
	return out
}

// LastRun is the id of the last run.
func (s *World) LastRun() string { return fmt.Sprintf("%s-%d", s.Table.Name, s.Runs) }

// LeftByRollback lists what the last rollback of a run left alone.
func (s *World) LeftByRollback(run string) []activities.QuarantinedRecord {
	s.T.Helper()
	return Call[activities.QuarantineListResult](s, s.Operator.ListQuarantine, activities.QuarantineListInput{Selection: activities.Selection{Run: activities.RollbackPrefix(run) + fmt.Sprint(s.Runs)}}).Records
}
