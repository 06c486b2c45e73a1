package ingress_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/ingress"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
	"causeway.dev/internal/optout"
	"causeway.dev/sandbox/campaign"
	"causeway.dev/sandbox/stack"
)

// mergedWorld is a world with two loaded contacts of one person, and a third.
func mergedWorld(t *testing.T, edit func(*activities.Table), options ...func(*stack.Options)) (s *activitytest.World, winner, loser, other string) {
	t.Helper()
	s = activitytest.NewWorld(t, 20, options...)
	s.Table.Fields = []mapping.Field{{From: "lastname", To: "lastName"}, {From: "emailaddress1", To: "email"}}
	if edit != nil {
		edit(&s.Table)
	}
	s.Load()
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	return s, keys[0], keys[1], keys[2]
}

// The loser of a merge must not stay mailable: its profile goes where deletes are
// applied, unless a setting says otherwise.
func TestTheProfileOfAMergedContact(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		apply  bool
		merged string
		stays  bool
	}{
		"deletes are applied":                {apply: true},
		"deletes are not applied":            {stays: true},
		"kept though deletes are applied":    {apply: true, merged: mapping.KeepMerged, stays: true},
		"deleted though others are not":      {merged: mapping.DeleteMerged},
		"deleted, as the setting also says ": {apply: true, merged: mapping.DeleteMerged},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, winner, loser, _ := mergedWorld(t, func(t *activities.Table) { t.ApplyDeletes, t.Merged = c.apply, c.merged })
			require.NoError(t, s.Sandboxes.Dynamics.Merge(winner, loser))
			counts := s.Delta()
			require.Equal(t, c.stays, s.Sandboxes.Campaign.Profile(loser) != nil)
			require.NotNil(t, s.Sandboxes.Campaign.Profile(winner))
			if !c.stays {
				require.EqualValues(t, 1, counts.Deleted)
			}
			s.Edit(loser, map[string]any{"lastname": "Edited"})
			s.Delta()
			require.Equal(t, c.stays, s.Sandboxes.Campaign.Profile(loser) != nil, "a later change does not bring it back")
		})
	}
}

// A merged contact stays merged when the one that it became is deleted, and names none
// then: it has no profile, also when a later change or a load reads it.
func TestAMergedContactWhoseWinnerIsDeletedHasNoProfile(t *testing.T) {
	t.Parallel()
	s, winner, loser, _ := mergedWorld(t, nil)
	require.NoError(t, s.Sandboxes.Dynamics.Merge(winner, loser))
	s.Sandboxes.Dynamics.Delete("contacts", winner)
	s.Delta()
	require.Nil(t, s.Sandboxes.Campaign.Profile(loser))
	s.Edit(loser, map[string]any{"lastname": "Edited"})
	s.Delta()
	s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep)
	require.Nil(t, s.Sandboxes.Campaign.Profile(loser))
}

// A contact that was merged before the first load gets no profile; one that was merged
// between two loads loses it.
func TestALoadKnowsMergedContacts(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 20)
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	require.NoError(t, s.Sandboxes.Dynamics.Merge(keys[0], keys[1]))
	s.Load()
	require.Nil(t, s.Sandboxes.Campaign.Profile(keys[1]))
	require.NotNil(t, s.Sandboxes.Campaign.Profile(keys[0]))
	require.NoError(t, s.Sandboxes.Dynamics.Merge(keys[0], keys[2]))
	s.Pass(activities.KindBackfill, activities.PhaseScan)
	s.Delta() // deletes of a run of several pages wait until all are counted
	require.Nil(t, s.Sandboxes.Campaign.Profile(keys[2]))
}

// Profiles of merged contacts count for the delete guard.
func TestManyMergesWaitForApproval(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 20)
	s.IngressOptions.DeleteMin, s.IngressOptions.DeleteRatio = 2, 0.01
	s.Ingress = ingress.New(s.IngressOptions)
	s.Env = activitytest.NewEnv()
	s.Register()
	s.Load()
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	for _, loser := range keys[1:6] {
		require.NoError(t, s.Sandboxes.Dynamics.Merge(keys[0], loser))
	}
	out := s.Pass(activities.KindDelta, activities.PhaseDelta)
	require.Len(t, out.Approvals, 1)
	require.EqualValues(t, 5, out.Approvals[0].Deletes)
	require.NotNil(t, s.Sandboxes.Campaign.Profile(keys[1]))
}

// A person who opted out must not become mailable by a merge: before the loser's profile
// is deleted, the winner's takes its opt-outs, through any number of merges.
func TestTheWinnerTakesTheOptOutsOfTheLosersProfile(t *testing.T) {
	t.Parallel()
	s, winner, loser, other := mergedWorld(t, nil)
	s.EditProfile(loser, `{"blackListEmail":true,"blackListFax":true}`)
	require.NoError(t, s.Sandboxes.Dynamics.Merge(winner, loser))
	require.NoError(t, s.Sandboxes.Dynamics.Merge(other, winner))
	s.Delta()
	require.Nil(t, s.Sandboxes.Campaign.Profile(loser))
	require.Nil(t, s.Sandboxes.Campaign.Profile(winner))
	last := s.Sandboxes.Campaign.Profile(other)
	require.Equal(t, []any{true, true, false}, []any{last["blackListEmail"], last["blackListFax"], last["blackListPhone"]})
}

// A winner that has no profile yet gets it with the opt-outs of the loser, in one call.
func TestAWinnerWithoutAProfileIsCreatedOptedOut(t *testing.T) {
	t.Parallel()
	s, winner, loser, _ := mergedWorld(t, func(t *activities.Table) {
		t.Filter = mapping.Filter{Where: []mapping.Condition{{Column: "jobtitle", Is: "not_equals", Value: "out"}}, DeleteUnmatched: true}
	})
	s.Edit(winner, map[string]any{"jobtitle": "out"})
	s.Delta()
	require.Nil(t, s.Sandboxes.Campaign.Profile(winner))
	s.EditProfile(loser, `{"blackListEmail":true}`)
	require.NoError(t, s.Sandboxes.Dynamics.Merge(winner, loser))
	s.Delta()
	require.Nil(t, s.Sandboxes.Campaign.Profile(loser))
	before := s.EngineCalls()
	s.Edit(winner, map[string]any{"jobtitle": "in"})
	s.Delta()
	require.EqualValues(t, 1, s.EngineCalls()-before)
	require.Equal(t, true, s.Sandboxes.Campaign.Profile(winner)["blackListEmail"])
}

// R19.1: a contact that comes back is created with the opt-outs that Dynamics holds, in
// the call that creates it. The same for one whose choice only the opt-out flow knows.
func TestAProfileIsCreatedWithTheKnownOptOuts(t *testing.T) {
	t.Parallel()
	s, back, known, fresh := mergedWorld(t, func(t *activities.Table) {
		t.Filter = mapping.Filter{Where: []mapping.Condition{{Column: "statecode", Is: "equals", Value: "Active"}}, DeleteUnmatched: true}
		t.OptOuts = []optout.PairSetting{{Campaign: "denyListEmail", Dynamics: "donotbulkemail"}, {Campaign: "denyListPhone", Dynamics: "followemail", Inverted: true}}
	})
	for _, id := range []string{back, known, fresh} {
		s.Edit(id, map[string]any{"statecode": 1, "statuscode": 2, "donotbulkemail": false, "followemail": true})
	}
	s.Delta()
	require.Nil(t, s.Sandboxes.Campaign.Profile(back))
	s.Edit(back, map[string]any{"statecode": 0, "statuscode": 1, "donotbulkemail": true, "followemail": false})
	s.Edit(fresh, map[string]any{"statecode": 0, "statuscode": 1})
	require.NoError(t, s.Ledger.OweOptOuts(t.Context(), []ledger.OwedOptOut{{Contact: known, Attribute: "ccpaOptOut", Loser: fresh}}))
	s.Edit(known, map[string]any{"statecode": 0, "statuscode": 1})
	before := s.EngineCalls()
	s.Delta()
	require.EqualValues(t, 3, s.EngineCalls()-before, "an insert is one call")
	optOuts := func(id string) []any {
		p := s.Sandboxes.Campaign.Profile(id)
		return []any{p["blackListEmail"], p["blackListPhone"], p["ccpaOptOut"]}
	}
	require.Equal(t, []any{true, true, false}, optOuts(back))
	require.Equal(t, []any{false, false, true}, optOuts(known))
	require.Equal(t, []any{false, false, false}, optOuts(fresh))
}

// A contact that leaves the filter and has opted out in Campaign a moment before, which
// nothing else knows yet, stays opted out when it comes back; also where no opt-out flow
// runs. A choice that it makes there afterwards counts.
func TestWhoLeavesTheFilterStaysOptedOut(t *testing.T) {
	t.Parallel()
	for name, paired := range map[string]bool{"with the opt-out flow": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, id, known, gone := mergedWorld(t, func(t *activities.Table) {
				t.Filter = mapping.Filter{Where: []mapping.Condition{{Column: "jobtitle", Is: "not_equals", Value: "out"}}, DeleteUnmatched: true}
				if paired {
					t.OptOuts = []optout.PairSetting{{Campaign: "denyListEmail", Dynamics: "donotbulkemail"}}
				}
			})
			for _, key := range []string{id, gone} {
				s.Edit(key, map[string]any{"donotbulkemail": false})
			}
			s.Delta()
			owed := func(key string) []string {
				found, err := s.Ledger.OwedOptOuts(t.Context(), []string{key})
				require.NoError(t, err)
				return found[key]
			}
			s.EditProfile(id, `{"blackListEmail":true}`)
			s.EditProfile(gone, `{"blackListEmail":true}`)
			s.Edit(id, map[string]any{"jobtitle": "out"})
			s.Edit(known, map[string]any{"jobtitle": "out"})
			before := s.EngineCalls()
			s.Delta()
			require.EqualValues(t, 4, s.EngineCalls()-before, "a look at each, and its delete")
			require.Nil(t, s.Sandboxes.Campaign.Profile(id))
			require.Equal(t, []string{"denyListEmail"}, owed(id))
			require.Empty(t, owed(known))

			s.Sandboxes.Dynamics.Delete("contacts", gone)
			before = s.EngineCalls()
			s.Delta()
			require.EqualValues(t, 1, s.EngineCalls()-before, "who is deleted in Dynamics costs one call")
			require.Empty(t, owed(gone))

			s.Edit(id, map[string]any{"jobtitle": "in"})
			before = s.EngineCalls()
			s.Delta()
			require.EqualValues(t, 1, s.EngineCalls()-before)
			require.Equal(t, true, s.Sandboxes.Campaign.Profile(id)["blackListEmail"])
			require.Equal(t, paired, len(owed(id)) > 0, "the flow takes it over, where there is one")
			if paired {
				return
			}
			s.EditProfile(id, `{"blackListEmail":false}`)
			s.Edit(id, map[string]any{"jobtitle": "out"})
			s.Delta()
			s.Edit(id, map[string]any{"jobtitle": "in"})
			s.Delta()
			require.Equal(t, false, s.Sandboxes.Campaign.Profile(id)["blackListEmail"])
		})
	}
}

// A setting leaves erased a profile that somebody erased in Campaign, through changes,
// loads and audits, until the setting is changed.
func TestAProfileThatWasErasedInCampaign(t *testing.T) {
	t.Parallel()
	s, erased, _, _ := mergedWorld(t, func(t *activities.Table) { t.Erased = mapping.LeaveErased })
	require.NoError(t, s.Sandboxes.Campaign.Delete("profile", erased))
	s.Edit(erased, map[string]any{"lastname": "Again"})
	require.EqualValues(t, 1, s.Delta().Filtered)
	require.Nil(t, s.Sandboxes.Campaign.Profile(erased))
	before := s.EngineCalls()
	s.Edit(erased, map[string]any{"lastname": "Once more"})
	require.EqualValues(t, 1, s.Delta().Filtered)
	require.EqualValues(t, 0, s.EngineCalls()-before, "it is known")
	s.Pass(activities.KindBackfill, activities.PhaseScan)
	require.Nil(t, s.Sandboxes.Campaign.Profile(erased))
	s.Edit(erased, map[string]any{"statecode": 1, "statuscode": 2})
	s.Delta()
	require.Nil(t, s.Sandboxes.Campaign.Profile(erased))

	s.Table.Erased = mapping.RestoreErased
	s.Preflight()
	s.Edit(erased, map[string]any{"lastname": "Back"})
	require.EqualValues(t, 1, s.Delta().Created)
	require.NotNil(t, s.Sandboxes.Campaign.Profile(erased))
}

// Whoever deletes a profile in Campaign may carry out somebody's wish to be erased. So a
// mapping that says nothing leaves it deleted: no change, repair or load brings it back. It
// is told. A backfill, which an operator asks for, brings it back; so does the setting.
func TestAProfileThatWasErasedStaysSoByDefault(t *testing.T) {
	t.Parallel()
	s, erased, seen, never := mergedWorld(t, func(t *activities.Table) {
		t.Filter = mapping.Filter{Where: []mapping.Condition{{Column: "jobtitle", Is: "not_equals", Value: "out"}}, DeleteUnmatched: true}
	})
	require.Nil(t, s.Preflight().Erased)
	require.NoError(t, s.Sandboxes.Campaign.Delete("profile", erased))
	s.Edit(erased, map[string]any{"lastname": "Again"})
	out := s.Pass(activities.KindDelta, activities.PhaseDelta)
	require.EqualValues(t, 1, out.Counts.Filtered)
	require.Nil(t, s.Sandboxes.Campaign.Profile(erased))
	require.Equal(t, &activities.Erased{Count: 1}, out.Erased)
	require.Equal(t, out.Erased, s.Preflight().Erased)
	require.Contains(t, s.Explain(erased).Meaning, "it stays deleted")

	// One that left the filter was deleted by us, and comes back as ever.
	s.Edit(never, map[string]any{"jobtitle": "out"})
	s.Delta()
	s.Edit(never, map[string]any{"jobtitle": "in"})
	require.EqualValues(t, 1, s.Delta().Created)

	require.NoError(t, s.Sandboxes.Campaign.Delete("profile", seen))
	require.Contains(t, s.Explain(seen).Live.Why, "it stays deleted")
	found := s.Audit("a1")
	require.EqualValues(t, 2, found.Erased)
	require.Zero(t, found.Drifted())
	s.ApplyFindings("a1")
	s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep)
	require.Nil(t, s.Sandboxes.Campaign.Profile(erased))
	require.Nil(t, s.Sandboxes.Campaign.Profile(seen))
	found = s.Audit("a2")
	require.EqualValues(t, 2, found.Erased, "each counts once")
	require.Zero(t, found.Missing)

	s.Pass(activities.KindBackfill, activities.PhaseScan)
	require.NotNil(t, s.Sandboxes.Campaign.Profile(erased))
	require.NotNil(t, s.Sandboxes.Campaign.Profile(seen))
	require.Nil(t, s.Preflight().Erased)
}

// What came back is told, after the run and at the next start.
func TestAnErasedProfileThatComesBackIsTold(t *testing.T) {
	t.Parallel()
	s, erased, other, _ := mergedWorld(t, func(t *activities.Table) { t.Erased = mapping.RestoreErased })
	s.Edit(other, map[string]any{"lastname": "Else"})
	require.Nil(t, s.Pass(activities.KindDelta, activities.PhaseDelta).Returned)
	require.NoError(t, s.Sandboxes.Campaign.Delete("profile", erased))
	s.Edit(erased, map[string]any{"lastname": "Again"})
	out := s.Pass(activities.KindDelta, activities.PhaseDelta)
	require.EqualValues(t, 1, out.Counts.Created)
	want := &activities.Returned{Count: 1, Last: erased}
	require.Equal(t, want, out.Returned)
	require.Equal(t, want, s.Preflight().Returned)
	_, err := s.Ledger.PruneReturned(t.Context(), time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.Nil(t, s.Preflight().Returned)
}

// Whoever asks about a merged contact, or plans a run, is told into which one it was
// merged.
func TestAMergedContactIsExplained(t *testing.T) {
	t.Parallel()
	s, winner, loser, _ := mergedWorld(t, nil)
	require.NoError(t, s.Sandboxes.Dynamics.Merge(winner, loser))
	why := "Dynamics merged it into " + winner
	before := s.Explain(loser)
	require.Equal(t, "delete", before.Live.Decision)
	require.Equal(t, why, before.Live.Why)
	plan := activitytest.Call[activities.PlanResult](s, s.Ingress.Plan, activities.PlanInput{Table: s.Table})
	require.Contains(t, plan.Examples, activities.PlanExample{ID: loser, Outcome: "deleted", Why: why})
	s.Delta()
	after := s.Explain(loser)
	require.Contains(t, after.Meaning, "or Dynamics merged it into another record, and Campaign does not have it")
	require.Equal(t, "leave out", after.Live.Decision)
	require.Equal(t, why, after.Live.Why)
	plan = activitytest.Call[activities.PlanResult](s, s.Ingress.Plan, activities.PlanInput{Table: s.Table})
	require.Contains(t, plan.Examples, activities.PlanExample{ID: loser, Outcome: "filtered", Why: why})
}

// A rollback that brings a deleted profile back brings it with the opt-outs that are known
// of its contact, also those that came after the delete.
func TestARollbackBringsAProfileBackWithItsOptOuts(t *testing.T) {
	t.Parallel()
	s, gone, other, _ := mergedWorld(t, func(t *activities.Table) {
		t.Filter = mapping.Filter{Where: []mapping.Condition{{Column: "statecode", Is: "equals", Value: "Active"}}, DeleteUnmatched: true}
	})
	s.EditProfile(gone, `{"blackListEmail":false,"ccpaOptOut":false}`)
	s.Edit(gone, map[string]any{"statecode": 1, "statuscode": 2})
	s.Delta()
	deletes := s.LastRun()
	require.Nil(t, s.Sandboxes.Campaign.Profile(gone))
	require.NoError(t, s.Ledger.OweOptOuts(t.Context(), []ledger.OwedOptOut{{Contact: gone, Attribute: "ccpaOptOut", Loser: other}}))
	require.Equal(t, "COMPLETED", s.Rollback(deletes).State)
	back := s.Sandboxes.Campaign.Profile(gone)
	require.NotNil(t, back)
	require.Equal(t, []any{false, true}, []any{back["blackListEmail"], back["ccpaOptOut"]})
	s.Sandboxes.Campaign.EachWrites("profile", func(key string, n campaign.WriteCounts) {
		if key == gone {
			require.EqualValues(t, 2, n.Inserts)
			require.Zero(t, n.Updates, "in the call that creates it")
		}
	})
}
