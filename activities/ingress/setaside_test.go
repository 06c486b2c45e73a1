package ingress_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/ingress"
	"causeway.dev/internal/ledger"
	"causeway.dev/sandbox/kit"
)

// impatient is a world that gives a record no time before it may be set aside.
func impatient(t *testing.T, contacts int) *activitytest.World {
	t.Helper()
	s := activitytest.NewWorld(t, contacts)
	s.IngressOptions.SetAsideAfter = time.Nanosecond
	s.Ingress = ingress.New(s.IngressOptions)
	s.Register()
	s.LaneAttempts = 3
	s.Load()
	return s
}

// A record whose every write gets an odd answer, while Campaign takes the others, goes
// to quarantine with the reason, and holds up nothing.
func TestARecordThatAlwaysGetsAnOddAnswerIsSetAside(t *testing.T) {
	t.Parallel()
	page := map[string]string{"Content-Type": "text/html"}
	for name, rule := range map[string]kit.Rule{
		"not found by something else": {Status: 404, Headers: page, Body: "<html>not here"},
		"a redirect":                  {Status: 302, Headers: map[string]string{"Location": "/elsewhere"}},
		"a page with status 200":      {Status: 200, Headers: page, Body: "<html>back soon"},
		"access refused":              {Status: 403, Headers: page, Body: "<html>no"},
		"a fault":                     {Status: 503, Headers: page, Body: "<html>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := impatient(t, 12)
			keys := s.Sandboxes.Dynamics.Keys("contacts")
			for i, key := range keys {
				s.Edit(key, map[string]any{"lastname": fmt.Sprintf("Quitten %d", i)})
			}
			rule.Service, rule.Method, rule.Action, rule.Path = "campaign", http.MethodPatch, kit.Respond, "/profile/"+keys[5]
			id, err := s.Sandboxes.Faults.Add(rule)
			require.NoError(t, err)
			require.Equal(t, activities.Counts{Read: 12, Updated: 11, Quarantined: 1}, s.Delta())
			listed := s.ListQuarantine(activities.QuarantineListInput{}).Records
			require.Len(t, listed, 1)
			require.Equal(t, keys[5], listed[0].ID)
			require.NotEmpty(t, listed[0].Message)

			s.Sandboxes.Faults.Clear(id)
			s.ReleaseQuarantined(activities.Release{})
			require.Empty(t, s.Differences())
		})
	}
}

// A record that is set aside after a write of which nobody knows the end stays in doubt:
// the write may have been carried out, or may be yet.
func TestARecordThatIsSetAsideAfterAnUnknownWriteIsInDoubt(t *testing.T) {
	t.Parallel()
	page := map[string]string{"Content-Type": "text/html"}
	for name, c := range map[string]struct {
		rule  kit.Rule
		doubt bool
	}{
		"answered by a page":     {kit.Rule{Action: kit.Replace, Status: 200, Headers: page, Body: "<html>back soon"}, true},
		"answered by a fault":    {kit.Rule{Action: kit.Replace, Status: 502, Headers: page, Body: "<html>"}, true},
		"answered by a redirect": {kit.Rule{Action: kit.Replace, Status: 302, Headers: map[string]string{"Location": "/elsewhere"}}, true},
		"refused by Campaign": {kit.Rule{Action: kit.Respond, Status: 500,
			Body: `{"error_code":"RST-360011","message":"RST-360011 An error has occurred - please contact your administrator. PGS-220000 PostgreSQL error: ERROR: value too long for type character varying(30)"}`}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := impatient(t, 12)
			keys := s.Sandboxes.Dynamics.Keys("contacts")
			for i, key := range keys {
				s.Edit(key, map[string]any{"lastname": fmt.Sprintf("Quitten %d", i)})
			}
			c.rule.Service, c.rule.Method, c.rule.Path = "campaign", http.MethodPatch, "/profile/"+keys[5]
			id, err := s.Sandboxes.Faults.Add(c.rule)
			require.NoError(t, err)
			require.Equal(t, activities.Counts{Read: 12, Updated: 11, Quarantined: 1}, s.Delta())
			_, _, _, err = s.Ledger.DoubtOf(t.Context(), "contacts", keys[5])
			if c.doubt {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, ledger.ErrNotFound)
			}
			n, err := s.Ledger.DoubtCount(t.Context(), "contacts")
			require.NoError(t, err)
			require.Equal(t, c.doubt, n == 1, "of the others there is no doubt")
			s.Sandboxes.Faults.Clear(id)
			s.ReleaseQuarantined(activities.Release{})
			require.Empty(t, s.Differences())
		})
	}
}

// When every write gets an odd answer, the service is the cause: no record is blamed.
func TestNoRecordIsSetAsideForAService(t *testing.T) {
	t.Parallel()
	s := impatient(t, 60)
	for i, key := range s.Sandboxes.Dynamics.Keys("contacts") {
		s.Edit(key, map[string]any{"lastname": fmt.Sprintf("Quitten %d", i)})
	}
	for name, rule := range map[string]kit.Rule{
		"writes only": {Method: http.MethodPatch, Path: "/profile/"},
		"everything":  {Path: "/profile"},
	} {
		rule.Service, rule.Action, rule.Status = "campaign", kit.Respond, 302
		rule.Headers = map[string]string{"Location": "/elsewhere"}
		id, err := s.Sandboxes.Faults.Add(rule)
		require.NoError(t, err)
		err = s.RunToFailure(activities.RunRef{Run: "contacts-" + name[:6], Table: "contacts", Revision: s.Table.Revision(), Kind: activities.KindDelta})
		fail, ok := errors.AsType[*temporal.ApplicationError](err)
		require.True(t, ok, "%s: %v", name, err)
		require.False(t, fail.NonRetryable(), name)
		require.Empty(t, s.ListQuarantine(activities.QuarantineListInput{}).Records, name)
		s.Sandboxes.Faults.Clear(id)
	}
	require.Equal(t, activities.Counts{Read: 60, Updated: 60}, s.Delta())
	require.Empty(t, s.Differences())
}
