package logs

import (
	"context"
	"fmt"
	"strings"
	"time"

	"causeway.dev/activities"
	"causeway.dev/internal/ledger"
)

const (
	pageOf    = 1000
	loadSince = 90 * 24 * time.Hour // how long before its end a load may have begun
	passSince = 48 * time.Hour      // and another run
)

// write puts what a flow did on a day into a file: runs that ended then with their records,
// and events and choices that got their outcome then.
func (a *Activities) write(ctx context.Context, f *file, flow string, day time.Time) error {
	next := day.AddDate(0, 0, 1)
	kinds := []string{activities.FlowIngress, activities.FlowRollback}
	if flow == activities.FlowEgress || flow == activities.FlowOptOut {
		kinds = []string{flow}
	}
	for _, of := range kinds {
		if err := a.runs(ctx, f, of, flow, day, next); err != nil {
			return err
		}
	}
	switch flow {
	case activities.FlowEgress:
		return a.events(ctx, f, day, next)
	case activities.FlowOptOut:
		return a.choices(ctx, f, day, next)
	}
	return nil
}

// runs writes those that ended on a day. A load may have begun long before, others not.
func (a *Activities) runs(ctx context.Context, f *file, of, table string, day, next time.Time) error {
	for _, look := range []struct {
		kind  ledger.RunKind
		since time.Duration
	}{{ledger.RunInitial, loadSince}, {ledger.RunBackfill, loadSince}, {"", passSince}} {
		filter := ledger.RunFilter{Flow: of, Table: table, Kind: look.kind, Since: day.Add(-look.since), Limit: pageOf}
		for {
			page, err := a.o.Ledger.Runs(ctx, filter)
			if err != nil {
				return err
			}
			for _, r := range page {
				if r.Ended.Before(day) || !r.Ended.Before(next) || look.kind == "" && load(r) {
					continue
				}
				if err := a.run(ctx, f, r); err != nil {
					return err
				}
			}
			if len(page) < pageOf {
				break
			}
			last := page[len(page)-1]
			filter.Before = ledger.RunPlace{Started: last.Started, ID: last.ID}
		}
	}
	return nil
}

func load(r ledger.Run) bool { return r.Kind == ledger.RunInitial || r.Kind == ledger.RunBackfill }

// run writes a run, what it changed, and what of it is refused.
func (a *Activities) run(ctx context.Context, f *file, r ledger.Run) error {
	reason := counts(r.Counts)
	if r.Error != "" {
		reason += "; " + r.Error
	}
	f.add(line{at: r.Ended, flow: r.Flow, run: r.ID, kind: "run " + string(r.Kind), outcome: string(r.State), reason: reason})
	if r.Flow == activities.FlowIngress && (a.o.Loads || !load(r)) && r.Counts.Created+r.Counts.Updated+r.Counts.Deleted > 0 {
		if err := a.records(ctx, f, r); err != nil {
			return err
		}
	}
	if r.Counts.Quarantined == 0 {
		return nil
	}
	refused := ledger.QuarantineFilter{Run: r.ID, State: ledger.QuarantineOpen, Limit: pageOf}
	for {
		page, err := a.o.Ledger.Quarantined(ctx, refused)
		if err != nil {
			return err
		}
		for _, q := range page {
			f.add(line{at: q.LastSeen, flow: r.Flow, run: r.ID, kind: "record", key: q.Key, outcome: "refused", reason: strings.TrimSpace(q.Code + " " + q.Field + " " + q.Message)})
		}
		if len(page) < pageOf {
			return nil
		}
		last := page[len(page)-1]
		refused.After = ledger.QuarantineKey{Flow: last.Flow, Table: last.Table, Key: last.Key}
	}
}

// records writes what a run changed in Campaign. The ledger does not keep when: the end of the
// run stands for it.
func (a *Activities) records(ctx context.Context, f *file, r ledger.Run) error {
	after := ""
	for f.cut == 0 {
		page, err := a.o.Ledger.Touched(ctx, r.ID, r.Table, after, pageOf)
		if err != nil {
			return err
		}
		keys := make([]string, len(page))
		for i, e := range page {
			keys[i] = e.Key
		}
		now, err := a.o.Ledger.Records(ctx, r.Table, keys)
		if err != nil {
			return err
		}
		for _, e := range page {
			outcome := "updated"
			switch held := now[e.Key]; {
			case held != nil && held.State == ledger.Deleted && held.Run == r.ID:
				outcome = "deleted"
			case e.Raw == nil:
				outcome = "created"
			}
			f.add(line{at: r.Ended, flow: r.Flow, run: r.ID, kind: "record", key: e.Key, outcome: outcome})
		}
		if len(page) < pageOf {
			return nil
		}
		after = keys[len(keys)-1]
	}
	return nil
}

// counts are those of a run that are not 0.
func counts(c ledger.Counts) string {
	out := fmt.Sprintf("read %d", c.Read)
	for _, one := range []struct {
		name string
		n    int64
	}{
		{"created", c.Created}, {"updated", c.Updated}, {"unchanged", c.Unchanged}, {"filtered", c.Filtered}, {"deleted", c.Deleted}, {"parked", c.Parked}, {"refused", c.Quarantined},
		{"type off", c.Disabled}, {"soft bounce", c.SoftBounce}, {"seed or proof", c.SeedOrProof}, {"no contact", c.NoContact}, {"ignored", c.Ignored},
	} {
		if one.n > 0 {
			out += fmt.Sprintf(", %s %d", one.name, one.n)
		}
	}
	return out
}

var outcomes = map[ledger.Outcome]string{
	ledger.Created: "created", ledger.Updated: "updated", ledger.Unchanged: "unchanged", ledger.Refused: "refused", ledger.Disabled: "type off", ledger.SoftBounce: "soft bounce",
	ledger.SeedOrProof: "seed or proof", ledger.NoContact: "no contact", ledger.Ignored: "ignored", ledger.FilteredOut: "filtered", ledger.ParkedOut: "parked", ledger.Removed: "deleted",
}

// events writes what became of events: the contact is the key, by which they are looked for.
func (a *Activities) events(ctx context.Context, f *file, day, next time.Time) error {
	var after *ledger.Event
	for f.cut == 0 {
		page, err := a.o.Ledger.EventsHandled(ctx, day, next, after, pageOf)
		if err != nil {
			return err
		}
		for _, e := range page {
			reason := "event " + e.Key + " of " + e.Time.UTC().Format(time.RFC3339)
			if e.Code != "" {
				reason = e.Code + "; " + reason
			}
			f.add(line{at: e.At, flow: activities.FlowEgress, run: e.Run, kind: "event " + e.Type, key: e.Contact, outcome: outcomes[e.Outcome], reason: reason})
		}
		if len(page) < pageOf {
			return nil
		}
		after = &page[len(page)-1]
	}
	return nil
}

// effects are what a decision led to, in words.
var effects = map[string]string{
	"dynamics": "written to Dynamics", "campaign": "written to Campaign", "both": "written to both", "waits": "waits", "refused": "refused", "": "nothing to write",
}

// choices writes what was decided about opt-outs.
func (a *Activities) choices(ctx context.Context, f *file, day, next time.Time) error {
	filter := ledger.DecisionFilter{Since: day, Until: next, Limit: pageOf}
	for f.cut == 0 {
		page, err := a.o.Ledger.OptOutDecisions(ctx, filter)
		if err != nil {
			return err
		}
		for _, d := range page {
			chosen := "may be contacted"
			if d.Out {
				chosen = "opt-out"
			}
			f.add(line{at: d.At, flow: activities.FlowOptOut, run: d.Run, kind: "choice " + d.Pair, key: d.Contact, outcome: effects[d.Effect], reason: chosen + " by rule " + d.Rule})
		}
		if len(page) < pageOf {
			return nil
		}
		filter.After = &page[len(page)-1]
	}
	return nil
}
