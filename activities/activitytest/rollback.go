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
	may := Call[activities.MayRollbackResult](s, s.In.MayRollback, activities.MayRollbackInput{Run: run})
	s.Runs++
	ref := activities.RunRef{Run: activities.RollbackPrefix(run) + fmt.Sprint(s.Runs), Table: s.Table.Name,
		Revision: may.Mapping, Kind: activities.KindRollback, Undoes: run}
	s.Looked = Call[activities.UnrecordedWritesResult](s, s.In.FindUnrecordedWrites, activities.UnrecordedWritesInput{RunRef: ref})
	return s.Through(ref, activities.PhaseUndo)
}

// Campaign is what Campaign holds of profiles, without what it stamps itself.
func (s *World) Campaign() map[string]string {
	s.T.Helper()
	out := map[string]string{}
	s.Boxes.Campaign.Each("profile", func(id string, p map[string]any) bool {
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

func (s *World) LastRun() string { return fmt.Sprintf("%s-%d", s.Table.Name, s.Runs) }

func (s *World) RollbackAgain(run string) int {
	s.Rollback(run)
	return s.Looked.Looked
}

func (s *World) Left(run string) []activities.QuarantinedRecord {
	s.T.Helper()
	return Call[activities.QuarantineListResult](s, s.Op.ListQuarantine, activities.QuarantineListInput{Selection: activities.Selection{Run: activities.RollbackPrefix(run) + fmt.Sprint(s.Runs)}}).Records
}
