package activities_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"causeway.dev/activities"
	"causeway.dev/internal/mapping"
	"causeway.dev/sandbox/campaign"
	"causeway.dev/sandbox/dataverse"
	"causeway.dev/sandbox/stack"
)

func (s *spine) editProfile(id, body string) {
	s.t.Helper()
	require.NoError(s.t, s.boxes.Campaign.Update("profile", id, []byte(body)))
}

// R2.1, R2.2, R2.3, R2.4, R23.2: Dynamics is the source of truth and is never
// written to; what is changed in Campaign stays until Dynamics says otherwise.
func TestDynamicsIsTheSourceOfTruth(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 20)
	s.load()
	keys := s.boxes.Dynamics.Keys("contacts")
	version := s.boxes.Dynamics.Version()
	s.editProfile(keys[0], `{"lastName":"Somebody","fax":"77"}`)
	require.NoError(t, s.boxes.Campaign.Delete("profile", keys[1]))
	s.seed(map[string]any{"externalId": "crm-1", "lastName": "Foreign"})
	s.delta()
	s.pass(activities.KindBackfill, activities.PhaseScan)
	require.Equal(t, version, s.boxes.Dynamics.Version(), "nothing flows back")
	require.Equal(t, "Somebody", s.boxes.Campaign.Profile(keys[0])["lastName"])

	s.edit(keys[0], map[string]any{"lastname": "Brandt"})
	s.edit(keys[1], map[string]any{"lastname": "Berg"})
	s.delta()
	require.Equal(t, "Brandt", s.boxes.Campaign.Profile(keys[0])["lastName"], "R2.3")
	require.Equal(t, "77", s.boxes.Campaign.Profile(keys[0])["fax"], "what is not mapped stays")
	require.Equal(t, "Berg", s.boxes.Campaign.Profile(keys[1])["lastName"], "created again")
}

// R14.1, R14.3, R14.5: one DELETE of the record and nothing else; a record that
// is gone already counts as deleted.
func TestApplyDeletes(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 5)
	s.load()
	keys := s.boxes.Dynamics.Keys("contacts")
	before := s.boxes.Campaign.Meter()
	require.True(t, s.boxes.Dynamics.Delete("contacts", keys[0]))
	require.Equal(t, activities.Counts{Read: 1, Deleted: 1}, s.delta())
	after := s.boxes.Campaign.Meter()
	for kind, n := range after {
		want := before[kind]
		if kind == "delete" {
			want++
		}
		require.Equal(t, want, n, kind)
	}
	require.NoError(t, s.boxes.Campaign.Delete("profile", keys[1]))
	require.True(t, s.boxes.Dynamics.Delete("contacts", keys[1]))
	require.Equal(t, activities.Counts{Read: 1, Deleted: 1}, s.delta(), "R14.5")
}

// R14.2
func TestDeletesThatAreNotApplied(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 5)
	s.table.ApplyDeletes = false
	s.load()
	calls := s.engineCalls()
	key := s.boxes.Dynamics.Keys("contacts")[0]
	require.True(t, s.boxes.Dynamics.Delete("contacts", key))
	require.Equal(t, activities.Counts{Read: 1, Filtered: 1}, s.delta())
	require.NotNil(t, s.boxes.Campaign.Profile(key))
	require.Equal(t, calls, s.engineCalls())
}

// R14.4: labels, or with technical values numbers.
func TestTechnicalValues(t *testing.T) {
	t.Parallel()
	for technical, want := range map[bool]string{false: "Married", true: "2"} {
		s := newSpine(t, 1)
		s.table.TechnicalValues = technical
		s.table.Fields = []mapping.Field{{From: "lastname", To: "lastName"}, {From: "familystatuscode", To: "fax"}}
		key := s.boxes.Dynamics.Keys("contacts")[0]
		s.edit(key, map[string]any{"familystatuscode": 2})
		s.load()
		require.Equal(t, want, s.boxes.Campaign.Profile(key)["fax"])
	}
}

// R15.1: inactive contacts too; R15.5: what changes during the load is not lost.
func TestChangesDuringTheInitialLoadAreNotLost(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 250) // three pages
	keys := s.boxes.Dynamics.Keys("contacts")
	s.edit(keys[3], map[string]any{"statecode": 1, "statuscode": 2})
	call[activities.PreflightResult](s, s.in.Preflight, activities.PreflightInput{Table: s.table})
	ref := activities.RunRef{Run: "contacts-0", Table: "contacts", Revision: s.table.Revision(), Kind: activities.KindInitial}
	call[activities.OpenRunResult](s, s.in.OpenRun, activities.OpenRunInput{RunRef: ref})
	page := 0
	for _, phase := range []activities.Phase{activities.PhaseBaseline, activities.PhaseCatchUp} {
		for more := true; more; {
			page++
			got := call[activities.FetchResult](s, s.in.FetchPage, activities.FetchInput{RunRef: ref, Page: page, Phase: phase, Lanes: 4})
			for lane, size := range got.Lanes {
				if size > 0 {
					call[activities.LaneResult](s, s.in.WriteLane, activities.LaneInput{RunRef: ref, Page: page, Lane: lane})
				}
			}
			more = got.More
			s.edit(keys[page], map[string]any{"address1_city": fmt.Sprintf("Nebelheim %d", page)})
			s.edit(keys[249-page], map[string]any{"address1_city": fmt.Sprintf("Ostwaldsruh %d", page)})
			require.True(t, s.boxes.Dynamics.Delete("contacts", keys[100+page]))
		}
	}
	call[activities.SaveWatermarkResult](s, s.in.SaveWatermark, activities.SaveWatermarkInput{RunRef: ref})
	s.delta()
	require.Empty(t, s.differences(), "deletes of records that had been read already are not lost either")
	require.NotNil(t, s.boxes.Campaign.Profile(keys[3]))
}

// R15.10: a spike of changes loses none.
func TestABurstOfChanges(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 300)
	s.load()
	for round := range 5 {
		for i, key := range s.boxes.Dynamics.Keys("contacts") {
			s.edit(key, map[string]any{"address1_city": fmt.Sprintf("Town %d-%d", round, i)})
		}
	}
	require.Equal(t, int64(300), s.delta().Updated, "each record once, with its last value")
	require.Empty(t, s.differences())
}

// R16.1, R16.9: a replay looks at every record and deletes none.
func TestAReplayDeletesNothing(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 120)
	s.load()
	s.seed(map[string]any{"externalId": "00000000-0000-4000-8000-00000000abcd", "lastName": "Extra"})
	out := s.pass(activities.KindBackfill, activities.PhaseScan)
	require.Equal(t, activities.Counts{Read: 120, Unchanged: 120}, out.Counts)
	require.Equal(t, int64(121), s.boxes.Campaign.Count("profile"))
}

// R16.8: what a replay writes obeys the filter, the replacements and the way
// choices are written.
func TestAReplayAppliesTheWholeMapping(t *testing.T) {
	t.Parallel()
	for technical, want := range map[bool]string{false: "Married", true: "2"} {
		s := newSpine(t, 6)
		s.table.TechnicalValues = technical
		s.table.Filter = mapping.Filter{DeleteUnmatched: true, Where: []mapping.Condition{{Column: "jobtitle", Is: "not_equals", Value: "left"}}}
		s.table.Fields[4].Replace = map[string]string{"Town 1": "Nebelheim"}
		s.table.Fields = append(s.table.Fields, mapping.Field{From: "familystatuscode", To: "fax"})
		keys := s.boxes.Dynamics.Keys("contacts")
		for _, key := range keys {
			s.edit(key, map[string]any{"familystatuscode": 1, "address1_city": "Town 0"})
		}
		s.load()
		s.edit(keys[0], map[string]any{"jobtitle": "left"})
		s.edit(keys[1], map[string]any{"address1_city": "Town 1"})
		s.edit(keys[2], map[string]any{"familystatuscode": 2})
		require.Equal(t, activities.Counts{Read: 6, Updated: 2, Parked: 1, Unchanged: 3}, s.pass(activities.KindBackfill, activities.PhaseScan).Counts)
		require.Equal(t, activities.Counts{Read: 1 + 3, Deleted: 1, Unchanged: 2, Filtered: 1}, s.delta(), "deletes of a run are counted first; the changes have been written")
		require.Nil(t, s.boxes.Campaign.Profile(keys[0]))
		require.Equal(t, "Nebelheim", s.boxes.Campaign.Profile(keys[1])["location"].(map[string]any)["city"])
		require.Equal(t, want, s.boxes.Campaign.Profile(keys[2])["fax"])
	}
}

// R9.5, R9.6, R10.4: the tables and the key of a mapping that has run are fixed;
// another name is another mapping. R9.7: nothing is deleted in Campaign.
func TestTheTablesOfAMappingAreFixed(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 3)
	f.load()
	other := f.vehicles.table
	other.Name, other.Fields = "contacts", other.Fields[1:]
	_, err := f.env.ExecuteActivity(f.in.Preflight, activities.PreflightInput{Table: other})
	require.ErrorContains(t, err, "ingress.tables.contacts: got new_vehicle -> cusVehicle with key externalId, want contact -> profile with key externalId, as it was when it first ran")
	f.vehicle("")
	f.vehicles.load()
	require.Equal(t, int64(3), f.boxes.Campaign.Count("profile"))
	require.Equal(t, int64(1), f.boxes.Campaign.Count("cusVehicle"))

	// The same tables under another name: a mapping of its own, which
	// begins anew and takes over what is there.
	renamed := f.vehicles.table
	renamed.Name = "cars"
	cars := f.with(renamed)
	require.True(t, cars.start().NeedsBaseline, "R9.6")
	require.Zero(t, cars.load().Counts.Created)
	f.vehicle("")
	require.Equal(t, activities.Counts{Read: 1, Created: 1}, cars.delta())
	require.Equal(t, int64(2), f.boxes.Campaign.Count("cusVehicle"), "R9.7: what was written stays, and is not doubled")
}

// R9.10, R11.1: 20 custom tables of 50 columns each start and stay in step.
func TestTwentyTablesOfFiftyColumns(t *testing.T) {
	t.Parallel()
	const tables, columns, rows = 20, 50, 6
	var mappings []activities.Table
	s := newSpine(t, 0, func(o *stack.Options) {
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
			s.insert(set, values)
		}
		one := s.with(m)
		require.Equal(t, int64(rows), one.load().Counts.Created)
		key := s.boxes.Dynamics.Keys(set)[0]
		require.NoError(t, s.boxes.Dynamics.Update(set, key, map[string]any{"new_c49": "changed"}))
		require.Equal(t, activities.Counts{Read: 1, Updated: 1}, one.delta())
		require.Equal(t, "changed", s.boxes.Campaign.Record(m.Campaign.Resource, key)["c49"])
	}
}

// R15.7: a load beyond the guardrail is refused before anything is written.
func TestALoadBeyondTheGuardrailIsRefused(t *testing.T) {
	t.Parallel()
	base := newSpine(t, 30)
	base.opts.MaxRecords = 29
	s, _ := base.withBudget(0, newBudgetClock())
	call[activities.PreflightResult](s, s.in.Preflight, activities.PreflightInput{Table: s.table})
	ref := activities.RunRef{Run: "contacts-1", Table: "contacts", Revision: s.table.Revision(), Kind: activities.KindInitial}
	_, err := s.env.ExecuteActivity(s.in.OpenRun, activities.OpenRunInput{RunRef: ref})
	require.ErrorContains(t, err, "the table holds about 30 records, more than the 29 of ingress.max_records; raise it")
	base.opts.MaxRecords = 30
	s, _ = base.withBudget(0, newBudgetClock())
	require.Equal(t, int64(30), s.load().Counts.Created)
}

// R16.7: while ids are read before a baseline of several pages, the heartbeat
// says how many. Those after an activity's first are sent now and then.
func TestReadingIDsIsProgress(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 250)
	beats := make(chan int64, 100)
	s.env.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) {
		var beat activities.AnchorBeat
		if details.Get(&beat) == nil && beat.IDs > 0 {
			beats <- beat.IDs
		}
	})
	s.load()
	require.NotEmpty(t, beats)
	require.Equal(t, int64(100), <-beats)
}
