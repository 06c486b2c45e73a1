package ingress

import (
	"context"
	"errors"
	"slices"

	"causeway.dev/activities"
	"causeway.dev/internal/ledger"
)

// mostHappenings is how much of each kind is listed of what happened to a record.
const mostHappenings = 50

// history is what the ledger knows of what happened to a record, the newest first. More says
// that there was more of something.
func (a *Activities) history(ctx context.Context, table activities.Table, id string, rec *ledger.Record) (out []activities.Happening, more bool, err error) {
	out, err = a.writesOf(ctx, table.Name, id, rec)
	if err != nil {
		return nil, false, err
	}
	more = len(out) > mostHappenings
	for flow, name := range map[string]string{activities.FlowIngress: table.Name, activities.FlowOptOut: activities.FlowOptOut} {
		refused, err := a.o.Ledger.Quarantined(ctx, ledger.QuarantineFilter{Flow: flow, Table: name, Key: id, Limit: mostHappenings})
		if err != nil {
			return nil, false, err
		}
		for _, q := range refused {
			out = append(out, activities.Happening{At: q.LastSeen, What: activities.HappenedRefused, Run: q.Run, Detail: q.Message, Field: q.Field})
			if q.State == ledger.QuarantineDiscarded {
				out = append(out, activities.Happening{At: q.Discarded.At, What: activities.HappenedDiscarded})
			}
		}
	}
	if table.Dynamics.Table == "contact" {
		events, err := a.o.Ledger.EventsOf(ctx, id, mostHappenings+1)
		if err != nil {
			return nil, false, err
		}
		for _, e := range events {
			out = append(out, activities.Happening{At: e.Time, What: activities.HappenedEvent, Run: e.Run, Detail: e.Type})
		}
		decisions, err := a.o.Ledger.OptOutDecisions(ctx, ledger.DecisionFilter{Contact: id})
		if err != nil {
			return nil, false, err
		}
		for _, d := range decisions {
			out = append(out, activities.Happening{At: d.At, What: activities.HappenedOptOut, Run: d.Run, Detail: d.Pair})
		}
		more = more || len(events) > mostHappenings
	}
	slices.SortStableFunc(out, func(a, b activities.Happening) int { return b.At.Compare(a.At) })
	return out, more, nil
}

// writesOf is what runs did with a record in Campaign, as far as before-images and the record
// itself tell.
func (a *Activities) writesOf(ctx context.Context, table, id string, rec *ledger.Record) ([]activities.Happening, error) {
	writes, err := a.o.Ledger.WritesOf(ctx, table, id, mostHappenings+1)
	if err != nil {
		return nil, err
	}
	out := []activities.Happening{}
	for _, w := range writes {
		h := activities.Happening{At: w.At, What: activities.HappenedWritten, Run: w.Run}
		if !w.Existed {
			h.What = activities.HappenedCreated
		}
		if rec != nil && rec.State == ledger.Deleted && rec.Run == w.Run {
			h.What = activities.HappenedDeleted
		}
		out = append(out, h)
	}
	if rec == nil {
		return out, nil
	}
	// Creations leave no before-image, and what a rollback undid has none any more.
	for _, of := range []string{rec.CreatedRun, rec.Run} {
		if of == "" || slices.ContainsFunc(out, func(h activities.Happening) bool { return h.Run == of }) {
			continue
		}
		r, err := a.o.Ledger.Run(ctx, of)
		if errors.Is(err, ledger.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		switch {
		case r.Flow == activities.FlowRollback:
			out = append(out, activities.Happening{At: r.Started, What: activities.HappenedRestored, Run: of})
		case of == rec.CreatedRun:
			out = append(out, activities.Happening{At: r.Started, What: activities.HappenedCreated, Run: of})
		}
	}
	return out, nil
}
