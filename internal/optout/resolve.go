// Package optout decides who wins when a privacy choice differs between Dynamics
// and Campaign, and keeps what is known of both sides. It is pure: no I/O, no
// clock, no logging. Activities call it.
//
// A choice is "no longer contact by …": true is an opt-out. One pair is one
// Campaign attribute and one Dynamics column.
package optout

import "time"

// Mode says in which direction choices travel (R19.2).
type Mode string

// The modes.
const (
	Disabled           Mode = "disabled"
	DynamicsToCampaign Mode = "dynamics_to_campaign" // by the contacts mapping of ingress (R19.4)
	CampaignToDynamics Mode = "campaign_to_dynamics"
	Bidirectional      Mode = "bidirectional"
)

// WritesDynamics says that the mode is carried out by the opt-out flow.
func (m Mode) WritesDynamics() bool { return m == CampaignToDynamics || m == Bidirectional }

// Side is what is known of a choice in one system.
type Side struct {
	Known bool      `json:"k,omitempty"` // a value was seen there
	Out   bool      `json:"o,omitempty"` // it was an opt-out
	At    time.Time `json:"a,omitzero"`  // when the choice was made; zero: its age is unknown
	// Since is, of Dynamics, the edit that made the value what it is, as far as it was
	// seen; At moves with every edit of the record.
	Since time.Time `json:"s,omitzero"`
	// Empty says that the system holds no value any more; Out is the last one it
	// had. An empty value never clears an opt-out (R19.19).
	Empty bool `json:"e,omitempty"`
	// Due says that a choice made in Campaign has not been carried to Dynamics yet;
	// First, that it is the first one seen there, so that nobody saw it change.
	Due   bool `json:"u,omitempty"`
	First bool `json:"f,omitempty"`
}

// Holds says that the system has this value now.
func (s Side) Holds(out bool) bool {
	if !s.Known || s.Empty {
		return !out // no value is no opt-out
	}
	return s.Out == out
}

// Rule names why a value won; evidence keeps it.
type Rule string

// The rules.
const (
	RuleNothing       Rule = "nothing-known"    // neither side has said anything
	RuleCampaignNewer Rule = "campaign-newer"   // R19.10
	RuleDynamicsNewer Rule = "dynamics-newer"   // R19.11: newer or as old; an opt-out on either side wins
	RuleAgeUnknown    Rule = "age-unknown"      // counts as older, so an opt-out on either side wins
	RuleOnlyDynamics  Rule = "only-dynamics"    // Campaign has said nothing
	RuleOnlyCampaign  Rule = "only-campaign"    // Dynamics has said nothing
	RuleCampaign      Rule = "campaign-changed" // R19.5: Campaign's value overwrites
	RuleKept          Rule = "kept"             // R19.5: Campaign has not changed, so Dynamics keeps its own
)

// Policy is what an operator has decided.
type Policy struct {
	Mode Mode
	// Skew is by how much the clocks of the two systems may differ: a choice counts
	// as newer only beyond it.
	Skew time.Duration
	// AttributeLevel dates a choice in Dynamics by the edit that changed the column,
	// as far as it was seen, instead of by the last edit of the record.
	AttributeLevel bool
}

// Verdict is the value that both sides should hold.
type Verdict struct {
	Out  bool
	Rule Rule
}

// Resolve decides over two sides. It is total, and with RuleNothing nothing is to
// be written.
//
// Source: docs/protocol/campaign.md §7, R19.5, R19.10, R19.11, R19.19.
func Resolve(p Policy, dynamics, campaign Side) Verdict {
	switch {
	case !dynamics.Known && !campaign.Known:
		return Verdict{Rule: RuleNothing}
	case p.Mode == CampaignToDynamics:
		return overwrite(p, dynamics, campaign)
	case !campaign.Known:
		return Verdict{Out: dynamics.Out, Rule: RuleOnlyDynamics}
	case !dynamics.Known:
		return Verdict{Out: campaign.Out, Rule: RuleOnlyCampaign}
	case campaign.At.IsZero() || dynamics.At.IsZero():
		return Verdict{Out: dynamics.Out || campaign.Out, Rule: RuleAgeUnknown}
	case p.newer(campaign, dynamics):
		return Verdict{Out: campaign.Out, Rule: RuleCampaignNewer}
	}
	return Verdict{Out: dynamics.Out || campaign.Out, Rule: RuleDynamicsNewer}
}

// overwrite is mode campaign_to_dynamics: a choice that changed in Campaign goes to
// Dynamics, whatever is there, but for an opt-out that somebody chose there later:
// an export comes a day after the choices in it. What is chosen in Dynamics after
// that stays. Of a profile seen for the first
// time nobody knows whether its "may be contacted" was ever chosen: it clears an
// opt-out only when it is dated, and newer.
func overwrite(p Policy, dynamics, campaign Side) Verdict {
	dated := campaign.Known && dynamics.Known && !campaign.At.IsZero() && !dynamics.Since.IsZero()
	switch {
	case dated && campaign.Out && !dynamics.Out && !p.newer(Side{At: dynamics.Since}, campaign):
		// Also when it was settled: what was known of Dynamics then was of before.
		return Verdict{Out: true, Rule: RuleCampaign}
	case !campaign.Known || !campaign.Due:
		return Verdict{Out: dynamics.Out, Rule: RuleKept}
	case campaign.First && !campaign.Out && dynamics.Known && dynamics.Out &&
		(campaign.At.IsZero() || dynamics.At.IsZero() || !p.newer(campaign, dynamics)):
		return Verdict{Out: true, Rule: RuleKept}
	case dated && !campaign.Out && dynamics.Out && !p.newer(campaign, Side{At: dynamics.Since}):
		return Verdict{Out: true, Rule: RuleKept}
	}
	return Verdict{Out: campaign.Out, Rule: RuleCampaign}
}

// dated is a side of Dynamics with the age that the rule compares.
func (p Policy) dated(dynamics Side) Side {
	if p.AttributeLevel && !dynamics.Since.IsZero() {
		dynamics.At = dynamics.Since
	}
	return dynamics
}

// newer says that the first choice is surely the later one. Dynamics tells whole
// seconds (docs/protocol/dynamics.md §2.2), so two choices of one second are as old.
func (p Policy) newer(one, other Side) bool {
	return one.At.Truncate(time.Second).After(other.At.Truncate(time.Second).Add(p.Skew))
}
