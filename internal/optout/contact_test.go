package optout_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/optout"
)

const email = "denyListEmail=donotbulkemail"

var both = optout.Policy{Mode: optout.Bidirectional}

func dynamics(version string, out bool, at time.Time) optout.DynamicsRow {
	return optout.DynamicsRow{Version: version, Modified: at, Values: map[string]*bool{email: &out}}
}

func file(out bool, stamp, modified time.Time) optout.CampaignRow {
	return optout.CampaignRow{AsOf: modified, Values: map[string]optout.CampaignValue{email: {Out: out, At: stamp}}}
}

func hour(n int) time.Time { return mon.Add(time.Duration(n) * time.Hour) }

// verdict returns the decision about the only pair.
func verdict(c *optout.Contact, p optout.Policy) optout.Decision {
	return c.Decide(p, []string{email})[0]
}

func TestWhatIsSeenOfCampaign(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		rows []optout.CampaignRow
		out  bool
		at   time.Time
	}{
		"a newer stamp counts":                                    {[]optout.CampaignRow{file(false, hour(1), hour(1)), file(true, hour(2), hour(2))}, true, hour(2)},
		"a file that comes late changes nothing":                  {[]optout.CampaignRow{file(false, hour(2), hour(2)), file(true, hour(1), hour(1))}, false, hour(2)},
		"a file that comes twice changes nothing":                 {[]optout.CampaignRow{file(true, hour(1), hour(1)), file(true, hour(1), hour(1))}, true, hour(1)},
		"the last row of a contact in a file counts":              {[]optout.CampaignRow{file(true, time.Time{}, hour(2)), file(false, time.Time{}, hour(1))}, true, time.Time{}},
		"of undated rows the later one counts":                    {[]optout.CampaignRow{file(true, time.Time{}, hour(1)), file(false, time.Time{}, hour(2))}, false, time.Time{}},
		"a late row makes what follows no younger":                {[]optout.CampaignRow{file(true, time.Time{}, hour(3)), file(true, time.Time{}, hour(1)), file(false, time.Time{}, hour(2))}, true, time.Time{}},
		"of undated rows that are as old, an opt-out counts":      {[]optout.CampaignRow{file(true, time.Time{}, hour(1)), file(false, time.Time{}, hour(1))}, true, time.Time{}},
		"an undated opt-out counts although late":                 {[]optout.CampaignRow{file(false, time.Time{}, hour(2)), file(true, time.Time{}, hour(1))}, true, time.Time{}},
		"a stamp that is gone leaves the choice":                  {[]optout.CampaignRow{file(true, hour(1), hour(1)), file(true, time.Time{}, hour(2))}, true, hour(1)},
		"an opt-out that differs without stamp is of unknown age": {[]optout.CampaignRow{file(false, hour(1), hour(1)), file(true, time.Time{}, hour(2))}, true, time.Time{}},
		"an opt-out whose stamp went back is of unknown age":      {[]optout.CampaignRow{file(false, hour(3), hour(3)), file(true, hour(1), hour(4))}, true, time.Time{}},
		"a stamp that is gone takes no opt-out back":              {[]optout.CampaignRow{file(true, hour(1), hour(1)), file(false, time.Time{}, hour(2))}, true, hour(1)},
		"a stamp that went back takes no opt-out back":            {[]optout.CampaignRow{file(true, hour(3), hour(3)), file(false, hour(1), hour(4))}, true, hour(3)},
		"what is not told changes nothing":                        {[]optout.CampaignRow{file(true, hour(1), hour(1)), {AsOf: hour(2)}}, true, hour(1)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var c optout.Contact
			for _, row := range tt.rows {
				c.SeeCampaign(row)
			}
			side := c.Pair(email).Campaign
			require.Equal(t, tt.out, side.Out)
			require.Equal(t, tt.at, side.At)
		})
	}
}

// R19.10: a choice is as old as the last edit of the record, or with attribute_level
// as the choice itself.
func TestAnUnrelatedEditInDynamics(t *testing.T) {
	t.Parallel()
	for level, want := range map[bool]bool{false: true, true: false} {
		p := both
		p.AttributeLevel = level
		var c optout.Contact
		c.SeeCampaign(file(true, hour(0), hour(0)))
		c.SeeDynamics(dynamics("1", true, hour(1)))
		c.SeeDynamics(dynamics("2", true, hour(5)))  // somebody changed the phone number
		c.SeeCampaign(file(false, hour(3), hour(3))) // before that, the person opted back in
		require.Equal(t, want, verdict(&c, p).Out, "attribute level %v", level)
	}
}

// R19.20: what we wrote is no choice made there.
func TestOurOwnWritesAreNoChoices(t *testing.T) {
	t.Parallel()
	var c optout.Contact
	c.SeeDynamics(dynamics("1", false, hour(0)))
	c.SeeCampaign(file(true, hour(2), hour(2)))
	d := c.Decide(both, []string{email})
	require.True(t, d[0].ToDynamics)
	require.True(t, c.WroteDynamics(d, dynamics("2", true, hour(9))))
	echo := *c.Clone()
	c.SeeDynamics(dynamics("2", true, hour(9)))
	require.Equal(t, echo, c, "the echo is known")
	// The person opted back in before our write. The next export shows it.
	c.SeeCampaign(file(false, hour(4), hour(4)))
	got := verdict(&c, both)
	require.Equal(t, optout.RuleCampaignNewer, got.Rule)
	require.False(t, got.Out)

	c.SeeDynamics(dynamics("3", true, hour(10)))
	require.Equal(t, optout.RuleDynamicsNewer, verdict(&c, both).Rule, "an edit by somebody else is one")
}

// R19.20: a newer date of a value that both sides hold is no news. Another choice is.
func TestWhatIsNoNews(t *testing.T) {
	t.Parallel()
	var c optout.Contact
	c.SeeDynamics(dynamics("1", true, hour(1)))
	c.SeeCampaign(file(true, hour(0), hour(0)))
	c.ClearDue(c.Decide(both, []string{email}))
	later := func(row optout.CampaignRow) *optout.Contact {
		l := c.Clone()
		l.SeeCampaign(row)
		return l
	}
	require.True(t, c.NothingNew(both, later(file(true, hour(2), hour(2)))))
	require.True(t, c.NothingNew(both, later(file(true, hour(0), hour(5)))))
	require.False(t, c.NothingNew(both, later(file(false, hour(2), hour(2)))))
	require.False(t, c.NothingNew(both, later(optout.CampaignRow{Gone: true, Live: true})))
	oneWay := optout.Policy{Mode: optout.CampaignToDynamics}
	require.False(t, c.NothingNew(oneWay, later(file(true, hour(2), hour(2)))), "Campaign may have chosen after an edit in Dynamics that is still to be read")
	edited := c.Clone()
	edited.SeeDynamics(dynamics("2", true, hour(3)))
	require.False(t, c.NothingNew(both, edited))
	// When the sides differ, a choice that was made again may have to be applied.
	c.SeeDynamics(dynamics("3", false, hour(4)))
	require.False(t, c.NothingNew(both, later(file(true, hour(2), hour(2)))))
}

// A stale file after we wrote Campaign causes no second write.
func TestAStaleFileAfterOurWrite(t *testing.T) {
	t.Parallel()
	var c optout.Contact
	c.SeeCampaign(file(false, hour(1), hour(1)))
	c.SeeDynamics(dynamics("1", true, hour(2)))
	d := c.Decide(both, []string{email})
	require.True(t, d[0].ToCampaign)
	c.WroteCampaign(d, hour(3))
	c.SeeCampaign(file(false, hour(1), hour(1)))
	require.False(t, optout.NeedWrite(c.Decide(both, []string{email})))
	// But a Campaign that was restored from its backup does not hold what we wrote.
	c.SeeCampaign(file(false, hour(1), hour(4)))
	require.True(t, verdict(&c, both).ToCampaign)
}

// R19.19
func TestAnEmptyValueClearsNothing(t *testing.T) {
	t.Parallel()
	var c optout.Contact
	c.SeeCampaign(file(true, hour(0), hour(0)))
	c.SeeDynamics(dynamics("1", true, hour(1)))
	c.SeeDynamics(optout.DynamicsRow{Version: "2", Modified: hour(2), Values: map[string]*bool{email: nil}})
	got := verdict(&c, both)
	require.True(t, got.Out)
	require.True(t, got.ToDynamics)
	require.False(t, got.ToCampaign)

	var alone optout.Contact // nor does one that Campaign does not have
	alone.SeeCampaign(file(false, hour(0), hour(0)))
	alone.SeeDynamics(dynamics("1", true, hour(1)))
	alone.SeeDynamics(optout.DynamicsRow{Version: "2", Modified: hour(2), Values: map[string]*bool{email: nil}})
	got = verdict(&alone, both)
	require.True(t, got.Out && got.ToDynamics && got.ToCampaign)

	var fresh optout.Contact
	fresh.SeeDynamics(optout.DynamicsRow{Version: "1", Modified: hour(2), Values: map[string]*bool{email: nil}})
	fresh.SeeCampaign(file(false, hour(0), hour(0)))
	require.False(t, optout.NeedWrite(fresh.Decide(both, []string{email})), "no value is no opt-out")
}

// The opt-out of a profile that was deleted and created again is restored.
func TestAProfileMadeAnewIsOptedOutAgain(t *testing.T) {
	t.Parallel()
	var c optout.Contact
	c.SeeDynamics(dynamics("1", true, hour(1)))
	c.SeeCampaign(file(true, hour(0), hour(0)))
	c.SeeCampaign(optout.CampaignRow{Gone: true, Live: true, AsOf: hour(3)})
	require.True(t, verdict(&c, both).Waits)
	c.SeeCampaign(file(false, time.Time{}, hour(4)))
	require.True(t, verdict(&c, both).ToCampaign)
}

// R19.5
func TestCampaignToDynamicsWaitsForTheContact(t *testing.T) {
	t.Parallel()
	p := optout.Policy{Mode: optout.CampaignToDynamics}
	var c optout.Contact
	c.SeeCampaign(file(true, hour(1), hour(1)))
	d := c.Decide(p, []string{email})
	require.False(t, optout.NeedWrite(d))
	c.ClearDue(d)
	c.SeeDynamics(dynamics("1", false, hour(2)))
	require.True(t, verdict(&c, p).ToDynamics)
	c.SeeDynamics(dynamics("2", true, hour(3)))
	c.ClearDue(c.Decide(p, []string{email}))
	c.SeeDynamics(dynamics("3", false, hour(4))) // a manual edit, until Campaign changes
	require.False(t, optout.NeedWrite(c.Decide(p, []string{email})))
	c.SeeCampaign(file(true, hour(5), hour(5)))
	require.True(t, verdict(&c, p).ToDynamics)
}

// A change of the mode keeps the values that both sides hold.
func TestAModeChangeWritesNothing(t *testing.T) {
	t.Parallel()
	for _, out := range []bool{true, false} {
		var c optout.Contact
		c.SeeCampaign(file(out, hour(1), hour(1)))
		c.SeeDynamics(dynamics("1", out, hour(2)))
		for _, mode := range []optout.Mode{optout.Bidirectional, optout.CampaignToDynamics, optout.Bidirectional} {
			d := c.Decide(optout.Policy{Mode: mode}, []string{email})
			require.False(t, optout.NeedWrite(d), "%s", mode)
			c.ClearDue(d)
		}
	}
}

// A pair that was not read for a while becomes unknown, although the row was read with
// its other pairs meanwhile.
func TestAPairThatComesBackIsReadAnew(t *testing.T) {
	t.Parallel()
	const phone = "denyListPhone=donotphone"
	row := func(version string, at time.Time, values map[string]bool) optout.DynamicsRow {
		out := optout.DynamicsRow{Version: version, Modified: at, Values: map[string]*bool{}}
		for name, v := range values {
			out.Values[name] = &v
		}
		return out
	}
	var c optout.Contact
	c.SeeCampaign(file(false, hour(3), hour(3)))
	c.SeeDynamics(row("1", hour(1), map[string]bool{email: false, phone: false}))
	c.SeeDynamics(row("2", hour(5), map[string]bool{phone: false})) // without the pair; somebody opted out by e-mail
	c.SeeDynamics(row("2", hour(5), map[string]bool{email: true, phone: false}))
	got := verdict(&c, both)
	require.Equal(t, optout.Resolution{Out: true, Rule: optout.RuleDynamicsNewer}, got.Resolution)
	require.True(t, got.ToCampaign)
}

// Nobody chose the values of a profile that was created again or restored from a
// backup. They clear no opt-out, in either mode.
func TestAProfileMadeAnewTakesNothingBack(t *testing.T) {
	t.Parallel()
	live := func(out bool, stamp, asOf, made time.Time) optout.CampaignRow {
		row := file(out, stamp, asOf)
		row.Live, row.Made = true, made
		return row
	}
	tests := map[string][]optout.CampaignRow{
		"its stamp is empty":                   {live(true, hour(1), hour(1), hour(0)), live(false, time.Time{}, hour(5), hour(4))},
		"its stamp went back":                  {live(true, hour(2), hour(2), hour(0)), live(false, hour(1), hour(5), hour(0))},
		"its stamp is empty, says a file":      {file(true, hour(1), hour(1)), file(false, time.Time{}, hour(5))},
		"it was gone in between":               {live(true, time.Time{}, hour(1), hour(0)), {Gone: true, Live: true, AsOf: hour(2)}, live(false, time.Time{}, hour(5), hour(4))},
		"there are no stamps, and it is newer": {live(true, time.Time{}, hour(1), hour(0)), live(false, time.Time{}, hour(5), hour(4))},
	}
	for name, rows := range tests {
		for _, mode := range []optout.Mode{optout.Bidirectional, optout.CampaignToDynamics} {
			for _, carried := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s, %s, carried %v", name, mode, carried), func(t *testing.T) {
					t.Parallel()
					p := optout.Policy{Mode: mode}
					var c optout.Contact
					for _, row := range rows[:len(rows)-1] {
						c.SeeCampaign(row)
					}
					c.SeeDynamics(dynamics("1", carried, hour(0)))
					if carried {
						c.ClearDue(c.Decide(p, []string{email}))
					}
					c.SeeCampaign(rows[len(rows)-1])
					got := verdict(&c, p)
					require.True(t, got.Out)
					require.Equal(t, !carried, got.ToDynamics)
					require.Equal(t, mode == optout.Bidirectional, got.ToCampaign)
					c.SeeCampaign(rows[len(rows)-1]) // the same row once more changes nothing
					require.True(t, verdict(&c, p).Out)
				})
			}
		}
	}
	// Without dates, a change of the same profile counts as a choice.
	var c optout.Contact
	c.SeeCampaign(live(true, time.Time{}, hour(1), hour(0)))
	c.SeeCampaign(live(false, time.Time{}, hour(5), hour(0)))
	require.False(t, c.Pair(email).Campaign.Out)
}

// A file clears no undated opt-out if it may be older than what was read over REST,
// given how far the clocks may differ.
func TestAFileThatMayBeOlder(t *testing.T) {
	t.Parallel()
	for later, out := range map[time.Duration]bool{time.Second: true, 11 * time.Second: false} {
		live := file(true, time.Time{}, hour(1))
		live.Live = true
		row := file(false, time.Time{}, hour(1).Add(later))
		row.Within = 5 * time.Second
		var c optout.Contact
		c.SeeCampaign(live)
		c.SeeCampaign(row)
		require.Equal(t, out, c.Pair(email).Campaign.Out)
	}
}

// A late file of a deleted profile does not mean that the profile holds the opt-out.
func TestALateFileOfAProfileThatIsGone(t *testing.T) {
	t.Parallel()
	var c optout.Contact
	c.SeeDynamics(dynamics("1", true, hour(1)))
	c.SeeCampaign(optout.CampaignRow{Gone: true, Live: true, AsOf: hour(4)})
	c.SeeCampaign(file(true, hour(3), hour(3)))
	require.True(t, verdict(&c, both).Waits)
}
