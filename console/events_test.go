package console_test

import (
	"html"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/console"
	"causeway.dev/internal/access"
	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

const (
	eventsFlow = "acme/egress"
	day        = 24 * time.Hour
)

// carriesEvents has acme carry opens and clicks from both sources, and its flow answer.
func carriesEvents(change func(*workflows.Status)) func(*world) {
	return func(w *world) {
		w.settings = func(o *console.Options) {
			c := o.Instances[0].Config
			c.Egress.Opens, c.Egress.Clicks, c.Egress.Source, c.Egress.LagAlarm = true, true, "both", 5*day
			c.Campaign.Journal.URL, c.Campaign.SFTP.Host = "https://events-va6.adobe.io/events/organizations/1/integrations/2/3", "acme.campaign.adobe.com"
		}
		st := workflows.Status{
			Instance: "acme", Table: activities.FlowEgress, State: workflows.StateRunning, Phase: "waiting for events", Since: noon.Add(-10 * day), Watermark: noon.Add(-2 * time.Hour), Quarantined: 3,
			Totals: activities.Counts{Read: 10_460, Created: 10_000, Unchanged: 20, Disabled: 400, NoContact: 30, SoftBounce: 7, Quarantined: 3},
			Events: &workflows.EventStatus{Enabled: activities.EgressSettings{Clicks: true, Bounces: true}.Names(), Source: "both", BadFiles: []string{"broadlog_1.csv line 3: labels instead of values"}},
		}
		if change != nil {
			change(&st)
		}
		w.acme.Seen = noon
		w.acme.On("Query "+eventsFlow+" Status", st)
		w.acme.On("Run "+activities.ListQuarantine, activities.QuarantineListResult{Total: 3, Groups: []activities.QuarantineGroup{{Table: "egress", Code: "TooLong", Field: "adobe_trackingurl", Message: "a text is too long", Records: 3}}, Records: []activities.QuarantinedRecord{{Table: "egress", ID: "broadlog/1"}}})
		w.acme.On("Run "+activities.ListRuns, activities.RunListResult{Runs: []activities.RunInfo{{Run: "egress-20260302T100000.000Z", Flow: activities.FlowEgress, Kind: activities.KindDelta, State: "COMPLETED", Started: noon.Add(-time.Hour), Ended: noon}}})
	}
}

func TestEventsAreShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, carriesEvents(nil))
	w.signIn()
	p := w.get("/i/acme/events")
	require.Equal(t, http.StatusOK, p.status, p.body)
	body := html.UnescapeString(p.body)
	for _, want := range []string{
		"Clicks<br>", "</svg>On</span>", "On after stop and start", "Off after stop and start", `href="/i/acme/flows/egress/stop"`, `href="/i/acme/flows/egress/pause"`, "In time", "2 h", "stay in the journal for more than 6 d yet", "broadlog_1.csv line 3",
		"No contact is known", "The type is off", "Refused: A text is too long", `href="/i/acme/quarantine/egress?code=TooLong&field=adobe_trackingurl"`,
		"It adds up.", "Read 10,460 = 10,000 + 20 + 400 + 7 + 30 + 3.", "egress-20260302T100000.000Z", `href="/i/acme/events/backfill"`, "adobe_emailurlclick", `aria-current="page"`,
	} {
		require.Contains(t, body, want)
	}
	require.Contains(t, w.get("/i/acme/").body, `<a href="/i/acme/events">`)
	part := w.get("/i/acme/events/live", "HX-Request", "true")
	require.NotContains(t, part.body, "<html")
	require.Contains(t, part.body, `hx-get="/i/acme/events/live"`)

	// What is asked for there is told there.
	w.acme.On("Update "+eventsFlow+" SyncNow", workflows.Status{})
	p = w.post("/i/acme/flows/egress/sync-now", nil, "Referer", w.server.URL+"/i/acme/events")
	require.Equal(t, "/i/acme/events?done=sync-now&of=egress", p.header.Get("Location"))
	require.Contains(t, w.get(p.header.Get("Location")).body, "looks for changes now.")

	viewer := newWorld(t, carriesEvents(nil), as(access.Viewer))
	viewer.signIn()
	body = viewer.get("/i/acme/events").body
	require.NotContains(t, body, "/events/backfill")
	require.NotContains(t, body, "/flows/egress/stop")
	require.Equal(t, http.StatusForbidden, viewer.get("/i/acme/events/backfill").status)
	require.Equal(t, http.StatusForbidden, viewer.post("/i/acme/events/backfill", url.Values{"what": {"journal"}}).status)
}

// R18.17: somebody is told long before the journal forgets what was not handled.
func TestTheJournalsDaysAreCounted(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*workflows.Status)
		want   []string
		not    string
	}{
		"in time":         {func(st *workflows.Status) { st.Watermark = noon.Add(-2 * day) }, []string{"In time", "for more than 5 d yet"}, "events wait"},
		"half of it":      {func(st *workflows.Status) { st.Watermark = noon.Add(-3 * day) }, []string{"Falling behind", "The journal forgets events of then in 4 d.", "events wait", "See events"}, "may be lost"},
		"paused":          {func(st *workflows.Status) { st.Watermark, st.State = noon.Add(-6*day), workflows.StatePaused }, []string{"About to lose events", "in 24 h. Resume it", "events may be lost"}, "In time"},
		"stopped too far": {func(st *workflows.Status) { st.Watermark, st.State = noon.Add(-8*day), workflows.StateStopped }, []string{"Events are being lost", "Start it"}, "In time"},
		"lost": {func(st *workflows.Status) {
			st.Events.Lost = []workflows.LostEvents{{From: noon.Add(-9 * day), To: noon.Add(-day)}}
		}, []string{"Too old", "not known", "Events were lost"}, ""},
		"nothing handled": {func(st *workflows.Status) { st.Watermark = time.Time{} }, []string{"Nothing is known yet"}, "In time"},
		"files alone":     {func(st *workflows.Status) { st.Watermark, st.Events.Source = noon.Add(-6*day), "sftp" }, []string{"The journal is not read"}, "About to lose"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, carriesEvents(tt.change))
			w.signIn()
			body := html.UnescapeString(w.get("/i/acme/events").body)
			for _, want := range tt.want {
				require.Contains(t, body, want)
			}
			if tt.not != "" {
				require.NotContains(t, body, tt.not)
			}
		})
	}
}

func TestEventsThatAreOffOrSilent(t *testing.T) {
	t.Parallel()
	off := newWorld(t)
	off.signIn()
	p := off.get("/i/acme/events")
	require.Equal(t, http.StatusOK, p.status)
	for _, want := range []string{"No type is switched on", "egress.sends", ">Off<"} {
		require.Contains(t, p.body, want)
	}

	silent := newWorld(t, carriesEvents(nil))
	silent.signIn()
	for _, question := range []string{"Query " + eventsFlow + " Status", "Run " + activities.ListRuns, "Run " + activities.ListQuarantine} {
		silent.acme.On(question, operator.ErrNoWorker)
	}
	require.Contains(t, silent.get("/i/acme/events").body, "No worker answers")
}

func TestEventsAreReadAgain(t *testing.T) {
	t.Parallel()
	const at = "/i/acme/events/backfill"
	w := newWorld(t, carriesEvents(nil), as(access.Operator))
	w.signIn()
	require.Contains(t, w.get(at).body, `min="2026-02-23T12:00"`)
	w.acme.On("Run "+activities.EstimateBackfill, activities.EstimateResult{Records: 12_345})
	w.acme.On("Update "+eventsFlow+" RequestBackfill", workflows.BackfillAnswer{Run: "egress-9"})
	form := url.Values{"what": {"journal"}, "since": {"2026-02-28T08:00"}}
	p := w.post(at, form)
	require.Equal(t, http.StatusOK, p.status, p.body)
	for _, want := range []string{"Read the journal again since 28 February 2026 08:00 UTC?", "12,345", "up to 50 in a request", "what came before 23 February 12:00 UTC is not in it any more", "Types that are off stay left out: sends, hard bounces.", "Nothing is read yet"} {
		require.Contains(t, p.body, want)
	}
	require.Equal(t, time.Date(2026, 2, 28, 8, 0, 0, 0, time.UTC), w.acme.Requests["Run "+activities.EstimateBackfill][0].(activities.EstimateInput).Since)
	require.Empty(t, w.acme.Requests["Update "+eventsFlow+" RequestBackfill"], "it was only asked what it costs")
	form.Set("step", "begin")
	p = w.post(at, form)
	require.Equal(t, "/i/acme/events?done=backfill", p.header.Get("Location"), p.body)
	asked := w.acme.Requests["Update "+eventsFlow+" RequestBackfill"][0].(workflows.BackfillRequest)
	require.Equal(t, workflows.BackfillRequest{Window: activities.Window{Since: time.Date(2026, 2, 28, 8, 0, 0, 0, time.UTC)}, By: "ada"}, asked)

	w.acme.On("Run "+activities.CheckFolder, activities.CheckFolderResult{Files: 2})
	p = w.post(at, url.Values{"what": {"folder"}, "from": {"sftp:old"}})
	require.Contains(t, p.body, "Read the logs in sftp:old?")
	w.acme.On("Run "+activities.CheckFolder, activities.CheckFolderResult{Problem: "got old: there is no such folder"})
	for name, bad := range map[string]url.Values{
		"no time": {"what": {"journal"}}, "too old": {"what": {"journal"}, "since": {"2026-02-23T11:59"}}, "to come": {"what": {"journal"}, "since": {"2026-03-03T00:00"}}, "no folder": {"what": {"folder"}},
		"a folder above": {"what": {"folder"}, "from": {"sftp:../x"}}, "a relative one": {"what": {"folder"}, "from": {"logs"}}, "one that is not there": {"what": {"folder"}, "from": {"sftp:old"}},
	} {
		bad.Set("step", "begin")
		p := w.post(at, bad)
		require.Equal(t, http.StatusBadRequest, p.status, name)
		require.Contains(t, p.body, "nothing was done", name)
	}
	require.Len(t, w.acme.Requests["Update "+eventsFlow+" RequestBackfill"], 1)
}
