package exports_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/sandbox/eventlog"
	"causeway.dev/sandbox/exports"
)

// §7: once a day the profiles that changed since the last run are exported. Without a
// change there is no file.
func TestOptOuts(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.RunDue()
	require.Empty(t, e.files())
	e.optOut("a", "true")
	e.optOut("", "")
	e.clock.Advance(24*time.Hour + time.Minute)
	e.RunDue()
	files := e.files()
	require.Len(t, files, 1)
	require.Regexp(t, `^optout_\d{8}_\d{6}\.csv$`, files[0])
	require.Equal(t, "externalId,lastModified,denyList,denyListLastModified,denyListEmail,denyListEmailLastModified,denyListFax,denyListFaxLastModified,"+
		"denyListMobile,denyListMobileLastModified,denyListPhone,denyListPhoneLastModified,denyListPostalMail,denyListPostalMailLastModified,"+
		"denyListPushnotification,denyListPushnotificationLastModified,ccpaOptOut,ccpaOptOutLastModified", strings.SplitN(e.read(files[0]), "\n", 2)[0])
	rows := e.rows(files[0])
	require.Len(t, rows, 2)
	a := rows[0]
	require.Equal(t, "a", a["externalId"])
	require.Equal(t, "1", a["denyListEmail"])
	require.Equal(t, a["lastModified"], a["denyListEmailLastModified"])
	require.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`, a["lastModified"])
	require.Equal(t, "0", a["denyList"])
	require.Empty(t, a["denyListLastModified"])
	require.Equal(t, "0", a["ccpaOptOut"])

	e.clock.Advance(48 * time.Hour)
	e.RunDue()
	require.Len(t, e.files(), 1, "nothing changed")
	e.optOut("b", "true")
	got := e.export(exports.OptOuts)
	require.Equal(t, 1, got.Rows)
	e.optOut("c", "")
	require.NotEqual(t, got.Files, e.export(exports.OptOuts).Files, "two files in a second have two names")
}

// §6.4: the query is for rows at or after the last run, so rows of that very moment are
// exported again.
func TestBoundaryRowsRepeat(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.optOut("a", "true")
	e.export(exports.OptOuts)
	last := e.status(exports.OptOuts).LastRun
	(*e.profiles)[0].modified = last
	e.optOut("b", "true")
	require.Equal(t, 2, e.export(exports.OptOuts).Rows)
	require.NoError(t, e.SetLastRun(exports.OptOuts, time.Time{}))
	require.Equal(t, 2, e.export(exports.OptOuts).Rows, "an operator may have everything again")
}

// §6.3: the logs keep the contract. Their events have the same ids as in the journal. A
// late bounce changes a row that was exported as sent.
func TestLogs(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	f := eventlog.DefaultFunnel()
	f.LateHard, f.Late = 0.2, eventlog.Duration(24*time.Hour)
	to := make([]eventlog.Recipient, 200)
	for i := range to {
		to[i] = eventlog.Recipient{ExternalID: "c" + string(rune('a'+i%26)) + strings.Repeat("x", i/26), Email: "p@example.test"}
	}
	_, err := e.log.Generate(f, to)
	require.NoError(t, err)
	truth := map[string]eventlog.Event{}
	e.log.Each(func(ev eventlog.Event) bool { truth[ev.Kind+ev.BroadLogID+ev.TrackingLogID] = ev; return true })

	got := e.export(exports.Logs)
	require.Len(t, got.Files, 2)
	sent := map[string]bool{}
	failed := 0
	for _, r := range e.rows(got.Files[0]) {
		kind := eventlog.Send
		if r["status"] == "2" {
			kind, failed = eventlog.Bounce, failed+1
			require.Contains(t, []string{"1", "2"}, r["failureType"])
		} else {
			require.Equal(t, "1", r["status"])
			sent[r["broadLogId"]] = true
		}
		ev, ok := truth[kind+r["broadLogId"]]
		require.True(t, ok, "%s of %s", kind, r["broadLogId"])
		require.False(t, ev.Proof, "test mailings are left out")
		require.Equal(t, ev.ExternalID, r["externalId"])
		require.Equal(t, ev.Delivery.Name, r["deliveryName"])
		require.Equal(t, ev.CampaignName(), r["campaignName"])
		require.Equal(t, ev.Time.Format("2006-01-02T15:04:05.000Z"), r["eventDate"])
		require.Equal(t, ev.MirrorPageURL, r["mirrorPageUrl"])
		require.Equal(t, map[bool]string{true: "1", false: "0"}[ev.Seed], r["seed"])
	}
	require.NotZero(t, failed)
	for _, r := range e.rows(got.Files[1]) {
		kind := map[string]string{"1": "click", "10": "click", "11": "click", "2": "open", "3": "optout", "6": "mirror"}[r["urlType"]]
		ev, ok := truth[kind+r["broadLogId"]+r["trackingLogId"]]
		require.True(t, ok, "%v", r)
		require.Equal(t, ev.Time.Format("2006-01-02T15:04:05.000Z"), r["logDate"])
		require.Equal(t, ev.URL, r["url"])
		require.False(t, ev.Seed)
	}

	e.clock.Advance(26 * time.Hour)
	again := e.export(exports.Logs)
	require.Zero(t, again.Rows, "the hourly runs took it")
	late := 0
	for _, name := range e.files() {
		if strings.HasPrefix(name, "broadlog") && name != got.Files[0] {
			for _, r := range e.rows(name) {
				require.Equal(t, "2", r["status"])
				require.Equal(t, "2", r["failureType"])
				require.True(t, sent[r["broadLogId"]], "it was sent before")
				require.Greater(t, r["lastModified"], r["eventDate"])
				late++
			}
		}
	}
	require.Greater(t, late, 30)
}
