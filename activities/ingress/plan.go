package ingress

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
	"causeway.dev/internal/reconcile"
)

// planner decides about every record as the run would, and writes nothing.
type planner struct {
	a      *Activities
	m      *tableMapper
	in     activities.PlanInput
	writer recordWriter
	empty  func() (bool, error) // whether Campaign holds no record of the resource; asked once, when it matters

	mu       sync.Mutex
	out      activities.PlanResult
	fields   map[string]int64
	rules    map[string]int64
	refusals map[string]int64
	found    recordCounts // in Dynamics, of what the ledger has
	examples map[string]int
}

// Plan predicts a run over a whole table: what it would write, and what that costs. It
// reads Dynamics and the ledger. What the ledger does not know it looks up in Campaign,
// which may hold it already.
func (a *Activities) Plan(ctx context.Context, in activities.PlanInput) (*activities.PlanResult, error) {
	defer a.reportEngineCalls(ctx)
	if in.Examples == 0 {
		in.Examples = 3
	}
	m, before, err := a.fittingMapping(ctx, in.Table)
	if err != nil {
		return nil, err
	}
	if before == nil && !in.AllNew {
		if err := a.probeKey(ctx, m); err != nil {
			return nil, err
		}
	}
	p := &planner{a: a, m: m, in: in, fields: map[string]int64{}, rules: map[string]int64{}, refusals: map[string]int64{}, examples: map[string]int{}}
	p.out.Revision = in.Table.Revision()
	var at activities.PreflightResult
	if err := a.readState(ctx, in.Table.Name, m, &at); err != nil {
		return nil, err
	}
	known, err := a.o.Ledger.KnownCount(ctx, in.Table.Name)
	if err != nil {
		return nil, err
	}
	switch {
	case at.NeedsBaseline && known == 0:
		p.out.Run = "initial load"
	case at.NeedsBaseline || in.Baseline:
		p.out.Run = "new baseline"
	default:
		p.out.Run = "replay"
	}
	p.writer = recordWriter{target: a.o.Target, m: m, listed: a.listed, ledger: a.o.Ledger, table: in.Table.Name, replay: p.out.Run == "replay"}
	p.empty = sync.OnceValues(func() (bool, error) { return p.targetIsEmpty(ctx) })
	if err := p.readAll(ctx); err != nil {
		return nil, run.ToTemporal(ctx, err)
	}
	if !p.out.Sampled && p.deletesUnseen() {
		if known > p.found.held {
			if err := p.checkUnseen(ctx, in.Table.Name, known-p.found.held); err != nil {
				return nil, run.ToTemporal(ctx, err)
			}
		}
		if err := p.countNotFound(ctx, known); err != nil {
			return nil, err
		}
	}
	few, err := a.o.Ledger.DeletesWithinLimit(ctx, in.Table.Name, p.out.Counts.Deleted, a.deleteLimit())
	if err != nil {
		return nil, err
	}
	p.out.NeedApproval = !few && p.out.Counts.Deleted > 0
	p.out.Fields, p.out.Rules, p.out.Refusals = ranked(p.fields), ranked(p.rules), ranked(p.refusals)
	return &p.out, nil
}

// deletesUnseen says whether the run deletes what it does not find in Dynamics. A replay
// does not (R16.9).
func (p *planner) deletesUnseen() bool { return p.out.Run == "new baseline" }

// targetIsEmpty saves looking every record up where Campaign holds none.
func (p *planner) targetIsEmpty(ctx context.Context) (bool, error) {
	if p.in.AllNew {
		return true, nil
	}
	page, err := p.a.o.Target.List(ctx, p.m.resource, campaign.ListOptions{Lines: 1})
	if err != nil {
		return false, fmt.Errorf("looking for records of %s: %w", p.m.resource.Name, err)
	}
	return len(page.Records) == 0, nil
}

// readAll decides about all records of the table, or about a sample.
func (p *planner) readAll(ctx context.Context) error {
	q := p.m.query
	q.OrderBy = q.KeyColumn + " asc"
	page, err := p.a.o.Source.Query(ctx, q)
	var links run.Cycle
	for ; err == nil; page, err = p.a.o.Source.Follow(ctx, q, page.NextLink) {
		changes := page.Changes
		if left := int64(p.in.Sample) - p.out.Counts.Read; p.in.Sample > 0 && int64(len(changes)) >= left {
			p.out.Sampled = int64(len(changes)) > left || page.NextLink != ""
			changes = changes[:left]
		}
		if err := p.page(ctx, changes); err != nil {
			return err
		}
		activity.RecordHeartbeat(ctx, p.out.Counts.Read)
		if page.NextLink == "" || p.out.Sampled {
			return nil
		}
		if links.Closes(page.NextLink) {
			return run.LinkRepeated("dataverse", "read "+q.EntitySet)
		}
	}
	return fmt.Errorf("reading %s: %w", p.in.Table.Dynamics.Table, err)
}

func (p *planner) page(ctx context.Context, changes []dataverse.Change) error {
	keys := make([]string, len(changes))
	lane := &ledger.Lane{Entries: make([]ledger.Entry, len(changes)), Outcomes: make([]ledger.Outcome, len(changes))}
	for i, c := range changes {
		keys[i] = c.Key
		lane.Entries[i] = ledger.Entry{Key: c.Key, Version: c.Version, Raw: c.Raw}
	}
	known, err := p.a.o.Ledger.Records(ctx, p.in.Table.Name, keys)
	if err != nil {
		return err
	}
	if p.writer.waiting, err = p.a.waiting(ctx, p.in.Table.Name, known); err != nil {
		return err
	}
	if p.writer.inDoubt, err = p.a.o.Ledger.Doubts(ctx, p.in.Table.Name, keys); err != nil {
		return err
	}
	if p.writer.parents, _, err = p.a.parentsAndChildren(ctx, p.m, p.in.Table.Name, lane); err != nil {
		return err
	}
	if p.deletesUnseen() {
		if err := p.countFound(ctx, keys, known); err != nil {
			return err
		}
	}
	var group errgroup.Group
	group.SetLimit(max(1, p.a.o.Concurrency))
	for i := range lane.Entries {
		e := &lane.Entries[i]
		group.Go(func() error { return p.record(ctx, known[e.Key], e) })
	}
	return group.Wait()
}

// begin begins the decision about a record, and reads it in Campaign where it is in doubt,
// as the run would.
func (p *planner) begin(ctx context.Context, known *ledger.Record, e *ledger.Entry) (decision, error) {
	if doubts := p.writer.inDoubt[e.Key]; len(doubts) > 0 {
		p.locked(func() { p.out.EngineCalls++ })
		return p.writer.look(ctx, known, e, doubts)
	}
	return p.writer.beginDecision(ctx, known, e)
}

// record counts what the run would do about one record.
func (p *planner) record(ctx context.Context, known *ledger.Record, e *ledger.Entry) error {
	ctx = run.About(ctx, e.Raw)
	d, err := p.begin(ctx, known, e)
	if err != nil {
		return err
	}
	d.facts.Guard = reconcile.GuardAllows // the delete guard is asked at the end, about all deletes
	act, calls, err := p.decide(ctx, &d)
	if err != nil {
		return err
	}
	if rule := d.entry.Rule; rule != "" {
		p.locked(func() { p.rules[rule]++ })
	}
	switch act.Kind {
	case reconcile.Refuse:
		p.locked(func() {
			p.refusals[act.Refusal.Reason+": "+act.Refusal.Message]++
			p.countOutcome(ledger.Refused, calls, activities.PlanExample{ID: e.Key, Outcome: "refused", Why: act.Refusal.Message})
		})
	case reconcile.LeaveOut:
		p.locked(func() {
			p.countOutcome(ledger.FilteredOut, calls, activities.PlanExample{ID: e.Key, Outcome: "filtered", Why: d.ruleOf()})
		})
	case reconcile.Delete:
		if !e.Deleted && d.m.mapper.HasOptOuts() {
			calls++ // a look at its opt-outs, see keepOptOuts
		}
		p.locked(func() {
			p.countOutcome(ledger.Removed, calls+1, activities.PlanExample{ID: e.Key, Outcome: "deleted", Why: strings.TrimPrefix(d.ruleOf()+d.rejectedBefore(&act), "; ")})
		})
	case reconcile.Park:
		p.countParked(e, act.Link, calls)
	case reconcile.Create:
		p.locked(func() { p.countOutcome(ledger.Created, calls+1, activities.PlanExample{ID: e.Key, Outcome: "created"}) })
	case reconcile.Update, reconcile.Adopt:
		p.countWrite(&d, &act, calls)
	default:
		p.locked(func() { p.countOutcome(ledger.Unchanged, calls, activities.PlanExample{}) })
	}
	return nil
}

// decide finds the action that the run would end with, and how many calls it makes before
// the last. A run learns from Campaign's refusals what Campaign holds that the ledger
// does not know, and what it hides; decide looks that up.
func (p *planner) decide(ctx context.Context, d *decision) (act reconcile.Action, calls int64, err error) {
	if act, err = d.resolveFacts(ctx, reconcile.TargetRecord); err != nil {
		return act, 0, err
	}
	switch {
	case act.Kind == reconcile.Create && !d.known.Held():
		empty, err := p.empty()
		if err != nil || empty {
			return act, 0, err
		}
		if d.facts.Target, err = p.readTarget(ctx, d.e); err != nil {
			return act, 0, err
		}
		if act = d.action(); act.Kind == reconcile.Adopt {
			calls = 2 // the refused POST, and the read
		}
	case act.Kind == reconcile.Update:
		if act.Needs == reconcile.TargetRecord {
			calls = 1
		}
		link, hides, err := d.hiddenByTarget(ctx)
		if err != nil || !hides {
			return act, calls, err
		}
		there, err := p.readTarget(ctx, d.e)
		if err != nil {
			return act, calls, err
		}
		if there.Payload == nil {
			return reconcile.Action{Kind: reconcile.Park, Why: reconcile.HiddenByTarget, Link: link}, hiddenCalls, nil
		}
	case act.Needs == reconcile.TargetRecord: // Campaign has lost it, or its links
		if d.facts.Target, err = p.readTarget(ctx, d.e); err != nil {
			return act, 0, err
		}
		calls, act = 1, d.action()
	}
	return act, calls, nil
}

// readTarget is what Campaign shows of a record.
func (p *planner) readTarget(ctx context.Context, e *ledger.Entry) (reconcile.Target, error) {
	there, err := p.writer.readTarget(ctx, e.Key)
	if err != nil {
		return there, fmt.Errorf("looking up record %s in Campaign: %w", e.Key, err)
	}
	return there, nil
}

// countWrite counts a record that Campaign holds and that is updated or adopted.
func (p *planner) countWrite(d *decision, act *reconcile.Action, calls int64) {
	before := d.entry.Last
	if act.Kind == reconcile.Adopt {
		before = d.facts.Target.Payload
	}
	p.locked(func() {
		if act.Kind == reconcile.Adopt && !d.known.Held() {
			p.out.Adopted++
		}
		if act.Done {
			p.countOutcome(ledger.Unchanged, calls, activities.PlanExample{})
			return
		}
		for _, f := range act.Changed {
			p.fields[f]++
		}
		p.countOutcome(ledger.Updated, calls+1, activities.PlanExample{ID: d.e.Key, Outcome: "updated", Changes: mapping.Describe(before, act.Payload, act.Changed)})
	})
}

func (p *planner) locked(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// countOutcome counts an outcome and keeps a few examples. The caller holds mu.
func (p *planner) countOutcome(o ledger.Outcome, calls int64, example activities.PlanExample) {
	var one ledger.Counts
	one.Count(o)
	p.out.Counts.Add(run.CountsOf(one))
	p.out.EngineCalls += calls
	if example.ID != "" && p.examples[example.Outcome] < p.in.Examples {
		p.examples[example.Outcome]++
		p.out.Examples = append(p.out.Examples, example)
	}
}

// ranked sorts counts, the highest first, and cuts the list: few are worth reading.
func ranked(counts map[string]int64) []activities.PlanCount {
	var out []activities.PlanCount
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		out = append(out, activities.PlanCount{What: what, Records: counts[what]})
	}
	slices.SortStableFunc(out, func(a, b activities.PlanCount) int { return int(b.Records - a.Records) })
	return out[:min(len(out), maxRanked)]
}

const maxRanked = 60
