package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"causeway.dev/internal/mapping"
	"causeway.dev/internal/optout"
)

// OptOut keeps "no longer contact by …" in step (R19).
type OptOut struct {
	// Mode is disabled, dynamics_to_campaign (map the columns in the contacts mapping), campaign_to_dynamics or bidirectional.
	Mode optout.Mode `yaml:"mode,omitempty" jsonschema:"enum=disabled,enum=dynamics_to_campaign,enum=campaign_to_dynamics,enum=bidirectional,default=disabled"`
	// Pairs say which attribute belongs to which column; none does by itself (R19.9).
	Pairs []optout.PairSetting `yaml:"pairs,omitempty"`
	// AttributeLevel dates a choice in Dynamics by the edit that changed the column, as far as it was seen, instead of by the last edit of the contact (R19.10).
	AttributeLevel bool `yaml:"attribute_level,omitempty" jsonschema:"default=false"`
	// Source of Campaign's choices: auto (rest where the instance publishes stamps and the filter of modified_since, else sftp), sftp (the daily export; needs campaign.sftp) or rest.
	Source string `yaml:"source,omitempty" jsonschema:"enum=auto,enum=sftp,enum=rest,default=auto"`
	// ClockSkew is by how much the clocks of the systems may differ. A choice in Campaign counts as newer only beyond it.
	ClockSkew time.Duration `yaml:"clock_skew" jsonschema:"minimum=0s,maximum=10m,default=5s"`
	// PollEvery is the pause between looks at Dynamics.
	PollEvery time.Duration `yaml:"poll_every,omitempty" jsonschema:"minimum=1s,maximum=1h,default=3s"`
	// CampaignEvery is the pause between looks at Campaign, or at its file server.
	CampaignEvery time.Duration `yaml:"campaign_every,omitempty" jsonschema:"minimum=10s,maximum=24h,default=2m"`
	// ModifiedSince is the filter of the profile that source rest needs.
	ModifiedSince optout.FilterSetting `yaml:"modified_since,omitempty"`
	// Export is the Campaign workflow that writes the export files.
	Export optout.ExportSetting `yaml:"export,omitempty"`
	// Deadline is how old a choice may become that is not carried over, before status and an alert say so. With source sftp a choice of Campaign counts from its export.
	Deadline time.Duration `yaml:"deadline,omitempty" jsonschema:"minimum=1m,maximum=168h,default=15m"`
	// Lanes is how many parts of a page are carried in parallel.
	Lanes int `yaml:"lanes,omitempty" jsonschema:"minimum=1,maximum=32,default=4"`
}

// OptOutSettings are what the opt-out flow is started with.
func (c *Config) OptOutSettings() optout.Settings {
	o := c.OptOut
	name, _ := c.profiles()
	return optout.Settings{
		Mode: o.Mode, Pairs: o.Pairs, AttributeLevel: o.AttributeLevel, Source: o.Source, Skew: o.ClockSkew, CampaignEvery: o.CampaignEvery,
		ModifiedSince: o.ModifiedSince, Export: o.Export, Profiles: name, SFTP: c.Campaign.SFTP.Configured(),
	}
}

// profiles is the mapping of contact to profile; "" without one.
func (c *Config) profiles() (string, mapping.Table) {
	for _, name := range slices.Sorted(maps.Keys(c.Ingress.Tables)) {
		if t := c.Ingress.Tables[name]; t.Dynamics.Table == "contact" && t.Campaign.Resource == "profile" {
			return name, t
		}
	}
	return "", mapping.Table{}
}

// allows are columns in which true allows what others forbid, and the other way
// round: the meaning of the wrong polarity would be reversed for everybody.
var (
	allows  = []string{"followemail"}
	forbids = []string{"donotemail", "donotbulkemail", "donotphone", "donotfax", "donotpostalmail", "donotbulkpostalmail", "donotsendmm"}
)

func (v *validator) optOut(c *Config) {
	o := c.OptOut
	if o.Export.AutoRestart && o.Export.Workflow == "" {
		v.add("opt_out.export.workflow", "nothing with auto_restart", "the internal id of the Campaign workflow, such as WKF17", "")
	}
	v.pairs(c)
	name, contacts := c.profiles()
	switch {
	case v.mappingsMissing:
	case o.Mode == optout.DynamicsToCampaign:
		v.carriedByIngress(o, name, contacts)
	case o.Mode.WritesDynamics():
		v.carriedByFlow(c, name, contacts)
	}
}

// pairs uses each attribute and each column once (R19.7, R19.8, R19.21).
func (v *validator) pairs(c *Config) {
	attributes, columns := map[string]int{}, map[string]int{}
	for i, p := range c.OptOut.Pairs {
		at := fmt.Sprintf("opt_out.pairs[%d]", i)
		switch first, twice := attributes[p.Campaign]; {
		case p.Campaign == "":
			v.add(at+".campaign", "nothing", "one of "+strings.Join(optout.Attributes(), ", ")+"", "")
		case !slices.Contains(optout.Attributes(), p.Campaign):
			remedy := ""
			if near := optout.Canonical(p.Campaign); near != "" {
				remedy = "write " + near + "; the name it has in the instance is found out"
			} else if near := mapping.Nearest(p.Campaign, optout.Attributes()); near != "" {
				remedy = "did you mean " + near + "?"
			}
			v.add(at+".campaign", short(p.Campaign), "one of "+strings.Join(optout.Attributes(), ", ")+"", remedy)
		case twice:
			v.add(at+".campaign", fmt.Sprintf("%s, which opt_out.pairs[%d] has already", short(p.Campaign), first), "each attribute in one pair only", "")
		}
		switch first, twice := columns[p.Dynamics]; {
		case p.Dynamics == "":
			v.add(at+".dynamics", "nothing", "a boolean column of contact, such as donotbulkemail", "")
		case !columnForm.MatchString(p.Dynamics):
			v.add(at+".dynamics", short(p.Dynamics), "a logical name: lower-case letters, digits and underscores", "")
		case twice:
			v.add(at+".dynamics", fmt.Sprintf("%s, which opt_out.pairs[%d] has already", short(p.Dynamics), first), "each column in one pair only", "")
		}
		if slices.Contains(allows, p.Dynamics) && !p.Inverted {
			v.add(at+".inverted", "false", "true: "+p.Dynamics+" allows where the attribute forbids", "")
		}
		if slices.Contains(forbids, p.Dynamics) && p.Inverted {
			v.add(at+".inverted", "true", "false: "+p.Dynamics+" forbids, as the attribute does", "")
		}
		attributes[p.Campaign], columns[p.Dynamics] = i, i
	}
}

// carriedByIngress is R19.4.
func (v *validator) carriedByIngress(o OptOut, name string, contacts mapping.Table) {
	if len(o.Pairs) > 0 {
		v.add("opt_out.pairs", "pairs with mode dynamics_to_campaign", "none: in this mode the columns are mapped with the contacts", "move them to ingress.tables."+orContacts(name)+".fields")
	}
	if !slices.ContainsFunc(contacts.Fields, func(f mapping.Field) bool { return optout.Canonical(f.To) != "" }) {
		v.add("opt_out.mode", "dynamics_to_campaign, and no mapping of contact to profile that maps an opt-out", "at least one opt-out there", "add a pair such as { from: donotbulkemail, to: blackListEmail } to ingress.tables."+orContacts(name)+".fields")
	}
}

// carriedByFlow is R5.10, R19.9 and R19.22.
func (v *validator) carriedByFlow(c *Config, name string, contacts mapping.Table) {
	o := c.OptOut
	if len(o.Pairs) == 0 {
		v.add("opt_out.pairs", "none with mode "+string(o.Mode), "at least one pair of attribute and column", "")
	}
	if o.Source != optout.SourceREST && !c.Campaign.SFTP.Configured() {
		v.add("campaign.sftp.host", "nothing with opt_out.mode "+string(o.Mode), "the file server of the daily export", "add campaign.sftp, or set opt_out.source: rest if the instance publishes the stamps (causeway optout check-source says)")
	}
	for i, f := range contacts.Fields {
		if attribute := optout.Canonical(f.To); attribute != "" {
			v.add(fmt.Sprintf("ingress.tables.%s.fields[%d].to", name, i), short(f.To)+" with opt_out.mode "+string(o.Mode),
				"opt-outs in one place only: a mapping of contacts would overwrite what people chose in Campaign", "remove the pair; "+attribute+" belongs into opt_out.pairs")
		}
	}
}

func orContacts(name string) string {
	if name == "" {
		return "contacts"
	}
	return name
}
