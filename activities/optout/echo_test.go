package optout_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	rules "causeway.dev/internal/optout"
	"causeway.dev/sandbox/kit"
)

// Dynamics may tell, without quotes and in small letters, of anything that a contact
// holds, although only a choice was sent. What is kept of it names nothing.
func TestARefusedChoiceTellsNothingOfTheContact(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		read  kit.Rule // what becomes of the look at the whole contact
		keeps string
	}{
		"with what the contact holds": {keeps: "the plug-in does not like"},
		"when it cannot be read":      {kit.Rule{Method: http.MethodGet, Path: `contacts\([^)]*\)$`, Action: kit.Respond, Status: 503, Body: "{}"}, "what Dynamics said is left out"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newOptOutWorld(t, 3, rules.Bidirectional, rules.SourceREST)
			s.startOptOut()
			require.NoError(t, s.Sandboxes.Dynamics.Update("contacts", s.keys[0], map[string]any{"firstname": "wobbleton", "lastname": "quibblethorn", "address1_city": "nebelheim"}))
			s.settle()
			s.later()
			_, err := s.Sandboxes.Faults.Add(kit.Rule{Service: "dataverse", Method: http.MethodPatch, Path: "/contacts", Action: kit.Respond, Status: 400,
				Body: `{"error":{"code":"0x80099999","message":"the plug-in does not like wobbleton quibblethorn of nebelheim"}}`})
			require.NoError(t, err)
			if c.read.Action != "" {
				c.read.Service = "dataverse"
				_, err = s.Sandboxes.Faults.Add(c.read)
				require.NoError(t, err)
			}
			s.EditProfile(s.keys[0], `{"blackListEmail":true}`)
			s.settle()
			refused := activitytest.Call[activities.QuarantineListResult](s.World, s.Operator.ListQuarantine, activities.QuarantineListInput{Table: activities.FlowOptOut}).Records
			require.Len(t, refused, 1, "%s %v", s.history(s.keys[0]), s.Sandboxes.Dynamics.Row("contacts", s.keys[0])["donotbulkemail"])
			require.Contains(t, refused[0].Message, c.keeps)
			for _, value := range []string{"wobbleton", "quibblethorn", "nebelheim"} {
				require.NotContains(t, strings.ToLower(refused[0].Message), value)
			}
		})
	}
}
