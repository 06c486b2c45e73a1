package ingress_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/internal/mapping"
)

// sameOutcomes compares a prediction with what the run did; a baseline reads
// some records twice, which leaves them unchanged the second time.
func sameOutcomes(t *testing.T, want activities.PlanResult, got activities.Counts) {
	t.Helper()
	require.Equal(t, want.Counts.Created, got.Created, "created")
	require.Equal(t, want.Counts.Updated, got.Updated, "updated")
	require.Equal(t, want.Counts.Deleted, got.Deleted, "deleted")
	require.LessOrEqual(t, want.Counts.Unchanged, got.Unchanged, "unchanged")
}

// Must hold: plan predicts the following run exactly, counts and engine calls.
func TestAPlanIsWhatTheRunDoes(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 120)
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	s.InsertProfile(map[string]any{"externalId": keys[0], "lastName": "Old", "blackListEmail": true})
	s.InsertProfile(map[string]any{"externalId": keys[1], "lastName": "Old"})
	s.Table.Filter = mapping.Filter{Where: []mapping.Condition{{Column: "jobtitle", Is: "not_equals", Value: "left"}}}
	for _, key := range keys[10:20] {
		s.Edit(key, map[string]any{"jobtitle": "left"})
	}
	before := s.EngineCalls()
	predicted := s.Plan(activities.PlanInput{})
	require.Equal(t, "initial load", predicted.Run)
	require.Equal(t, activities.Counts{Read: 120, Created: 108, Updated: 2, Filtered: 10}, predicted.Counts)
	require.Equal(t, int64(2), predicted.Adopted)
	require.True(t, predicted.WouldWrite())
	require.Equal(t, []activities.PlanCount{{What: "filter.where[0]: jobtitle not_equals", Records: 10}}, predicted.Rules)
	calls := s.EngineCalls()
	require.LessOrEqual(t, calls-before, int64(121), "looks, and nothing else")
	require.Equal(t, int64(2), s.Sandboxes.Campaign.Count("profile"))

	sameOutcomes(t, predicted, s.Load().Counts)
	require.Equal(t, predicted.EngineCalls, s.EngineCalls()-calls)

	for i, key := range keys[20:24] {
		s.Edit(key, map[string]any{"address1_city": []any{nil, nil, "Nebelheim", "Ostwaldsruh"}[i]})
	}
	s.Delta()

	// A mapping that changes: what a replay would do with it.
	s.Table.Fields[4].Replace = map[string]string{"": "Nowhere"}
	s.Table.Fields = append(s.Table.Fields, mapping.Field{From: "firstname", To: "middleName", OnTooLong: "truncate"})
	calls = s.EngineCalls()
	predicted = s.Plan(activities.PlanInput{})
	require.Equal(t, calls, s.EngineCalls(), "what the ledger knows needs no look")
	require.Equal(t, "replay", predicted.Run)
	require.Equal(t, int64(110), predicted.Counts.Updated)
	require.Equal(t, activities.PlanCount{What: "middleName", Records: 110}, predicted.Fields[0])
	activitytest.Call[activities.PreflightResult](s, s.Ingress.Preflight, activities.PreflightInput{Table: s.Table})
	sameOutcomes(t, predicted, s.Pass(activities.KindBackfill, activities.PhaseScan).Counts)
	require.Equal(t, predicted.EngineCalls, s.EngineCalls()-calls)

	again := s.Plan(activities.PlanInput{})
	require.False(t, again.WouldWrite(), "%+v", again)
	require.Equal(t, int64(110), again.Counts.Unchanged)
}

// A new baseline finds what is gone; the guard is foreseen.
func TestAPlanForeseesDeletes(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 250)
	s.Load()
	for _, key := range s.Sandboxes.Dynamics.Keys("contacts")[:130] {
		require.True(t, s.Sandboxes.Dynamics.Delete("contacts", key))
	}
	s.Table.Fields = append(s.Table.Fields, mapping.Field{From: "fax", To: "fax"})
	predicted := s.Plan(activities.PlanInput{})
	require.Equal(t, "new baseline", predicted.Run)
	require.Equal(t, int64(130), predicted.Counts.Deleted)
	require.True(t, predicted.NeedApproval)
}

// What a plan shows of records says nothing about people.
func TestAPlanShowsNoValues(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 30)
	s.Load()
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	s.Edit(keys[0], map[string]any{"lastname": "Quibblethorn", "birthdate": "1970-01-01"})
	s.Edit(keys[1], map[string]any{"lastname": "Zwickelmoos and a name that is far too long for the field it goes to, by any measure"[:50]})
	s.Edit(keys[2], map[string]any{"emailaddress1": "quibble@example.test"})
	predicted := s.Plan(activities.PlanInput{Examples: 5})
	require.Len(t, predicted.Examples, 3)
	text := fmt.Sprintf("%+v", predicted)
	for _, value := range []string{"Quibblethorn", "1970", "Zwickelmoos", "quibble"} {
		require.NotContains(t, text, value)
	}
	for _, e := range predicted.Examples {
		if e.ID == keys[0] {
			require.Contains(t, e.Changes["lastName"], "-> text of 12")
		}
	}
}

func TestAPlanOfASample(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 250)
	for _, sample := range []int{1, 100, 150, 250, 400} {
		predicted := s.Plan(activities.PlanInput{Sample: sample})
		require.Equal(t, int64(min(sample, 250)), predicted.Counts.Read)
		require.Equal(t, sample < 250, predicted.Sampled)
		require.Equal(t, int64(min(sample, 250)), predicted.EngineCalls)
	}
}

func TestAPlanNamesWhatWouldBeRefused(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 10)
	s.Table.Fields[0].OnTooLong = "" // firstname
	for _, key := range s.Sandboxes.Dynamics.Keys("contacts")[:3] {
		s.Edit(key, map[string]any{"firstname": "Maximiliana-Theodora-Wilhelmine-Auguste"})
	}
	predicted := s.Plan(activities.PlanInput{})
	require.Equal(t, int64(3), predicted.Counts.Quarantined)
	require.Equal(t, int64(3), predicted.Refusals[0].Records)
	require.Contains(t, predicted.Refusals[0].What, "firstname -> firstName: text too long, want at most 30 characters")
	require.Equal(t, int64(3), s.Load().Quarantined)
}

// R17.6: what Campaign hides for want of a parent is not deleted, and a plan says so.
func TestAPlanKnowsWhatCampaignHides(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 1)
	f.services.Table.Filter = mapping.Filter{DeleteUnmatched: true, Where: []mapping.Condition{{Column: "new_name", Is: "not_equals", Value: "Scrapped"}}}
	v := f.vehicle(f.Sandboxes.Dynamics.Keys("contacts")[0])
	gone, left, _ := f.service(v), f.service(v), f.service(v)
	f.services.Load() // before its parents
	require.True(t, f.Sandboxes.Dynamics.Delete("new_services", gone))
	require.NoError(t, f.Sandboxes.Dynamics.Update("new_services", left, map[string]any{"new_name": "Scrapped"}))
	require.Equal(t, activities.Counts{Read: 2, Parked: 2}, f.services.Delta())

	predicted := f.services.Plan(activities.PlanInput{Baseline: true})
	require.Equal(t, activities.Counts{Read: 3, Unchanged: 1, Parked: 2}, predicted.Counts)
	require.False(t, predicted.WouldWrite())
	calls := f.EngineCalls()
	require.Equal(t, predicted.EngineCalls, f.EngineCalls()-calls)
	require.Equal(t, predicted.EngineCalls, f.EngineCalls()-calls)

	f.vehicles.Load()
	predicted = f.services.Plan(activities.PlanInput{Baseline: true})
	require.Equal(t, activities.Counts{Read: 3, Unchanged: 1, Deleted: 2}, predicted.Counts)
	f.services.Load() // counts the deletes
	require.Equal(t, activities.Counts{Read: 2, Deleted: 2}, f.services.Delta())
	require.False(t, f.services.Plan(activities.PlanInput{Baseline: true}).WouldWrite())
}
