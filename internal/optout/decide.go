package optout

import (
	"slices"
	"time"
)

// Decision says which side of a pair has to be written, and why.
type Decision struct {
	Pair               string
	Dynamics, Campaign Side // as they were when it was made
	Resolution
	// ToDynamics and ToCampaign say that this side has a record which differs from
	// the resolution, so that it has to be written.
	ToDynamics, ToCampaign bool
	// Refused says that the service refused the write.
	Refused bool
	// Waits says that Campaign has no profile yet to write the opt-out to. A contact that
	// was merged gets none: its opt-out goes to the winner.
	Waits bool
}

// Decide resolves the named pairs and says what has to be written. Campaign is
// written in bidirectional mode only, and never to clear an opt-out. An opt-out of a
// merged contact is written to both sides in either mode, because the winner's profile
// is the one that gets mail from now on.
func (c *Contact) Decide(p Policy, pairs []string) []Decision {
	out := make([]Decision, 0, len(pairs))
	for _, name := range pairs {
		pair := c.Pair(name)
		pair.Dynamics = p.dated(pair.Dynamics)
		d := Decision{Pair: name, Dynamics: pair.Dynamics, Campaign: pair.Campaign, Resolution: Resolve(p, pair.Dynamics, pair.Campaign)}
		if pair.Owed {
			d.Resolution = Resolution{Out: true, Rule: RuleMerged}
		}
		if d.Rule != RuleNothing {
			d.ToDynamics = c.Dynamics == Here && !pair.Dynamics.Holds(d.Out)
			differs := (p.Mode == Bidirectional || pair.Owed) && c.Dynamics == Here && !pair.Campaign.Holds(d.Out)
			d.ToCampaign, d.Waits = differs && c.Campaign != Gone, differs && c.Campaign == Gone && c.Winner == ""
		}
		out = append(out, d)
	}
	return out
}

// ClearsDynamics says that one of the decisions clears an opt-out in Dynamics.
func ClearsDynamics(decisions []Decision) bool {
	return slices.ContainsFunc(decisions, func(d Decision) bool { return d.ToDynamics && !d.Out })
}

// NeedWrite says that one of the decisions calls for a write.
func NeedWrite(decisions []Decision) bool {
	return slices.ContainsFunc(decisions, func(d Decision) bool { return d.ToDynamics || d.ToCampaign })
}

// Waiting says that an opt-out waits for its profile to be created.
func Waiting(decisions []Decision) bool {
	return slices.ContainsFunc(decisions, func(d Decision) bool { return d.Waits })
}

// WroteDynamics takes in a write of ours and the row that it left. The write is no
// choice made in Dynamics, so the choices there keep their dates. The version of
// the row becomes known, so that our write does not come back as a change.
//
// The write must have been conditional on the version it replaced, else an edit in
// between would go unnoticed. It returns false when the row does not hold what was
// written.
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

// WroteCampaign takes in a write of ours. asOf is the time of the write minus what
// the clocks may differ by.
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

// ClearDue is called when decisions were carried out, or called for no write.
// Campaign's choice is then applied to Dynamics, or has lost against the one there,
// so it is no longer due.
func (c *Contact) ClearDue(decisions []Decision) {
	for _, d := range decisions {
		pair := c.pair(d.Pair)
		if c.Dynamics == Here && pair.Dynamics.Known {
			pair.Campaign.Due, pair.Campaign.First = false, false
			pair.Owed = pair.Owed && !(pair.Dynamics.Holds(true) && pair.Campaign.Holds(true))
		}
	}
}
