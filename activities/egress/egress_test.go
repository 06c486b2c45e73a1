package egress_test

import (
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/egress"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/timeline"
	"causeway.dev/internal/transport"
	"causeway.dev/sandbox/eventlog"
	"causeway.dev/sandbox/stack"
)

// eventWorld is the egress activities with real clients, real sandboxes and a
// real ledger.
type eventWorld struct {
	*activitytest.World
	eg       *egress.Activities
	o        egress.Options
	settings activities.EgressSettings
	checked  activities.PreflightEventsResult
	owner    string
	lastRun  string
}

func newEventWorld(t *testing.T, contacts int, edit ...func(*stack.Options)) *eventWorld {
	t.Helper()
	s := &eventWorld{World: activitytest.NewWorld(t, contacts, edit...)}
	pem, err := os.ReadFile(s.Sandboxes.CAPath)
	require.NoError(t, err)
	roots := activitytest.CertPool(t, pem)
	secret, err := os.ReadFile(s.Sandboxes.CampaignSecretFile)
	require.NoError(t, err)
	journal, err := campaign.NewJournal(campaign.JournalOptions{
		URL: s.Sandboxes.JournalURL, APIKey: s.Sandboxes.CampaignClientID, OrgID: s.Sandboxes.CampaignOrganization,
		Transport: transport.New(transport.Options{Service: "journal", RootCAs: roots, Gate: transport.NewGate(), Metrics: s.Scope, Tokens: campaign.NewIMSTokens(campaign.IMSOptions{
			URL: s.Sandboxes.IMSURL, ClientID: s.Sandboxes.CampaignClientID, Secret: string(secret), Scopes: []string{"campaign_sdk"},
			HTTPClient: &http.Client{Transport: transport.NewBase(roots)},
		})}),
	})
	require.NoError(t, err)
	client := s.IngressOptions.Source.(*dataverse.Client)
	s.o = egress.Options{Journal: journal, Dynamics: client, DynamicsGate: s.DynamicsGate, Ledger: s.Ledger, PageSize: 300, BatchSize: 50, Concurrency: 16, Lanes: 4, KeepEvents: 30 * 24 * time.Hour, Metrics: s.Scope}
	s.restart(nil)
	s.settings = activities.EgressSettings{Source: timeline.SourceJournal, Sends: true, Opens: true, Clicks: true, Bounces: true,
		UnknownContact: timeline.UnknownCount, Tables: timeline.DefaultTables()}
	me, err := client.WhoAmI(t.Context())
	require.NoError(t, err)
	s.owner = me.UserID
	return s
}

// restart is a new process with other options.
func (s *eventWorld) restart(edit func(*egress.Options)) {
	if edit != nil {
		edit(&s.o)
	}
	s.eg = egress.New(s.o)
	s.Env = activitytest.NewEnv()
	s.eg.Register(s.Env)
	s.Operator.Register(s.Env)
}

// begin checks the settings, as before every start.
func (s *eventWorld) begin() {
	s.T.Helper()
	s.checked = activitytest.Call[activities.PreflightEventsResult](s.World, s.eg.PreflightEvents, activities.PreflightEventsInput{Settings: s.settings})
}

func (s *eventWorld) ref(kind activities.Kind) activities.RunRef {
	s.Runs++
	s.lastRun = fmt.Sprintf("egress-%d", s.Runs)
	return activities.RunRef{Run: s.lastRun, Table: activities.FlowEgress, Revision: s.checked.Revision, Plan: s.checked.Plan, Kind: kind}
}

// events runs a whole pass, phase by phase, as the workflow does.
func (s *eventWorld) events(kind activities.Kind, window activities.Window) activities.SaveWatermarkResult {
	s.T.Helper()
	return s.onward(s.ref(kind), window)
}

func (s *eventWorld) onward(ref activities.RunRef, window activities.Window) activities.SaveWatermarkResult {
	s.T.Helper()
	open := activitytest.Call[activities.OpenRunResult](s.World, s.eg.OpenEventRun, activities.OpenRunInput{RunRef: ref})
	page := open.LastPage
	for _, l := range open.Unfinished {
		activitytest.Call[activities.LaneResult](s.World, s.eg.WriteTimeline, activities.LaneInput{RunRef: ref, Page: l.Page, Lane: l.Lane})
	}
	for _, phase := range []activities.Phase{activities.PhaseJournal, activities.PhaseFiles} {
		for more := true; more; {
			got := activitytest.Call[activities.FetchResult](s.World, s.eg.FetchEvents, activities.FetchInput{RunRef: ref, Page: page + 1, Phase: phase, Lanes: 4, Window: window})
			if got.Nothing {
				break
			}
			page++
			for lane, size := range got.Lanes {
				if size > 0 {
					activitytest.Call[activities.LaneResult](s.World, s.eg.WriteTimeline, activities.LaneInput{RunRef: ref, Page: page, Lane: lane})
				}
			}
			more = got.More
		}
	}
	return activitytest.Call[activities.SaveWatermarkResult](s.World, s.eg.SaveEventPosition, activities.SaveWatermarkInput{RunRef: ref})
}

// generate makes events of a funnel, at most n.
func (s *eventWorld) generate(n int, edit func(*eventlog.Funnel)) int {
	s.T.Helper()
	f := eventlog.DefaultFunnel()
	f.Events = n
	if edit != nil {
		edit(&f)
	}
	made, err := s.Sandboxes.GenerateEvents(f)
	require.NoError(s.T, err)
	return made
}

// timeline are the differences between what happened and what Dynamics shows.
func (s *eventWorld) timeline() []string {
	return s.Sandboxes.TimelineDifferences(stack.Timeline{Sends: s.settings.Sends, Opens: s.settings.Opens, Clicks: s.settings.Clicks, Bounces: s.settings.Bounces}, s.owner, 10)
}

// R18.2–R18.16: every event once, with duplicates and disorder, and it balances.
func TestEventsReachTheTimeline(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 150)
	made := s.generate(2000, func(f *eventlog.Funnel) { f.Duplicates, f.Disorder = 0.2, 0.3 })
	s.begin()
	require.Empty(t, s.checked.Warnings)
	out := s.events(activities.KindDelta, activities.Window{})
	require.Equal(t, "COMPLETED", out.State)
	require.Empty(t, s.timeline())
	c := out.Counts
	published := int64(s.Sandboxes.Events.Counts().Published)
	require.Greater(t, published, int64(made))
	require.Equal(t, published, c.Read)
	require.Equal(t, c.Read, c.Settled())
	for name, n := range map[string]int64{"created": c.Created, "already there": c.Unchanged, "soft": c.SoftBounce, "seed": c.SeedOrProof, "no contact": c.NoContact} {
		require.Positive(t, n, name)
	}
	require.Zero(t, c.Quarantined)
	require.False(t, out.Watermark.IsZero())

	// Read again from the start: nothing changes, and the ledger knows it.
	mark, err := s.Ledger.Watermark(t.Context(), activities.FlowEgress, activities.FlowEgress)
	require.NoError(t, err)
	before := s.Sandboxes.Dynamics.Usage().Operations
	again := s.events(activities.KindBackfill, activities.Window{Since: time.Now().Add(-7 * 24 * time.Hour)})
	require.Zero(t, again.Counts.Created)
	require.Equal(t, c.Created+c.Unchanged, again.Counts.Unchanged)
	require.Empty(t, s.timeline())
	require.Less(t, s.Sandboxes.Dynamics.Usage().Operations-before, c.Created/4, "what is known costs no write")
	after, err := s.Ledger.Watermark(t.Context(), activities.FlowEgress, activities.FlowEgress)
	require.NoError(t, err)
	require.Equal(t, mark, after, "a backfill leaves the position alone")
}
