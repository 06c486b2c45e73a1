package events_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/events"
)

func message() events.BroadLog {
	return events.BroadLog{ID: "8003", ExternalID: ada, DeliveryName: "DM190", CampaignName: "CMP12", EventDate: "2026-03-01T10:15:29.000Z",
		Status: "1", FailureType: "0", Seed: "0", MirrorPageURL: "https://t.acme.test/m?c=1", LastModified: "2026-03-01T10:20:00.000Z", Source: "f.csv:2"}
}

func TestWhatADeliveryLogRowTells(t *testing.T) {
	t.Parallel()
	later := time.Date(2026, 3, 4, 8, 0, 0, 250e6, time.UTC)
	type told struct {
		key  string
		at   time.Time
		soft bool
	}
	for name, tt := range map[string]struct {
		status, failure, changed string
		want                     []told
	}{
		"sent: a send":                              {"1", "0", "2026-03-01T10:20:00.000Z", []told{{"broadlog/8003/send", sentAt, false}}},
		"sent, touched days later: a send":          {"1", "", "2026-03-04T08:00:00.250Z", []told{{"broadlog/8003/send", sentAt, false}}},
		"refused on the spot: no send":              {"2", "2", "2026-03-01T10:30:29.000Z", []told{{"broadlog/8003/bounce", sentAt, false}}},
		"refused, unknown when recorded: no send":   {"2", "2", "", []told{{"broadlog/8003/bounce", sentAt, false}}},
		"bounced days later: the send and a bounce": {"2", "2", "2026-03-04T08:00:00.250Z", []told{{"broadlog/8003/send", sentAt, false}, {"broadlog/8003/bounce", later, false}}},
		"given up after days: a soft bounce":        {"2", "1", "2026-03-04T08:00:00.250Z", []told{{"broadlog/8003/bounce", sentAt, true}}},
		"failed for no defined reason: not hard":    {"2", "0", "2026-03-01T10:20:00.000Z", []told{{"broadlog/8003/bounce", sentAt, true}}},
		"still pending: nothing":                    {"6", "0", "2026-03-01T10:20:00.000Z", nil},
	} { // R18.3
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			row := message()
			row.Status, row.FailureType, row.LastModified = tt.status, tt.failure, tt.changed
			list, err := events.FromBroadLog(row)
			require.NoError(t, err)
			var got []told
			for _, e := range list {
				got = append(got, told{e.Key, e.Time, e.Soft})
				require.Equal(t, ada, e.ContactID)
				require.Equal(t, "8003", e.BroadLogID)
				require.Equal(t, "DM190", e.DeliveryName)
				require.Equal(t, "CMP12", e.CampaignName)
				require.Equal(t, "https://t.acme.test/m?c=1", e.MirrorPageURL)
				require.Equal(t, "f.csv:2", e.Source)
			}
			require.Equal(t, tt.want, got)
		})
	}
}

func TestWhatATrackingLogRowTells(t *testing.T) {
	t.Parallel()
	row := events.Tracking{ID: "5000", BroadLogID: "8003", ExternalID: ada, DeliveryName: "DM190", CampaignName: "CMP12",
		LogDate: "2026-03-01T10:15:29Z", URLType: "1", URL: "https://shop.example.test/a?x=1&y=ü", MirrorPageURL: "https://t.acme.test/m?c=1", Source: "t.csv:9"}
	for kind, want := range map[string]events.Type{"1": events.Click, "10": events.Click, "11": events.Click, "2": events.Open, "3": "", "6": "", "99": ""} {
		row.URLType = kind
		e, ours, err := events.FromTracking(row)
		require.NoError(t, err)
		require.Equal(t, want != "", ours, kind)
		require.Equal(t, want, e.Type, kind)
		if want == events.Open {
			require.Empty(t, e.URL)
			require.Equal(t, sentAt, e.Time)
		}
	}
}

func TestOneEventIsTheSameFromBothSources(t *testing.T) {
	t.Parallel()
	same := func(journal, file events.MarketingEvent) {
		t.Helper()
		journal.RecipientID, journal.Source, file.Source = "", "", ""
		if journal.Type == events.Send || journal.Type == events.Bounce {
			journal.TrackingLogID = ""
		}
		require.Equal(t, journal, file)
	}
	mirror := "https://t.acme.test/nl/jsp/m.jsp?c=%401x"
	fromJournal, _, err := events.FromJournal("cow:1", []byte(click))
	require.NoError(t, err)
	fromFile, _, err := events.FromTracking(events.Tracking{ID: "5000", BroadLogID: "8003", ExternalID: ada, DeliveryName: "DM190", CampaignName: "CMP12",
		LogDate: "2026-03-01T10:15:29.000Z", URLType: "1", URL: "https://shop.example.test/a?x=1&y=ü", MirrorPageURL: mirror})
	require.NoError(t, err)
	same(fromJournal, fromFile)

	row := message()
	row.MirrorPageURL, row.Status, row.FailureType, row.LastModified = mirror, "2", "2", "2026-03-04T08:00:00.250Z"
	list, err := events.FromBroadLog(row)
	require.NoError(t, err)
	require.Len(t, list, 2)
	fromJournal, _, err = events.FromJournal("cow:1", with(t, ".click", ".send"))
	require.NoError(t, err)
	same(fromJournal, list[0])
	fromJournal, _, err = events.FromJournal("cow:1", with(t, ".click", ".bounce", `"failureType":""`, `"failureType":"hard"`, "2026-03-01T10:15:29.000Z", "2026-03-04T08:00:00.250Z"))
	require.NoError(t, err)
	same(fromJournal, list[1])
}

func TestARowThatCannotBeUsedNamesTheColumn(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*events.BroadLog)
		column string
		fault  events.Fault
	}{
		"no id":                {func(r *events.BroadLog) { r.ID = "" }, "broadLogId", events.Missing},
		"an unusable id":       {func(r *events.BroadLog) { r.ID = "hidden id" }, "broadLogId", events.Invalid},
		"no delivery":          {func(r *events.BroadLog) { r.DeliveryName = "" }, "deliveryName", events.Missing},
		"no date":              {func(r *events.BroadLog) { r.EventDate = "" }, "eventDate", events.Missing},
		"another form of date": {func(r *events.BroadLog) { r.EventDate = "01/03/2026" }, "eventDate", events.Invalid},
		"no status":            {func(r *events.BroadLog) { r.Status = "" }, "status", events.Missing},
		"a label as status":    {func(r *events.BroadLog) { r.Status = "hidden" }, "status", events.Label},
		"a label as failure":   {func(r *events.BroadLog) { r.Status, r.FailureType = "2", "hidden" }, "failureType", events.Label},
		"a label as seed":      {func(r *events.BroadLog) { r.Seed = "hidden" }, "seed", events.Invalid},
		"a wrong change date":  {func(r *events.BroadLog) { r.LastModified = "hidden" }, "lastModified", events.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			row := message()
			tt.change(&row)
			list, err := events.FromBroadLog(row)
			var p *events.Problem
			require.ErrorAs(t, err, &p)
			require.Equal(t, tt.column, p.Member)
			require.Equal(t, tt.fault, p.Fault)
			require.NotContains(t, err.Error(), "hidden")
			require.Empty(t, list)
		})
	}
	_, _, err := events.FromTracking(events.Tracking{ID: "1", DeliveryName: "D", LogDate: "2026-03-01T10:15:29Z", URLType: "1"})
	require.EqualError(t, err, "url: missing, want the address that was clicked")
	_, _, err = events.FromTracking(events.Tracking{ID: "1", DeliveryName: "D", LogDate: "2026-03-01T10:15:29Z", URLType: "Open"})
	require.EqualError(t, err, "urlType: got a label, want the enumeration's number")
	_, _, err = events.FromTracking(events.Tracking{ID: "1", BroadLogID: "a b", DeliveryName: "D", LogDate: "2026-03-01T10:15:29Z", URLType: "2"})
	require.ErrorContains(t, err, "broadLogId: not valid")
}

func TestContactIDs(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		ada: ada, " {6F1D2C3B-0000-4000-8000-00000000ADA1} ": ada, "": "", "crm-1": "",
		"6f1d2c3b00004000800000000000ada1": "", "urn:uuid:" + ada: "", "00000000-0000-0000-0000-000000000000": "", "6f1d2c3b-0000-4000-8000-00000000adag": "",
	} {
		require.Equal(t, want, events.ContactID(in), in)
	}
}
