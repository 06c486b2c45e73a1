package ingress_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/internal/mapping"
	"causeway.dev/sandbox/campaign"
	"causeway.dev/sandbox/dataverse"
	"causeway.dev/sandbox/stack"
)

// R2.1, R2.2, R2.3, R2.4, R23.2: Dynamics is the source of truth and is never
// written to; what is changed in Campaign stays until Dynamics says otherwise.
func TestDynamicsIsTheSourceOfTruth(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 20)
	s.Table.Erased = mapping.RestoreErased
	s.Load()
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	version := s.Sandboxes.Dynamics.Version()
	s.EditProfile(keys[0], `{"lastName":"Somebody","fax":"77"}`)
	require.NoError(t, s.Sandboxes.Campaign.Delete("profile", keys[1]))
	s.InsertProfile(map[string]any{"externalId": "crm-1", "lastName": "Foreign"})
	s.Delta()
	s.Pass(activities.KindBackfill, activities.PhaseScan)
	require.Equal(t, version, s.Sandboxes.Dynamics.Version(), "nothing flows back")
	require.Equal(t, "Somebody", s.Sandboxes.Campaign.Profile(keys[0])["lastName"])

	s.Edit(keys[0], map[string]any{"lastname": "Brandt"})
	s.Edit(keys[1], map[string]any{"lastname": "Berg"})
	s.Delta()
	require.Equal(t, "Brandt", s.Sandboxes.Campaign.Profile(keys[0])["lastName"], "R2.3")
	require.Equal(t, "77", s.Sandboxes.Campaign.Profile(keys[0])["fax"], "what is not mapped stays")
	require.Equal(t, "Berg", s.Sandboxes.Campaign.Profile(keys[1])["lastName"], "created again")
}

// R14.1, R14.3, R14.5: one DELETE of the record and nothing else; a record that
// is gone already counts as deleted.
func TestApplyDeletes(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 5)
	s.Load()
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	before := s.Sandboxes.Campaign.Meter()
	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", keys[0]))
	require.Equal(t, activities.Counts{Read: 1, Deleted: 1}, s.Delta())
	after := s.Sandboxes.Campaign.Meter()
	for kind, n := range after {
		want := before[kind]
		if kind == "delete" {
			want++
		}
		require.Equal(t, want, n, kind)
	}
	require.NoError(t, s.Sandboxes.Campaign.Delete("profile", keys[1]))
	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", keys[1]))
	require.Equal(t, activities.Counts{Read: 1, Deleted: 1}, s.Delta(), "R14.5")
}

// R14.2
func TestDeletesThatAreNotApplied(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 5)
	s.Table.ApplyDeletes = false
	s.Load()
	calls := s.EngineCalls()
	key := s.Sandboxes.Dynamics.Keys("contacts")[0]
	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", key))
	require.Equal(t, activities.Counts{Read: 1, Filtered: 1}, s.Delta())
	require.NotNil(t, s.Sandboxes.Campaign.Profile(key))
	require.Equal(t, calls, s.EngineCalls())
}

// R14.4: labels, or with technical values numbers.
func TestTechnicalValues(t *testing.T) {
	t.Parallel()
	for technical, want := range map[bool]string{false: "Married", true: "2"} {
		s := activitytest.NewWorld(t, 1)
		s.Table.TechnicalValues = technical
		s.Table.Fields = []mapping.Field{{From: "lastname", To: "lastName"}, {From: "familystatuscode", To: "fax"}}
		key := s.Sandboxes.Dynamics.Keys("contacts")[0]
		s.Edit(key, map[string]any{"familystatuscode": 2})
		s.Load()
		require.Equal(t, want, s.Sandboxes.Campaign.Profile(key)["fax"])
	}
}

// R15.1: inactive contacts too; R15.5: what changes during the load is not lost.
func TestChangesDuringTheInitialLoadAreNotLost(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 250) // three pages
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	s.Edit(keys[3], map[string]any{"statecode": 1, "statuscode": 2})
	activitytest.Call[activities.PreflightResult](s, s.Ingress.Preflight, activities.PreflightInput{Table: s.Table})
	ref := activities.RunRef{Run: "contacts-0", Table: "contacts", Revision: s.Table.Revision(), Kind: activities.KindInitial}
	activitytest.Call[activities.OpenRunResult](s, s.Ingress.OpenRun, activities.OpenRunInput{RunRef: ref})
	page := 0
	for _, phase := range []activities.Phase{activities.PhaseBaseline, activities.PhaseCatchUp} {
		for more := true; more; {
			page++
			got := activitytest.Call[activities.FetchResult](s, s.Ingress.FetchPage, activities.FetchInput{RunRef: ref, Page: page, Phase: phase, Lanes: 4})
			for lane, size := range got.Lanes {
				if size > 0 {
					activitytest.Call[activities.LaneResult](s, s.Ingress.WriteLane, activities.LaneInput{RunRef: ref, Page: page, Lane: lane})
				}
			}
			more = got.More
			s.Edit(keys[page], map[string]any{"address1_city": fmt.Sprintf("Nebelheim %d", page)})
			s.Edit(keys[249-page], map[string]any{"address1_city": fmt.Sprintf("Ostwaldsruh %d", page)})
			require.True(t, s.Sandboxes.Dynamics.Delete("contacts", keys[100+page]))
		}
	}
	activitytest.Call[activities.SaveWatermarkResult](s, s.Ingress.SaveWatermark, activities.SaveWatermarkInput{RunRef: ref})
	s.Delta()
	require.Empty(t, s.Differences(), "deletes of records that had been read already are not lost either")
	require.NotNil(t, s.Sandboxes.Campaign.Profile(keys[3]))
}

// R15.10: a spike of changes loses none.
func TestABurstOfChanges(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 300)
	s.Load()
	for round := range 5 {
		for i, key := range s.Sandboxes.Dynamics.Keys("contacts") {
			s.Edit(key, map[string]any{"address1_city": fmt.Sprintf("Town %d-%d", round, i)})
		}
	}
	require.Equal(t, int64(300), s.Delta().Updated, "each record once, with its last value")
	require.Empty(t, s.Differences())
}

// R16.1, R16.9: a replay looks at every record and deletes none.
func TestAReplayDeletesNothing(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 120)
	s.Load()
	s.InsertProfile(map[string]any{"externalId": "00000000-0000-4000-8000-00000000abcd", "lastName": "Extra"})
	out := s.Pass(activities.KindBackfill, activities.PhaseScan)
	require.Equal(t, activities.Counts{Read: 120, Unchanged: 120}, out.Counts)
	require.Equal(t, int64(121), s.Sandboxes.Campaign.Count("profile"))
}

// R16.8: what a replay writes obeys the filter, the replacements and the way
// choices are written.
func TestAReplayAppliesTheWholeMapping(t *testing.T) {
	t.Parallel()
	for technical, want := range map[bool]string{false: "Married", true: "2"} {
		s := activitytest.NewWorld(t, 6)
		s.Table.TechnicalValues = technical
		s.Table.Filter = mapping.Filter{DeleteUnmatched: true, Where: []mapping.Condition{{Column: "jobtitle", Is: "not_equals", Value: "left"}}}
		s.Table.Fields[4].Replace = map[string]string{"Town 1": "Nebelheim"}
		s.Table.Fields = append(s.Table.Fields, mapping.Field{From: "familystatuscode", To: "fax"})
		keys := s.Sandboxes.Dynamics.Keys("contacts")
		for _, key := range keys {
			s.Edit(key, map[string]any{"familystatuscode": 1, "address1_city": "Town 0"})
		}
		s.Load()
		s.Edit(keys[0], map[string]any{"jobtitle": "left"})
		s.Edit(keys[1], map[string]any{"address1_city": "Town 1"})
		s.Edit(keys[2], map[string]any{"familystatuscode": 2})
		require.Equal(t, activities.Counts{Read: 6, Updated: 2, Parked: 1, Unchanged: 3}, s.Pass(activities.KindBackfill, activities.PhaseScan).Counts)
		require.Equal(t, activities.Counts{Read: 1 + 3, Deleted: 1, Unchanged: 2, Filtered: 1}, s.Delta(), "deletes of a run are counted first; the changes have been written")
		require.Nil(t, s.Sandboxes.Campaign.Profile(keys[0]))
		require.Equal(t, "Nebelheim", s.Sandboxes.Campaign.Profile(keys[1])["location"].(map[string]any)["city"])
		require.Equal(t, want, s.Sandboxes.Campaign.Profile(keys[2])["fax"])
	}
}

// R9.5, R9.6, R10.4: the tables and the key of a mapping that has run are fixed;
// another name is another mapping. R9.7: nothing is deleted in Campaign.
func TestTheTablesOfAMappingAreFixed(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 3)
	f.Load()
	other := f.vehicles.Table
	other.Name, other.Fields = "contacts", other.Fields[1:]
	_, err := f.Env.ExecuteActivity(f.Ingress.Preflight, activities.PreflightInput{Table: other})
	const says = "ingress.tables.contacts: got new_vehicle -> cusVehicle with key externalId, want contact -> profile with key externalId, as it was when it first ran"
	require.ErrorContains(t, err, says)
	_, err = f.Env.ExecuteActivity(f.Ingress.CheckMapping, activities.PreflightInput{Table: other})
	require.ErrorContains(t, err, says, "nor does apply take it")
	_, err = f.Env.ExecuteActivity(f.Ingress.Plan, activities.PlanInput{Table: other})
	require.ErrorContains(t, err, says, "nor plan")
	f.vehicle("")
	f.vehicles.Load()
	require.Equal(t, int64(3), f.Sandboxes.Campaign.Count("profile"))
	require.Equal(t, int64(1), f.Sandboxes.Campaign.Count("cusVehicle"))

	// The same tables under another name: a mapping of its own, which
	// begins anew and takes over what is there.
	renamed := f.vehicles.Table
	renamed.Name = "cars"
	cars := f.With(renamed)
	require.True(t, cars.Preflight().NeedsBaseline, "R9.6")
	require.Zero(t, cars.Load().Counts.Created)
	f.vehicle("")
	require.Equal(t, activities.Counts{Read: 1, Created: 1}, cars.Delta())
	require.Equal(t, int64(2), f.Sandboxes.Campaign.Count("cusVehicle"), "R9.7: what was written stays, and is not doubled")
}

// R9.10, R11.1: 20 custom tables of 50 columns each start and stay in step.
func TestTwentyTablesOfFiftyColumns(t *testing.T) {
	t.Parallel()
	const tables, columns, rows = 20, 50, 6
	var mappings []activities.Table
	s := activitytest.NewWorld(t, 0, func(o *stack.Options) {
		for n := range tables {
			d := dataverse.Table{LogicalName: fmt.Sprintf("new_t%d", n), EntitySet: fmt.Sprintf("new_t%ds", n), Key: fmt.Sprintf("new_t%did", n), Name: "new_c0", Tracked: true}
			c := campaign.Resource{Name: fmt.Sprintf("cusT%d", n), Label: "T", Schema: fmt.Sprintf("cus:t%d", n), Key: "externalId",
				Fields: []campaign.Field{{Name: "externalId", Type: campaign.String, ResType: "string", Length: 50}}}
			m := activities.Table{Name: fmt.Sprintf("t%d", n), Dynamics: mapping.SourceTable{Table: d.LogicalName},
				Campaign: mapping.TargetTable{Resource: c.Name, Key: "externalId"}, ApplyDeletes: true}
			for i := range columns {
				d.Columns = append(d.Columns, dataverse.Column{Name: fmt.Sprintf("new_c%d", i), Type: "String", MaxLength: 100})
				c.Fields = append(c.Fields, campaign.Field{Name: fmt.Sprintf("c%d", i), Type: campaign.String, ResType: "string", Length: 100})
				m.Fields = append(m.Fields, mapping.Field{From: fmt.Sprintf("new_c%d", i), To: fmt.Sprintf("c%d", i)})
			}
			o.Tables, o.Resources, mappings = append(o.Tables, dataverse.WithSystemColumns(d)), append(o.Resources, c), append(mappings, m)
		}
	})
	for n, m := range mappings {
		set := fmt.Sprintf("new_t%ds", n)
		for r := range rows {
			values := map[string]any{}
			for i := range columns {
				values[fmt.Sprintf("new_c%d", i)] = fmt.Sprintf("%d/%d/%d", n, r, i)
			}
			s.InsertRow(set, values)
		}
		one := s.With(m)
		require.Equal(t, int64(rows), one.Load().Counts.Created)
		key := s.Sandboxes.Dynamics.Keys(set)[0]
		require.NoError(t, s.Sandboxes.Dynamics.Update(set, key, map[string]any{"new_c49": "changed"}))
		require.Equal(t, activities.Counts{Read: 1, Updated: 1}, one.Delta())
		require.Equal(t, "changed", s.Sandboxes.Campaign.Record(m.Campaign.Resource, key)["c49"])
	}
}

// R15.7: a load beyond the guardrail is refused before anything is written.
func TestALoadBeyondTheGuardrailIsRefused(t *testing.T) {
	t.Parallel()
	base := activitytest.NewWorld(t, 30)
	base.IngressOptions.MaxRecords = 29
	s, _ := base.WithBudget(0, activitytest.NewBudgetClock())
	activitytest.Call[activities.PreflightResult](s, s.Ingress.Preflight, activities.PreflightInput{Table: s.Table})
	ref := activities.RunRef{Run: "contacts-1", Table: "contacts", Revision: s.Table.Revision(), Kind: activities.KindInitial}
	_, err := s.Env.ExecuteActivity(s.Ingress.OpenRun, activities.OpenRunInput{RunRef: ref})
	require.ErrorContains(t, err, "the table holds about 30 records, more than the 29 of ingress.max_records; raise it")
	base.IngressOptions.MaxRecords = 30
	s, _ = base.WithBudget(0, activitytest.NewBudgetClock())
	require.Equal(t, int64(30), s.Load().Counts.Created)
}

// R16.7: while ids are read before a baseline of several pages, the heartbeat
// says how many. Those after an activity's first are sent now and then.
func TestReadingIDsIsProgress(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 250)
	beats := make(chan int64, 100)
	s.Env.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) {
		var beat activities.PreBaselineBeat
		if details.Get(&beat) == nil && beat.IDs > 0 {
			beats <- beat.IDs
		}
	})
	s.Load()
	require.NotEmpty(t, beats)
	require.Equal(t, int64(100), <-beats)
}
