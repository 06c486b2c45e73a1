package ingress_test

import (
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/nacl/box"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/ingress"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
)

// R9.3, R11.2: what there is to map is listed by name and label, and narrowed.
func TestWhatThereIsToMap(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 1)
	all := activitytest.Call[activities.ListModelsResult](f.World, f.Ingress.ListModels, activities.ListModelsInput{})
	require.Contains(t, all.Tables, activities.ModelName{Name: "new_vehicle", Label: "Vehicle", Tracked: true})
	require.Contains(t, all.Tables, activities.ModelName{Name: "contact", Label: "Contact", Tracked: true})
	var resources []string
	for _, r := range all.Resources {
		resources = append(resources, r.Name)
	}
	require.Subset(t, resources, []string{"profile", "cusVehicle", "cusService"})
	require.NotContains(t, resources, "apiName")
	few := activitytest.Call[activities.ListModelsResult](f.World, f.Ingress.ListModels, activities.ListModelsInput{Find: "VEHIC"})
	require.Equal(t, "new_vehicle", few.Tables[0].Name)
	require.Equal(t, "cusVehicle", few.Resources[0].Name)
	one := activitytest.Call[activities.ListModelsResult](f.World, f.Ingress.ListModels, activities.ListModelsInput{Limit: 1})
	require.Len(t, one.Tables, 1)
	require.Equal(t, len(all.Tables)-1, one.MoreTables)
	require.Equal(t, len(all.Resources)-1, one.MoreResources)
}

// R11.3, R11.4, R12.4, R13.11: both sides are described with types, options and nested fields;
// without All only what the mapping names, so that an answer stays small.
func TestBothSidesOfAMapping(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 1)
	s.Table.Fields = append(s.Table.Fields, mapping.Field{From: "gendercode", To: "gender"})
	got := activitytest.Call[activities.DescribeMappingResult](s, s.Ingress.DescribeMapping, activities.DescribeMappingInput{Table: s.Table})
	require.Empty(t, got.Problems)
	require.Equal(t, "Contact", got.TableLabel)
	require.Equal(t, "contactid", got.Key)
	require.True(t, got.Tracked)
	columns, fields := map[string]activities.ModelColumn{}, map[string]activities.ModelField{}
	for _, c := range got.Columns {
		columns[c.Name] = c
	}
	for _, f := range got.Fields {
		fields[f.Name] = f
	}
	require.Len(t, columns, len(s.Table.Fields)+1, "with the key")
	require.Len(t, fields, len(s.Table.Fields)+1)
	require.Equal(t, mapping.FromText, columns["lastname"].Kind)
	require.Positive(t, columns["lastname"].Length)
	require.NotEmpty(t, columns["gendercode"].Options)
	require.Equal(t, []string{"equals", "not_equals", "empty", "not_empty"}, columns["gendercode"].Comparisons)
	require.Contains(t, columns["birthdate"].Takes, mapping.ToDate)
	require.Equal(t, mapping.ToText, fields["location.city"].Kind)
	require.NotEmpty(t, fields["gender"].Options)
	require.True(t, fields["externalId"].Key)

	all := activitytest.Call[activities.DescribeMappingResult](s, s.Ingress.DescribeMapping, activities.DescribeMappingInput{Table: s.Table, All: true})
	require.Greater(t, len(all.Columns), len(got.Columns))
	require.Greater(t, len(all.Fields), len(got.Fields))
	found := activitytest.Call[activities.DescribeMappingResult](s, s.Ingress.DescribeMapping, activities.DescribeMappingInput{Table: s.Table, All: true, Find: "city", Limit: 1})
	require.Len(t, found.Columns, 1)
	require.Contains(t, found.Columns[0].Name, "city")
	require.Contains(t, found.Fields[0].Name, "city")
}

// R11.14: what does not fit is said in the words of a start, for each field; also a side that
// there is not.
func TestWhatOfADraftDoesNotFit(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 1)
	draft := s.Table
	draft.Fields = append(draft.Fields, mapping.Field{From: "nickname_gone", To: "middleName"}, mapping.Field{From: "firstname", To: "email"})
	got := activitytest.Call[activities.DescribeMappingResult](s, s.Ingress.DescribeMapping, activities.DescribeMappingInput{Table: draft})
	_, err := s.Env.ExecuteActivity(s.Ingress.CheckMapping, activities.PreflightInput{Table: draft})
	require.Error(t, err)
	require.NotEmpty(t, got.Problems)
	for _, p := range got.Problems {
		require.ErrorContains(t, err, p.String())
	}
	draft.Dynamics.Table, draft.Campaign.Resource = "nothing", "cusNothing"
	got = activitytest.Call[activities.DescribeMappingResult](s, s.Ingress.DescribeMapping, activities.DescribeMappingInput{Table: draft})
	require.Equal(t, "ingress.tables.contacts.dynamics.table", got.Problems[0].Path)
	require.Equal(t, "ingress.tables.contacts.campaign.resource", got.Problems[1].Path)
	require.Empty(t, got.Columns)
	require.Empty(t, got.Fields)
}

// What was read is kept for a while, and read anew when somebody asks for that.
func TestADescriptionIsReadAnewOnRequest(t *testing.T) {
	t.Parallel()
	s, d := newDesk(t, 1)
	clock := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	s.IngressOptions.Clock = func() time.Time { return clock }
	s.Ingress = ingress.New(s.IngressOptions)
	s.Register()
	describe := func(fresh bool) activities.DescribeMappingResult {
		return activitytest.Call[activities.DescribeMappingResult](s, s.Ingress.DescribeMapping, activities.DescribeMappingInput{Table: s.Table, Fresh: fresh})
	}
	describe(false)
	clock = clock.Add(time.Minute)
	require.Equal(t, clock.Add(-time.Minute), describe(false).At)
	require.EqualValues(t, 1, d.reads.Load())
	require.Equal(t, clock, describe(true).At)
	require.EqualValues(t, 2, d.reads.Load())
	clock = clock.Add(time.Hour)
	require.Equal(t, clock, describe(false).At)
	require.EqualValues(t, 3, d.reads.Load())
}

// A draft is tried on one record: shapes, rules and refusals, and no value.
func TestADraftIsTriedOnOneRecord(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 3)
	s.Load()
	id := s.Sandboxes.Dynamics.Keys("contacts")[0]
	s.Edit(id, map[string]any{"lastname": "QUILLFEATHER", "firstname": strings.Repeat("Zoralda", 6), "emailaddress1": "not an address", "gendercode": 1, "nickname": nil})
	draft := s.Table
	draft.Fields = append(draft.Fields[1:len(draft.Fields):len(draft.Fields)], mapping.Field{From: "firstname", To: "firstName", OnTooLong: "truncate"},
		mapping.Field{From: "gendercode", To: "gender", Replace: map[string]string{"Male": "female"}}, mapping.Field{From: "nickname", To: "middleName"})
	draft.Fields[0].LowerCase = true
	got := activitytest.Call[activities.TryMappingResult](s, s.Ingress.TryMapping, activities.TryMappingInput{Table: draft, ID: id, By: "ada"})
	require.True(t, got.Live.InDynamics && got.Live.InCampaign)
	require.Equal(t, "externalId", got.Fields[0].To, "R10.5")
	fields := map[string]activities.TriedField{}
	for _, f := range got.Fields {
		fields[f.To] = f
	}
	require.Equal(t, activities.TriedField{From: "lastname", To: "lastName", InDynamics: "text of 12", WouldSend: "text of 12", InCampaign: fields["lastName"].InCampaign, Changes: true, Differs: true, Notes: []string{"in lower case"}}, fields["lastName"])
	require.Equal(t, []string{"too long: cut to fit"}, fields["firstName"].Notes)
	require.Equal(t, []string{"replaced"}, fields["gender"].Notes)
	require.Equal(t, []string{"the column is empty"}, fields["middleName"].Notes)
	doc, err := json.Marshal(got)
	require.NoError(t, err)
	for _, value := range []string{"QUILLFEATHER", "quillfeather", "Zoralda", "not an address", "female"} {
		require.NotContains(t, string(doc), value)
	}

	// What cannot be written is said of its field, and the others are shown all the same.
	strict := draft
	strict.Fields = append([]mapping.Field{}, draft.Fields...)
	for n := range strict.Fields {
		strict.Fields[n].OnTooLong = ""
	}
	refused := activitytest.Call[activities.TryMappingResult](s, s.Ingress.TryMapping, activities.TryMappingInput{Table: strict, ID: id})
	require.Equal(t, "refuse", refused.Live.Decision)
	for _, f := range refused.Fields {
		require.Equal(t, f.To == "firstName", f.Problem != "", f.To)
		require.Equal(t, f.To == "firstName", f.WouldSend == "", f.To)
		require.False(t, f.Changes, f.To)
	}

	// What a run would write is told from what differs.
	other := s.Sandboxes.Dynamics.Keys("contacts")[1]
	s.Edit(other, map[string]any{"lastname": "Marshwiggle", "address1_city": "Archenland"})
	off := false
	held := s.Table
	held.Fields = append([]mapping.Field{}, s.Table.Fields...)
	held.Fields[4].ApplyUpdates = &off
	update := activitytest.Call[activities.TryMappingResult](s, s.Ingress.TryMapping, activities.TryMappingInput{Table: held, ID: other})
	require.Equal(t, "update", update.Live.Decision)
	for _, f := range update.Fields {
		require.Equal(t, f.To == "lastName", f.Changes, f.To)
		require.Equal(t, f.To == "lastName" || f.To == "location.city", f.Differs, f.To)
	}

	before, err := s.Ledger.Operations(t.Context(), ledger.OperationFilter{What: activities.OpReveal})
	require.NoError(t, err)
	require.Empty(t, before)

	public, private, err := box.GenerateKey(rand.Reader)
	require.NoError(t, err)
	in := activities.TryMappingInput{Table: draft, ID: id, By: "ada", RevealTo: public[:], Reason: "ticket 4711"}
	got = activitytest.Call[activities.TryMappingResult](s, s.Ingress.TryMapping, in)
	values, err := activities.RevealTried(got.Sealed, public, private)
	require.NoError(t, err)
	require.Len(t, values, len(got.Fields))
	for n, f := range got.Fields {
		if f.To == "lastName" {
			require.JSONEq(t, `"quillfeather"`, string(values[n].WouldSend))
			require.JSONEq(t, `"QUILLFEATHER"`, string(values[n].InDynamics))
		}
	}
	logged, err := s.Ledger.Operations(t.Context(), ledger.OperationFilter{What: activities.OpReveal})
	require.NoError(t, err)
	require.Len(t, logged, 1)
	require.Equal(t, "ticket 4711", logged[0].Reason)
	require.NotContains(t, logged[0].Detail, "uill")

	hidden := s.IngressOptions
	hidden.HideValues = true
	hiding := ingress.New(hidden)
	env := activitytest.NewEnv()
	hiding.Register(env)
	_, err = env.ExecuteActivity(hiding.TryMapping, in)
	require.ErrorContains(t, err, "quarantine.reveal is off")
	got = activitytest.Call[activities.TryMappingResult](s, s.Ingress.TryMapping, activities.TryMappingInput{Table: draft, ID: "6f0c1d2e-0000-4000-8000-00000000dead"})
	require.False(t, got.Live.InDynamics)
	require.Empty(t, got.Fields)
}
