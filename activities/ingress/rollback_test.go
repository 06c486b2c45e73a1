package ingress_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/ingress"
	"causeway.dev/internal/ledger"
)

// A rolled-back run leaves Campaign as it was: what it created is gone, what it
// changed, adopted or deleted is back.
func TestARollbackLeavesCampaignAsItWas(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 60)
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	s.InsertProfile(map[string]any{"externalId": keys[0], "lastName": "Before", "email": "before@example.com", "blackListEmail": true})
	before := s.Profiles()
	s.Load()
	require.Equal(t, activities.Counts{Read: 60, Created: 0, Updated: 1, Deleted: 59}, s.Rollback(s.LastRun()).Counts)
	require.Equal(t, before, s.Profiles())
	require.Equal(t, "undone", s.Explain(keys[1]).State)

	// The next backfill writes it all again; a pass of changes is undone alone.
	again := s.Pass(activities.KindBackfill, activities.PhaseScan)
	require.Equal(t, activities.Counts{Read: 60, Created: 59, Updated: 1}, again.Counts)
	before = s.Profiles()
	s.Edit(keys[1], map[string]any{"lastname": "Quibblethorn", "address1_city": nil})
	s.Edit(keys[2], map[string]any{"emailaddress1": nil})
	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", keys[3]))
	added, err := s.Sandboxes.Dynamics.Insert("contacts", map[string]any{"lastname": "Brougham"})
	require.NoError(t, err)
	require.Equal(t, activities.Counts{Read: 4, Created: 1, Updated: 2, Deleted: 1}, s.Delta())
	run := s.LastRun()
	may := activitytest.Call[activities.MayRollbackResult](s, s.Ingress.MayRollback, activities.MayRollbackInput{Run: run})
	require.Equal(t, int64(1), may.Created)
	require.Equal(t, int64(3), may.Existed)
	require.Zero(t, may.Since)
	require.Positive(t, may.Bytes)
	undone := s.Rollback(run)
	require.Equal(t, activities.Counts{Read: 4, Created: 1, Updated: 2, Deleted: 1}, undone.Counts)
	require.Equal(t, before, s.Profiles())

	// The ledger knows: what changes next is written, what does not is not repeated.
	require.Zero(t, s.Delta())
	s.Edit(added, map[string]any{"jobtitle": "x"})
	require.Equal(t, activities.Counts{Read: 1, Created: 1}, s.Delta())
}

// What a later run or somebody in Campaign has changed since is left alone and reported.
func TestARollbackLeavesAloneWhatChangedSince(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 20)
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	s.Load()
	s.Runs++
	for _, key := range keys[:6] {
		s.Edit(key, map[string]any{"address1_city": "Nebelheim"})
	}
	s.Delta()
	run := s.LastRun()
	s.Edit(keys[0], map[string]any{"address1_city": "Ostwaldsruh"})
	s.Delta()
	s.EditProfile(keys[1], `{"lastName":"Somebody"}`)
	require.NoError(t, s.Sandboxes.Campaign.Delete("profile", keys[2]))
	before := s.Profiles()
	done := s.Rollback(run)
	require.Equal(t, activities.Counts{Read: 6, Updated: 3, Quarantined: 3}, done.Counts)
	after := s.Profiles()
	for _, key := range keys[:3] {
		require.Equal(t, before[key], after[key])
	}
	left := activitytest.Call[activities.QuarantineListResult](s, s.Operator.ListQuarantine, activities.QuarantineListInput{Selection: activities.Selection{Run: activities.RollbackPrefix(run) + fmt.Sprint(s.Runs)}})
	require.Len(t, left.Records, 3)
	for _, r := range left.Records {
		require.Equal(t, "ChangedSince", r.Code)
		require.Zero(t, r.NextTry, "no flow tries it again")
		require.NotContains(t, r.Message, "Somebody")
	}
	require.Zero(t, done.Quarantined, "what it leaves alone is no refused record of the flow")

	// Once more finds nothing more to do.
	require.Equal(t, activities.Counts{Read: 6, Unchanged: 3, Quarantined: 3}, s.Rollback(run).Counts)
}

// A rollback never subscribes anybody again, unless the mapping says so.
func TestARollbackKeepsOptOuts(t *testing.T) {
	t.Parallel()
	for _, clears := range []bool{false, true} {
		s := activitytest.NewWorld(t, 5)
		s.Table.ClearOptOuts = clears
		key := s.Sandboxes.Dynamics.Keys("contacts")[0]
		s.Edit(key, map[string]any{"donotbulkemail": false, "lastname": "Before"})
		s.Load()
		s.Edit(key, map[string]any{"donotbulkemail": true, "lastname": "After"})
		s.Delta()
		run := s.LastRun()
		require.Equal(t, activities.Counts{Read: 1, Updated: 1}, s.Rollback(run).Counts)
		require.Equal(t, "Before", s.Sandboxes.Campaign.Profile(key)["lastName"])
		require.Equal(t, !clears, s.Sandboxes.Campaign.Profile(key)["blackListEmail"])
		left := activitytest.Call[activities.QuarantineListResult](s, s.Operator.ListQuarantine, activities.QuarantineListInput{Selection: activities.Selection{Run: activities.RollbackPrefix(run) + fmt.Sprint(s.Runs)}})
		if clears {
			require.Empty(t, left.Records)
			continue
		}
		require.Equal(t, "OptOutKept", left.Records[0].Code)
	}
}

// An opt-out made in Campaign is no drift that a repair would put right.
func TestAnAuditLeavesOptOutsAlone(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 5)
	key := s.Sandboxes.Dynamics.Keys("contacts")[0]
	s.Edit(key, map[string]any{"donotbulkemail": false})
	s.Load()
	s.EditProfile(key, `{"blackListEmail":true,"lastName":"Somebody"}`)
	found := s.Audit("a1")
	require.Equal(t, []activities.PlanCount{{What: "lastName", Records: 1}}, found.Fields)
	s.ApplyFindings("a1")
	s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep)
	require.NotEqual(t, "Somebody", s.Sandboxes.Campaign.Profile(key)["lastName"])
	require.Equal(t, true, s.Sandboxes.Campaign.Profile(key)["blackListEmail"])
}

func TestWhatCannotBeRolledBack(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 5)
	s.Load()
	run := s.LastRun()
	require.Empty(t, activitytest.Call[activities.MayRollbackResult](s, s.Ingress.MayRollback, activities.MayRollbackInput{Run: run}).UndoneBy)
	s.Rollback(run)
	require.Equal(t, activities.RollbackPrefix(run)+fmt.Sprint(s.Runs), activitytest.Call[activities.MayRollbackResult](s, s.Ingress.MayRollback, activities.MayRollbackInput{Run: run}).UndoneBy)
	refused := func(run, sentence string) {
		t.Helper()
		_, err := s.Env.ExecuteActivity(s.Ingress.MayRollback, activities.MayRollbackInput{Run: run})
		require.ErrorContains(t, err, sentence)
	}
	refused("contacts-99", "which is not in the ledger")
	refused(activities.RollbackPrefix(run)+fmt.Sprint(s.Runs), "only runs that write what Dynamics says can be rolled back")
	s.IngressOptions.KeepBefores = time.Nanosecond
	s.Ingress = ingress.New(s.IngressOptions)
	s.Register()
	_, err := s.Ingress.MayRollback(t.Context(), activities.MayRollbackInput{Run: run})
	require.ErrorContains(t, err, "it cannot be rolled back any more")

	pruned, err := s.Ledger.PruneBefores(t.Context(), time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.Zero(t, pruned, "an initial load has none")
}

// Random backfills and changes over random prior states: Campaign is as it was
// before the run, for every record not touched since.
func TestARollbackUndoesAnyRun(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 4))
			s := activitytest.NewWorld(t, 40)
			keys := s.Sandboxes.Dynamics.Keys("contacts")
			for _, key := range keys[:10] {
				if rng.IntN(2) == 0 {
					s.InsertProfile(map[string]any{"externalId": key, "lastName": fmt.Sprint("Before ", rng.IntN(9)), "blackListEmail": rng.IntN(2) == 0})
				}
			}
			s.Load()
			change := func(n int) {
				for range n {
					key := keys[rng.IntN(len(keys))]
					switch rng.IntN(5) {
					case 0:
						s.Sandboxes.Dynamics.Delete("contacts", key)
					case 1:
						id, err := s.Sandboxes.Dynamics.Insert("contacts", map[string]any{"lastname": "New"})
						require.NoError(t, err)
						keys = append(keys, id)
					default:
						_ = s.Sandboxes.Dynamics.Update("contacts", key, map[string]any{"lastname": fmt.Sprint("Name ", rng.IntN(5)), "address1_city": []any{nil, "Nebelheim"}[rng.IntN(2)]})
					}
				}
			}
			change(10)
			s.Delta()
			change(15)
			before := s.Profiles()
			if rng.IntN(2) == 0 {
				s.Delta()
			} else {
				s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep)
			}
			run := s.LastRun()
			touched := map[string]bool{}
			for range 5 {
				key := keys[rng.IntN(len(keys))]
				if s.Sandboxes.Campaign.Profile(key) != nil {
					s.EditProfile(key, `{"lastName":"Somebody"}`)
					touched[key] = true
				}
			}
			since := s.Profiles()
			done := s.Rollback(run)
			require.Equal(t, string(ledger.RunCompleted), done.State)
			after := s.Profiles()
			for _, key := range keys {
				if touched[key] {
					require.Equal(t, since[key], after[key], key)
				} else {
					require.Equal(t, before[key], after[key], key)
				}
			}
		})
	}
}

// What a worker wrote just before it died is undone too, although the run was
// given up before anybody could tell the ledger.
func TestARollbackFindsWhatADeadWorkerWrote(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 9))
			s := activitytest.NewWorld(t, 60)
			s.Table.ClearOptOuts = true
			keys := s.Sandboxes.Dynamics.Keys("contacts")
			s.Load()
			rng.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
			for _, key := range keys[:20] {
				s.Edit(key, map[string]any{"address1_city": "Nebelheim", "donotbulkemail": true})
			}
			for i := range 20 {
				id, err := s.Sandboxes.Dynamics.Insert("contacts", map[string]any{"lastname": "New"})
				require.NoError(t, err)
				if i < 8 { // there before the integration
					s.InsertProfile(map[string]any{"externalId": id, "lastName": "Before"})
				}
			}
			before := s.Profiles()
			ref, _ := s.StageFirstPage(activities.KindBackfill, activities.PhaseScan)
			for range 1 + rng.IntN(2) {
				require.True(t, victim(s, victimOrder{DieAfter: 5 + rng.IntN(12), Lane: activities.LaneInput{RunRef: ref, Page: 1}}))
			}
			_, err := s.Env.ExecuteActivity(s.Ingress.EndRun, activities.EndRunInput{RunRef: ref, State: string(ledger.RunCancelled), Drop: true})
			require.NoError(t, err)
			require.NotEqual(t, before, s.Profiles())
			done := s.Rollback(ref.Run)
			require.Equal(t, string(ledger.RunCompleted), done.State)
			require.Positive(t, s.Unrecorded.Looked)
			require.Equal(t, before, s.Profiles())
			require.Zero(t, done.Counts.Quarantined)
			s.Rollback(ref.Run)
			require.Zero(t, s.Unrecorded.Looked, "no unrecorded write is left")

			s.Pass(activities.KindBackfill, activities.PhaseScan)
			require.Empty(t, s.Differences())
		})
	}
}
