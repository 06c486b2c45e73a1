package optout

import (
	"context"
	"errors"
	"slices"

	"causeway.dev/internal/optout"
)

// choiceWriter carries out the decisions about one contact.
type choiceWriter struct {
	c   *optout.Contact
	s   systems
	out *reconciled

	campaign, dynamics refusals
}

// refusals are what a system said no to. After a refusal each choice goes through alone.
type refusals struct {
	alone   bool
	refused []string // pairs
	err     error    // the first refusal
}

func (d *refusals) refuse(part []optout.Decision, due func(optout.Decision) bool, err error) {
	var pairs []string
	for _, p := range part {
		if due(p) {
			pairs = append(pairs, p.Pair)
		}
	}
	if len(pairs) > 1 && !d.alone {
		d.alone = true
		return
	}
	d.refused = append(d.refused, pairs...)
	if d.err == nil {
		d.err = err
	}
}

func toCampaign(d optout.Decision) bool { return d.ToCampaign }
func toDynamics(d optout.Decision) bool { return d.ToDynamics }

// open are decisions without the writes that were refused.
func (w *choiceWriter) open(decisions []optout.Decision) []optout.Decision {
	for i := range decisions {
		d := &decisions[i]
		d.ToCampaign = d.ToCampaign && !slices.Contains(w.campaign.refused, d.Pair)
		d.ToDynamics = d.ToDynamics && !slices.Contains(w.dynamics.refused, d.Pair)
	}
	return decisions
}

// accepted are the decisions of pairs of which no write was refused.
func (w *choiceWriter) accepted(decisions []optout.Decision) []optout.Decision {
	return slices.DeleteFunc(slices.Clone(decisions), func(d optout.Decision) bool {
		return slices.Contains(w.campaign.refused, d.Pair) || slices.Contains(w.dynamics.refused, d.Pair)
	})
}

func (w *choiceWriter) refusal() error {
	if w.campaign.err != nil {
		return w.campaign.err
	}
	return w.dynamics.err
}

// parts are what goes to one system at a time, as decisions that write nothing else.
func parts(decisions []optout.Decision, d *refusals, due func(optout.Decision) bool, keep func(d *optout.Decision, due bool)) [][]optout.Decision {
	var out [][]optout.Decision
	for i := range decisions {
		if !due(decisions[i]) {
			continue
		}
		part := slices.Clone(decisions)
		for j := range part {
			keep(&part[j], due(part[j]) && (!d.alone || i == j))
		}
		if out = append(out, part); !d.alone {
			break
		}
	}
	return out
}

func (w *choiceWriter) write(ctx context.Context, decisions []optout.Decision) error {
	for _, part := range parts(decisions, &w.campaign, toCampaign, func(d *optout.Decision, due bool) { d.ToCampaign, d.ToDynamics = due, false }) {
		if err := w.toCampaign(ctx, part); err != nil {
			return err
		}
	}
	for _, part := range parts(decisions, &w.dynamics, toDynamics, func(d *optout.Decision, due bool) { d.ToCampaign, d.ToDynamics = false, due }) {
		if err := w.toDynamics(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

func (w *choiceWriter) toCampaign(ctx context.Context, part []optout.Decision) error {
	at := w.s.Now()
	found, err := w.s.WriteCampaign(ctx, part)
	switch {
	case errors.Is(err, errRefused):
		w.campaign.refuse(part, toCampaign, err)
		return nil
	case err != nil:
		return err
	case !found:
		w.c.SeeCampaign(optout.CampaignRow{Gone: true, Live: true, AsOf: at})
		return errChanged
	}
	w.c.WroteCampaign(part, at)
	w.out.WroteCampaign = true
	w.out.add(part, toCampaign)
	return nil
}

func (w *choiceWriter) toDynamics(ctx context.Context, part []optout.Decision) error {
	row, err := w.s.WriteDynamics(ctx, w.c.Version, part)
	switch {
	case errors.Is(err, errChanged):
		if row, err = w.s.ReadDynamics(ctx); err != nil {
			return err
		}
		w.c.SeeDynamics(row)
		w.c.ChangedUnseen(row)
		return errChanged
	case errors.Is(err, errRefused):
		w.dynamics.refuse(part, toDynamics, err)
		return nil
	case err != nil:
		return err
	case row.Gone:
		w.c.SeeDynamics(row)
		return errChanged
	}
	w.out.WroteDynamics = true
	w.out.add(part, toDynamics)
	if !w.c.WroteDynamics(part, row) {
		w.dynamics.alone = true // what is kept is carried; the others are not tried again
		w.dynamics.refuse(part, func(d optout.Decision) bool { return d.ToDynamics && !w.c.Pair(d.Pair).Dynamics.Holds(d.Out) }, errNotKept)
	}
	return nil
}
