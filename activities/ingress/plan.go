package ingress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
)

// planner looks at every record as the run would, and writes nothing.
type planner struct {
	a      *Activities
	m      *tableMapper
	in     activities.PlanInput
	writer recordWriter
	empty  func() (bool, error) // Campaign holds no record of the resource; asked once, when it matters

	mu       sync.Mutex
	out      activities.PlanResult
	fields   map[string]int64
	rules    map[string]int64
	refusals map[string]int64
	met      standing
	examples map[string]int
}

// Plan predicts a run over a whole table: what it would write, and what that
// costs. It reads Dynamics and the ledger, and looks up in Campaign what the
// ledger does not know, for it may be there already.
func (a *Activities) Plan(ctx context.Context, in activities.PlanInput) (*activities.PlanResult, error) {
	defer a.tell(ctx)
	if in.Examples == 0 {
		in.Examples = 3
	}
	m, err := a.resolve(ctx, in.Table)
	if err != nil {
		return nil, err
	}
	p := &planner{a: a, m: m, in: in, fields: map[string]int64{}, rules: map[string]int64{}, refusals: map[string]int64{}, examples: map[string]int{}}
	p.out.Revision = in.Table.Revision()
	var at activities.PreflightResult
	if err := a.look(ctx, in.Table.Name, m, &at); err != nil {
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
	p.writer = recordWriter{target: a.o.Target, m: m, ledger: a.o.Ledger, table: in.Table.Name, replay: p.out.Run == "replay"}
	p.empty = sync.OnceValues(func() (bool, error) { return p.nothingThere(ctx) })
	if err := p.readAll(ctx); err != nil {
		return nil, run.ToTemporal(ctx, err)
	}
	if !p.out.Sampled && p.sweeps() {
		if err := p.gone(ctx, known); err != nil {
			return nil, err
		}
	}
	limit, err := a.deleteLimit(ctx, in.Table.Name)
	if err != nil {
		return nil, err
	}
	p.out.NeedApproval = p.out.Counts.Deleted > limit
	p.out.Fields, p.out.Rules, p.out.Refusals = ranked(p.fields), ranked(p.rules), ranked(p.refusals)
	return &p.out, nil
}

// sweeps says that the run also looks for what is gone; a replay deletes nothing (R16.9).
func (p *planner) sweeps() bool { return p.out.Run == "new baseline" }

// nothingThere saves a look-up for every record where Campaign holds none.
func (p *planner) nothingThere(ctx context.Context) (bool, error) {
	if p.in.AllNew {
		return true, nil
	}
	page, err := p.a.o.Target.List(ctx, p.m.resource, campaign.ListOptions{Lines: 1})
	if err != nil {
		return false, fmt.Errorf("looking for records of %s: %w", p.m.resource.Name, err)
	}
	return len(page.Records) == 0, nil
}

func (p *planner) readAll(ctx context.Context) error {
	q := p.m.query
	q.OrderBy = q.KeyColumn + " asc"
	page, err := p.a.o.Source.Query(ctx, q)
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
	if p.writer.doubtful, err = p.a.o.Ledger.Doubtful(ctx, p.in.Table.Name, keys); err != nil {
		return err
	}
	if p.writer.parents, _, err = p.a.relatives(ctx, p.m, p.in.Table.Name, lane); err != nil {
		return err
	}
	if p.sweeps() {
		if err := p.meet(ctx, keys, known); err != nil {
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

// record decides as recordWriter.apply does.
func (p *planner) record(ctx context.Context, known *ledger.Record, e *ledger.Entry) error {
	held := known != nil && known.Payload != nil
	renew := false
	if held && p.writer.doubtful[e.Key] {
		as, err := p.writer.asLinked(ctx, e, known.Payload)
		if err != nil {
			return err
		}
		renew = !as
		p.count(func() { p.out.EngineCalls++ })
	}
	rule, err := p.m.mapper.Excluded(e.Raw)
	if err == nil && rule != "" {
		goes := held && p.in.Table.Filter.DeleteUnmatched
		if goes {
			if link, hidden, err := p.writer.stillHidden(ctx, known, e); err != nil {
				return err
			} else if hidden {
				p.count(func() { p.rules[rule]++ })
				p.park(e, link, 0)
				return nil
			}
		}
		p.count(func() {
			p.rules[rule]++
			if goes {
				p.note(ledger.Removed, 1, activities.PlanExample{ID: e.Key, Outcome: "deleted", Why: rule})
				return
			}
			p.note(ledger.FilteredOut, 0, activities.PlanExample{ID: e.Key, Outcome: "filtered", Why: rule})
		})
		return nil
	}
	var w wanted
	if err == nil {
		w, err = p.writer.want(known, e)
	}
	if err != nil {
		bad, ok := errors.AsType[*mapping.FieldError](err)
		if !ok {
			return fmt.Errorf("mapping record %s of %s: %w", e.Key, p.in.Table.Name, err)
		}
		p.count(func() {
			p.refusals[bad.Reason+": "+bad.Error()]++
			p.note(ledger.Refused, 0, activities.PlanExample{ID: e.Key, Outcome: "refused", Why: bad.Error()})
		})
		return nil
	}
	if held && !renew && bytes.Equal(known.Fingerprint, w.change.Fingerprint()) {
		p.count(func() { p.note(ledger.Unchanged, 0, activities.PlanExample{}) })
		return nil
	}
	for _, link := range p.m.mapper.Links(w.whole) {
		if link.Required && !p.writer.parents[link] {
			p.park(e, link, 0)
			return nil
		}
	}
	if link, waits, err := p.writer.stillWaits(ctx, known, w.whole); err != nil {
		return err
	} else if waits {
		p.park(e, link, 0)
		return nil
	}
	if renew {
		return p.renewed(ctx, e, w.whole)
	}
	if held {
		last, err := mapping.ParsePayload(known.Payload)
		if err != nil {
			return fmt.Errorf("record %s of %s in the ledger: %w", e.Key, p.in.Table.Name, err)
		}
		if link, hidden, err := p.hidden(ctx, known, e, w.whole); err != nil {
			return err
		} else if hidden {
			p.park(e, link, hiddenCalls)
			return nil
		}
		p.update(e, w.change, last, false)
		return nil
	}
	return p.newcomer(ctx, e, w.whole)
}

// newcomer is created, or adopted where Campaign has it already.
func (p *planner) newcomer(ctx context.Context, e *ledger.Entry, want *mapping.Payload) error {
	empty, err := p.empty()
	if err != nil {
		return err
	}
	if empty {
		p.create(e)
		return nil
	}
	there, err := p.there(ctx, e)
	if err != nil {
		return err
	}
	if there == nil {
		p.create(e)
		return nil
	}
	if !p.in.Table.ClearOptOuts {
		want = p.m.mapper.KeepOptOuts(want, there)
	}
	p.update(e, want, there, true)
	return nil
}

// there is what Campaign holds of a record; nil when it shows none.
func (p *planner) there(ctx context.Context, e *ledger.Entry) (*mapping.Payload, error) {
	stored, err := p.a.o.Target.Get(ctx, p.m.resource, p.m.mapper.MapKey(e.Key))
	switch {
	case apierr.ReasonOf(err) == apierr.ReasonNotFound:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("looking up record %s in Campaign: %w", e.Key, err)
	}
	out, err := p.m.mapper.FromTarget(stored.Raw)
	if err != nil {
		return nil, fmt.Errorf("reading record %s from Campaign: %w", e.Key, err)
	}
	return out, nil
}

func (p *planner) create(e *ledger.Entry) {
	p.count(func() { p.note(ledger.Created, 1, activities.PlanExample{ID: e.Key, Outcome: "created"}) })
}

// update counts a record that is there: adopting one costs the refused POST and
// the read before the PATCH, and fields that are new in the mapping cost the read.
func (p *planner) update(e *ledger.Entry, want, last *mapping.Payload, adopted bool) {
	_, changed := want.Diff(last)
	var calls int64
	switch {
	case adopted:
		calls = 2
	case len(changed) > 0 && p.m.mapper.Lacks(last):
		calls = 1
	}
	p.count(func() {
		if adopted {
			p.out.Adopted++
		}
		if len(changed) == 0 {
			p.note(ledger.Unchanged, calls, activities.PlanExample{})
			return
		}
		for _, f := range changed {
			p.fields[f]++
		}
		p.note(ledger.Updated, calls+1, activities.PlanExample{ID: e.Key, Outcome: "updated", Changes: mapping.Describe(last, want, changed)})
	})
}

func (p *planner) count(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// note counts an outcome; the caller holds mu.
func (p *planner) note(o ledger.Outcome, calls int64, example activities.PlanExample) {
	var one ledger.Counts
	one.Count(o)
	p.out.Counts.Add(run.FromLedger(one))
	p.out.EngineCalls += calls
	if example.ID != "" && p.examples[example.Outcome] < p.in.Examples {
		p.examples[example.Outcome]++
		p.out.Examples = append(p.out.Examples, example)
	}
}

// ranked sorts counts, most first; few are worth reading.
func ranked(counts map[string]int64) []activities.PlanCount {
	var out []activities.PlanCount
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		out = append(out, activities.PlanCount{What: what, Records: counts[what]})
	}
	slices.SortStableFunc(out, func(a, b activities.PlanCount) int { return int(b.Records - a.Records) })
	return out[:min(len(out), maxRanked)]
}

const maxRanked = 60
