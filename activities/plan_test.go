package activities_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/mapping"
)

func (s *spine) plan(in activities.PlanInput) activities.PlanResult {
	s.t.Helper()
	in.Table = s.table
	return call[activities.PlanResult](s, s.in.Plan, in)
}

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
	s := newSpine(t, 120)
	keys := s.boxes.Dynamics.Keys("contacts")
	s.seed(map[string]any{"externalId": keys[0], "lastName": "Old", "blackListEmail": true})
	s.seed(map[string]any{"externalId": keys[1], "lastName": "Old"})
	s.table.Filter = mapping.Filter{Where: []mapping.Condition{{Column: "jobtitle", Is: "not_equals", Value: "left"}}}
	for _, key := range keys[10:20] {
		s.edit(key, map[string]any{"jobtitle": "left"})
	}
	before := s.engineCalls()
	predicted := s.plan(activities.PlanInput{})
	require.Equal(t, "initial load", predicted.Run)
	require.Equal(t, activities.Counts{Read: 120, Created: 108, Updated: 2, Filtered: 10}, predicted.Counts)
	require.Equal(t, int64(2), predicted.Adopted)
	require.True(t, predicted.WouldWrite())
	require.Equal(t, []activities.PlanCount{{What: "filter.where[0]: jobtitle not_equals", Records: 10}}, predicted.Rules)
	calls := s.engineCalls()
	require.LessOrEqual(t, calls-before, int64(121), "looks, and nothing else")
	require.Equal(t, int64(2), s.boxes.Campaign.Count("profile"))

	sameOutcomes(t, predicted, s.load().Counts)
	require.Equal(t, predicted.EngineCalls, s.engineCalls()-calls)

	for i, key := range keys[20:24] {
		s.edit(key, map[string]any{"address1_city": []any{nil, nil, "Nebelheim", "Ostwaldsruh"}[i]})
	}
	s.delta()

	// A mapping that changes: what a replay would do with it.
	s.table.Fields[4].Replace = map[string]string{"": "Nowhere"}
	s.table.Fields = append(s.table.Fields, mapping.Field{From: "firstname", To: "middleName", OnTooLong: "truncate"})
	calls = s.engineCalls()
	predicted = s.plan(activities.PlanInput{})
	require.Equal(t, calls, s.engineCalls(), "what the ledger knows needs no look")
	require.Equal(t, "replay", predicted.Run)
	require.Equal(t, int64(110), predicted.Counts.Updated)
	require.Equal(t, activities.PlanCount{What: "middleName", Records: 110}, predicted.Fields[0])
	call[activities.PreflightResult](s, s.in.Preflight, activities.PreflightInput{Table: s.table})
	sameOutcomes(t, predicted, s.pass(activities.KindBackfill, activities.PhaseScan).Counts)
	require.Equal(t, predicted.EngineCalls, s.engineCalls()-calls)

	again := s.plan(activities.PlanInput{})
	require.False(t, again.WouldWrite(), "%+v", again)
	require.Equal(t, int64(110), again.Counts.Unchanged)
}

// A new baseline finds what is gone; the guard is foreseen.
func TestAPlanForeseesDeletes(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 250)
	s.load()
	for _, key := range s.boxes.Dynamics.Keys("contacts")[:130] {
		require.True(t, s.boxes.Dynamics.Delete("contacts", key))
	}
	s.table.Fields = append(s.table.Fields, mapping.Field{From: "fax", To: "fax"})
	predicted := s.plan(activities.PlanInput{})
	require.Equal(t, "new baseline", predicted.Run)
	require.Equal(t, int64(130), predicted.Counts.Deleted)
	require.True(t, predicted.NeedApproval)
}

// What a plan shows of records says nothing about people.
func TestAPlanShowsNoValues(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 30)
	s.load()
	keys := s.boxes.Dynamics.Keys("contacts")
	s.edit(keys[0], map[string]any{"lastname": "Quibblethorn", "birthdate": "1970-01-01"})
	s.edit(keys[1], map[string]any{"lastname": "Zwickelmoos and a name that is far too long for the field it goes to, by any measure"[:50]})
	s.edit(keys[2], map[string]any{"emailaddress1": "quibble@example.test"})
	predicted := s.plan(activities.PlanInput{Examples: 5})
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
	s := newSpine(t, 250)
	for _, sample := range []int{1, 100, 150, 250, 400} {
		predicted := s.plan(activities.PlanInput{Sample: sample})
		require.Equal(t, int64(min(sample, 250)), predicted.Counts.Read)
		require.Equal(t, sample < 250, predicted.Sampled)
		require.Equal(t, int64(min(sample, 250)), predicted.EngineCalls)
	}
}

func TestAPlanNamesWhatWouldBeRefused(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 10)
	s.table.Fields[0].OnTooLong = "" // firstname
	for _, key := range s.boxes.Dynamics.Keys("contacts")[:3] {
		s.edit(key, map[string]any{"firstname": "Maximiliana-Theodora-Wilhelmine-Auguste"})
	}
	predicted := s.plan(activities.PlanInput{})
	require.Equal(t, int64(3), predicted.Counts.Quarantined)
	require.Equal(t, int64(3), predicted.Refusals[0].Records)
	require.Contains(t, predicted.Refusals[0].What, "firstname -> firstName: text too long, want at most 30 characters")
	require.Equal(t, int64(3), s.load().Quarantined)
}

// R17.6: what Campaign hides for want of a parent is not deleted, and a plan says so.
func TestAPlanKnowsWhatCampaignHides(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 1)
	f.services.table.Filter = mapping.Filter{DeleteUnmatched: true, Where: []mapping.Condition{{Column: "new_name", Is: "not_equals", Value: "Scrapped"}}}
	v := f.vehicle(f.boxes.Dynamics.Keys("contacts")[0])
	gone, left, _ := f.service(v), f.service(v), f.service(v)
	f.services.load() // before its parents
	require.True(t, f.boxes.Dynamics.Delete("new_services", gone))
	require.NoError(t, f.boxes.Dynamics.Update("new_services", left, map[string]any{"new_name": "Scrapped"}))
	require.Equal(t, activities.Counts{Read: 2, Parked: 2}, f.services.delta())

	predicted := f.services.plan(activities.PlanInput{Baseline: true})
	require.Equal(t, activities.Counts{Read: 3, Unchanged: 1, Parked: 2}, predicted.Counts)
	require.False(t, predicted.WouldWrite())
	calls := f.engineCalls()
	require.Equal(t, predicted.EngineCalls, f.engineCalls()-calls)
	require.Equal(t, predicted.EngineCalls, f.engineCalls()-calls)

	f.vehicles.load()
	predicted = f.services.plan(activities.PlanInput{Baseline: true})
	require.Equal(t, activities.Counts{Read: 3, Unchanged: 1, Deleted: 2}, predicted.Counts)
	f.services.load() // counts the deletes
	require.Equal(t, activities.Counts{Read: 2, Deleted: 2}, f.services.delta())
	require.False(t, f.services.plan(activities.PlanInput{Baseline: true}).WouldWrite())
}
