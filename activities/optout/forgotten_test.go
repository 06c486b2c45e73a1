package optout_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	rules "causeway.dev/internal/optout"
)

// Who has opted out and was forgotten is opted out when the same contact comes back, in
// either mode. A new contact with the same address has chosen nothing. Who never opted out
// leaves no choices.
func TestAForgottenOptOutIsHonouredWhenTheSameContactComesBack(t *testing.T) {
	t.Parallel()
	for name, mode := range modesWithMerges {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newOptOutWorld(t, 10, mode, rules.SourceREST)
			s.startOptOut()
			out, in := s.keys[0], s.keys[1]
			s.inCampaign(out, "blackListEmail", true)
			s.settle()
			require.Equal(t, [2]bool{true, true}, s.both(out))
			address := s.Sandboxes.Dynamics.Row("contacts", out)["emailaddress1"]
			require.True(t, s.Sandboxes.Dynamics.Delete("contacts", out))
			require.True(t, s.Sandboxes.Dynamics.Delete("contacts", in))
			s.Delta()
			s.settle()
			evidence, err := s.Ledger.Traces(t.Context(), "contacts", out)
			require.NoError(t, err)
			require.NotEmpty(t, evidence)
			for id, left := range map[string][]string{out: {"optout", "optout_decision"}, in: nil} {
				done := activitytest.Call[activities.ForgetResult](s.World, s.Operator.Forget, activities.ForgetInput{Table: s.Table, ID: id})
				require.True(t, done.Done)
				var where []string
				for _, trace := range done.Left {
					where = append(where, trace.Where)
				}
				require.Equal(t, left, where)
			}

			fresh := s.InsertRow("contacts", map[string]any{"lastname": "New", "emailaddress1": address})
			require.Equal(t, out, s.InsertRow("contacts", map[string]any{"contactid": out, "lastname": "Back", "emailaddress1": address}))
			s.Delta()
			require.Equal(t, true, s.Sandboxes.Campaign.Profile(out)["blackListEmail"], "in the call that creates it")
			s.settle()
			require.Equal(t, [2]bool{true, true}, s.both(out))
			require.Equal(t, [2]bool{false, false}, s.both(fresh))
		})
	}
}
