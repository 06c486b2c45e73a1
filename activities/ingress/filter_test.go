package ingress_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/ingress"
	"causeway.dev/internal/mapping"
	"causeway.dev/sandbox/stack"
)

// A backfill with conditions reads only what meets all of them; what they mean is
// what they mean in a mapping's filter.
func TestABackfillOfAFilter(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 250)
	s.Load()
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	for i, key := range keys {
		s.Edit(key, map[string]any{"address1_line1": []any{nil, "Quay 1"}[i%2], "jobtitle": "x"})
	}
	for _, key := range keys[:10] {
		s.EditProfile(key, `{"lastName":"Somebody"}`)
	}
	require.Equal(t, int64(10), s.Audit("a1").Changed)
	require.Equal(t, int64(10), s.ApplyFindings("a1"))
	got := s.Scan(activities.Window{Where: []activities.Condition{{Column: "address1_line1", Is: "not_empty"}}})
	require.Equal(t, activities.Counts{Read: 125, Updated: 5, Unchanged: 120}, got)
	got = s.Scan(activities.Window{Where: []activities.Condition{{Column: "address1_line1", Is: "empty"}, {Column: "statecode", Is: "equals", Value: "Inactive"}}})
	require.Less(t, got.Read, int64(125))

	// Rows the mapping leaves out are left out of a narrowed backfill too.
	s.Table.Filter = mapping.Filter{Where: []mapping.Condition{{Column: "jobtitle", Is: "equals", Value: "captain"}}}
	s.Preflight()
	got = s.Scan(activities.Window{Where: []activities.Condition{{Column: "address1_line1", Is: "empty"}}})
	require.Equal(t, activities.Counts{Read: 125, Filtered: 125}, got)

	checked := activitytest.Call[activities.CheckFilterResult](s, s.Ingress.CheckFilter, activities.CheckFilterInput{Table: s.Table, Columns: []string{"statecode", "jobtitle"}})
	require.Equal(t, []string{"jobtitle"}, checked.Text)
	for _, c := range []struct {
		where activities.Condition
		want  string
	}{
		{activities.Condition{Column: "jobtitel", Is: "empty"}, "jobtitle"},
		{activities.Condition{Column: "statecode", Is: "equals", Value: "Asleep"}, "statecode"},
		{activities.Condition{Column: "statecode", Is: "contains", Value: "0"}, "contains"},
	} {
		got := activitytest.Call[activities.CheckFilterResult](s, s.Ingress.CheckFilter, activities.CheckFilterInput{Table: s.Table, Where: []activities.Condition{c.where}})
		require.Contains(t, got.Misfit, `"`+c.where.Column+" "+c.where.Is+`": got `, "what was typed is named, and no key of a file")
		require.NotContains(t, got.Misfit, "filter.where")
		require.Contains(t, got.Misfit, c.want)
	}
}

// R10.3, R10.8: a field by which Campaign does not find its records is refused as
// the key before anything is written.
func TestTheKeyIsProbedBeforeTheFirstStart(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 1, func(o *stack.Options) { o.SeedFile = filepath.Join("..", "..", "sandbox", "testdata", "vehicles.yaml") })
	require.NoError(t, s.Sandboxes.Campaign.Insert("cusVehicle", []byte(`{"externalId":"6f0c1d2e-0000-4000-8000-000000000001","name":"Brougham"}`)))
	wrong := s.With(activities.Table{Name: "vehicles", Dynamics: mapping.SourceTable{Table: "new_vehicle"}, Campaign: mapping.TargetTable{Resource: "cusVehicle", Key: "name"},
		Fields: []mapping.Field{{From: "new_name", To: "externalId"}}})
	_, err := s.Env.ExecuteActivity(s.Ingress.Preflight, activities.PreflightInput{Table: wrong.Table})
	require.ErrorContains(t, err, "ingress.tables.vehicles.campaign.key: got name, by which cusVehicle does not find its records, want its custom identification key, one field without duplicates")
	require.Equal(t, int64(1), s.Sandboxes.Campaign.Count("cusVehicle"))
	wrong.Table.Campaign.Key, wrong.Table.Fields[0].To = "externalId", "name"
	require.True(t, wrong.Preflight().NeedsBaseline)
}

// Several records with one key are found before a first load, by what would start it too,
// wherever they are in the list. What it costs is a list call for each 1,000 records.
func TestKeysOfSeveralRecordsAreFoundBeforeTheFirstLoad(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 1)
	for i := range 2500 {
		s.InsertProfile(map[string]any{"externalId": fmt.Sprintf("6f0c1d2e-0000-4000-8000-%012d", i), "lastName": "Grimble"})
	}
	for range 30 {
		s.InsertProfile(map[string]any{"lastName": "Grimble"}) // those that are not from here have no key
	}
	before := s.EngineCalls()
	s.Preflight()
	require.Equal(t, before, s.EngineCalls())
	require.Equal(t, int64(3+1), *s.ProbeCalls, "2,531 records, and one that is read by its key")

	twin := "6f0c1d2e-0000-4000-8000-000000000700"
	require.NoError(t, s.Sandboxes.Campaign.InsertTwin("profile", []byte(`{"externalId":"`+twin+`","lastName":"Wobbleton"}`)))
	says := "ingress.tables.contacts.campaign.key: got externalId, with 1 of its values in several records each, of 2531 records that were compared, such as " + twin
	for name, ask := range map[string]func() error{
		"a start": func() error {
			_, err := s.Env.ExecuteActivity(s.Ingress.Preflight, activities.PreflightInput{Table: s.Table})
			return err
		},
		"apply": func() error {
			_, err := s.Env.ExecuteActivity(s.Ingress.CheckMapping, activities.PreflightInput{Table: s.Table})
			return err
		},
		"plan": func() error {
			_, err := s.Env.ExecuteActivity(s.Ingress.Plan, activities.PlanInput{Table: s.Table})
			return err
		},
	} {
		require.ErrorContains(t, ask(), says, name)
	}

	// It looks no further than it may.
	s.IngressOptions.ProbeRecords = 1000
	s.Ingress = ingress.New(s.IngressOptions)
	s.Env = activitytest.NewEnv()
	s.Register()
	s.Preflight()
}

// A key that is no id may be a name: what several records have of it is counted, not told.
func TestKeysThatAreNoIdsAreNotNamed(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 1, func(o *stack.Options) { o.SeedFile = filepath.Join("..", "..", "sandbox", "testdata", "vehicles.yaml") })
	for i := range 2 {
		require.NoError(t, s.Sandboxes.Campaign.Insert("cusVehicle", fmt.Appendf(nil, `{"externalId":"6f0c1d2e-0000-4000-8000-00000000000%d","name":"Grimble Wobbleton"}`, i)))
	}
	s = s.With(activities.Table{Name: "vehicles", Dynamics: mapping.SourceTable{Table: "new_vehicle"}, Campaign: mapping.TargetTable{Resource: "cusVehicle", Key: "name"},
		Fields: []mapping.Field{{From: "new_name", To: "externalId"}}})
	_, err := s.Env.ExecuteActivity(s.Ingress.Preflight, activities.PreflightInput{Table: s.Table})
	require.ErrorContains(t, err, "got name, with 1 of its values in several records each, of 2 records that were compared, want one field without duplicates")
	require.NotContains(t, err.Error(), "Grimble")
}
