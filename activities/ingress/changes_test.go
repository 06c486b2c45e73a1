package ingress_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/internal/mapping"
	"causeway.dev/sandbox/kit"
)

// R15.1, R15.2, R15.6 (over REST, the default), R22.1: one call per insert, update and delete; none when nothing changed.
func TestContactsCostOneCallPerChange(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 350)
	checked := s.Preflight()
	require.True(t, checked.NeedsBaseline)

	first := s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp)
	require.Equal(t, "COMPLETED", first.State)
	require.Equal(t, int64(350), first.Counts.Created)
	require.Empty(t, s.Differences())
	require.Equal(t, int64(350), s.EngineCalls())

	keys := s.Sandboxes.Dynamics.Keys("contacts")
	for i := range 10 {
		require.NoError(t, s.Sandboxes.Dynamics.Update("contacts", keys[i], map[string]any{"address1_city": fmt.Sprintf("Nebelheim %d", i)}))
	}
	for i := 10; i < 15; i++ {
		require.True(t, s.Sandboxes.Dynamics.Delete("contacts", keys[i]))
	}
	added, err := s.Sandboxes.Dynamics.Insert("contacts", map[string]any{"lastname": "Quibblethorn"})
	require.NoError(t, err)
	delta := s.Pass(activities.KindDelta, activities.PhaseDelta)
	require.Equal(t, activities.Counts{Read: 16, Created: 1, Updated: 10, Deleted: 5}, delta.Counts)
	require.NotNil(t, s.Sandboxes.Campaign.Profile(added))
	require.Empty(t, s.Differences())
	require.Equal(t, int64(350+16), s.EngineCalls())

	again := s.Pass(activities.KindBackfill, activities.PhaseScan)
	require.Equal(t, activities.Counts{Read: 346, Unchanged: 346}, again.Counts)
	require.Equal(t, int64(350+16), s.EngineCalls())
}

// An expired link: a new baseline, and deletions found by asking Dynamics.
func TestASweepFindsDeletionsTheLinkLost(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 250)
	activitytest.Call[activities.PreflightResult](s, s.Ingress.Preflight, activities.PreflightInput{Table: s.Table})
	s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp)
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	for _, key := range keys[:7] {
		require.True(t, s.Sandboxes.Dynamics.Delete("contacts", key))
	}
	calls := s.EngineCalls()
	again := s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep)
	require.Equal(t, activities.Counts{Read: 250, Unchanged: 243, Deleted: 7}, again.Counts)
	require.Empty(t, s.Differences())
	require.Equal(t, calls+7, s.EngineCalls())
}

// docs/protocol/campaign.md §5.2: the connection breaks after Campaign committed a POST.
func TestALostAnswerIsNoSecondRecord(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 120)
	s.LaneAttempts = 20 // one record may meet several of them
	for _, rule := range []kit.Rule{
		{Service: "campaign", Method: http.MethodPost, Action: kit.ResetAfter, Probability: 0.1, Seed: 5, Path: "/profile"},
		{Service: "campaign", Action: kit.Respond, Status: 503, Body: `{"error_code":"503010","message":"Could not validate the oauth token"}`, Probability: 0.05, Seed: 6, Path: "/profile$"},
		{Service: "campaign", Action: kit.Respond, Status: 429, Headers: map[string]string{"Retry-After": "1"}, Body: `{"error_code":"429050","message":"Too many requests"}`, After: 60, Times: 2, Path: "/profile$"},
	} {
		_, err := s.Sandboxes.Faults.Add(rule)
		require.NoError(t, err)
	}
	activitytest.Call[activities.PreflightResult](s, s.Ingress.Preflight, activities.PreflightInput{Table: s.Table})
	out := s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp)
	require.Equal(t, "COMPLETED", out.State)
	require.Equal(t, int64(120), out.Counts.Created)
	require.Empty(t, s.Differences())
	s.Sandboxes.Campaign.Each("profile", func(id string, _ map[string]any) bool {
		require.Equal(t, uint32(1), s.Sandboxes.Campaign.WriteCounts("profile", id).Inserts)
		return true
	})
}

// A gateway shows its page with status 200, in place of Campaign or after it, and
// other answers that nobody expects: nothing counts as written that was not.
func TestAnswersThatSayNothingLoseNothing(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 120)
	s.LaneAttempts = 20 // one record may meet several of them
	page := map[string]string{"Content-Type": "text/html"}
	script := func() {
		for i, rule := range []kit.Rule{
			{Action: kit.Respond, Status: 200, Headers: page, Body: "<html>back soon", Probability: 0.1},
			{Action: kit.Replace, Status: 200, Headers: page, Body: "<html>back soon", Probability: 0.1},
			{Action: kit.Respond, Status: 404, Body: `"RST-360011 An error has occurred - please contact your administrator. rc=-1"`, After: 7, Times: 1},
			{Action: kit.Respond, Status: 307, Headers: map[string]string{"Location": "/elsewhere"}, After: 9, Times: 1},
			{Action: kit.Respond, Status: 403, Headers: page, Body: "<html>no", After: 11, Times: 1},
			{Action: kit.Respond, Status: 503, Headers: map[string]string{"Content-Type": "text/html", "Retry-After": "1"}, Body: "<html>", After: 13, Times: 1},
		} {
			rule.Service, rule.Path, rule.Seed = "campaign", "/profile", uint64(i)
			if rule.Probability > 0 {
				rule.Times = 10
			}
			_, err := s.Sandboxes.Faults.Add(rule)
			require.NoError(t, err)
		}
	}
	activitytest.Call[activities.PreflightResult](s, s.Ingress.Preflight, activities.PreflightInput{Table: s.Table})
	script()
	out := s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp)
	require.Equal(t, "COMPLETED", out.State)
	require.Equal(t, int64(120), out.Counts.Created)
	require.Empty(t, s.Differences())
	s.Sandboxes.Campaign.Each("profile", func(id string, _ map[string]any) bool {
		require.Equal(t, uint32(1), s.Sandboxes.Campaign.WriteCounts("profile", id).Inserts)
		return true
	})

	s.Sandboxes.Faults.Clear("")
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	for i, key := range keys[:60] {
		s.Edit(key, map[string]any{"lastname": fmt.Sprintf("Quitten %d", i)})
	}
	for _, key := range keys[60:100] {
		require.True(t, s.Sandboxes.Dynamics.Delete("contacts", key))
	}
	script()
	require.Equal(t, activities.Counts{Read: 100, Updated: 60, Deleted: 40}, s.Delta())
	require.Empty(t, s.Differences())
	require.EqualValues(t, 80, s.Sandboxes.Campaign.Count("profile"))
}

// I6: what Campaign refuses is set aside with its reason; the rest lands.
func TestARefusedRecordStopsNothing(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 100)
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	for _, key := range keys[:3] {
		require.NoError(t, s.Sandboxes.Dynamics.Update("contacts", key, map[string]any{"emailaddress1": "not-an-address"}))
	}
	activitytest.Call[activities.PreflightResult](s, s.Ingress.Preflight, activities.PreflightInput{Table: s.Table})
	out := s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp)
	require.Equal(t, "COMPLETED", out.State)
	require.Equal(t, int64(97), out.Counts.Created)
	require.Equal(t, int64(3), out.Quarantined)
	list := activitytest.Call[activities.QuarantineListResult](s, s.Operator.ListQuarantine, activities.QuarantineListInput{})
	require.Len(t, list.Records, 3)
	require.NotEmpty(t, list.Records[0].Message)
	require.NotContains(t, list.Records[0].Message, "not-an-address")
}

// R11.14, R11.13: a mapping that does not fit names each field before anything is written.
func TestPreflightNamesEveryProblem(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 1)
	wrong := s.Table
	wrong.Fields = append([]mapping.Field{{From: "emailadress2", To: "fax"}, {From: "annualincome", To: "birthDate"}, {From: "jobtitle", To: "jobTitel"}}, wrong.Fields[:3]...)
	_, err := s.Env.ExecuteActivity(s.Ingress.Preflight, activities.PreflightInput{Table: wrong})
	for _, want := range []string{"emailadress2", "birthDate", "jobTitel", "fields[0]", "fields[1]", "fields[2]"} {
		require.ErrorContains(t, err, want)
	}
	require.Zero(t, s.EngineCalls())

	wrong = s.Table
	wrong.Dynamics.Table = "contakt"
	_, err = s.Env.ExecuteActivity(s.Ingress.Preflight, activities.PreflightInput{Table: wrong})
	require.ErrorContains(t, err, `ingress.tables.contacts.dynamics.table: got "contakt", which Dynamics does not have, want the logical name of a table`)
	wrong = s.Table
	wrong.Campaign.Resource = "profil"
	_, err = s.Env.ExecuteActivity(s.Ingress.Preflight, activities.PreflightInput{Table: wrong})
	require.ErrorContains(t, err, `ingress.tables.contacts.campaign.resource: got "profil", which Campaign does not have under profileAndServicesExt, want a resource whose API is published`)
	require.Zero(t, s.EngineCalls())
}
