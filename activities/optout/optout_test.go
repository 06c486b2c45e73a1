package optout_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/optout"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/inbox"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
	rules "causeway.dev/internal/optout"
	"causeway.dev/sandbox/stack"
)

// optOutWorld is the opt-out activities with real clients, real sandboxes and a real
// ledger. Profiles come from ingress, as in production.
type optOutWorld struct {
	*activitytest.World
	opt       *optout.Activities
	optOpts   optout.Options
	settings  activities.OptOutSettings
	ref       activities.RunRef
	optRuns   int
	ledgerDir string
	keys      []string // contacts
}

var (
	emailPair = rules.PairSetting{Campaign: "denyListEmail", Dynamics: "donotbulkemail"}
	phonePair = rules.PairSetting{Campaign: "denyListPhone", Dynamics: "followemail", Inverted: true}
	ccpaPair  = rules.PairSetting{Campaign: "ccpaOptOut", Dynamics: "donotsendmm"}
)

func newOptOutWorld(t *testing.T, contacts int, mode rules.Mode, source string, edit ...func(*stack.Options)) *optOutWorld {
	t.Helper()
	s := &optOutWorld{}
	s.World = activitytest.NewWorld(t, contacts, append(edit, func(o *stack.Options) { s.ledgerDir = o.Dir })...)
	s.Table.Fields = []mapping.Field{{From: "lastname", To: "lastName"}, {From: "emailaddress1", To: "email"}}
	s.Table.Erased = mapping.RestoreErased // profiles come back with their opt-outs
	key, err := os.ReadFile(s.Sandboxes.SFTPKeyFile)
	require.NoError(t, err)
	files, err := campaign.NewSFTP(campaign.SFTPOptions{Addr: s.Sandboxes.SFTPAddress, User: s.Sandboxes.SFTPUser, Key: key, KnownHosts: s.Sandboxes.SFTPKnownHostsFile})
	require.NoError(t, err)
	t.Cleanup(func() { _ = files.Close() })
	s.optOpts = optout.Options{
		Dynamics: s.IngressOptions.Source.(*dataverse.Client), Campaign: s.IngressOptions.Target, Exports: s.IngressOptions.Target.(*campaign.Client), Files: &inbox.Source{Server: files, Folder: "d365_loads/exports", Keep: 15 * 24 * time.Hour, Dir: t.TempDir()}, Ledger: s.Ledger,
		Concurrency: 8, Metrics: s.Scope, Now: s.Sandboxes.Clock.Now, CatchUpSlack: time.Second,
	}
	s.settings = activities.OptOutSettings{
		Mode: mode, Source: source, Pairs: []rules.PairSetting{emailPair, phonePair, ccpaPair}, CampaignEvery: time.Minute, SFTP: true,
		ModifiedSince: rules.FilterSetting{Filter: "byModifiedSince", Parameter: "since_parameter"}, Profiles: "contacts",
	}
	s.rebuild()
	s.keys = s.Sandboxes.Dynamics.Keys("contacts")
	for _, id := range s.keys { // the seed opts some out; tests say who
		require.NoError(t, s.Sandboxes.Dynamics.Update("contacts", id, map[string]any{"donotbulkemail": false, "followemail": true, "donotsendmm": false}))
	}
	activitytest.Call[activities.PreflightResult](s.World, s.Ingress.Preflight, activities.PreflightInput{Table: s.Table})
	s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp)
	s.later()
	return s
}

// rebuild makes the activities anew, as a new worker does.
func (s *optOutWorld) rebuild() {
	s.opt = optout.New(s.optOpts)
	s.Env = activitytest.NewEnv()
	s.Register()
	s.opt.Register(s.Env)
}

// later lets the clocks of all systems go on, so that what follows is newer.
func (s *optOutWorld) later() { s.Sandboxes.Clock.Advance(10 * time.Second) }

// startOptOut checks the settings and, where that is called for, reads both systems.
func (s *optOutWorld) startOptOut() activities.PreflightOptOutResult {
	s.T.Helper()
	got := activitytest.Call[activities.PreflightOptOutResult](s.World, s.opt.PreflightOptOut, activities.PreflightOptOutInput{Settings: s.settings})
	s.ref = activities.RunRef{Table: activities.FlowOptOut, Revision: got.Revision, Plan: got.Plan}
	if got.NeedsBaseline {
		saved := s.optRun(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp)
		require.Equal(s.T, "COMPLETED", saved.State)
	}
	return got
}

// optRun runs a whole run; zero when there is nothing to do.
func (s *optOutWorld) optRun(kind activities.Kind, phases ...activities.Phase) activities.SaveWatermarkResult {
	s.T.Helper()
	s.optRuns++
	ref := s.ref
	ref.Run, ref.Kind = fmt.Sprintf("optout-%d", s.optRuns), kind
	page := 0
	for _, phase := range phases {
		for more := true; more; {
			page++
			if kind != activities.KindDelta && page == 1 {
				activitytest.Call[activities.OpenRunResult](s.World, s.opt.OpenOptOutRun, activities.OpenRunInput{RunRef: ref})
			}
			got := activitytest.Call[activities.FetchResult](s.World, s.opt.FetchOptOuts, activities.FetchInput{RunRef: ref, Page: page, Phase: phase, Lanes: 4, Now: true})
			if got.Nothing {
				return activities.SaveWatermarkResult{}
			}
			for lane, size := range got.Lanes {
				if size > 0 {
					s.carryLane(activities.LaneInput{RunRef: ref, Page: page, Lane: lane})
				}
			}
			more = got.More
		}
	}
	return activitytest.Call[activities.SaveWatermarkResult](s.World, s.opt.SaveOptOutPosition, activities.SaveWatermarkInput{RunRef: ref})
}

// carryLane tries a lane again, as Temporal does, until it is carried.
func (s *optOutWorld) carryLane(in activities.LaneInput) {
	s.T.Helper()
	var err error
	for range 10 {
		if _, err = s.Env.ExecuteActivity(s.opt.WriteOptOuts, in); err == nil {
			return
		}
	}
	require.NoError(s.T, err)
}

// settle carries changes until there are none.
func (s *optOutWorld) settle() activities.Counts {
	s.T.Helper()
	var all activities.Counts
	for range 20 {
		saved := s.optRun(activities.KindDelta, activities.PhaseDelta)
		if saved.State == "" {
			return all
		}
		require.Equal(s.T, "COMPLETED", saved.State)
		all.Add(saved.Counts)
	}
	require.Fail(s.T, "changes do not come to rest")
	return all
}

func (s *optOutWorld) inDynamics(id, column string, value any) {
	s.T.Helper()
	s.later()
	require.NoError(s.T, s.Sandboxes.Dynamics.Update("contacts", id, map[string]any{column: value}))
}

func (s *optOutWorld) inCampaign(id, field string, value bool) {
	s.T.Helper()
	s.later()
	require.NoError(s.T, s.Sandboxes.Campaign.Update("profile", id, fmt.Appendf(nil, `{%q:%v}`, field, value)))
}

// both says what the two systems hold of the first pair.
func (s *optOutWorld) both(id string) [2]bool {
	out, _ := s.Sandboxes.Campaign.Profile(id)["blackListEmail"].(bool)
	in, _ := s.Sandboxes.Dynamics.Row("contacts", id)["donotbulkemail"].(bool)
	return [2]bool{in, out}
}

// history is the evidence of a contact, as rule and effect.
func (s *optOutWorld) history(id string) []string {
	s.T.Helper()
	all, err := s.Ledger.OptOutDecisions(s.T.Context(), ledger.DecisionFilter{Contact: id})
	require.NoError(s.T, err)
	var out []string
	for _, d := range all {
		out = append(out, fmt.Sprintf("%s %v %s", d.Rule, d.Out, d.Effect))
	}
	return out
}

// R19.6, R19.10–R19.12, R19.20: bidirectional, over REST.
func TestBidirectionalOverREST(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 40, rules.Bidirectional, rules.SourceREST)
	a, b, c, d, e := s.keys[0], s.keys[1], s.keys[2], s.keys[3], s.keys[4]
	s.inDynamics(a, "donotbulkemail", true) // known before the flow ever ran
	s.inCampaign(b, "blackListEmail", true)
	got := s.startOptOut()
	require.True(t, got.NeedsBaseline)
	require.Equal(t, rules.SourceREST, got.Source)
	require.Equal(t, [2]bool{true, true}, s.both(a))
	require.Equal(t, [2]bool{true, true}, s.both(b))
	require.Zero(t, s.settle().Updated, "our own writes come back as nothing to do (R19.20)")
	require.Zero(t, s.settle(), "once")

	s.inCampaign(c, "blackListEmail", true)  // Campaign newer: opts out
	s.inCampaign(b, "blackListEmail", false) // Campaign newer: opts back in
	s.inDynamics(d, "donotbulkemail", true)  // Dynamics newer: opts out
	s.inDynamics(a, "donotbulkemail", false) // Dynamics newer, Campaign still out: the opt-out wins
	s.inDynamics(e, "followemail", false)    // inverted: no longer allowed
	counts := s.settle()
	require.Equal(t, int64(5), counts.Updated)
	require.Equal(t, [2]bool{true, true}, s.both(c))
	require.Equal(t, [2]bool{false, false}, s.both(b))
	require.Equal(t, [2]bool{true, true}, s.both(d))
	require.Equal(t, [2]bool{true, true}, s.both(a))
	require.Equal(t, true, s.Sandboxes.Campaign.Profile(e)["blackListPhone"])
	require.Equal(t, []string{"only-campaign true ", "campaign-newer true dynamics", "campaign-newer false dynamics"}, s.history(b))

	s.inCampaign(e, "blackListPhone", false)
	s.settle()
	require.Equal(t, true, s.Sandboxes.Dynamics.Row("contacts", e)["followemail"])

	// ccpaOptOut has no stamp: an opt-out counts, an opt-in alone does not.
	s.inCampaign(c, "ccpaOptOut", true)
	s.settle()
	require.Equal(t, true, s.Sandboxes.Dynamics.Row("contacts", c)["donotsendmm"])
	s.inCampaign(c, "ccpaOptOut", false)
	s.settle()
	require.Equal(t, true, s.Sandboxes.Campaign.Profile(c)["ccpaOptOut"])
	require.Zero(t, s.settle())
}
