// Package optout decides who wins when a privacy choice differs between Dynamics
// and Campaign, and keeps what is known of both sides. It is pure: no I/O, no
// clock, no logging. activities/optout calls it for every contact, the configuration
// reads its settings, and internal/mapping asks it for the names of the attributes.
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

// WritesDynamics says that choices made in Campaign go to Dynamics. The opt-out
// flow runs in these modes only.
func (m Mode) WritesDynamics() bool { return m == CampaignToDynamics || m == Bidirectional }

// Side is what is known of a choice in one system.
type Side struct {
	Known bool      `json:"k,omitempty"` // a value was seen there
	Out   bool      `json:"o,omitempty"` // it was an opt-out
	At    time.Time `json:"a,omitzero"`  // when the choice was made; zero: its age is unknown
	// Since is for Dynamics only: the first edit at which we saw the present value.
	// At is later, because it moves with every edit of the record.
	Since time.Time `json:"s,omitzero"`
	// Empty says that the system no longer holds a value; Out is then the last one
	// it had. An empty value never clears an opt-out (R19.19).
	Empty bool `json:"e,omitempty"`
	// Due is for Campaign only: its choice has not been applied to Dynamics yet.
	Due bool `json:"u,omitempty"`
	// First says that the due choice is the first value that we saw there. It may
	// be a default that nobody chose, since we did not see it change.
	First bool `json:"f,omitempty"`
}

// Holds says that the system has this value now. No value counts as no opt-out.
func (s Side) Holds(out bool) bool {
	if !s.Known || s.Empty {
		return !out
	}
	return s.Out == out
}

// Rule is the reason why a value won. It is kept as evidence.
type Rule string

// The rules.
const (
	RuleNothing       Rule = "nothing-known"    // no value is known of either side
	RuleCampaignNewer Rule = "campaign-newer"   // R19.10: Campaign's choice is newer
	RuleDynamicsNewer Rule = "dynamics-newer"   // R19.11: Dynamics' is as new or newer, and an opt-out on either side wins
	RuleAgeUnknown    Rule = "age-unknown"      // one has no date, so an opt-out on either side wins
	RuleOnlyDynamics  Rule = "only-dynamics"    // no value is known of Campaign
	RuleOnlyCampaign  Rule = "only-campaign"    // no value is known of Dynamics
	RuleCampaign      Rule = "campaign-changed" // R19.5: Campaign's new choice overwrites
	RuleMerged        Rule = "merged"           // a contact that was merged into this one had opted out
	RuleKept          Rule = "kept"             // R19.5: Campaign has no new choice, so Dynamics keeps its own
)

// Policy is what an operator has decided.
type Policy struct {
	Mode Mode
	// Skew is how much the clocks of the two systems may differ. A choice counts as
	// newer only if it is newer by more than that.
	Skew time.Duration
	// AttributeLevel dates a choice in Dynamics by the edit that changed the column
	// (Side.Since) instead of by the last edit of the record (Side.At).
	AttributeLevel bool
	// AgeUnknown says that no choice has an age that can be trusted: an opt-out on either
	// side wins.
	AgeUnknown bool
}

// Resolution is the value that both sides should hold, and the rule that says so.
type Resolution struct {
	Out  bool
	Rule Rule
}

// Resolve decides which value both sides should hold. It has an answer for any two
// sides; after RuleNothing nothing is written.
//
// Source: docs/protocol/campaign.md §7, R19.5, R19.10, R19.11, R19.19.
func Resolve(p Policy, dynamics, campaign Side) Resolution {
	switch {
	case !dynamics.Known && !campaign.Known:
		return Resolution{Rule: RuleNothing}
	case p.AgeUnknown && dynamics.Known && campaign.Known:
		return Resolution{Out: dynamics.Out || campaign.Out, Rule: RuleAgeUnknown}
	case p.Mode == CampaignToDynamics:
		return overwrite(p, dynamics, campaign)
	case !campaign.Known:
		return Resolution{Out: dynamics.Out, Rule: RuleOnlyDynamics}
	case !dynamics.Known:
		return Resolution{Out: campaign.Out, Rule: RuleOnlyCampaign}
	case campaign.At.IsZero() || dynamics.At.IsZero():
		return Resolution{Out: dynamics.Out || campaign.Out, Rule: RuleAgeUnknown}
	case p.newer(campaign, dynamics):
		return Resolution{Out: campaign.Out, Rule: RuleCampaignNewer}
	}
	return Resolution{Out: dynamics.Out || campaign.Out, Rule: RuleDynamicsNewer}
}

// overwrite is the rule of mode campaign_to_dynamics. A new choice in Campaign
// replaces the value in Dynamics, with two exceptions.
//
// An opt-out that somebody chose in Dynamics later stays, because an export comes
// up to a day after the choices in it.
//
// The first value that we see of a profile may be a default. "May be contacted"
// then clears an opt-out only when it is dated and newer.
func overwrite(p Policy, dynamics, campaign Side) Resolution {
	dated := campaign.Known && dynamics.Known && !campaign.At.IsZero() && !dynamics.Since.IsZero()
	switch {
	case dated && campaign.Out && !dynamics.Out && !p.newer(Side{At: dynamics.Since}, campaign):
		// This holds even when Campaign's choice was applied before: the value in
		// Dynamics that it was compared with then was an older one.
		return Resolution{Out: true, Rule: RuleCampaign}
	case !campaign.Known || !campaign.Due:
		return Resolution{Out: dynamics.Out, Rule: RuleKept}
	case campaign.First && !campaign.Out && dynamics.Known && dynamics.Out &&
		(campaign.At.IsZero() || dynamics.At.IsZero() || !p.newer(campaign, dynamics)):
		return Resolution{Out: true, Rule: RuleKept}
	case dated && !campaign.Out && dynamics.Out && !p.newer(campaign, Side{At: dynamics.Since}):
		return Resolution{Out: true, Rule: RuleKept}
	}
	return Resolution{Out: campaign.Out, Rule: RuleCampaign}
}

// dated returns the side of Dynamics with the date that the policy compares by.
func (p Policy) dated(dynamics Side) Side {
	if p.AttributeLevel && !dynamics.Since.IsZero() {
		dynamics.At = dynamics.Since
	}
	return dynamics
}

// newer says that one is certainly later than other. Dynamics gives whole seconds
// (docs/protocol/dynamics.md §2.2), so two choices of one second count as equally old.
func (p Policy) newer(one, other Side) bool {
	return one.At.Truncate(time.Second).After(other.At.Truncate(time.Second).Add(p.Skew))
}
