package activities_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
	"causeway.dev/internal/optout"
	"causeway.dev/sandbox/stack"
)

// optSpine is the opt-out activities with real clients, real sandboxes and a real
// ledger. Profiles come from ingress, as in production.
type optSpine struct {
	*spine
	opt       *activities.OptOut
	optOpts   activities.OptOutOptions
	settings  activities.OptOutSettings
	ref       activities.RunRef
	optRuns   int
	ledgerDir string
	keys      []string // contacts
}

var (
	emailPair = optout.PairSetting{Campaign: "denyListEmail", Dynamics: "donotbulkemail"}
	phonePair = optout.PairSetting{Campaign: "denyListPhone", Dynamics: "followemail", Inverted: true}
	ccpaPair  = optout.PairSetting{Campaign: "ccpaOptOut", Dynamics: "donotsendmm"}
)

func newOptSpine(t *testing.T, contacts int, mode optout.Mode, source string, edit ...func(*stack.Options)) *optSpine {
	t.Helper()
	s := &optSpine{}
	s.spine = newSpine(t, contacts, append(edit, func(o *stack.Options) { s.ledgerDir = o.Dir })...)
	s.table.Fields = []mapping.Field{{From: "lastname", To: "lastName"}, {From: "emailaddress1", To: "email"}}
	key, err := os.ReadFile(s.boxes.SFTPKeyFile)
	require.NoError(t, err)
	files, err := campaign.NewSFTP(campaign.SFTPOptions{Addr: s.boxes.SFTPAddress, User: s.boxes.SFTPUser, Key: key, KnownHosts: s.boxes.SFTPKnownHostsFile})
	require.NoError(t, err)
	t.Cleanup(func() { _ = files.Close() })
	s.optOpts = activities.OptOutOptions{
		Dynamics: s.opts.Source.(*dataverse.Client), Campaign: s.opts.Target, Exports: s.opts.Target.(*campaign.Client), Files: files, Ledger: s.books,
		Concurrency: 8, TempDir: t.TempDir(), Metrics: s.scope, Now: s.boxes.Clock.Now, CatchUpSlack: time.Second,
	}
	s.settings = activities.OptOutSettings{
		Mode: mode, Source: source, Pairs: []optout.PairSetting{emailPair, phonePair, ccpaPair}, CampaignEvery: time.Minute, SFTP: true,
		ModifiedSince: optout.FilterSetting{Filter: "byModifiedSince", Parameter: "since_parameter"}, Profiles: "contacts",
	}
	s.rebuild()
	s.keys = s.boxes.Dynamics.Keys("contacts")
	for _, id := range s.keys { // the seed opts some out; tests say who
		require.NoError(t, s.boxes.Dynamics.Update("contacts", id, map[string]any{"donotbulkemail": false, "followemail": true, "donotsendmm": false}))
	}
	call[activities.PreflightResult](s.spine, s.in.Preflight, activities.PreflightInput{Table: s.table})
	s.pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp)
	s.later()
	return s
}

// rebuild makes the activities anew, as a new worker does.
func (s *optSpine) rebuild() {
	s.opt = activities.NewOptOut(s.optOpts)
	s.env = newActivityEnv()
	s.register()
	s.opt.Register(s.env)
}

// later lets the clocks of all systems go on, so that what follows is newer.
func (s *optSpine) later() { s.boxes.Clock.Advance(10 * time.Second) }

// startOptOut checks the settings and, where that is called for, reads both systems.
func (s *optSpine) startOptOut() activities.PreflightOptOutResult {
	s.t.Helper()
	got := call[activities.PreflightOptOutResult](s.spine, s.opt.PreflightOptOut, activities.PreflightOptOutInput{Settings: s.settings})
	s.ref = activities.RunRef{Table: activities.FlowOptOut, Revision: got.Revision, Plan: got.Plan}
	if got.NeedsBaseline {
		saved := s.optRun(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp)
		require.Equal(s.t, "COMPLETED", saved.State)
	}
	return got
}

// optRun runs a whole run; zero when there is nothing to do.
func (s *optSpine) optRun(kind activities.Kind, phases ...activities.Phase) activities.SaveWatermarkResult {
	s.t.Helper()
	s.optRuns++
	ref := s.ref
	ref.Run, ref.Kind = fmt.Sprintf("optout-%d", s.optRuns), kind
	page := 0
	for _, phase := range phases {
		for more := true; more; {
			page++
			if kind != activities.KindDelta && page == 1 {
				call[activities.OpenRunResult](s.spine, s.opt.OpenOptOutRun, activities.OpenRunInput{RunRef: ref})
			}
			got := call[activities.FetchResult](s.spine, s.opt.FetchOptOuts, activities.FetchInput{RunRef: ref, Page: page, Phase: phase, Lanes: 4, Now: true})
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
	return call[activities.SaveWatermarkResult](s.spine, s.opt.SaveOptOutPosition, activities.SaveWatermarkInput{RunRef: ref})
}

// carryLane tries a lane again, as Temporal does, until it is carried.
func (s *optSpine) carryLane(in activities.LaneInput) {
	s.t.Helper()
	var err error
	for range 10 {
		if _, err = s.env.ExecuteActivity(s.opt.WriteOptOuts, in); err == nil {
			return
		}
	}
	require.NoError(s.t, err)
}

// settle carries changes until there are none.
func (s *optSpine) settle() activities.Counts {
	s.t.Helper()
	var all activities.Counts
	for range 20 {
		saved := s.optRun(activities.KindDelta, activities.PhaseDelta)
		if saved.State == "" {
			return all
		}
		require.Equal(s.t, "COMPLETED", saved.State)
		all.Add(saved.Counts)
	}
	require.Fail(s.t, "changes do not come to rest")
	return all
}

func (s *optSpine) inDynamics(id, column string, value any) {
	s.t.Helper()
	s.later()
	require.NoError(s.t, s.boxes.Dynamics.Update("contacts", id, map[string]any{column: value}))
}

func (s *optSpine) inCampaign(id, field string, value bool) {
	s.t.Helper()
	s.later()
	require.NoError(s.t, s.boxes.Campaign.Update("profile", id, fmt.Appendf(nil, `{%q:%v}`, field, value)))
}

// both says what the two systems hold of the first pair.
func (s *optSpine) both(id string) [2]bool {
	out, _ := s.boxes.Campaign.Profile(id)["blackListEmail"].(bool)
	in, _ := s.boxes.Dynamics.Row("contacts", id)["donotbulkemail"].(bool)
	return [2]bool{in, out}
}

// history is the evidence of a contact, as rule and effect.
func (s *optSpine) history(id string) []string {
	s.t.Helper()
	all, err := s.books.OptOutDecisions(s.t.Context(), ledger.DecisionFilter{Contact: id})
	require.NoError(s.t, err)
	var out []string
	for _, d := range all {
		out = append(out, fmt.Sprintf("%s %v %s", d.Rule, d.Out, d.Effect))
	}
	return out
}

// R19.6, R19.10–R19.12, R19.20: bidirectional, over REST.
func TestBidirectionalOverREST(t *testing.T) {
	t.Parallel()
	s := newOptSpine(t, 40, optout.Bidirectional, optout.SourceREST)
	a, b, c, d, e := s.keys[0], s.keys[1], s.keys[2], s.keys[3], s.keys[4]
	s.inDynamics(a, "donotbulkemail", true) // known before the flow ever ran
	s.inCampaign(b, "blackListEmail", true)
	got := s.startOptOut()
	require.True(t, got.NeedsBaseline)
	require.Equal(t, optout.SourceREST, got.Source)
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
	require.Equal(t, true, s.boxes.Campaign.Profile(e)["blackListPhone"])
	require.Equal(t, []string{"only-campaign true ", "campaign-newer true dynamics", "campaign-newer false dynamics"}, s.history(b))

	s.inCampaign(e, "blackListPhone", false)
	s.settle()
	require.Equal(t, true, s.boxes.Dynamics.Row("contacts", e)["followemail"])

	// ccpaOptOut has no stamp: an opt-out counts, an opt-in alone does not.
	s.inCampaign(c, "ccpaOptOut", true)
	s.settle()
	require.Equal(t, true, s.boxes.Dynamics.Row("contacts", c)["donotsendmm"])
	s.inCampaign(c, "ccpaOptOut", false)
	s.settle()
	require.Equal(t, true, s.boxes.Campaign.Profile(c)["ccpaOptOut"])
	require.Zero(t, s.settle())
}
