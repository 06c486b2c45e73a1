package optout

import (
	"slices"
	"time"
)

// Decision is what is to be done about one pair, and why.
type Decision struct {
	Pair               string
	Dynamics, Campaign Side // as they were seen
	Verdict
	// ToDynamics and ToCampaign say which side differs from the verdict and has the
	// record to write it to.
	ToDynamics, ToCampaign bool
	// Refused says that the write was refused.
	Refused bool
	// Waits says that Campaign has no profile yet that could hold the opt-out.
	Waits bool
}

// Decide resolves the pairs named and says what has to be written. Campaign is
// written in bidirectional mode only, and never to clear an opt-out.
func (c *Contact) Decide(p Policy, pairs []string) []Decision {
	out := make([]Decision, 0, len(pairs))
	for _, name := range pairs {
		pair := c.Pair(name)
		pair.Dynamics = p.dated(pair.Dynamics)
		d := Decision{Pair: name, Dynamics: pair.Dynamics, Campaign: pair.Campaign, Verdict: Resolve(p, pair.Dynamics, pair.Campaign)}
		if d.Rule != RuleNothing {
			d.ToDynamics = c.Dynamics == Here && !pair.Dynamics.Holds(d.Out)
			differs := p.Mode == Bidirectional && c.Dynamics == Here && !pair.Campaign.Holds(d.Out)
			d.ToCampaign, d.Waits = differs && c.Campaign != Gone, differs && c.Campaign == Gone
		}
		out = append(out, d)
	}
	return out
}

// ClearsDynamics says that a decision takes an opt-out back in Dynamics.
func ClearsDynamics(decisions []Decision) bool {
	return slices.ContainsFunc(decisions, func(d Decision) bool { return d.ToDynamics && !d.Out })
}

// Due says that something is to be written.
func Due(decisions []Decision) bool {
	return slices.ContainsFunc(decisions, func(d Decision) bool { return d.ToDynamics || d.ToCampaign })
}

// Waiting says that an opt-out waits for its profile.
func Waiting(decisions []Decision) bool {
	return slices.ContainsFunc(decisions, func(d Decision) bool { return d.Waits })
}

// WroteDynamics notes a write of ours and the row it made. The choice was not made
// in Dynamics, so choices keep the age they had there; and the version is known, so
// that it does not come back as a change. The write must have named the version it
// replaced, or an edit in between would go unnoticed. False when the row does not
// hold what was written.
func (c *Contact) WroteDynamics(decisions []Decision, row DynamicsRow) bool {
	before, kept := c.Clone(), true
	c.SeeDynamics(row)
	for _, d := range decisions {
		side, was := &c.pair(d.Pair).Dynamics, before.Pair(d.Pair).Dynamics
		want := was.Out
		if d.ToDynamics {
			want = d.Out
			kept = kept && side.Holds(want)
		}
		if was.Known && !was.At.IsZero() && side.Out == want {
			side.At, side.Since = was.At, was.Since
		}
	}
	return kept
}

// WroteCampaign notes a write of ours. asOf is the moment of it, less what the
// clocks may differ by.
func (c *Contact) WroteCampaign(decisions []Decision, asOf time.Time) {
	for _, d := range decisions {
		if d.ToCampaign {
			side := &c.pair(d.Pair).Campaign
			*side = Side{Known: true, Out: d.Out, At: side.At}
		}
	}
	if asOf.After(c.Seen) {
		c.Seen = asOf
	}
}

// Settle notes that decisions were carried out, or called for nothing: what
// Campaign chose is in Dynamics, or does not count.
func (c *Contact) Settle(decisions []Decision) {
	for _, d := range decisions {
		pair := c.pair(d.Pair)
		if c.Dynamics == Here && pair.Dynamics.Known {
			pair.Campaign.Due, pair.Campaign.First = false, false
		}
	}
}
