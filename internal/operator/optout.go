package operator

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"time"

	"causeway.dev/activities"
	"causeway.dev/internal/phrase"
)

// CheckOptOutSource finds out where Campaign's opt-outs can be read.
func (i *Instance) CheckOptOutSource(ctx context.Context) (r activities.CheckSourceResult, err error) {
	err = i.ask(ctx, i.Timeout, activities.CheckSource, activities.CheckSourceInput{Settings: i.Config.OptOutSettings()}, &r)
	return r, err
}

// CheckOptOuts compares the opt-outs that both systems hold now. It calls at with how many
// profiles were compared so far.
func (i *Instance) CheckOptOuts(ctx context.Context, at func(profiles int64)) (activities.CheckOptOutsResult, error) {
	all := activities.CheckOptOutsResult{Different: []activities.OptOutDifference{}}
	in := activities.CheckOptOutsInput{Settings: i.Config.OptOutSettings()}
	if len(in.Settings.Pairs) == 0 {
		return all, badInput("opt_out.pairs: got none in %s, want at least one pair to compare", i.File)
	}
	if err := i.checkWorker(ctx); err != nil {
		return all, err
	}
	i.Say(fmt.Sprintf("comparing %s; nothing is written", phrase.Count(int64(len(in.Settings.Pairs)), "pair")))
	for read := map[string]bool{}; ; read[in.Link] = true {
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
		if read[in.Link] {
			return all, errors.New("the list of profiles leads back to a page that was read; reading on would never end")
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

// OptOutEvidence calls each with decisions about opt-outs, page by page. Each page is
// sealed to a key made for it, so that Temporal holds nothing readable.
func (i *Instance) OptOutEvidence(ctx context.Context, in activities.EvidenceInput, each func([]activities.Evidence) error) error {
	in.By = i.By
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

// ExportOptOuts writes decisions about opt-outs as CSV, one line each, and returns how many
// there are. The lines hold ids and choices, no names and no addresses.
func (i *Instance) ExportOptOuts(ctx context.Context, in activities.EvidenceInput, to io.Writer) (n int64, err error) {
	w := csv.NewWriter(to)
	if err := w.Write([]string{"contact", "decided_at", "attribute", "column", "dynamics", "dynamics_chosen_at", "campaign", "campaign_chosen_at", "rule", "decided", "written", "run"}); err != nil {
		return 0, failed("writing the file: %v", err)
	}
	stamp := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	side := func(c activities.Choice) string {
		if !c.Known {
			return ""
		}
		return Choice(c.OptedOut)
	}
	err = i.OptOutEvidence(ctx, in, func(page []activities.Evidence) error {
		for _, d := range page {
			n++
			if err := w.Write([]string{d.Contact, stamp(d.At), d.Attribute, d.Column, side(d.Dynamics), stamp(d.Dynamics.At), side(d.Campaign), stamp(d.Campaign.At),
				d.Rule, Choice(d.OptedOut), d.Effect, d.Run}); err != nil {
				return failed("writing the file: %v", err)
			}
		}
		return nil
	})
	w.Flush()
	if err == nil && w.Error() != nil {
		err = failed("writing the file: %v", w.Error())
	}
	return n, err
}

// Choice is a choice in words.
func Choice(optedOut bool) string {
	if optedOut {
		return "opted out"
	}
	return "may contact"
}
