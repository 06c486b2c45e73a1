package ingress_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/internal/mapping"
	"causeway.dev/sandbox/campaign"
	"causeway.dev/sandbox/dataverse"
	"causeway.dev/sandbox/stack"
)

// R11.11, docs/protocol/integration.md §26, docs/protocol/campaign.md §10: instants and birthdays arrive right, around the
// changes of clocks both ways, in zones from twelve hours behind UTC to fourteen
// ahead: days as days, literal times as written, instants as the same instant,
// or as the day it was in the zone of the field.
func TestDatesArriveRight(t *testing.T) {
	t.Parallel()
	zones := map[string]string{"dayWest": "Etc/GMT+12", "dayNewYork": "America/New_York", "dayParis": "Europe/Paris", "dayAdelaide": "Australia/Adelaide", "dayEast": "Pacific/Kiritimati", "dayUTC": ""}
	one := activities.Table{Name: "trips", ApplyDeletes: true, Dynamics: mapping.SourceTable{Table: "new_trip"}, Campaign: mapping.TargetTable{Resource: "cusTrip", Key: "externalId"},
		Fields: []mapping.Field{{From: "new_born", To: "born"}, {From: "new_seen", To: "seen"}, {From: "new_clock", To: "clock"}, {From: "new_clock", To: "clockDay"}}}
	res := campaign.Resource{Name: "cusTrip", Label: "Trip", Schema: "cus:trip", Key: "externalId", Fields: []campaign.Field{
		{Name: "externalId", Type: campaign.String, ResType: "string", Length: 50}, {Name: "born", Type: campaign.Date, ResType: "date"},
		{Name: "seen", Type: campaign.Datetime, ResType: "datetime"}, {Name: "clock", Type: campaign.Datetime, ResType: "datetime"}, {Name: "clockDay", Type: campaign.Date, ResType: "date"}}}
	for field, zone := range zones {
		one.Fields = append(one.Fields, mapping.Field{From: "new_seen", To: field, TimeZone: zone})
		res.Fields = append(res.Fields, campaign.Field{Name: field, Type: campaign.Date, ResType: "date"})
	}
	s := activitytest.NewWorld(t, 0, func(o *stack.Options) {
		o.Tables = append(o.Tables, dataverse.WithSystemColumns(dataverse.Table{LogicalName: "new_trip", EntitySet: "new_trips", Key: "new_tripid", Name: "new_name", Tracked: true,
			Columns: []dataverse.Column{{Name: "new_name", Type: "String", MaxLength: 100}, {Name: "new_born", Type: "DateTime", Behavior: "DateOnly"},
				{Name: "new_seen", Type: "DateTime", Behavior: "UserLocal"}, {Name: "new_clock", Type: "DateTime", Behavior: "TimeZoneIndependent"}}}))
		o.Resources = append(o.Resources, res)
	}).With(one)

	tests := []struct {
		born, seen, clock string
		days              map[string]string // of seen
	}{
		{"1981-03-29", "2026-03-29T00:59:59Z", "2026-03-29T02:30:00Z", // a time that Paris did not have that day
			map[string]string{"dayWest": "2026-03-28", "dayNewYork": "2026-03-28", "dayParis": "2026-03-29", "dayAdelaide": "2026-03-29", "dayEast": "2026-03-29", "dayUTC": "2026-03-29"}},
		{"2000-02-29", "2026-03-28T23:00:00Z", "2026-03-29T23:59:59Z", // Paris in winter: midnight
			map[string]string{"dayWest": "2026-03-28", "dayNewYork": "2026-03-28", "dayParis": "2026-03-29", "dayAdelaide": "2026-03-29", "dayEast": "2026-03-29", "dayUTC": "2026-03-28"}},
		{"1900-01-01", "2026-03-29T22:00:00Z", "2026-10-25T02:30:00Z", // Paris in summer: midnight
			map[string]string{"dayWest": "2026-03-29", "dayNewYork": "2026-03-29", "dayParis": "2026-03-30", "dayAdelaide": "2026-03-30", "dayEast": "2026-03-30", "dayUTC": "2026-03-29"}},
		{"1970-01-01", "2026-10-25T22:59:59Z", "2026-10-25T00:00:00Z", // Paris after the change back: not yet midnight
			map[string]string{"dayWest": "2026-10-25", "dayNewYork": "2026-10-25", "dayParis": "2026-10-25", "dayAdelaide": "2026-10-26", "dayEast": "2026-10-26", "dayUTC": "2026-10-25"}},
		{"1969-12-31", "2026-11-01T04:30:00Z", "1960-02-29T12:00:00Z", // New York, the day its clocks go back
			map[string]string{"dayWest": "2026-10-31", "dayNewYork": "2026-11-01", "dayParis": "2026-11-01", "dayAdelaide": "2026-11-01", "dayEast": "2026-11-01", "dayUTC": "2026-11-01"}},
		{"1945-05-08", "2026-03-08T04:59:59Z", "2026-03-08T02:00:00Z", // and goes forward: before midnight
			map[string]string{"dayWest": "2026-03-07", "dayNewYork": "2026-03-07", "dayParis": "2026-03-08", "dayAdelaide": "2026-03-08", "dayEast": "2026-03-08", "dayUTC": "2026-03-08"}},
		{"2024-12-31", "2026-04-04T13:30:00Z", "2026-04-05T02:30:00Z", // Adelaide, half an hour off and on the other half of the globe
			map[string]string{"dayWest": "2026-04-04", "dayNewYork": "2026-04-04", "dayParis": "2026-04-04", "dayAdelaide": "2026-04-05", "dayEast": "2026-04-05", "dayUTC": "2026-04-04"}},
		{"2026-01-01", "2026-01-01T11:59:59Z", "2025-12-31T23:59:59Z",
			map[string]string{"dayWest": "2025-12-31", "dayNewYork": "2026-01-01", "dayParis": "2026-01-01", "dayAdelaide": "2026-01-01", "dayEast": "2026-01-02", "dayUTC": "2026-01-01"}},
	}
	ids := make([]string, len(tests))
	for i, tc := range tests {
		ids[i] = s.InsertRow("new_trips", map[string]any{"new_born": tc.born, "new_seen": tc.seen, "new_clock": tc.clock})
	}
	s.Load()
	moment := func(iso string) string { return strings.NewReplacer("T", " ", "Z", ".000Z").Replace(iso) }
	for i, tc := range tests {
		got := s.Sandboxes.Campaign.Record("cusTrip", ids[i])
		require.Equal(t, tc.born, got["born"])
		require.Equal(t, moment(tc.seen), got["seen"])
		require.Equal(t, moment(tc.clock), got["clock"])
		require.Equal(t, tc.clock[:10], got["clockDay"], "a literal time has no zone")
		for field := range zones {
			require.Equal(t, tc.days[field], got[field], "%s is %s", tc.seen, field)
		}
	}
	calls := s.EngineCalls()
	require.Equal(t, int64(len(tests)), s.Pass(activities.KindBackfill, activities.PhaseScan).Counts.Unchanged)
	require.Equal(t, calls, s.EngineCalls())
	require.Zero(t, s.Audit("a1").Drifted(), "what Campaign gives back is the same")
}
