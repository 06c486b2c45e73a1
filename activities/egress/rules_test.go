package egress_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
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
