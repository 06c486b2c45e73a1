package optout

import (
	"context"
	"errors"
	"slices"

	"causeway.dev/internal/optout"
)

// decisionWriter writes the decisions about one contact to both systems.
type decisionWriter struct {
	c   *optout.Contact
	s   systems
	out *reconciled

	campaign, dynamics refusals
}

// refusals are the choices that a system has refused. After the first refusal each choice
// is written alone, to find out which one it is.
type refusals struct {
	alone   bool
	refused []string // pairs
	err     error    // the first refusal
}

// refuse notes a refusal. Of several choices that were written together, none is known to
// be refused yet.
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

// withoutRefused takes the writes that were refused out of decisions.
func (w *decisionWriter) withoutRefused(decisions []optout.Decision) []optout.Decision {
	for i := range decisions {
		d := &decisions[i]
		d.ToCampaign = d.ToCampaign && !slices.Contains(w.campaign.refused, d.Pair)
		d.ToDynamics = d.ToDynamics && !slices.Contains(w.dynamics.refused, d.Pair)
	}
	return decisions
}

// acceptedDecisions are the decisions about pairs of which no write was refused.
func (w *decisionWriter) acceptedDecisions(decisions []optout.Decision) []optout.Decision {
	return slices.DeleteFunc(slices.Clone(decisions), func(d optout.Decision) bool {
		return slices.Contains(w.campaign.refused, d.Pair) || slices.Contains(w.dynamics.refused, d.Pair)
	})
}

func (w *decisionWriter) refusal() error {
	if w.campaign.err != nil {
		return w.campaign.err
	}
	return w.dynamics.err
}

// parts splits decisions into what is written to one system at a time: all together, or
// each alone after a refusal.
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

func (w *decisionWriter) write(ctx context.Context, decisions []optout.Decision) error {
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

func (w *decisionWriter) toCampaign(ctx context.Context, part []optout.Decision) error {
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

func (w *decisionWriter) toDynamics(ctx context.Context, part []optout.Decision) error {
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
		w.dynamics.alone = true // so that the values which Dynamics did not keep are refused at once
		w.dynamics.refuse(part, func(d optout.Decision) bool { return d.ToDynamics && !w.c.Pair(d.Pair).Dynamics.Holds(d.Out) }, errNotKept)
	}
	return nil
}
