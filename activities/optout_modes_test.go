package activities_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/optout"
	"causeway.dev/sandbox/kit"
	"causeway.dev/sandbox/stack"
)

// R19.5: Campaign's value overwrites Dynamics' when it changes, and nothing else does.
func TestCampaignToDynamics(t *testing.T) {
	t.Parallel()
	s := newOptSpine(t, 20, optout.CampaignToDynamics, optout.SourceREST)
	a, b := s.keys[0], s.keys[1]
	s.inCampaign(a, "blackListEmail", true)
	s.inDynamics(b, "donotbulkemail", true) // by hand, before the flow ran
	s.startOptOut()
	require.Equal(t, [2]bool{true, true}, s.both(a))
	require.Equal(t, [2]bool{true, false}, s.both(b), "Campaign never chose, so Dynamics keeps its own")

	s.inDynamics(a, "donotbulkemail", false) // by hand
	s.settle()
	require.Equal(t, [2]bool{false, true}, s.both(a), "a manual edit stays …")
	s.inCampaign(a, "blackListPhone", true)
	s.settle()
	require.Equal(t, [2]bool{false, true}, s.both(a), "… also when another attribute changes …")
	s.inCampaign(a, "blackListEmail", false)
	s.inCampaign(a, "blackListEmail", true)
	s.settle()
	require.Equal(t, [2]bool{true, true}, s.both(a), "… until this one does")
	s.inCampaign(a, "blackListEmail", false)
	s.settle()
	require.Equal(t, [2]bool{false, false}, s.both(a))
	s.inCampaign(a, "ccpaOptOut", true) // has no stamp; a change is seen as one
	s.settle()
	s.inCampaign(a, "ccpaOptOut", false)
	s.settle()
	require.Equal(t, false, s.boxes.Dynamics.Row("contacts", a)["donotsendmm"])
	s.boxes.Campaign.Each("profile", func(id string, _ map[string]any) bool { // R19.5: one way
		require.LessOrEqual(t, s.boxes.Campaign.WriteCounts("profile", id).Updates, uint32(5), "only the edits of this test")
		return true
	})
	require.Zero(t, s.scope.Snapshot().Counters()["causeway.optout.writes+system=campaign"].Value())
}

// R19.17: a mode is changed by stop and start; what was agreed stays, and what
// differs is decided by the new rule.
func TestAModeChangeKeepsWhatWasAgreed(t *testing.T) {
	t.Parallel()
	s := newOptSpine(t, 20, optout.Bidirectional, optout.SourceREST)
	a, b, c := s.keys[0], s.keys[1], s.keys[2]
	s.inDynamics(a, "donotbulkemail", true)
	s.startOptOut()
	require.Equal(t, [2]bool{true, true}, s.both(a))

	s.settings.Mode = optout.CampaignToDynamics
	require.True(t, s.startOptOut().NeedsBaseline)
	require.Equal(t, [2]bool{true, true}, s.both(a))
	s.inDynamics(b, "donotbulkemail", true)
	s.inCampaign(c, "blackListEmail", true)
	s.settle()
	require.Equal(t, [2]bool{true, false}, s.both(b))
	require.Equal(t, [2]bool{true, true}, s.both(c))

	s.settings.Mode = optout.Bidirectional
	s.startOptOut()
	require.Equal(t, [2]bool{true, true}, s.both(a))
	require.Equal(t, [2]bool{true, true}, s.both(b), "pairs are kept equal again")
	require.Equal(t, [2]bool{true, true}, s.both(c))
	require.Zero(t, s.settle().Updated)
	require.False(t, s.startOptOut().NeedsBaseline, "the same settings go on where they were")
}

// A backfill of contacts, or a replay, never re-subscribes anybody (R19.22 keeps
// opt-outs out of their mapping, and what is adopted keeps its own).
func TestABackfillReSubscribesNobody(t *testing.T) {
	t.Parallel()
	s := newOptSpine(t, 20, optout.Bidirectional, optout.SourceREST)
	s.startOptOut()
	for i, id := range s.keys {
		if i%2 == 0 {
			s.inCampaign(id, "blackListEmail", true)
		}
	}
	s.settle()
	s.pass(activities.KindBackfill, activities.PhaseScan)
	s.pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep)
	require.Zero(t, s.settle().Updated)
	for i, id := range s.keys {
		require.Equal(t, [2]bool{i%2 == 0, i%2 == 0}, s.both(id))
	}
}

// A contact that exists on one side only is remembered until the other appears.
func TestAnOptOutWaitsForItsProfile(t *testing.T) {
	t.Parallel()
	s := newOptSpine(t, 10, optout.Bidirectional, optout.SourceREST)
	s.startOptOut()
	id, err := s.boxes.Dynamics.Insert("contacts", map[string]any{"lastname": "Quibblethorn", "donotbulkemail": true})
	require.NoError(t, err)
	require.Equal(t, activities.Counts{Read: 1, Parked: 1}, s.settle())
	require.Equal(t, []string{"only-dynamics true waits"}, s.history(id))
	require.Zero(t, s.settle())
	s.pass(activities.KindDelta, activities.PhaseDelta) // ingress makes the profile
	require.Equal(t, [2]bool{true, false}, s.both(id))
	require.Equal(t, int64(1), s.settle().Updated)
	require.Equal(t, [2]bool{true, true}, s.both(id))

	// Deleted contacts are not made anew, and stop nothing.
	gone := s.keys[0]
	s.later()
	require.True(t, s.boxes.Dynamics.Delete("contacts", gone))
	s.inCampaign(gone, "blackListEmail", true)
	s.settle()
	require.Nil(t, s.boxes.Dynamics.Row("contacts", gone))
}

// A contact edited between what was seen and what is to be written is looked at
// again: its opt-out is not overwritten.
func TestAnEditInBetweenIsSeen(t *testing.T) {
	t.Parallel()
	s := newOptSpine(t, 10, optout.Bidirectional, optout.SourceREST)
	a := s.keys[0]
	s.inDynamics(a, "donotbulkemail", true)
	s.startOptOut()
	s.inCampaign(a, "blackListEmail", false)
	ref := s.ref
	ref.Run, ref.Kind = "edited", activities.KindDelta
	got := call[activities.FetchResult](s.spine, s.opt.FetchOptOuts, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseDelta, Lanes: 1, Now: true})
	require.Equal(t, 1, got.Read)
	s.inDynamics(a, "telephone1", "1") // newer than the choice in Campaign
	call[activities.LaneResult](s.spine, s.opt.CarryOptOuts, activities.LaneInput{RunRef: ref, Page: 1})
	call[activities.SaveWatermarkResult](s.spine, s.opt.SaveOptOutMark, activities.SaveWatermarkInput{RunRef: ref})
	require.Equal(t, [2]bool{true, true}, s.both(a), "R19.11: the record is newer, so the opt-out wins")
	s.settle()
	require.Equal(t, [2]bool{true, true}, s.both(a))
}

// Whatever answer is lost, both systems agree in the end, with at most a repeated write.
func TestFaultsOnBothSides(t *testing.T) {
	t.Parallel()
	s := newOptSpine(t, 60, optout.Bidirectional, optout.SourceREST)
	s.startOptOut()
	for i, id := range s.keys {
		switch i % 3 {
		case 0:
			require.NoError(t, s.boxes.Dynamics.Update("contacts", id, map[string]any{"donotbulkemail": true}))
		case 1:
			require.NoError(t, s.boxes.Campaign.Update("profile", id, []byte(`{"blackListEmail":true}`)))
		}
	}
	for _, rule := range []kit.Rule{
		{Service: "campaign", Method: http.MethodPatch, Action: kit.ResetAfter, Probability: 0.2, Seed: 5, Path: "/profile", Times: 10},
		{Service: "dataverse", Method: http.MethodPatch, Action: kit.ResetAfter, Probability: 0.2, Seed: 6, Path: "/contacts", Times: 10},
		{Service: "campaign", Action: kit.Respond, Status: 503, Body: `{"error_code":"503010","message":"Could not validate the oauth token"}`, Probability: 0.05, Seed: 7, Path: "/profile", Times: 10},
	} {
		_, err := s.boxes.Faults.Add(rule)
		require.NoError(t, err)
	}
	s.settle()
	for i, id := range s.keys {
		require.Equal(t, [2]bool{i%3 < 2, i%3 < 2}, s.both(id))
		require.LessOrEqual(t, s.boxes.Campaign.WriteCounts("profile", id).Updates, uint32(4))
	}
	require.Zero(t, s.settle().Updated)
}

// One refused record stops nothing, is set aside with its reason, and is tried again.
func TestARefusedContactStopsNothing(t *testing.T) {
	t.Parallel()
	s := newOptSpine(t, 10, optout.Bidirectional, optout.SourceREST)
	s.startOptOut()
	a, b := s.keys[0], s.keys[1]
	rule, err := s.boxes.Faults.Add(kit.Rule{Service: "dataverse", Method: http.MethodPatch, Action: kit.Respond, Status: 400, Path: a,
		Body: `{"error":{"code":"0x80040265","message":"An error occurred in the plug-in"}}`})
	require.NoError(t, err)
	s.inCampaign(a, "blackListEmail", true)
	s.inCampaign(b, "blackListEmail", true)
	require.Equal(t, activities.Counts{Read: 2, Updated: 1, Quarantined: 1}, s.settle())
	require.Equal(t, [2]bool{true, true}, s.both(b))
	require.Contains(t, s.history(a), "campaign-newer true refused")
	open, err := s.books.QuarantineCount(t.Context(), activities.FlowOptOut, "")
	require.NoError(t, err)
	require.EqualValues(t, 1, open)
	require.Zero(t, s.settle(), "not at once")
	s.boxes.Faults.Clear(rule)
	s.inDynamics(a, "telephone1", "1")
	require.Equal(t, int64(1), s.settle().Updated)
	require.Equal(t, [2]bool{true, true}, s.both(a))
	open, err = s.books.QuarantineCount(t.Context(), activities.FlowOptOut, "")
	require.NoError(t, err)
	require.Zero(t, open)
}

// Settings are checked against both systems, every problem at once.
func TestOptOutSettingsThatDoNotFit(t *testing.T) {
	t.Parallel()
	s := newOptSpine(t, 5, optout.Bidirectional, optout.SourceREST)
	refused := func(edit func(*activities.OptOutSettings)) string {
		settings := s.settings
		settings.Pairs = append([]optout.PairSetting(nil), s.settings.Pairs...)
		edit(&settings)
		_, err := s.env.ExecuteActivity(s.opt.PreflightOptOut, activities.PreflightOptOutInput{Settings: settings})
		require.Error(t, err)
		return err.Error()
	}
	text := refused(func(o *activities.OptOutSettings) {
		o.Pairs = append(o.Pairs, optout.PairSetting{Campaign: "denyListFax", Dynamics: "gendercode"}, optout.PairSetting{Campaign: "denyListMobile", Dynamics: "donotexist"})
	})
	require.Contains(t, text, "opt_out.pairs[3].dynamics: gendercode is of type Picklist, want Boolean (R19.8)")
	require.Contains(t, text, "opt_out.pairs[4].dynamics: contact has no column donotexist")
	require.Contains(t, refused(func(o *activities.OptOutSettings) { o.Mode = optout.Disabled }), "opt_out.mode", "R8.16")
	require.Contains(t, refused(func(o *activities.OptOutSettings) { o.ModifiedSince.Filter = "byNothing" }), "no filter byNothing")
	s.boxes.Dynamics.SetTracking("contacts", false)
	require.Contains(t, refused(func(*activities.OptOutSettings) {}), "change tracking is off")
	s.boxes.Dynamics.SetTracking("contacts", true)

	// The names of the attributes are found out, and so is where they can be read.
	found := call[activities.CheckSourceResult](s.spine, s.opt.CheckSource, activities.CheckSourceInput{Settings: s.settings})
	require.Equal(t, optout.SourceREST, found.Source)
	require.Equal(t, activities.OptOutField{Attribute: "denyListEmail", Field: "blackListEmail", Stamp: "blackListEmailLastModified"}, found.Fields[0])
	require.Empty(t, found.Fields[2].Stamp)
	require.Empty(t, found.SFTP)
}

// campaign.md §3.1: the same pairs work whatever the instance calls the attributes.
func TestAnInstanceThatSaysDenyList(t *testing.T) {
	t.Parallel()
	s := newOptSpine(t, 5, optout.Bidirectional, optout.SourceREST, func(o *stack.Options) { o.OptOutNames = "denyList" })
	s.inDynamics(s.keys[0], "donotbulkemail", true)
	s.startOptOut()
	require.Equal(t, true, s.boxes.Campaign.Profile(s.keys[0])["denyListEmail"])
}

// An expired delta link calls for a new baseline, which changes nothing that is agreed.
func TestOptOutsAfterAnExpiredLink(t *testing.T) {
	t.Parallel()
	s := newOptSpine(t, 10, optout.Bidirectional, optout.SourceREST)
	s.startOptOut()
	s.inCampaign(s.keys[0], "blackListEmail", true)
	s.settle()
	s.boxes.Clock.Advance(8 * 24 * time.Hour)
	ref := s.ref
	ref.Run, ref.Kind = "expired", activities.KindDelta
	_, err := s.env.ExecuteActivity(s.opt.FetchOptOuts, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseDelta, Lanes: 4, Now: true})
	require.ErrorContains(t, err, "LinkExpired")
	saved := s.optRun(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp)
	require.Equal(t, "COMPLETED", saved.State)
	require.Zero(t, saved.Counts.Updated)
	require.Equal(t, [2]bool{true, true}, s.both(s.keys[0]))
}

// The watchdog of the export (campaign.md §9, R19.15).
func TestTheExportIsWatched(t *testing.T) {
	t.Parallel()
	s := newOptSpine(t, 10, optout.Bidirectional, optout.SourceSFTP)
	s.startOptOut()
	in := activities.WatchExportInput{Files: true, Export: optout.ExportSetting{StaleAfter: 26 * time.Hour}}
	watch := func() activities.WatchExportResult {
		return call[activities.WatchExportResult](s.spine, s.opt.WatchExport, in)
	}
	require.Empty(t, watch().Alarm)
	s.boxes.Clock.Advance(72 * time.Hour)
	require.Empty(t, watch().Alarm, "nothing changed, so no file is normal")
	_, err := s.books.BeginRun(t.Context(), ledger.Run{ID: "changed", Flow: activities.FlowIngress, Table: "contacts", Kind: "delta", State: ledger.RunRunning, Started: s.boxes.Clock.Now().Add(-30 * time.Hour)})
	require.NoError(t, err)
	_, err = s.books.StagePage(t.Context(), ledger.PageInput{Run: "changed", Table: "contacts", Number: 1, Lanes: [][]ledger.Entry{{{Key: "x", Version: "1"}}}})
	require.NoError(t, err)
	lane, err := s.books.OpenLane(t.Context(), ledger.LaneID{Run: "changed", Page: 1})
	require.NoError(t, err)
	require.NoError(t, s.books.Settle(t.Context(), lane.ID, lane.Fence, []ledger.Settlement{{Outcome: ledger.Updated}}))
	_, err = s.books.CloseLane(t.Context(), lane.ID, lane.Fence)
	require.NoError(t, err)
	_, err = s.books.Advance(t.Context(), "changed", ledger.Watermark{})
	require.NoError(t, err)
	require.Contains(t, watch().Alarm, "R19.15")
	s.export("optout_20260301_010000.csv", exportHeader+s.exportRow(s.keys[0]))
	s.settle()
	require.Empty(t, watch().Alarm)
}

// A field that is gone is nobody's record's fault: the flow stops and says so.
func TestAFieldThatIsGoneStopsTheFlow(t *testing.T) {
	t.Parallel()
	s := newOptSpine(t, 6, optout.Bidirectional, optout.SourceREST)
	s.startOptOut()
	_, err := s.boxes.Faults.Add(kit.Rule{Service: "campaign", Method: http.MethodPatch, Path: "/profile", Action: kit.Respond, Status: 500,
		Body: `'blackListEmail' property is not valid for the 'profile' resource.`})
	require.NoError(t, err)
	s.inDynamics(s.keys[0], "donotbulkemail", true)
	ref := s.ref
	ref.Run, ref.Kind = "gone", activities.KindDelta
	got := call[activities.FetchResult](s.spine, s.opt.FetchOptOuts, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseDelta, Lanes: 1, Now: true})
	require.Equal(t, 1, got.Read)
	_, err = s.env.ExecuteActivity(s.opt.CarryOptOuts, activities.LaneInput{RunRef: ref, Page: 1})
	require.ErrorContains(t, err, "opt_out.pairs")
}
