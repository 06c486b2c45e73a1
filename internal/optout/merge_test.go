package optout_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"causeway.dev/internal/optout"
)

// couple is two contacts of one person, and what the two systems hold of both. Every step
// is carried to rest, as the flow does.
type couple struct {
	t       *rapid.T
	policy  optout.Policy
	now     time.Time
	version int
	merged  bool
	known   [2]*optout.Contact // the winner and the loser
	held    [2][2]bool         // in Dynamics and in Campaign
	at      [2]time.Time       // of the last choice in Campaign
}

const (
	winner = 0
	loser  = 1

	inDynamics = 0
	inCampaign = 1

	mailPair = "denyListEmail=donotbulkemail"
)

func (c *couple) see(who int) {
	c.version++
	row := optout.DynamicsRow{Version: fmt.Sprint(c.version), Modified: c.now, Values: map[string]*bool{mailPair: &c.held[who][inDynamics]}}
	if who == loser && c.merged {
		row.Winner = "w"
	}
	before := c.known[who].Clone()
	c.known[who].SeeDynamics(row)
	c.known[who].SeeCampaign(optout.CampaignRow{Live: true, AsOf: c.now, Values: map[string]optout.CampaignValue{mailPair: {Out: c.held[who][inCampaign], At: c.at[who]}}})
	handed := c.known[who].HandsOver(before, []string{mailPair})
	c.settle(who)
	if who == loser {
		for _, pair := range append(handed, c.known[loser].HandsOver(before, []string{mailPair})...) {
			c.known[winner].TakeOver(pair)
		}
		if c.known[winner].Owes() && c.known[winner].Dynamics == optout.Unseen {
			c.see(winner)
		}
		c.settle(winner)
	}
}

// settle writes what is decided, until nothing is.
func (c *couple) settle(who int) {
	k := c.known[who]
	for range 3 {
		decisions := k.Decide(c.policy, []string{mailPair})
		if !optout.NeedWrite(decisions) {
			k.ClearDue(decisions)
			return
		}
		d := decisions[0]
		if d.ToCampaign {
			c.held[who][inCampaign], c.at[who] = d.Out, c.now
			k.WroteCampaign(decisions, c.now)
		}
		if d.ToDynamics {
			c.held[who][inDynamics] = d.Out
			c.version++
			out := d.Out
			require.True(c.t, k.WroteDynamics(decisions, optout.DynamicsRow{Version: fmt.Sprint(c.version), Modified: c.now, Winner: k.Winner, Values: map[string]*bool{mailPair: &out}}))
		}
	}
	require.Fail(c.t, "writes do not come to rest")
}

func (c *couple) choose(who, where int, out bool) {
	c.held[who][where] = out
	if where == inCampaign {
		c.at[who] = c.now
	}
}

func (c *couple) out(who int) bool { return c.held[who][inDynamics] || c.held[who][inCampaign] }

// A merge makes nobody mailable: the winner holds the opt-outs of both in both systems,
// and those that are chosen for the loser later. It is opted in again only by a choice
// of its own, which stays.
func TestNobodyBecomesMailableByAMerge(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		mode := rapid.SampledFrom([]optout.Mode{optout.CampaignToDynamics, optout.Bidirectional}).Draw(t, "mode")
		c := &couple{t: t, policy: optout.Policy{Mode: mode}, now: mon, known: [2]*optout.Contact{{}, {}}, at: [2]time.Time{mon, mon}}
		if rapid.Bool().Draw(t, "known before") {
			c.see(winner)
			c.see(loser)
		}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			c.now = c.now.Add(time.Hour)
			who, where := rapid.SampledFrom([]int{winner, loser}).Draw(t, "who"), rapid.SampledFrom([]int{inDynamics, inCampaign}).Draw(t, "where")
			wasOut, loserOut := c.out(winner), c.out(loser)
			switch what := rapid.SampledFrom([]string{"opt out", "opt in", "touch", "merge"}).Draw(t, "what"); {
			case what == "merge" && !c.merged:
				c.merged = true
				c.see(loser)
				if loserOut || wasOut && c.known[winner].Pair(mailPair).Dynamics.Known {
					require.True(t, c.out(winner), "the winner has the opt-outs of both")
				}
				if loserOut {
					require.Equal(t, [2]bool{true, true}, c.held[winner], "in both systems")
				}
			case what == "opt out":
				c.choose(who, where, true)
				c.see(who)
				if c.merged && who == loser && !loserOut {
					require.Equal(t, [2]bool{true, true}, c.held[winner], "what is chosen for the loser goes to the winner")
				}
			case what == "opt in":
				c.choose(who, where, false)
				before := c.held[winner]
				c.see(who)
				if who == loser {
					require.Equal(t, wasOut, c.out(winner), "the winner is opted in by its own choice only: %v, %v", before, c.held[winner])
				}
			default:
				before := c.held[winner]
				c.see(who)
				if who == loser {
					require.Equal(t, before, c.held[winner], "an old choice does not come again")
				}
			}
		}
	})
}
