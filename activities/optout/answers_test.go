package optout_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	rules "causeway.dev/internal/optout"
	"causeway.dev/sandbox/kit"
)

// What stands between us and a service answers in its place, and none of it is taken
// for a choice that was carried out, nor for the end of the flow.
func TestAnswersOfSomebodyElseLoseNoChoice(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 20, rules.Bidirectional, rules.SourceREST)
	s.startOptOut()
	s.settle()
	page := map[string]string{"Content-Type": "text/html"}
	for _, rule := range []kit.Rule{
		{Service: "campaign", Method: http.MethodPatch, Status: 200, Headers: page, Body: "<html>back soon", Times: 3},
		{Service: "campaign", Method: http.MethodPatch, Status: 404, Body: `"RST-360011 An error has occurred - please contact your administrator. rc=-1"`, Times: 1, After: 1},
		{Service: "campaign", Method: http.MethodGet, Path: "/profile/", Status: 404, Headers: page, Body: "<html>not here", Times: 1},
		{Service: "dataverse", Method: http.MethodPatch, Status: 200, Headers: page, Body: "<html>back soon", Times: 2},
		{Service: "dataverse", Method: http.MethodPatch, Status: 404, Headers: page, Body: "<html>not here", Times: 1},
	} {
		rule.Action = kit.Respond
		_, err := s.Sandboxes.Faults.Add(rule)
		require.NoError(t, err)
	}
	for i, id := range s.keys {
		if i%2 == 0 {
			s.inDynamics(id, "donotbulkemail", true)
		} else {
			s.inCampaign(id, "blackListEmail", true)
		}
	}
	require.EqualValues(t, len(s.keys), s.settle().Updated)
	for _, id := range s.keys {
		require.Equal(t, [2]bool{true, true}, s.both(id))
	}
	for _, rule := range s.Sandboxes.Faults.List() {
		require.Equal(t, rule.Times, rule.Hits, "%s %d", rule.Method, rule.Status)
	}
}
