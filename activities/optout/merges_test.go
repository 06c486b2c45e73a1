package optout_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
	rules "causeway.dev/internal/optout"
)

// modesWithMerges are the modes in which the flow runs.
var modesWithMerges = map[string]rules.Mode{"bidirectional": rules.Bidirectional, "campaign_to_dynamics": rules.CampaignToDynamics}

func (s *optOutWorld) merge(winner, loser string) {
	s.T.Helper()
	s.later()
	require.NoError(s.T, s.Sandboxes.Dynamics.Merge(winner, loser))
}

func (s *optOutWorld) check() []activities.OptOutDifference {
	s.T.Helper()
	return activitytest.Call[activities.CheckOptOutsResult](s.World, s.opt.CheckOptOuts, activities.CheckOptOutsInput{Settings: s.settings}).Different
}

// The case of two contacts with one address: the person unsubscribes with a mail that was
// sent to the loser. The winner is opted out in both systems, and the check tells until
// then.
func TestAnUnsubscriptionOfAMergedContactReachesTheWinner(t *testing.T) {
	t.Parallel()
	for name, mode := range modesWithMerges {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newOptOutWorld(t, 10, mode, rules.SourceREST)
			s.startOptOut()
			winner, loser := s.keys[0], s.keys[1]
			s.merge(winner, loser)
			s.settle()
			require.Equal(t, [2]bool{false, false}, s.both(winner))
			s.inCampaign(loser, "blackListEmail", true)
			require.Contains(t, s.check(), activities.OptOutDifference{Contact: winner, Attribute: "denyListEmail", Column: "donotbulkemail", Loser: loser})
			s.settle()
			require.Equal(t, [2]bool{true, true}, s.both(winner))
			require.Equal(t, []string{"merged true both"}, s.history(winner))
			require.Empty(t, s.check())
			require.Zero(t, s.settle(), "once")

			s.inCampaign(winner, "blackListEmail", false)
			s.settle()
			require.Equal(t, [2]bool{false, false}, s.both(winner), "the person opts in again, and the loser's old choice does not come back")
			require.Empty(t, s.check())
			s.inDynamics(loser, "lastname", "Edited")
			s.settle()
			require.Equal(t, [2]bool{false, false}, s.both(winner))
		})
	}
}

// The winner takes what was known of the loser when they were merged, of either side,
// through a chain of merges, also when the winner itself was never read.
func TestTheWinnerTakesTheUnion(t *testing.T) {
	t.Parallel()
	for name, mode := range modesWithMerges {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newOptOutWorld(t, 10, mode, rules.SourceREST)
			s.startOptOut()
			first, second, last := s.keys[0], s.keys[1], s.keys[2]
			s.inDynamics(first, "followemail", false) // inverted: opted out in Dynamics only, in one of the modes
			s.inCampaign(second, "blackListEmail", true)
			s.settle()
			s.merge(second, first)
			s.merge(last, second)
			s.settle()
			require.Equal(t, [2]bool{true, true}, s.both(last))
			require.Equal(t, true, s.Sandboxes.Campaign.Profile(last)["blackListPhone"])
			require.Equal(t, false, s.Sandboxes.Dynamics.Row("contacts", last)["followemail"])
			require.Empty(t, differencesOfMerges(s.check()))
		})
	}
}

func differencesOfMerges(all []activities.OptOutDifference) (out []activities.OptOutDifference) {
	for _, d := range all {
		if d.Loser != "" {
			out = append(out, d)
		}
	}
	return out
}

// Merges from before the first start count, too.
func TestABaselineKnowsMerges(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 10, rules.CampaignToDynamics, rules.SourceREST)
	winner, loser := s.keys[0], s.keys[1]
	s.inCampaign(loser, "blackListEmail", true)
	s.merge(winner, loser)
	s.startOptOut()
	s.settle()
	require.Equal(t, [2]bool{true, true}, s.both(winner))
}

// A winner without a profile waits for it, and is created opted out.
func TestAWinnerWaitsForItsProfile(t *testing.T) {
	t.Parallel()
	for name, mode := range modesWithMerges {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newOptOutWorld(t, 10, mode, rules.SourceREST)
			s.startOptOut()
			winner, loser := s.keys[0], s.keys[1]
			require.NoError(t, s.Sandboxes.Campaign.Delete("profile", winner))
			s.inCampaign(loser, "blackListEmail", true)
			s.settle()
			s.merge(winner, loser)
			s.settle()
			require.Equal(t, true, s.Sandboxes.Dynamics.Row("contacts", winner)["donotbulkemail"])
			s.inDynamics(winner, "lastname", "Again")
			s.Delta()
			require.Nil(t, s.Sandboxes.Campaign.Profile(loser), "deletes are applied")
			require.Equal(t, [2]bool{true, true}, s.both(winner))
			s.settle()
			require.Equal(t, [2]bool{true, true}, s.both(winner))
		})
	}
}

// A profile that somebody erased in Campaign comes back with the opt-outs that are known,
// in the call that creates it, in either mode.
func TestAnErasedProfileComesBackWithItsOptOuts(t *testing.T) {
	t.Parallel()
	for name, mode := range modesWithMerges {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newOptOutWorld(t, 10, mode, rules.SourceREST)
			s.startOptOut()
			id := s.keys[0]
			s.inCampaign(id, "blackListEmail", true)
			s.settle()
			require.NoError(t, s.Sandboxes.Campaign.Delete("profile", id))
			s.inDynamics(id, "firstname", "Again")
			s.inDynamics(id, "lastname", "Again")
			s.Delta()
			require.Equal(t, [2]bool{true, true}, s.both(id))
			s.settle()
			require.Equal(t, [2]bool{true, true}, s.both(id))
		})
	}
}

// Campaign compares keys literally, so a profile with the id in upper case is another
// profile than the one that is written. Who unsubscribed with it is opted out.
func TestAnOptOutUnderAKeyInAnotherLetterCase(t *testing.T) {
	t.Parallel()
	for name, mode := range modesWithMerges {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newOptOutWorld(t, 10, mode, rules.SourceREST)
			id := s.keys[0]
			other := strings.ToUpper(id)
			s.InsertProfile(map[string]any{"externalId": other, "lastName": "Legacy", "blackListEmail": true})
			require.Contains(t, s.check(), activities.OptOutDifference{Contact: id, Attribute: "denyListEmail", Column: "donotbulkemail", Loser: other})
			s.startOptOut()
			s.settle()
			require.Equal(t, [2]bool{true, true}, s.both(id))
			require.Empty(t, s.check())
			s.inCampaign(id, "blackListEmail", false)
			s.settle()
			require.Equal(t, [2]bool{false, false}, s.both(id), "the profile that is written has the newer choice")
			s.inCampaign(other, "blackListPhone", true)
			s.settle()
			require.Equal(t, true, s.Sandboxes.Campaign.Profile(id)["blackListPhone"])
		})
	}
}

// A contact that was merged has no profile and gets none: nothing of it waits for one.
func TestAMergedContactWaitsForNoProfile(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 5, rules.Bidirectional, rules.SourceREST)
	s.startOptOut()
	winner, loser, other := s.keys[0], s.keys[1], s.keys[2]
	waiting := func() int64 {
		n, err := s.Ledger.OptOutsWaiting(t.Context(), ledger.WaitsForProfile)
		require.NoError(t, err)
		return n
	}
	for _, id := range []string{loser, other} {
		require.NoError(t, s.Sandboxes.Campaign.Delete("profile", id))
		s.inDynamics(id, "donotbulkemail", true)
	}
	s.settle()
	require.EqualValues(t, 2, waiting())
	s.merge(winner, loser)
	s.settle()
	require.Equal(t, [2]bool{true, true}, s.both(winner))
	require.EqualValues(t, 1, waiting())
	s.inDynamics(loser, "followemail", false)
	s.settle()
	require.EqualValues(t, 1, waiting(), "nor for a choice that comes later")
	require.Equal(t, true, s.Sandboxes.Campaign.Profile(winner)["blackListPhone"])
}

// Who opts out in Campaign and leaves the filter before the flow has read it is opted out in
// Dynamics, too, and when the profile comes back.
func TestAnOptOutOutlivesItsProfile(t *testing.T) {
	t.Parallel()
	for name, mode := range modesWithMerges {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newOptOutWorld(t, 5, mode, rules.SourceREST)
			s.startOptOut()
			s.settle()
			s.Table.Filter = mapping.Filter{Where: []mapping.Condition{{Column: "jobtitle", Is: "not_equals", Value: "out"}}, DeleteUnmatched: true}
			s.Table.OptOuts = s.settings.Pairs
			s.Load()
			id := s.keys[0]
			s.inCampaign(id, "blackListEmail", true)
			s.inDynamics(id, "jobtitle", "out")
			s.Delta()
			require.Nil(t, s.Sandboxes.Campaign.Profile(id))
			s.settle()
			require.Equal(t, true, s.Sandboxes.Dynamics.Row("contacts", id)["donotbulkemail"])
			require.Equal(t, []string{"merged true dynamics"}, s.history(id))
			s.inDynamics(id, "jobtitle", "in")
			s.Delta()
			require.Equal(t, [2]bool{true, true}, s.both(id), "in the call that creates it")
			s.settle()
			require.Equal(t, [2]bool{true, true}, s.both(id))
			s.inCampaign(id, "blackListEmail", false)
			s.settle()
			require.Equal(t, [2]bool{false, false}, s.both(id), "a later choice counts")
		})
	}
}
