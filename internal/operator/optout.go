package operator

import (
	"context"
	"fmt"

	"causeway.dev/activities"
	"causeway.dev/internal/phrase"
)

// CheckOptOutSource finds out where Campaign's opt-outs can be read.
func (i *Instance) CheckOptOutSource(ctx context.Context) (r activities.CheckSourceResult, err error) {
	err = i.ask(ctx, i.Timeout, activities.CheckSource, activities.CheckSourceInput{Settings: i.Config.OptOutSettings()}, &r)
	return r, err
}

// CheckOptOuts compares the opt-outs that both systems hold now; at is told how many
// profiles are compared so far.
func (i *Instance) CheckOptOuts(ctx context.Context, at func(profiles int64)) (activities.CheckOptOutsResult, error) {
	all := activities.CheckOptOutsResult{Different: []activities.OptOutDifference{}}
	in := activities.CheckOptOutsInput{Settings: i.Config.OptOutSettings()}
	if len(in.Settings.Pairs) == 0 {
		return all, badInput("opt_out.pairs: got none in %s, want at least one pair to compare", i.File)
	}
	if err := i.probe(ctx); err != nil {
		return all, err
	}
	i.Say(fmt.Sprintf("comparing %s; nothing is written", phrase.Count(int64(len(in.Settings.Pairs)), "pair")))
	for {
		var part activities.CheckOptOutsResult
		if err := i.ask(ctx, max(planWithin, i.Timeout), activities.CheckOptOuts, in, &part); err != nil {
			return all, err
		}
		all.Profiles += part.Profiles
		all.Missing += part.Missing
		all.Different = append(all.Different, part.Different...)
		all.Waiting = part.Waiting
		if in.Link = part.Link; in.Link == "" {
			return all, nil
		}
		at(all.Profiles)
	}
}

// OptOutHistory is every decision about a contact's opt-outs, the oldest first.
func (i *Instance) OptOutHistory(ctx context.Context, contact string) ([]activities.Evidence, error) {
	id, err := recordID("contact", "contact", contact)
	if err != nil {
		return nil, err
	}
	all := []activities.Evidence{}
	err = i.OptOutEvidence(ctx, activities.EvidenceInput{Contact: id}, func(page []activities.Evidence) error {
		all = append(all, page...)
		return nil
	})
	return all, err
}

// OptOutEvidence hands decisions about opt-outs to each, page by page. Each page is
// sealed to a key made for it, so that Temporal holds nothing readable.
func (i *Instance) OptOutEvidence(ctx context.Context, in activities.EvidenceInput, each func([]activities.Evidence) error) error {
	for {
		var r activities.EvidenceResult
		err := sealed(func(public, private *[32]byte) error {
			in.RevealTo = public[:]
			if err := i.ask(ctx, i.Timeout, activities.OptOutEvidence, in, &r); err != nil {
				return err
			}
			page, err := activities.RevealEvidence(r.Sealed, public, private)
			if err != nil {
				return unsealed(err)
			}
			return each(page)
		})
		if err != nil || r.Next == nil {
			return err
		}
		in.After = r.Next
	}
}
