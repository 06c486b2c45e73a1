package optout_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"causeway.dev/internal/optout"
)

var (
	mon = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	tue = mon.AddDate(0, 0, 1)
)

func said(out bool, at time.Time) optout.Side { return optout.Side{Known: true, Out: out, At: at} }

func TestResolveBidirectional(t *testing.T) {
	t.Parallel()
	never := time.Time{}
	type rule = optout.Rule
	tests := map[string]struct {
		dynamics, campaign optout.Side
		skew               time.Duration
		out                bool
		rule               rule
	}{
		// R19.10
		"campaign newer, opts out":     {said(false, mon), said(true, tue), 0, true, optout.RuleCampaignNewer},
		"campaign newer, opts back in": {said(true, mon), said(false, tue), 0, false, optout.RuleCampaignNewer},
		"campaign newer, both out":     {said(true, mon), said(true, tue), 0, true, optout.RuleCampaignNewer},
		"campaign newer, both in":      {said(false, mon), said(false, tue), 0, false, optout.RuleCampaignNewer},
		// R19.11
		"dynamics newer, opts out":                                             {said(true, tue), said(false, mon), 0, true, optout.RuleDynamicsNewer},
		"dynamics newer, campaign still out":                                   {said(false, tue), said(true, mon), 0, true, optout.RuleDynamicsNewer},
		"dynamics newer, both in":                                              {said(false, tue), said(false, mon), 0, false, optout.RuleDynamicsNewer},
		"same instant keeps dynamics' opt-out":                                 {said(true, mon), said(false, mon), 0, true, optout.RuleDynamicsNewer},
		"same instant keeps campaign's opt-out":                                {said(false, mon), said(true, mon), 0, true, optout.RuleDynamicsNewer},
		"same second is the same instant, because dynamics tells no fractions": {said(true, mon), said(false, mon.Add(999*time.Millisecond)), 0, true, optout.RuleDynamicsNewer},
		"the next second is newer":                                             {said(true, mon), said(false, mon.Add(time.Second)), 0, false, optout.RuleCampaignNewer},
		// The clocks may differ.
		"newer within the tolerance is not newer":    {said(true, mon), said(false, mon.Add(5*time.Second)), 5 * time.Second, true, optout.RuleDynamicsNewer},
		"newer beyond the tolerance is newer":        {said(true, mon), said(false, mon.Add(6*time.Second)), 5 * time.Second, false, optout.RuleCampaignNewer},
		"an opt-out within the tolerance still wins": {said(false, mon), said(true, mon.Add(time.Second)), 5 * time.Second, true, optout.RuleDynamicsNewer},
		// R19.19
		"an undated false clears nothing":           {said(true, mon), said(false, never), 0, true, optout.RuleAgeUnknown},
		"an undated opt-out counts":                 {said(false, tue), said(true, never), 0, true, optout.RuleAgeUnknown},
		"undated on both sides":                     {said(false, never), said(false, never), 0, false, optout.RuleAgeUnknown},
		"undated in dynamics clears nothing either": {said(true, never), said(false, tue), 0, true, optout.RuleAgeUnknown},
		"nothing known in campaign":                 {said(true, mon), optout.Side{}, 0, true, optout.RuleOnlyDynamics},
		"nothing known in dynamics":                 {optout.Side{}, said(true, mon), 0, true, optout.RuleOnlyCampaign},
		"nothing known at all":                      {optout.Side{}, optout.Side{}, 0, false, optout.RuleNothing},
		"a value that is gone still counts":         {optout.Side{Known: true, Out: true, At: mon, Empty: true}, said(false, mon), 0, true, optout.RuleDynamicsNewer},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := optout.Resolve(optout.Policy{Mode: optout.Bidirectional, Skew: tt.skew}, tt.dynamics, tt.campaign)
			require.Equal(t, optout.Resolution{Out: tt.out, Rule: tt.rule}, got)
		})
	}
}

// R19.5
func TestResolveCampaignToDynamics(t *testing.T) {
	t.Parallel()
	changed := func(out bool, at time.Time) optout.Side { s := said(out, at); s.Due = true; return s }
	since := func(out bool, since, at time.Time) optout.Side { s := said(out, at); s.Since = since; return s }
	first := func(out bool, at time.Time) optout.Side { s := changed(out, at); s.First = true; return s }
	tests := map[string]struct {
		dynamics, campaign optout.Side
		out                bool
		rule               optout.Rule
	}{
		"a change in campaign overwrites an opt-out":           {said(true, tue), changed(false, mon), false, optout.RuleCampaign},
		"a change in campaign overwrites an opt-in":            {said(false, tue), changed(true, mon), true, optout.RuleCampaign},
		"an undated change overwrites too":                     {said(true, tue), changed(false, time.Time{}), false, optout.RuleCampaign},
		"a later edit of the record changes nothing of that":   {since(true, mon.Add(-time.Hour), tue), changed(false, mon), false, optout.RuleCampaign},
		"an opt-out chosen later in dynamics is kept":          {since(true, tue, tue), changed(false, mon), true, optout.RuleKept},
		"an opt-out chosen at the same time is kept":           {since(true, mon, tue), changed(false, mon), true, optout.RuleKept},
		"an opt-out applied to an older value is applied anew": {since(false, mon, mon), said(true, tue), true, optout.RuleCampaign},
		"an opt-in chosen in dynamics after that stays":        {since(false, tue, tue), said(true, mon), false, optout.RuleKept},
		"an opt-in chosen later in dynamics is overwritten":    {since(false, tue, tue), changed(true, mon), true, optout.RuleCampaign},
		"an edit in dynamics stays until campaign changes":     {said(true, tue), said(false, mon), true, optout.RuleKept},
		"an opt-in in dynamics stays until campaign changes":   {said(false, tue), said(true, mon), false, optout.RuleKept},
		"the first sight of an opt-out overwrites":             {said(false, tue), first(true, mon), true, optout.RuleCampaign},
		"the first sight of an undated false clears nothing":   {said(true, mon), first(false, time.Time{}), true, optout.RuleKept},
		"the first sight of an older false clears nothing":     {said(true, tue), first(false, mon), true, optout.RuleKept},
		"the first sight of a newer false overwrites":          {said(true, mon), first(false, tue), false, optout.RuleCampaign},
		"nothing known in campaign":                            {said(true, mon), optout.Side{}, true, optout.RuleKept},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := optout.Resolve(optout.Policy{Mode: optout.CampaignToDynamics}, tt.dynamics, tt.campaign)
			require.Equal(t, optout.Resolution{Out: tt.out, Rule: tt.rule}, got)
		})
	}
}

// R19.11, R19.19: whatever is known, an opt-out is cleared only by a dated choice in
// Campaign that is newer by more than the clocks may differ.
func TestOnlyANewerChoiceClearsAnOptOut(t *testing.T) {
	t.Parallel()
	moment := rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "undated") {
			return time.Time{}
		}
		return mon.Add(time.Duration(rapid.IntRange(0, 20_000).Draw(t, "ms")) * time.Millisecond)
	})
	side := rapid.Custom(func(t *rapid.T) optout.Side {
		return optout.Side{Known: rapid.Bool().Draw(t, "known"), Out: rapid.Bool().Draw(t, "out"), At: moment.Draw(t, "at"), Empty: rapid.Bool().Draw(t, "empty")}
	})
	rapid.Check(t, func(t *rapid.T) {
		p := optout.Policy{Mode: optout.Bidirectional, Skew: time.Duration(rapid.IntRange(0, 5).Draw(t, "skew")) * time.Second}
		d, c := side.Draw(t, "dynamics"), side.Draw(t, "campaign")
		got := optout.Resolve(p, d, c)
		out := d.Known && d.Out || c.Known && c.Out
		cleared := out && !got.Out
		if cleared {
			require.True(t, d.Known && d.Out && c.Known && !c.Out, "only Dynamics' opt-out can be cleared")
			require.False(t, d.At.IsZero() || c.At.IsZero())
			require.Greater(t, c.At.Sub(d.At), p.Skew)
		}
		require.True(t, out || !got.Out, "nobody opted out")
		require.Equal(t, got, optout.Resolve(p, d, c))
	})
}

// After the ledger was restored no age counts: an opt-out on either side wins in every mode.
func TestAnOptOutWinsWhereNoAgeCounts(t *testing.T) {
	t.Parallel()
	for _, mode := range []optout.Mode{optout.Bidirectional, optout.CampaignToDynamics} {
		p := optout.Policy{Mode: mode, AgeUnknown: true}
		for _, sides := range [][2]optout.Side{{said(true, mon), said(false, tue)}, {said(false, tue), said(true, mon)}} {
			require.Equal(t, optout.Resolution{Out: true, Rule: optout.RuleAgeUnknown}, optout.Resolve(p, sides[0], sides[1]), mode)
		}
		require.False(t, optout.Resolve(p, said(false, mon), said(false, tue)).Out)
	}
}
