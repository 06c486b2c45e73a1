package optout

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Where Campaign's choices are read.
const (
	SourceAuto = "auto" // REST where the instance publishes the stamps, else SFTP
	SourceSFTP = "sftp" // the daily export
	SourceREST = "rest"
)

// Attributes are Campaign's opt-out attributes by their canonical names (R19.7).
func Attributes() []string {
	return []string{"denyList", "denyListEmail", "denyListFax", "denyListMobile", "denyListPhone", "denyListPostalMail", "denyListPushnotification", "ccpaOptOut"}
}

// spellings are the prefixes that Campaign has used for denyList over the years
// (docs/protocol/campaign.md §3.1). The first one that an instance has is taken.
var spellings = []string{"denyList", "blackList", "blockList"}

// Canonical is the canonical name of the opt-out attribute that a Campaign field
// holds; "" when it holds none.
func Canonical(field string) string {
	name := field
	for _, s := range spellings {
		if rest, ok := strings.CutPrefix(field, s); ok {
			name = spellings[0] + rest
			break
		}
	}
	if slices.Contains(Attributes(), name) {
		return name
	}
	return ""
}

// Wire lists the names that an attribute may have in an instance, the preferred one
// first.
func Wire(attribute string) []string {
	rest, ok := strings.CutPrefix(attribute, spellings[0])
	if !ok {
		return []string{attribute}
	}
	out := make([]string, len(spellings))
	for i, s := range spellings {
		out[i] = s + rest
	}
	return out
}

// PairSetting pairs one Campaign attribute with one Dynamics column (R19.9).
type PairSetting struct {
	// Campaign is the attribute, by the name used here, whatever the instance calls it.
	Campaign string `json:"campaign" yaml:"campaign" jsonschema:"required,enum=denyList,enum=denyListEmail,enum=denyListFax,enum=denyListMobile,enum=denyListPhone,enum=denyListPostalMail,enum=denyListPushnotification,enum=ccpaOptOut"`
	// Dynamics is a boolean column of contact, such as donotbulkemail.
	Dynamics string `json:"dynamics" yaml:"dynamics" jsonschema:"required,pattern=^[a-z][a-z0-9_]*$"`
	// Inverted says that true in Dynamics allows what true in Campaign forbids, as with followemail.
	Inverted bool `json:"inverted,omitempty" yaml:"inverted,omitempty" jsonschema:"default=false"`
}

// Name is the name of the pair in Contact and Decision.
func (p PairSetting) Name() string { return PairName(p.Campaign, p.Dynamics, p.Inverted) }

// ParsePair reads a pair's name.
func ParsePair(name string) PairSetting {
	campaign, dynamics, _ := strings.Cut(name, "=")
	column, inverted := strings.CutPrefix(dynamics, "!")
	return PairSetting{Campaign: campaign, Dynamics: column, Inverted: inverted}
}

// FilterSetting is the filter of the profile resource by which changed profiles are
// found. An administrator of Campaign makes it.
type FilterSetting struct {
	// Filter is its last path segment.
	Filter string `json:"filter" yaml:"filter,omitempty" jsonschema:"minLength=1,default=byModifiedSince" want:"the path segment of a filter, such as byModifiedSince"`
	// Parameter takes the time.
	Parameter string `json:"parameter" yaml:"parameter,omitempty" jsonschema:"minLength=1,default=since_parameter" want:"the filter's parameter, such as since_parameter"`
}

// ExportSetting is the Campaign workflow that exports opt-outs (R19.14).
type ExportSetting struct {
	// Workflow is its internal id, such as WKF17; without it nobody watches it.
	Workflow string `json:"workflow,omitempty" yaml:"workflow,omitempty"`
	// CheckEvery is the pause between checks of its state.
	CheckEvery time.Duration `json:"check_every,omitempty" yaml:"check_every,omitempty" jsonschema:"minimum=1m,maximum=24h,default=30m"`
	// StaleAfter is the age of the newest file that raises the alarm.
	StaleAfter time.Duration `json:"stale_after,omitempty" yaml:"stale_after,omitempty" jsonschema:"minimum=1h,maximum=168h,default=26h"`
	// AutoRestart starts a workflow that stopped or failed, at most three times a day.
	AutoRestart bool `json:"auto_restart,omitempty" yaml:"auto_restart,omitempty" jsonschema:"default=false"`
}

// Settings are what the opt-out flow runs with from its start to its stop (R8.14).
type Settings struct {
	Mode           Mode          `json:"mode"`
	Pairs          []PairSetting `json:"pairs"`
	AttributeLevel bool          `json:"attribute_level,omitempty"`
	Source         string        `json:"source"`
	Skew           time.Duration `json:"skew,omitempty"`
	CampaignEvery  time.Duration `json:"campaign_every"`
	ModifiedSince  FilterSetting `json:"modified_since"`
	Export         ExportSetting `json:"export"`
	// Profiles is the name of the mapping that writes the contacts' profiles. Its
	// writes tell when a profile appears. "" when there is none.
	Profiles string `json:"profiles,omitempty"`
	SFTP     bool   `json:"sftp,omitempty"` // a file server is configured
}

// Revision is a hash of the settings: equal settings have equal revisions.
func (s Settings) Revision() string {
	doc, err := json.Marshal(s)
	if err != nil {
		panic(err) // texts, numbers and booleans only
	}
	sum := sha256.Sum256(doc)
	return hex.EncodeToString(sum[:6])
}

// Policy is the part of the settings that Resolve needs.
func (s Settings) Policy() Policy {
	return Policy{Mode: s.Mode, Skew: s.Skew, AttributeLevel: s.AttributeLevel}
}

// Names are the names of the pairs.
func (s Settings) Names() []string {
	out := make([]string, len(s.Pairs))
	for i, p := range s.Pairs {
		out[i] = p.Name()
	}
	return out
}

// WhyIdle says why there is nothing to start (R8.16); "" when there is something.
func (s Settings) WhyIdle() string {
	switch s.Mode {
	case CampaignToDynamics, Bidirectional:
		return ""
	case DynamicsToCampaign:
		return "with opt_out.mode dynamics_to_campaign choices travel with the mapping of the contacts; start that" // R19.4
	default:
		return fmt.Sprintf("opt_out.mode is %s; set it to campaign_to_dynamics or bidirectional", Disabled)
	}
}
