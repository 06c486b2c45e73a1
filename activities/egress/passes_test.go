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
	"causeway.dev/sandbox/eventlog"
	"causeway.dev/sandbox/kit"
	"causeway.dev/sandbox/stack"
)

// bulky is a journal with one page, cut short by its size or not.
type bulky struct{ size int }

func (b bulky) Since(time.Duration, int) string { return "" }

func (b bulky) Address() string { return "bulky" }

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
