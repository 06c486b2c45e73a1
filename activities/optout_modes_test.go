package activities_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/optout"
)

// R19.3, R19.4: with modes disabled and dynamics_to_campaign the flow of opt-outs
// has nothing to do, and choices travel with the contacts as they are mapped there:
// to Campaign when they change, both ways round, and never back.
func TestDynamicsToCampaignTravelsWithTheContacts(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 3)
	key := s.boxes.Dynamics.Keys("contacts")[0]
	s.edit(key, map[string]any{"donotbulkemail": false})
	s.load()
	for _, out := range []bool{true, false, true} {
		s.edit(key, map[string]any{"donotbulkemail": out})
		require.Equal(t, activities.Counts{Read: 1, Updated: 1}, s.delta())
		require.Equal(t, out, s.boxes.Campaign.Profile(key)["blackListEmail"])
	}
	row := s.boxes.Dynamics.Row("contacts", key)
	s.editProfile(key, `{"blackListEmail":false}`)
	require.Zero(t, s.delta())
	require.Equal(t, row, s.boxes.Dynamics.Row("contacts", key), "a choice made in Campaign does not reach Dynamics")

	// An unmapped choice stays where it is made.
	s.edit(key, map[string]any{"donotphone": true})
	s.delta()
	require.Equal(t, false, s.boxes.Campaign.Profile(key)["blackListPhone"])
	for _, mode := range []optout.Mode{optout.Disabled, optout.DynamicsToCampaign} {
		require.NotEmpty(t, optout.Settings{Mode: mode}.Idle(), "a start is refused, with the reason")
	}
}
