package egress_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/egress"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/timeline"
	"causeway.dev/sandbox/eventlog"
	"causeway.dev/sandbox/kit"
	"causeway.dev/sandbox/stack"
)

func (s *eventWorld) push(p eventlog.Pushed) eventlog.Event {
	s.T.Helper()
	e, err := s.Sandboxes.Events.Push(p)
	require.NoError(s.T, err)
	return e
}

func (s *eventWorld) fault(r kit.Rule) {
	s.T.Helper()
	_, err := s.Sandboxes.Faults.Add(r)
	require.NoError(s.T, err)
}

func (s *eventWorld) explain(id string) []activities.ExplainedEvent {
	s.T.Helper()
	return activitytest.Call[activities.ExplainEventResult](s.World, s.eg.ExplainEvent, activities.ExplainEventInput{ID: id, Live: true, Settings: s.settings}).Events
}

// R18.2: only the types that are on; the rest is counted and can be loaded later.
func TestOnlyTypesThatAreOnReachTheTimeline(t *testing.T) {
	t.Parallel()
	for _, on := range []string{"sends", "opens", "clicks", "bounces"} {
		t.Run(on, func(t *testing.T) {
			t.Parallel()
			s := newEventWorld(t, 60)
			s.settings.Sends, s.settings.Opens, s.settings.Clicks, s.settings.Bounces = on == "sends", on == "opens", on == "clicks", on == "bounces"
			s.generate(400, func(f *eventlog.Funnel) { f.Hard = 0.1 })
			s.begin()
			out := s.events(activities.KindDelta, activities.Window{})
			require.Positive(t, out.Counts.Disabled)
			require.Positive(t, out.Counts.Created)
			require.Empty(t, s.timeline())
			s.settings.Sends, s.settings.Opens, s.settings.Clicks, s.settings.Bounces = true, true, true, true
			s.begin()
			s.events(activities.KindBackfill, activities.Window{Since: time.Now().Add(-6 * 24 * time.Hour)})
			require.Empty(t, s.timeline(), "what was left out comes with a backfill")
		})
	}
}

// R18.12–R18.14, R3.9: one task per click, however often it comes; none without the process.
func TestAClickMakesOneTask(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 5)
	contact := s.Sandboxes.Dynamics.Keys("contacts")[0]
	s.begin()
	s.push(eventlog.Pushed{Kind: "click", ExternalID: contact, Times: 5})
	s.events(activities.KindDelta, activities.Window{})
	s.restart(nil)
	s.events(activities.KindBackfill, activities.Window{Since: time.Now().Add(-time.Hour)})
	require.EqualValues(t, 1, s.Sandboxes.Dynamics.Count("tasks"))
	require.Empty(t, s.timeline())
	require.NoError(t, s.Sandboxes.Dynamics.SetProcess("Adobe Campaign Email Click", false, ""))
	s.push(eventlog.Pushed{Kind: "click", ExternalID: contact, Times: 2})
	s.events(activities.KindDelta, activities.Window{})
	require.EqualValues(t, 1, s.Sandboxes.Dynamics.Count("tasks"))
	require.EqualValues(t, 2, s.Sandboxes.Dynamics.Count("adobe_emailurlclicks"))
}

// R3.7, R3.8: what Dynamics lacks is told before anything is read.
func TestPreflightOfEgress(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 1, func(o *stack.Options) { o.NoSolution = true })
	_, err := s.Env.ExecuteActivity(s.eg.PreflightEvents, activities.PreflightEventsInput{Settings: s.settings})
	require.ErrorContains(t, err, `there is no table adobe_emailsend, adobe_emailopen, adobe_emailurlclick, adobe_emailbounce in Dynamics; install the solution "Adobe Campaign for Microsoft Dynamics 365"`)

	s = newEventWorld(t, 1)
	require.NoError(t, s.Sandboxes.Dynamics.SetProcess("Adobe Campaign Email Click", false, ""))
	require.NoError(t, s.Sandboxes.Dynamics.SetProcess("Adobe Campaign Email Bounce", true, s.Sandboxes.Dynamics.Keys("systemusers")[0]))
	if s.Sandboxes.Dynamics.Keys("systemusers")[0] == s.owner {
		require.NoError(t, s.Sandboxes.Dynamics.SetProcess("Adobe Campaign Email Bounce", true, s.Sandboxes.Dynamics.Keys("systemusers")[1]))
	}
	s.begin()
	require.Len(t, s.checked.Warnings, 2)
	require.Contains(t, s.checked.Warnings[0], `"Adobe Campaign Email Click" is not active`)
	require.Contains(t, s.checked.Warnings[1], `"Adobe Campaign Email Bounce" is owned by another user`)

	s.settings.Tables.Clicks.TrackingURL = "adobe_trackingurll"
	_, err = s.Env.ExecuteActivity(s.eg.PreflightEvents, activities.PreflightEventsInput{Settings: s.settings})
	require.ErrorContains(t, err, "egress.tables.clicks.tracking_url: got adobe_trackingurll, want a column of adobe_emailurlclick")
	_, err = s.Env.ExecuteActivity(s.eg.PreflightEvents, activities.PreflightEventsInput{})
	require.ErrorContains(t, err, "no type of event is switched on")
	s.settings.Source = timeline.SourceSFTP
	_, err = s.Env.ExecuteActivity(s.eg.PreflightEvents, activities.PreflightEventsInput{Settings: s.settings})
	require.ErrorContains(t, err, "the worker's configuration has no campaign.sftp")
}

// R18.11, docs/protocol/integration.md §26: contacts that are unknown, merged, merged again, deleted.
func TestEventsFollowTheirContact(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 6)
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	require.NoError(t, s.Sandboxes.Dynamics.Merge(keys[1], keys[0]))
	require.NoError(t, s.Sandboxes.Dynamics.Merge(keys[2], keys[1]))
	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", keys[3]))
	s.begin()
	for i := range 4 {
		s.push(eventlog.Pushed{Kind: "open", ExternalID: keys[i]})
	}
	s.push(eventlog.Pushed{Kind: "open", ExternalID: strings.ToUpper(keys[4])})
	s.push(eventlog.Pushed{Kind: "open", ExternalID: ""})
	s.push(eventlog.Pushed{Kind: "open", ExternalID: "not-a-contact"})
	out := s.events(activities.KindDelta, activities.Window{})
	require.Equal(t, activities.Counts{Read: 7, Created: 4, NoContact: 3}, out.Counts)
	require.Len(t, s.Sandboxes.Dynamics.Regarding(keys[2]), 3)
	require.Empty(t, s.timeline())
	require.EqualValues(t, 5, s.Sandboxes.Dynamics.Count("contacts"), "R18.15: egress makes no contacts")
}

// Unknown contacts can be kept for a look; they still balance.
func TestUnknownContactsCanBeQuarantined(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 2)
	s.settings.UnknownContact = timeline.UnknownQuarantine
	s.begin()
	gone := "6f1d0000-0000-4000-8000-00000000dead"
	e := s.push(eventlog.Pushed{Kind: "open", ExternalID: gone})
	s.push(eventlog.Pushed{Kind: "open", ExternalID: ""})
	out := s.events(activities.KindDelta, activities.Window{})
	require.Equal(t, activities.Counts{Read: 2, NoContact: 1, Quarantined: 1}, out.Counts)
	require.EqualValues(t, 1, out.Quarantined)
	known := s.explain("tracking/" + e.TrackingLogID)
	require.Len(t, known, 1)
	require.Equal(t, "quarantined", known[0].Outcome)
	require.Equal(t, "NotFound", known[0].Quarantine.Code)

	_, err := s.Sandboxes.Dynamics.Insert("contacts", map[string]any{"contactid": gone, "lastname": "Quibblethorn"})
	require.NoError(t, err)
	s.restart(nil)
	out = s.events(activities.KindBackfill, activities.Window{Since: time.Now().Add(-time.Hour)})
	require.Equal(t, activities.Counts{Read: 2, Created: 1, NoContact: 1}, out.Counts)
	require.Zero(t, out.Quarantined, "what was written after all is no longer set aside")
}

// A contact that is deleted between the look and the write.
func TestAContactThatGoesMeanwhile(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 30)
	s.begin()
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	for _, key := range keys[:20] {
		s.push(eventlog.Pushed{Kind: "open", ExternalID: key})
	}
	s.events(activities.KindDelta, activities.Window{}) // every contact is in the cache
	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", keys[0]))
	require.NoError(t, s.Sandboxes.Dynamics.Merge(keys[2], keys[1]))
	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", keys[1]))
	for _, key := range keys[:20] {
		s.push(eventlog.Pushed{Kind: "click", ExternalID: key})
	}
	out := s.events(activities.KindDelta, activities.Window{})
	require.Equal(t, activities.Counts{Read: 20, Created: 18, NoContact: 2}, out.Counts)
}

// docs/protocol/dynamics.md §7, §9: lost answers, throttling, faults of the service: once each.
func TestFaultsOnBothSidesChangeNothing(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 100)
	s.generate(1500, func(f *eventlog.Funnel) { f.Duplicates, f.Disorder = 0.2, 0.2 })
	s.begin()
	s.fault(kit.Rule{Service: "dataverse", Method: http.MethodPost, Path: `\$batch`, Action: kit.ResetAfter, Probability: 0.15, Seed: 1})
	s.fault(kit.Rule{Service: "dataverse", Method: http.MethodPost, Path: `\$batch`, Action: kit.Truncate, Probability: 0.1, Seed: 2})
	s.fault(kit.Rule{Service: "dataverse", Action: kit.Respond, Status: 503, Probability: 0.1, Seed: 3})
	s.fault(kit.Rule{Service: "dataverse", Action: kit.Named, Name: "throttle_time", Headers: map[string]string{"Retry-After": "1"}, After: 20, Times: 3})
	s.fault(kit.Rule{Service: "journal", Action: kit.Respond, Status: 502, Probability: 0.2, Seed: 4})
	s.fault(kit.Rule{Service: "journal", Action: kit.ResetAfter, Probability: 0.1, Seed: 5})
	out := s.patiently(activities.KindDelta)
	require.Equal(t, "COMPLETED", out.State)
	require.Empty(t, s.timeline())
	require.Equal(t, out.Counts.Read, out.Counts.Settled())
	require.Equal(t, int64(s.Sandboxes.Events.Counts().Published), out.Counts.Read)
	require.Zero(t, out.Counts.Quarantined)
}

// patiently runs a pass whose activities may fail, as Temporal would.
func (s *eventWorld) patiently(kind activities.Kind) activities.SaveWatermarkResult {
	s.T.Helper()
	ref := s.ref(kind)
	again := func(activity, in any, out any) {
		for try := 1; ; try++ {
			value, err := s.Env.ExecuteActivity(activity, in)
			if err == nil {
				require.NoError(s.T, value.Get(out))
				return
			}
			require.Less(s.T, try, 30, "%v", err)
		}
	}
	again(s.eg.OpenEventRun, activities.OpenRunInput{RunRef: ref}, &activities.OpenRunResult{})
	for page := 1; ; page++ {
		var got activities.FetchResult
		again(s.eg.FetchEvents, activities.FetchInput{RunRef: ref, Page: page, Phase: activities.PhaseJournal, Lanes: 4}, &got)
		for lane, size := range got.Lanes {
			if size > 0 {
				again(s.eg.WriteTimeline, activities.LaneInput{RunRef: ref, Page: page, Lane: lane}, &activities.LaneResult{})
			}
		}
		if !got.More {
			break
		}
	}
	var out activities.SaveWatermarkResult
	again(s.eg.SaveEventPosition, activities.SaveWatermarkInput{RunRef: ref}, &out)
	return out
}

// R18.10: a text that its column cannot hold is refused by name; the rest lands.
func TestATextThatIsTooLongIsQuarantined(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 3)
	contact := s.Sandboxes.Dynamics.Keys("contacts")[0]
	s.begin()
	e := s.push(eventlog.Pushed{Kind: "click", ExternalID: contact, URL: "https://shop.example.test/?q=" + strings.Repeat("secret", 400)})
	s.push(eventlog.Pushed{Kind: "click", ExternalID: contact})
	out := s.events(activities.KindDelta, activities.Window{})
	require.Equal(t, activities.Counts{Read: 2, Created: 1, Quarantined: 1}, out.Counts)
	known := s.explain(e.TrackingLogID)
	require.Len(t, known, 1)
	require.Equal(t, "TooLong", known[0].Quarantine.Code)
	require.Equal(t, "adobe_trackingurl", known[0].Quarantine.Field)
	text, err := json.Marshal(known)
	require.NoError(t, err)
	require.NotContains(t, string(text), "secret")
}

// docs/protocol/campaign.md §6.1: what breaks the contract is set aside, what is not ours is counted.
func TestEventsThatBreakTheContract(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 3)
	contact := s.Sandboxes.Dynamics.Keys("contacts")[0]
	s.begin()
	raw := func(format string, args ...any) { s.push(eventlog.Pushed{Raw: fmt.Appendf(nil, format, args...)}) }
	raw(`{"specversion":"1.0","id":"5a0c0000-0000-4000-8000-000000000001","type":"com.adobe.campaign.standard.email.click","data":{"externalID":%q,"deliveryName":"DM1","trackinglogID":"1"}}`, contact)
	raw(`{"specversion":"1.0","id":"5a0c0000-0000-4000-8000-000000000002","type":"com.adobe.other.thing","data":{}}`)
	raw(`{"type":7}`)
	raw(`[]`)
	s.push(eventlog.Pushed{Kind: "mirror", ExternalID: contact})
	s.push(eventlog.Pushed{Kind: "send", ExternalID: contact})
	out := s.events(activities.KindDelta, activities.Window{})
	require.Equal(t, activities.Counts{Read: 6, Created: 1, Quarantined: 3, Ignored: 2}, out.Counts)
	known := s.explain("5a0c0000-0000-4000-8000-000000000001")
	require.Len(t, known, 1)
	require.Contains(t, known[0].Quarantine.Message, "data.eventDate: missing")
}

// A soft bounce is left out, and keeps nothing of the hard one that follows out.
func TestAHardBounceAfterASoftOne(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 3)
	contact := s.Sandboxes.Dynamics.Keys("contacts")[0]
	s.begin()
	sent := s.push(eventlog.Pushed{Kind: "send", ExternalID: contact})
	s.push(eventlog.Pushed{Kind: "bounce", BroadLogID: sent.BroadLogID, Failure: "soft"})
	out := s.events(activities.KindDelta, activities.Window{})
	require.Equal(t, activities.Counts{Read: 2, Created: 1, SoftBounce: 1}, out.Counts)
	require.Equal(t, "soft_bounce", s.explain("broadlog/" + sent.BroadLogID + "/bounce")[0].Outcome)
	s.push(eventlog.Pushed{Kind: "bounce", BroadLogID: sent.BroadLogID, Failure: "hard", Times: 2})
	out = s.events(activities.KindDelta, activities.Window{})
	require.Equal(t, activities.Counts{Read: 2, Created: 1, Unchanged: 1}, out.Counts)
	require.Empty(t, s.timeline())
	known := s.explain(sent.BroadLogID)
	require.Len(t, known, 2)
	require.True(t, *known[1].InDynamics)
	require.True(t, s.Sandboxes.Dynamics.Delete("adobe_emailbounces", known[1].Activity))
	require.False(t, *s.explain(sent.BroadLogID)[1].InDynamics)
	s.push(eventlog.Pushed{Kind: "bounce", BroadLogID: sent.BroadLogID, Failure: "hard"})
	s.events(activities.KindDelta, activities.Window{})
	require.Zero(t, s.Sandboxes.Dynamics.Count("adobe_emailbounces"), "what somebody deleted does not come back")
}

// bulky is a journal with one page, cut short by its size or not.
type bulky struct{ size int }

func (b bulky) Since(time.Duration, int) string { return "" }

func (b bulky) Page(context.Context, string, int) (*campaign.JournalPage, error) {
	page := &campaign.JournalPage{Next: "next"}
	for i := range 3 {
		page.Events = append(page.Events, campaign.JournalEvent{Position: fmt.Sprint("p", i),
			Raw: fmt.Appendf(nil, `{"type":"other","data":"%s"}`, strings.Repeat("x", b.size/3))})
	}
	return page, nil
}

// docs/protocol/campaign.md §6.2: a page of 1.5 MB may hold fewer events than were asked for and
// still not be the last.
func TestAPageThatTheServiceCutShortIsNotTheLast(t *testing.T) {
	t.Parallel()
	for size, more := range map[int]bool{1_400_000: true, 1_000: false} {
		s := newEventWorld(t, 1)
		s.begin()
		s.restart(func(o *egress.Options) { o.Journal = bulky{size} })
		ref := s.ref(activities.KindDelta)
		activitytest.Call[activities.OpenRunResult](s.World, s.eg.OpenEventRun, activities.OpenRunInput{RunRef: ref})
		got := activitytest.Call[activities.FetchResult](s.World, s.eg.FetchEvents, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseJournal, Lanes: 1})
		require.Equal(t, 3, got.Read)
		require.Equal(t, more, got.More)
	}
}

// R18.17: the journal no longer holds the position: from its oldest, and told.
func TestAPositionThatExpired(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 10, func(o *stack.Options) { o.JournalRetention = time.Hour })
	contact := s.Sandboxes.Dynamics.Keys("contacts")[0]
	s.begin()
	s.push(eventlog.Pushed{Kind: "send", ExternalID: contact})
	s.events(activities.KindDelta, activities.Window{})
	s.Sandboxes.Advance(30 * time.Minute)
	s.push(eventlog.Pushed{Kind: "send", ExternalID: contact}) // never seen
	s.Sandboxes.Advance(2 * time.Hour)
	s.push(eventlog.Pushed{Kind: "send", ExternalID: contact})
	_, err := s.Env.ExecuteActivity(s.eg.FetchEvents, activities.FetchInput{RunRef: s.ref(activities.KindDelta), Page: 1, Phase: activities.PhaseEvents, Lanes: 4})
	require.ErrorContains(t, err, "PositionExpired")
	lost := activitytest.Call[activities.RestartJournalResult](s.World, s.eg.RestartJournal, activities.RestartJournalInput{})
	require.False(t, lost.Lost.IsZero())
	out := s.events(activities.KindDelta, activities.Window{})
	require.Equal(t, activities.Counts{Read: 1, Created: 1}, out.Counts)
	require.EqualValues(t, 2, s.Sandboxes.Dynamics.Count("adobe_emailsends"))
	// The next one is of a backfill, whose own place in the journal is gone.
	before, err := s.Ledger.Watermark(t.Context(), activities.FlowEgress, activities.FlowEgress)
	require.NoError(t, err)
	require.True(t, activitytest.Call[activities.RestartJournalResult](s.World, s.eg.RestartJournal, activities.RestartJournalInput{}).Held)
	after, err := s.Ledger.Watermark(t.Context(), activities.FlowEgress, activities.FlowEgress)
	require.NoError(t, err)
	require.Equal(t, before, after)
	require.NotEmpty(t, after.Link)
	lag := activitytest.Call[activities.RaiseLagResult](s.World, s.eg.RaiseLag, activities.RaiseLagInput{Alarm: 1})
	require.True(t, lag.Raised)
	require.False(t, activitytest.Call[activities.RaiseLagResult](s.World, s.eg.RaiseLag, activities.RaiseLagInput{Alarm: activities.Duration(time.Hour)}).Raised)
}

// The table lost a column while the flow ran: it stops, and nothing is lost.
func TestATableThatChangesStopsTheRun(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 3)
	contact := s.Sandboxes.Dynamics.Keys("contacts")[0]
	s.begin()
	s.push(eventlog.Pushed{Kind: "send", ExternalID: contact})
	s.fault(kit.Rule{Service: "dataverse", Method: http.MethodPost, Path: `\$batch`, Action: kit.Respond, Status: 400, Times: 1,
		Headers: map[string]string{"Content-Type": "application/json"},
		Body:    `{"error":{"code":"0x80060888","message":"Could not find a property named 'adobe_datesent' on type"}}`})
	ref := s.ref(activities.KindDelta)
	activitytest.Call[activities.OpenRunResult](s.World, s.eg.OpenEventRun, activities.OpenRunInput{RunRef: ref})
	got := activitytest.Call[activities.FetchResult](s.World, s.eg.FetchEvents, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseJournal, Lanes: 1})
	require.Equal(t, []int{1}, got.Lanes)
	_, err := s.Env.ExecuteActivity(s.eg.WriteTimeline, activities.LaneInput{RunRef: ref, Page: 1})
	require.ErrorContains(t, err, "adobe_datesent")
	out := s.onward(ref, activities.Window{})
	require.EqualValues(t, 1, out.Counts.Created)
}

// No address, no name, no URL gets into metrics or results.
func TestMetricsHoldNoPersonalData(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 20)
	s.generate(200, nil)
	s.begin()
	out := s.events(activities.KindDelta, activities.Window{})
	text, err := json.Marshal(out)
	require.NoError(t, err)
	shown := string(text)
	snapshot := s.Scope.Snapshot()
	for _, c := range snapshot.Counters() {
		shown += c.Name() + fmt.Sprint(c.Tags())
	}
	for _, g := range snapshot.Gauges() {
		shown += g.Name() + fmt.Sprint(g.Tags())
	}
	require.Contains(t, shown, "already_there")
	for _, private := range []string{"@", "://", "utm_"} {
		require.NotContains(t, shown, private)
	}
}

// docs/protocol/dynamics.md §7.1: the limits of the service slow the flow down, and no more.
func TestTheLimitsOfDynamicsOnlySlowTheFlow(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 40, func(o *stack.Options) { o.Protection.Concurrency, o.OperationTime = 2, 5*time.Millisecond })
	s.generate(150, nil) // three requests a lane, which meet
	s.begin()
	out := s.patiently(activities.KindDelta)
	require.Equal(t, "COMPLETED", out.State)
	require.Empty(t, s.timeline())
	require.Zero(t, out.Counts.Quarantined)
	require.Positive(t, s.Sandboxes.Dynamics.Usage().Throttled)
}

// A pass ends after so many pages, that its position is saved; the next goes on
// there. A backfill reads to the end.
func TestAPassEndsAfterSoManyPagesABackfillAtTheEnd(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 30)
	made := s.generate(500, nil)
	s.begin()
	s.restart(func(o *egress.Options) { o.PageSize, o.PagesPerRun = 50, 3 })
	var read int64
	for runs := 1; read < int64(made); runs++ {
		require.LessOrEqual(t, runs, 4)
		out := s.events(activities.KindDelta, activities.Window{})
		require.LessOrEqual(t, out.Counts.Read, int64(150))
		require.Zero(t, out.Counts.Unchanged, "nothing is read twice")
		read += out.Counts.Read
	}
	require.Empty(t, s.timeline())
	out := s.events(activities.KindBackfill, activities.Window{Since: time.Now().Add(-6 * 24 * time.Hour)})
	require.EqualValues(t, made, out.Counts.Read)
}

func TestAStartOfEventsClosesRunsThatLostTheirWorkflow(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 1)
	s.begin()
	ref := s.ref(activities.KindDelta)
	activitytest.Call[activities.OpenRunResult](s.World, s.eg.OpenEventRun, activities.OpenRunInput{RunRef: ref})
	s.begin()
	run, err := s.Ledger.Run(t.Context(), ref.Run)
	require.NoError(t, err)
	require.Equal(t, ledger.RunFailed, run.State)
}
