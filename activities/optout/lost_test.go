package optout_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/internal/optout"
)

// Ways in which an opt-out might get lost without anybody having taken it back.

// R19.17, R19.21: a pair that is left out for a while and comes back is read anew,
// although the version of the contact is known from the other pairs.
func TestAPairThatComesBackIsReadAnew(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 10, optout.Bidirectional, optout.SourceREST)
	a, b := s.keys[0], s.keys[1]
	s.startOptOut()
	all := s.settings.Pairs
	s.settings.Pairs = []optout.PairSetting{phonePair}
	s.startOptOut()
	s.inDynamics(a, "donotbulkemail", true)
	s.inCampaign(b, "blackListEmail", true)
	s.settle()
	s.inDynamics(b, "telephone1", "1")
	s.settle()
	require.Equal(t, [2]bool{true, false}, s.both(a), "the pair is not kept in step")
	s.settings.Pairs = all
	require.True(t, s.startOptOut().NeedsBaseline)
	require.Equal(t, [2]bool{true, true}, s.both(a))
	require.Equal(t, [2]bool{true, true}, s.both(b))
}

// A profile that is deleted in Campaign and made anew by ingress says nothing of
// what its person wants (R19.19); also of ccpaOptOut, which has no stamp.
func TestAProfileMadeAnewClearsNothing(t *testing.T) {
	t.Parallel()
	for _, mode := range []optout.Mode{optout.Bidirectional, optout.CampaignToDynamics} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			s := newOptOutWorld(t, 10, mode, optout.SourceREST)
			a := s.keys[0]
			s.inCampaign(a, "blackListEmail", true)
			s.inCampaign(a, "ccpaOptOut", true)
			s.later()
			s.startOptOut()
			s.later()
			require.NoError(t, s.Sandboxes.Campaign.Delete("profile", a))
			s.later()
			require.NoError(t, s.Sandboxes.Campaign.Insert("profile", fmt.Appendf(nil, `{"externalId":%q}`, a)))
			s.settle()
			row, profile := s.Sandboxes.Dynamics.Row("contacts", a), s.Sandboxes.Campaign.Profile(a)
			require.Equal(t, []any{true, true}, []any{row["donotbulkemail"], row["donotsendmm"]})
			again := mode == optout.Bidirectional
			require.Equal(t, []any{again, again}, []any{profile["blackListEmail"] == true, profile["ccpaOptOut"] == true})
		})
	}
}

// R19.5: an export tells of an opt-in a day later. Who was opted out by hand in
// Dynamics in the meantime stays so.
func TestALateExportDoesNotClearALaterOptOut(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 10, optout.CampaignToDynamics, optout.SourceSFTP)
	a, b := s.keys[0], s.keys[1]
	for _, id := range s.keys[:2] {
		s.inCampaign(id, "blackListEmail", true)
	}
	s.startOptOut()
	s.inDynamics(a, "donotbulkemail", false)
	s.settle()
	for _, id := range s.keys[:2] {
		s.inCampaign(id, "blackListEmail", false)
	}
	rows := s.exportRow(a) + s.exportRow(b)
	s.inDynamics(a, "donotbulkemail", true)
	s.inDynamics(b, "telephone1", "1")
	s.settle()
	s.export("optout_20260301_020000.csv", exportHeader+rows)
	s.settle()
	require.Equal(t, [2]bool{true, false}, s.both(a))
	require.Equal(t, [2]bool{false, false}, s.both(b), "another edit of the record is no choice")
}

// A contact that is deleted between look and write is not made anew, nor is it a
// refusal; what its person chose stays known.
func TestAContactDeletedInBetween(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 10, optout.Bidirectional, optout.SourceREST)
	s.startOptOut()
	a := s.keys[0]
	s.inCampaign(a, "blackListEmail", true)
	ref := s.ref
	ref.Run, ref.Kind = "deleted", activities.KindDelta
	got := activitytest.Call[activities.FetchResult](s.World, s.opt.FetchOptOuts, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseDelta, Lanes: 1, Now: true})
	require.Equal(t, 1, got.Read)
	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", a))
	activitytest.Call[activities.LaneResult](s.World, s.opt.WriteOptOuts, activities.LaneInput{RunRef: ref, Page: 1})
	saved := activitytest.Call[activities.SaveWatermarkResult](s.World, s.opt.SaveOptOutPosition, activities.SaveWatermarkInput{RunRef: ref})
	require.Equal(t, activities.Counts{Read: 1, Unchanged: 1}, saved.Counts)
	require.Nil(t, s.Sandboxes.Dynamics.Row("contacts", a))
	known, err := s.Ledger.OptOuts(t.Context(), []string{a})
	require.NoError(t, err)
	var c optout.Contact
	require.NoError(t, json.Unmarshal(known[a].Doc, &c))
	require.True(t, c.Pair(emailPair.Name()).Campaign.Out)
}
