package mapping

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Instants become dates in the mapping's zone: around daylight-saving changes,
// and from twelve hours behind UTC to fourteen ahead. docs/protocol/campaign.md §10, docs/protocol/integration.md §26.
func TestInstantsBecomeDatesInTheirZone(t *testing.T) {
	t.Parallel()
	tests := []struct{ zone, instant, date string }{
		{"", "2026-03-28T23:30:00Z", "2026-03-28"},
		{"UTC", "2026-12-31T23:59:59Z", "2026-12-31"},
		// Spring in Paris: clocks go from 02:00 to 03:00 on 29 March.
		{"Europe/Paris", "2026-03-28T22:59:59Z", "2026-03-28"},
		{"Europe/Paris", "2026-03-28T23:00:00Z", "2026-03-29"},
		{"Europe/Paris", "2026-03-29T00:59:59Z", "2026-03-29"},
		{"Europe/Paris", "2026-03-29T01:00:00Z", "2026-03-29"},
		{"Europe/Paris", "2026-03-29T21:59:59Z", "2026-03-29"},
		{"Europe/Paris", "2026-03-29T22:00:00Z", "2026-03-30"},
		// Autumn: from 03:00 back to 02:00 on 25 October.
		{"Europe/Paris", "2026-10-24T21:59:59Z", "2026-10-24"},
		{"Europe/Paris", "2026-10-24T22:00:00Z", "2026-10-25"},
		{"Europe/Paris", "2026-10-25T22:59:59Z", "2026-10-25"},
		{"Europe/Paris", "2026-10-25T23:00:00Z", "2026-10-26"},
		// New York: 8 March and 1 November.
		{"America/New_York", "2026-03-08T04:59:59Z", "2026-03-07"},
		{"America/New_York", "2026-03-08T05:00:00Z", "2026-03-08"},
		{"America/New_York", "2026-03-09T03:59:59Z", "2026-03-08"},
		{"America/New_York", "2026-03-09T04:00:00Z", "2026-03-09"},
		{"America/New_York", "2026-11-02T04:59:59Z", "2026-11-01"},
		{"America/New_York", "2026-11-02T05:00:00Z", "2026-11-02"},
		// The south changes the other way round.
		{"Australia/Sydney", "2026-04-04T12:59:59Z", "2026-04-04"},
		{"Australia/Sydney", "2026-04-04T13:00:00Z", "2026-04-05"},
		{"Australia/Sydney", "2026-04-05T13:59:59Z", "2026-04-05"},
		{"Australia/Sydney", "2026-04-05T14:00:00Z", "2026-04-06"},
		// Quarter hours, and the two ends of the world.
		{"Asia/Kathmandu", "2026-01-01T18:14:59Z", "2026-01-01"},
		{"Asia/Kathmandu", "2026-01-01T18:15:00Z", "2026-01-02"},
		{"Pacific/Kiritimati", "2026-01-01T09:59:59Z", "2026-01-01"},
		{"Pacific/Kiritimati", "2026-01-01T10:00:00Z", "2026-01-02"},
		{"Etc/GMT+12", "2026-01-01T11:59:59Z", "2025-12-31"},
		{"Etc/GMT+12", "2026-01-01T12:00:00Z", "2026-01-01"},
		// A zone that was skipped over the date line: Samoa had no 30 December 2011.
		{"Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29"},
		{"Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31"},
		// An instant that was written with an offset.
		{"Europe/Paris", "2026-03-29T00:30:00+02:00", "2026-03-28"},
	}
	for _, tc := range tests {
		got, err := mapOne(t, table(Field{From: "createdon", To: "birthDate", TimeZone: tc.zone}), `"`+tc.instant+`"`)
		require.NoError(t, err)
		require.Equal(t, `"`+tc.date+`"`, got, "%s in %s", tc.instant, tc.zone)
	}
}

// Birthdays are days, wherever they are read: DateOnly and TimeZoneIndependent
// columns know no zone.
func TestDaysKnowNoZone(t *testing.T) {
	t.Parallel()
	for _, day := range []string{"1900-01-01", "1960-02-29", "1970-01-01", "1981-03-29", "2000-10-29", "2024-02-29"} {
		got, err := mapOne(t, table(Field{From: "birthdate", To: "birthDate"}), `"`+day+`"`)
		require.NoError(t, err)
		require.Equal(t, `"`+day+`"`, got)
		for _, clock := range []string{"T00:00:00Z", "T02:30:00Z", "T23:59:59Z"} {
			got, err := mapOne(t, table(Field{From: "meetingtime", To: "birthDate"}), `"`+day+clock+`"`)
			require.NoError(t, err)
			require.Equal(t, `"`+day+`"`, got)
		}
	}
}
