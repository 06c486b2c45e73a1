package optout

import (
	"context"
	"fmt"
	"time"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/optout"
)

// mergedContact is a contact that was merged into another one, or a profile of a contact
// that is not the one that is written.
type mergedContact struct {
	id, winner string
	since      map[string]time.Time // of optedOutSince
}

// compareMerged looks whether the winners of merges have the opt-outs of the losers.
func (a *Activities) compareMerged(ctx context.Context, plan *settingsPlan, losers []mergedContact, out *activities.CheckOptOutsResult) error {
	for _, loser := range losers {
		if len(loser.since) == 0 {
			continue
		}
		id, winner, err := a.winner(ctx, plan, loser.winner)
		if err != nil {
			return err
		}
		if winner.Gone {
			continue
		}
		profile, err := a.profileOf(ctx, plan, id)
		if err != nil {
			return err
		}
		for _, pair := range plan.Settings.Pairs {
			at, lost := loser.since[pair.Name()]
			here := winner.Values[pair.Name()]
			there, told := profile.Values[pair.Name()]
			switch {
			case !lost, here != nil && *here, told && there.Out: // or only one has it, which compare tells
			case told && there.At.After(at): // the winner has opted in again since
			default:
				out.Different = append(out.Different, activities.OptOutDifference{Contact: id, Attribute: pair.Campaign, Column: pair.Dynamics, Loser: loser.id})
			}
		}
	}
	return nil
}

// optedOutSince says for each pair of which a contact has opted out on either side when
// that was, as far as the systems tell. contact is nil for a profile without one.
func optedOutSince(plan *settingsPlan, contact *optout.DynamicsRow, profile *optout.CampaignRow) map[string]time.Time {
	out := map[string]time.Time{}
	for _, pair := range plan.Settings.Pairs {
		name := pair.Name()
		if contact != nil && contact.Values[name] != nil && *contact.Values[name] {
			out[name] = contact.Modified
		}
		if there := profile.Values[name]; there.Out && !there.At.Before(out[name]) {
			out[name] = there.At
		}
	}
	return out
}

// maxMerges is how many merges are followed, from winner to winner.
const maxMerges = 5

// winner reads the contact at the end of a chain of merges.
func (a *Activities) winner(ctx context.Context, plan *settingsPlan, id string) (string, *optout.DynamicsRow, error) {
	row := &optout.DynamicsRow{Gone: true}
	for range maxMerges {
		change, err := run.Retry(ctx, nil, func() (*dataverse.Change, error) { return a.o.Dynamics.Get(ctx, plan.query(), id) })
		if apierr.ReasonOf(err) == apierr.ReasonNotFound {
			return id, &optout.DynamicsRow{Gone: true}, nil
		}
		if err != nil {
			return "", nil, fmt.Errorf("reading contact %s, the winner of a merge: %w", id, err)
		}
		if row, err = plan.dynamicsRow(*change); err != nil {
			return "", nil, &apierr.Error{Class: apierr.Blocked, Reason: apierr.ReasonSchema, Service: "dataverse", Op: "compare contacts", Message: err.Error()}
		}
		if row.Winner == "" {
			break
		}
		id = row.Winner
	}
	return id, row, nil
}

// profileOf reads a profile; empty when there is none.
func (a *Activities) profileOf(ctx context.Context, plan *settingsPlan, id string) (*optout.CampaignRow, error) {
	stored, err := run.Retry(ctx, nil, func() (*campaign.Stored, error) { return a.o.Campaign.Get(ctx, plan.resource(), id) })
	if apierr.ReasonOf(err) == apierr.ReasonNotFound {
		return &optout.CampaignRow{Gone: true}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the profile of %s, the winner of a merge: %w", id, err)
	}
	return plan.campaignRow(stored.Raw, time.Time{}), nil
}
