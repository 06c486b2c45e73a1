package optout_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/internal/optout"
)

// R19.3, R19.4: with modes disabled and dynamics_to_campaign the flow of opt-outs
// has nothing to do, and choices travel with the contacts as they are mapped there:
// to Campaign when they change, both ways round, and never back.
func TestDynamicsToCampaignTravelsWithTheContacts(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 3)
	key := s.Sandboxes.Dynamics.Keys("contacts")[0]
	s.Edit(key, map[string]any{"donotbulkemail": false})
	s.Load()
	for _, out := range []bool{true, false, true} {
		s.Edit(key, map[string]any{"donotbulkemail": out})
		require.Equal(t, activities.Counts{Read: 1, Updated: 1}, s.Delta())
		require.Equal(t, out, s.Sandboxes.Campaign.Profile(key)["blackListEmail"])
	}
	row := s.Sandboxes.Dynamics.Row("contacts", key)
	s.EditProfile(key, `{"blackListEmail":false}`)
	require.Zero(t, s.Delta())
	require.Equal(t, row, s.Sandboxes.Dynamics.Row("contacts", key), "a choice made in Campaign does not reach Dynamics")

	// An unmapped choice stays where it is made.
	s.Edit(key, map[string]any{"donotphone": true})
	s.Delta()
	require.Equal(t, false, s.Sandboxes.Campaign.Profile(key)["blackListPhone"])
	for _, mode := range []optout.Mode{optout.Disabled, optout.DynamicsToCampaign} {
		require.NotEmpty(t, optout.Settings{Mode: mode}.WhyIdle(), "a start is refused, with the reason")
	}
}
