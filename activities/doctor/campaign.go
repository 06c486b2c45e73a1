package doctor

import (
	"context"
	"fmt"
	"strings"

	"causeway.dev/activities"
	"causeway.dev/activities/ingress"
	flow "causeway.dev/activities/optout"
	"causeway.dev/internal/campaign"
)

func resourceName(t activities.Table) string {
	r := ingress.ResourceOf(t)
	return r.API + "/" + r.Name
}

func fieldsOf(t activities.Table) string {
	return activities.AreaCampaign + ": resource " + resourceName(t)
}

func modelOf(t activities.Table) string { return activities.AreaModels + ": mapping " + t.Name }

// profiles is the resource that every instance has.
var profiles = campaign.Resource{API: "profileAndServices", Name: "profile", Key: "PKey"}

func (v *visit) campaign() []step {
	o := v.a.o
	out := []step{
		{activities.AreaCampaign, "token", nil, func(ctx context.Context) finding {
			if err := o.CampaignToken(ctx); err != nil {
				return failing(err)
			}
			return ok("Adobe IMS gave one")
		}},
		{activities.AreaCampaign, "reachable", []string{campaignToken}, func(ctx context.Context) finding {
			m, err := o.Campaign.Metadata(ctx, profiles)
			if err != nil {
				f := failing(err)
				if f.state == activities.CheckFail && f.remedy == remedies["campaign"]["Schema"] {
					f.remedy = remedies["campaign"]["Permission"]
				}
				return f
			}
			return ok("Campaign Standard answers for this instance, profile has %d fields", len(m.Fields))
		}},
	}
	asked := map[string]bool{}
	for _, t := range o.Tables {
		if !asked[resourceName(t)] {
			asked[resourceName(t)] = true
			out = append(out, step{activities.AreaCampaign, "resource " + resourceName(t), []string{campaignReached}, func(ctx context.Context) finding {
				m, err := o.Campaign.Metadata(ctx, ingress.ResourceOf(t))
				if err != nil {
					return failing(err)
				}
				v.resources.keep(resourceName(t), m)
				return ok("a resource of %d fields", len(m.Fields))
			}})
		}
		out = append(out, step{activities.AreaCampaign, "mapping " + t.Name + ": key", []string{modelOf(t)}, func(ctx context.Context) finding {
			sortable := v.resources.of(resourceName(t)).Fields[t.Campaign.Key].Sortable
			if err := o.Ingress.ProbeKey(ctx, v.plans.of(t.Name), sortable); err != nil {
				f := failing(err)
				if strings.Contains(f.wanted, "without duplicates") && f.remedy == "" {
					f.remedy = "declare " + t.Campaign.Key + " as custom identification key in Campaign, or name the field that is in campaign.key"
				}
				return f
			}
			return ok("%s addresses records, and no two of those that were compared share one", t.Campaign.Key)
		}})
	}
	return out
}

// optOuts are the checks of the pairs of opt-outs, and of the source that changes are read
// from.
func (v *visit) optOuts() []step {
	o := v.a.o
	const source = "opt-outs: source"
	return []step{
		{activities.AreaModels, "opt-outs: contact", []string{definitionOf(contactTable)}, func(context.Context) finding {
			if found := flow.ContactProblems(v.tables.of(contactTable), o.OptOuts.Pairs); len(found) > 0 {
				return fail(strings.Join(found, "; "), "columns of type Boolean that can be written, on a table that tracks changes", "correct opt_out.pairs, or switch on in Dynamics what is off")
			}
			return ok("%d pair(s) fit", len(o.OptOuts.Pairs))
		}},
		{activities.AreaCampaign, source, []string{campaignReached}, func(ctx context.Context) finding {
			found, err := o.OptOut.CheckSource(ctx, activities.CheckSourceInput{Settings: o.OptOuts})
			switch {
			case err != nil:
				return failing(err)
			case found.Source == "":
				return fail("over REST: "+found.REST+"; from files: "+found.SFTP, "one source of choices", "make the filter of opt_out.modified_since in Campaign, or have Adobe set up the export to the file server (docs/opt-outs.md)")
			}
			v.optOutFrom.keep("source", found)
			return ok("choices are read from %s", found.Source)
		}},
		{activities.AreaCampaign, "opt-outs: fields and stamps", []string{activities.AreaCampaign + ": " + source}, func(context.Context) finding {
			var missing, unstamped []string
			for _, f := range v.optOutFrom.of("source").Fields {
				switch {
				case f.Field == "":
					missing = append(missing, f.Attribute)
				case f.Stamp == "":
					unstamped = append(unstamped, f.Attribute)
				}
			}
			switch {
			case len(missing) > 0:
				return fail("profile has no field for "+strings.Join(missing, ", "), "a field for each pair", "correct opt_out.pairs, or extend the profile in Campaign and publish it")
			case len(unstamped) > 0:
				return warn("no time of the last change of "+strings.Join(unstamped, ", "), "a stamp for each field", "nothing has to be done: an opt-out on either side wins; publish the stamp in Campaign for the newest choice to win")
			}
			return ok("%s", fmt.Sprintf("%d field(s), each with the time of its last change", len(v.optOutFrom.of("source").Fields)))
		}},
	}
}
