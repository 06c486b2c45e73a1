package optout_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	rules "causeway.dev/internal/optout"
	"causeway.dev/sandbox/kit"
)

// A contact at which one of the systems always answers oddly, while it takes the others,
// is set aside with the reason, and is tried again later; everybody else's choice is
// carried.
func TestAContactThatAlwaysGetsAnOddAnswerIsSetAside(t *testing.T) {
	t.Parallel()
	page := map[string]string{"Content-Type": "text/html"}
	for name, tc := range map[string]struct {
		rule kit.Rule
		set  func(s *optOutWorld, id string)
	}{
		"by Campaign": {kit.Rule{Service: "campaign", Method: http.MethodPatch, Path: "/profile/", Status: 404, Headers: page, Body: "<html>not here"},
			func(s *optOutWorld, id string) { s.inDynamics(id, "donotbulkemail", true) }},
		"by Dynamics": {kit.Rule{Service: "dataverse", Method: http.MethodPatch, Path: "contacts", Status: 302, Headers: map[string]string{"Location": "/elsewhere"}},
			func(s *optOutWorld, id string) { s.inCampaign(id, "blackListEmail", true) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newOptOutWorld(t, 12, rules.Bidirectional, rules.SourceREST)
			s.optOpts.SetAsideAfter = time.Nanosecond
			s.rebuild()
			s.startOptOut()
			s.settle()
			for _, id := range s.keys {
				tc.set(s, id)
			}
			bad := s.keys[4]
			tc.rule.Action, tc.rule.Path = kit.Respond, tc.rule.Path+".*"+bad
			rule, err := s.Sandboxes.Faults.Add(tc.rule)
			require.NoError(t, err)
			s.settle()
			for _, id := range s.keys {
				if id != bad {
					require.Equal(t, [2]bool{true, true}, s.both(id))
				}
			}
			open := s.openItems()
			require.Len(t, open, 1)
			require.Equal(t, bad, open[0].ID)

			s.Sandboxes.Faults.Clear(rule)
			s.ClockBehind.Store(-int64(3 * time.Hour))
			s.Sandboxes.Clock.Advance(3 * time.Hour)
			s.settle()
			require.Equal(t, [2]bool{true, true}, s.both(bad))
			require.Empty(t, s.openItems())
		})
	}
}
