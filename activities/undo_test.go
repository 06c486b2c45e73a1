package activities_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/ledger"
)

// rollback undoes a run, as the workflow does.
func (s *spine) rollback(run string) activities.SaveWatermarkResult {
	s.t.Helper()
	may := call[activities.MayRollbackResult](s, s.in.MayRollback, activities.MayRollbackInput{Run: run})
	s.runs++
	ref := activities.RunRef{Run: activities.RollbackPrefix(run) + fmt.Sprint(s.runs), Table: s.table.Name,
		Revision: may.Mapping, Kind: activities.KindRollback, Undoes: run}
	s.looked = call[activities.UnrecordedWritesResult](s, s.in.FindUnrecordedWrites, activities.UnrecordedWritesInput{RunRef: ref})
	return s.through(ref, activities.PhaseUndo)
}

// campaign is what Campaign holds of profiles, without what it stamps itself.
func (s *spine) campaign() map[string]string {
	s.t.Helper()
	out := map[string]string{}
	s.boxes.Campaign.Each("profile", func(id string, p map[string]any) bool {
		kept := map[string]any{}
		for _, name := range []string{"externalId", "firstName", "lastName", "email", "birthDate", "location", "blackListEmail", "cusText"} {
			kept[name] = p[name]
		}
		text, err := json.Marshal(kept)
		require.NoError(s.t, err)
		out[id] = string(text)
		return true
	})
	return out
}

func (s *spine) lastRun() string { return fmt.Sprintf("%s-%d", s.table.Name, s.runs) }

// A rolled-back run leaves Campaign as it was: what it created is gone, what it
// changed, adopted or deleted is back.
func TestARollbackLeavesCampaignAsItWas(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 60)
	keys := s.boxes.Dynamics.Keys("contacts")
	s.seed(map[string]any{"externalId": keys[0], "lastName": "Before", "email": "before@example.com", "blackListEmail": true})
	before := s.campaign()
	s.load()
	require.Equal(t, activities.Counts{Read: 60, Created: 0, Updated: 1, Deleted: 59}, s.rollback(s.lastRun()).Counts)
	require.Equal(t, before, s.campaign())
	require.Equal(t, "undone", s.explain(keys[1]).State)

	// The next backfill writes it all again; a pass of changes is undone alone.
	again := s.pass(activities.KindBackfill, activities.PhaseScan)
	require.Equal(t, activities.Counts{Read: 60, Created: 59, Updated: 1}, again.Counts)
	before = s.campaign()
	s.edit(keys[1], map[string]any{"lastname": "Quibblethorn", "address1_city": nil})
	s.edit(keys[2], map[string]any{"emailaddress1": nil})
	require.True(t, s.boxes.Dynamics.Delete("contacts", keys[3]))
	added, err := s.boxes.Dynamics.Insert("contacts", map[string]any{"lastname": "Brougham"})
	require.NoError(t, err)
	require.Equal(t, activities.Counts{Read: 4, Created: 1, Updated: 2, Deleted: 1}, s.delta())
	run := s.lastRun()
	may := call[activities.MayRollbackResult](s, s.in.MayRollback, activities.MayRollbackInput{Run: run})
	require.Equal(t, int64(1), may.Created)
	require.Equal(t, int64(3), may.Existed)
	require.Zero(t, may.Since)
	require.Positive(t, may.Bytes)
	undone := s.rollback(run)
	require.Equal(t, activities.Counts{Read: 4, Created: 1, Updated: 2, Deleted: 1}, undone.Counts)
	require.Equal(t, before, s.campaign())

	// The ledger knows: what changes next is written, what does not is not repeated.
	require.Zero(t, s.delta())
	s.edit(added, map[string]any{"jobtitle": "x"})
	require.Equal(t, activities.Counts{Read: 1, Created: 1}, s.delta())
}

// What a later run or somebody in Campaign has changed since is left alone and reported.
func TestARollbackLeavesAloneWhatChangedSince(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 20)
	keys := s.boxes.Dynamics.Keys("contacts")
	s.load()
	s.runs++
	for _, key := range keys[:6] {
		s.edit(key, map[string]any{"address1_city": "Nebelheim"})
	}
	s.delta()
	run := s.lastRun()
	s.edit(keys[0], map[string]any{"address1_city": "Ostwaldsruh"})
	s.delta()
	s.editProfile(keys[1], `{"lastName":"Somebody"}`)
	require.NoError(t, s.boxes.Campaign.Delete("profile", keys[2]))
	before := s.campaign()
	done := s.rollback(run)
	require.Equal(t, activities.Counts{Read: 6, Updated: 3, Quarantined: 3}, done.Counts)
	after := s.campaign()
	for _, key := range keys[:3] {
		require.Equal(t, before[key], after[key])
	}
	left := call[activities.QuarantineListResult](s, s.op.ListQuarantine, activities.QuarantineListInput{Selection: activities.Selection{Run: activities.RollbackPrefix(run) + fmt.Sprint(s.runs)}})
	require.Len(t, left.Records, 3)
	for _, r := range left.Records {
		require.Equal(t, "ChangedSince", r.Code)
		require.Zero(t, r.NextTry, "no flow tries it again")
		require.NotContains(t, r.Message, "Somebody")
	}
	require.Zero(t, done.Quarantined, "what it leaves alone is no refused record of the flow")

	// Once more finds nothing more to do.
	require.Equal(t, activities.Counts{Read: 6, Unchanged: 3, Quarantined: 3}, s.rollback(run).Counts)
}

// A rollback never subscribes anybody again, unless the mapping says so.
func TestARollbackKeepsOptOuts(t *testing.T) {
	t.Parallel()
	for _, clears := range []bool{false, true} {
		s := newSpine(t, 5)
		s.table.ClearOptOuts = clears
		key := s.boxes.Dynamics.Keys("contacts")[0]
		s.edit(key, map[string]any{"donotbulkemail": false, "lastname": "Before"})
		s.load()
		s.edit(key, map[string]any{"donotbulkemail": true, "lastname": "After"})
		s.delta()
		run := s.lastRun()
		require.Equal(t, activities.Counts{Read: 1, Updated: 1}, s.rollback(run).Counts)
		require.Equal(t, "Before", s.boxes.Campaign.Profile(key)["lastName"])
		require.Equal(t, !clears, s.boxes.Campaign.Profile(key)["blackListEmail"])
		left := call[activities.QuarantineListResult](s, s.op.ListQuarantine, activities.QuarantineListInput{Selection: activities.Selection{Run: activities.RollbackPrefix(run) + fmt.Sprint(s.runs)}})
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
	s := newSpine(t, 5)
	key := s.boxes.Dynamics.Keys("contacts")[0]
	s.edit(key, map[string]any{"donotbulkemail": false})
	s.load()
	s.editProfile(key, `{"blackListEmail":true,"lastName":"Somebody"}`)
	found := s.audit("a1")
	require.Equal(t, []activities.PlanCount{{What: "lastName", Records: 1}}, found.Fields)
	s.correct("a1")
	s.pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep)
	require.NotEqual(t, "Somebody", s.boxes.Campaign.Profile(key)["lastName"])
	require.Equal(t, true, s.boxes.Campaign.Profile(key)["blackListEmail"])
}

func TestWhatCannotBeRolledBack(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 5)
	s.load()
	run := s.lastRun()
	require.Empty(t, call[activities.MayRollbackResult](s, s.in.MayRollback, activities.MayRollbackInput{Run: run}).UndoneBy)
	s.rollback(run)
	require.Equal(t, activities.RollbackPrefix(run)+fmt.Sprint(s.runs), call[activities.MayRollbackResult](s, s.in.MayRollback, activities.MayRollbackInput{Run: run}).UndoneBy)
	refused := func(run, sentence string) {
		t.Helper()
		_, err := s.env.ExecuteActivity(s.in.MayRollback, activities.MayRollbackInput{Run: run})
		require.ErrorContains(t, err, sentence)
	}
	refused("contacts-99", "which is not in the ledger")
	refused(activities.RollbackPrefix(run)+fmt.Sprint(s.runs), "only runs that write what Dynamics says can be rolled back")
	s.opts.KeepBefores = time.Nanosecond
	s.in = activities.NewIngress(s.opts)
	s.register()
	_, err := s.in.MayRollback(t.Context(), activities.MayRollbackInput{Run: run})
	require.ErrorContains(t, err, "it cannot be rolled back any more")

	pruned, err := s.books.PruneBefores(t.Context(), time.Now().Add(time.Hour))
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
			s := newSpine(t, 40)
			keys := s.boxes.Dynamics.Keys("contacts")
			for _, key := range keys[:10] {
				if rng.IntN(2) == 0 {
					s.seed(map[string]any{"externalId": key, "lastName": fmt.Sprint("Before ", rng.IntN(9)), "blackListEmail": rng.IntN(2) == 0})
				}
			}
			s.load()
			change := func(n int) {
				for range n {
					key := keys[rng.IntN(len(keys))]
					switch rng.IntN(5) {
					case 0:
						s.boxes.Dynamics.Delete("contacts", key)
					case 1:
						id, err := s.boxes.Dynamics.Insert("contacts", map[string]any{"lastname": "New"})
						require.NoError(t, err)
						keys = append(keys, id)
					default:
						_ = s.boxes.Dynamics.Update("contacts", key, map[string]any{"lastname": fmt.Sprint("Name ", rng.IntN(5)), "address1_city": []any{nil, "Nebelheim"}[rng.IntN(2)]})
					}
				}
			}
			change(10)
			s.delta()
			change(15)
			before := s.campaign()
			if rng.IntN(2) == 0 {
				s.delta()
			} else {
				s.pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep)
			}
			run := s.lastRun()
			touched := map[string]bool{}
			for range 5 {
				key := keys[rng.IntN(len(keys))]
				if s.boxes.Campaign.Profile(key) != nil {
					s.editProfile(key, `{"lastName":"Somebody"}`)
					touched[key] = true
				}
			}
			since := s.campaign()
			done := s.rollback(run)
			require.Equal(t, string(ledger.RunCompleted), done.State)
			after := s.campaign()
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
			s := newSpine(t, 60)
			s.table.ClearOptOuts = true
			keys := s.boxes.Dynamics.Keys("contacts")
			s.load()
			rng.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
			for _, key := range keys[:20] {
				s.edit(key, map[string]any{"address1_city": "Nebelheim", "donotbulkemail": true})
			}
			for i := range 20 {
				id, err := s.boxes.Dynamics.Insert("contacts", map[string]any{"lastname": "New"})
				require.NoError(t, err)
				if i < 8 { // there before the integration
					s.seed(map[string]any{"externalId": id, "lastName": "Before"})
				}
			}
			before := s.campaign()
			ref, _ := s.staged(activities.KindBackfill, activities.PhaseScan)
			for range 1 + rng.IntN(2) {
				require.True(t, victim(s, victimOrder{DieAfter: 5 + rng.IntN(12), Lane: activities.LaneInput{RunRef: ref, Page: 1}}))
			}
			_, err := s.env.ExecuteActivity(s.in.EndRun, activities.EndRunInput{RunRef: ref, State: string(ledger.RunCancelled), Drop: true})
			require.NoError(t, err)
			require.NotEqual(t, before, s.campaign())
			done := s.rollback(ref.Run)
			require.Equal(t, string(ledger.RunCompleted), done.State)
			require.Positive(t, s.looked.Looked)
			require.Equal(t, before, s.campaign())
			require.Zero(t, done.Counts.Quarantined)
			require.Zero(t, s.rollbackAgain(ref.Run), "nothing is left to look over")

			s.pass(activities.KindBackfill, activities.PhaseScan)
			require.Empty(t, s.differences())
		})
	}
}

func (s *spine) rollbackAgain(run string) int {
	s.rollback(run)
	return s.looked.Looked
}
