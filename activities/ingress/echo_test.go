package ingress_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/ingress"
	"causeway.dev/internal/mapping"
	"causeway.dev/sandbox/kit"
)

// What Campaign says of a record may hold any of its fields, without quotation marks, in
// another letter case and in parts, also fields that were not sent. None of it is in what
// an operator or Temporal is told.
func TestWhatCampaignSaysOfARecordTellsNoValues(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 1)
	var log bytes.Buffer
	s.IngressOptions.Logger = slog.New(slog.NewTextHandler(&log, nil))
	s.Ingress = ingress.New(s.IngressOptions)
	s.Register()
	s.Table.Fields = append(s.Table.Fields, mapping.Field{From: "gendercode", To: "salutation", Replace: map[string]string{"Male": "zwergspitz"}})
	key := s.Sandboxes.Dynamics.Keys("contacts")[0]
	s.Edit(key, map[string]any{"firstname": "Xanthippe Quendoline", "lastname": "zwetschgenrieder", "address1_city": "Quedlinburg", "emailaddress1": "xq@rarename.example", "birthdate": "1971-03-09", "gendercode": 1})
	secrets := []string{"xanthippe", "quendoline", "zwetschgen", "quedlinburg", "rarename", "zwergspitz", "1971", "09.03"}
	text := "Value zwetschgenrieder of lastName is bad: the person QUENDOLINE xanthippe zwergspitz living in quedlinburg, born 09.03.1971, xq@rarename.example, is refused"
	refuses := func(method, body string, status int) func() {
		path := "/profileAndServices"
		if method == http.MethodGet {
			path = "/profile/" + key // not the metadata
		}
		rule, err := s.Sandboxes.Faults.Add(kit.Rule{Service: "campaign", Method: method, Path: path, Action: kit.Respond, Status: status, Body: body})
		require.NoError(t, err)
		return func() { s.Sandboxes.Faults.Clear(rule) }
	}
	silent := func(where, told string) {
		for _, secret := range secrets {
			require.NotContains(t, strings.ToLower(told), secret, where)
		}
	}
	quarantine := func(where string) {
		list := s.ListQuarantine(activities.QuarantineListInput{})
		require.NotZero(t, list.Total, where)
		require.Contains(t, fmt.Sprint(list), "bad", "the rest of the text is told: "+where)
		silent(where, fmt.Sprint(list))
		if list.Records[0].ID == key {
			shown := activitytest.Call[activities.ShowQuarantinedResult](s, s.Ingress.ShowQuarantined, activities.ShowQuarantinedInput{Table: "contacts", ID: key})
			silent(where, fmt.Sprint(shown))
		}
	}
	bodies := []struct {
		body   string
		status int
	}{{"XTK-170099 " + text, 500}, {fmt.Sprintf("%q", text), 409}, {fmt.Sprintf(`{"message": %q}`, text), 422}}

	s.Preflight()
	end := refuses(http.MethodPost, bodies[0].body, bodies[0].status)
	s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp)
	quarantine("a create")
	s.ReleaseQuarantined(activities.Release{Selection: activities.Selection{IDs: []string{key}}})
	quarantine("a release")
	end()
	s.ReleaseQuarantined(activities.Release{})
	require.NotNil(t, s.Sandboxes.Campaign.Profile(key))

	for i, b := range bodies {
		end = refuses(http.MethodPatch, b.body, b.status)
		s.Edit(key, map[string]any{"donotbulkemail": i%2 == 0}) // one field is sent, the text tells the others
		s.Delta()
		quarantine("an update")
		end()
		s.ReleaseQuarantined(activities.Release{})
	}
	end = refuses(http.MethodGet, bodies[0].body, bodies[0].status)
	_, err := s.Env.ExecuteActivity(s.Ingress.Explain, activities.ExplainInput{Table: s.Table, ID: key, Live: true})
	require.ErrorContains(t, err, "bad")
	silent("explain", err.Error())
	end()
	end = refuses(http.MethodDelete, bodies[0].body, bodies[0].status)
	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", key))
	s.Delta()
	quarantine("a delete, of which Dynamics tells nothing any more")
	end()
	silent("the log", log.String())
}
