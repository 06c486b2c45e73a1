package optout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"causeway.dev/activities"
	"causeway.dev/activities/budget"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/optout"
)

const (
	carriedAtOnce = 100             // entries of a lane that are committed together
	lookAgain     = time.Hour       // at a contact whose profile was not there after all
	tryAgain      = 2 * time.Hour   // at a contact that a system refused
	carriedTries  = 3               // of a contact within one attempt
	carriedPause  = time.Second / 2 // between them, times the try
)

// WriteOptOuts brings the contacts of one lane to what the rules say: what was
// seen is folded into what is known, and what differs is written. Entries that an
// earlier attempt settled are skipped; writing again what was written changes
// nothing.
func (a *Activities) WriteOptOuts(ctx context.Context, in activities.LaneInput) (*activities.LaneResult, error) {
	plan, err := a.plan(ctx, in.RunRef)
	if err != nil {
		return nil, err
	}
	id := ledger.LaneID{Run: in.Run, Page: in.Page, Lane: in.Lane}
	lane, err := a.o.Ledger.OpenLane(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("opening lane %d of page %d of %s: %w", in.Lane, in.Page, in.Run, err)
	}
	if !lane.Done {
		c := &carrier{Activities: a, in: in, plan: plan, lane: lane, failed: map[string]bool{}}
		if in.Kind == activities.KindDelta {
			ctx = budget.ForChanges(ctx)
		}
		if err := c.carry(ctx); err != nil {
			return nil, err
		}
		if lane.Counts, err = a.o.Ledger.CloseLane(ctx, id, lane.Token); err != nil {
			return nil, fmt.Errorf("closing lane %d of page %d of %s: %w", in.Lane, in.Page, in.Run, err)
		}
	}
	return &activities.LaneResult{Counts: run.FromLedger(lane.Counts)}, nil
}

// carrier is one attempt at a lane.
type carrier struct {
	*Activities
	in   activities.LaneInput
	plan *settingsPlan
	lane *ledger.Lane

	mu      sync.Mutex
	failed  map[string]bool // contacts whose later entries must wait too
	lastErr error           // of them; the attempt fails with it at the end
	settled int
}

// carry works through the lane in groups that are committed together.
func (c *carrier) carry(ctx context.Context) error {
	defer run.KeepBeating(ctx, func() any { c.mu.Lock(); defer c.mu.Unlock(); return c.settled })()
	var open []int
	for i := range c.lane.Entries {
		if c.lane.Outcomes[i] == ledger.Pending {
			open = append(open, i)
		}
	}
	for group := range slices.Chunk(open, carriedAtOnce) {
		if err := c.group(ctx, group); err != nil {
			return err
		}
	}
	if c.lastErr != nil {
		return run.ToTemporal(ctx, c.lastErr)
	}
	return nil
}

// sighting is one contact of a group and the entries that are about it.
type sighting struct {
	id      string
	indices []int
	known   *optout.Contact
}

func (c *carrier) group(ctx context.Context, indices []int) error {
	entries := make([]ledger.Entry, len(indices))
	for i, at := range indices {
		entries[i] = c.lane.Entries[at]
	}
	known, err := c.known(ctx, entries)
	if err != nil {
		return err
	}
	var todo []*sighting
	var settled []ledger.Result
	byID := map[string]*sighting{}
	for _, at := range indices {
		e := c.lane.Entries[at]
		if why, refused := refusal(e); refused {
			settled = append(settled, refusedEntry(at, e, apierr.ReasonInvalidValue, why))
			continue
		}
		if byID[e.Key] == nil {
			byID[e.Key] = &sighting{id: e.Key, known: known[e.Key]}
			if byID[e.Key].known == nil {
				byID[e.Key].known = &optout.Contact{}
			}
			todo = append(todo, byID[e.Key])
		}
		byID[e.Key].indices = append(byID[e.Key].indices, at)
	}
	results := make([][]ledger.Result, len(todo))
	work, inner := errgroup.WithContext(ctx)
	work.SetLimit(c.o.Concurrency)
	for i, s := range todo {
		if c.heldUp(s.id) {
			continue
		}
		work.Go(func() error {
			var err error
			results[i], err = c.one(inner, s)
			return err
		})
	}
	fatal := work.Wait()
	for _, r := range results {
		settled = append(settled, r...)
	}
	// What was written has happened, whatever became of the others.
	if err := c.o.Ledger.Commit(context.WithoutCancel(ctx), c.lane.ID, c.lane.Token, settled); err != nil {
		if errors.Is(err, ledger.ErrFenced) {
			return run.ErrFencedLane()
		}
		return fmt.Errorf("committing outcomes of %s: %w", c.lane.ID, err)
	}
	c.mu.Lock()
	c.settled += len(settled)
	c.mu.Unlock()
	if fatal != nil {
		return run.ToTemporal(ctx, fatal)
	}
	return nil
}

// heldUp says that an earlier entry of the contact is to be tried again first.
func (c *carrier) heldUp(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed[id]
}

// one carries one contact. An error it returns ends the attempt; a contact that is
// to be tried again has no settlement.
func (c *carrier) one(ctx context.Context, s *sighting) ([]ledger.Result, error) {
	policy, names := c.plan.Settings.Policy(), c.plan.Settings.Names()
	before := s.known.Clone()
	for _, at := range s.indices {
		if err := see(s.known, c.lane.Entries[at]); err != nil {
			return nil, fmt.Errorf("entry %d of %s: %w", at, c.lane.ID, err)
		}
	}
	sides := &bothSides{carrier: c, id: s.id}
	out := &optout.Carried{}
	var err error
	for try := 1; ; try++ {
		var done *optout.Carried
		done, err = s.known.Carry(ctx, policy, names, sides, optout.Look{New: c.in.Kind == activities.KindDelta && before.Campaign == optout.Unseen, Before: before})
		out.Merge(done)
		if class := apierr.ClassOf(err); class != apierr.Retryable && !errors.Is(err, optout.ErrRestless) {
			break
		}
		c.metrics.transient.Inc(1)
		if try == carriedTries || !run.Pause(ctx, time.Duration(try)*carriedPause) {
			break
		}
	}
	switch class := apierr.ClassOf(err); {
	case err == nil:
		return c.settle(s, out, nil)
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, optout.ErrNotKept):
		return c.settle(s, out, &apierr.Error{Class: apierr.Rejected, Reason: apierr.ReasonRefused, Service: "dataverse", Op: "update contact",
			Message: "Dynamics accepted the value and does not hold it: a plug-in or process there decides otherwise"})
	case apierr.ReasonOf(err) == apierr.ReasonSchema: // nobody's record is to blame
		return nil, run.Blocked(apierr.ReasonSchema, err.Error()+"; mend opt_out.pairs or the data model, then: causeway start optout")
	case class == apierr.Rejected:
		fail, _ := errors.AsType[*apierr.Error](err)
		return c.settle(s, out, fail)
	case class == apierr.Retryable, class == apierr.Throttled, errors.Is(err, optout.ErrRestless):
		c.mu.Lock()
		defer c.mu.Unlock()
		c.failed[s.id], c.lastErr = true, err
		return nil, nil
	}
	return nil, err
}

// settle is what becomes of the entries of a contact.
func (c *carrier) settle(s *sighting, out *optout.Carried, refused *apierr.Error) ([]ledger.Result, error) {
	now := c.o.Now().UTC()
	state := ledger.OptOut{Contact: s.id}
	outcome := ledger.Unchanged
	switch {
	case refused != nil:
		outcome, state.Waits, state.Due = ledger.Refused, ledger.WaitsForRetry, now.Add(tryAgain)
		out.Refuse(s.known.Decide(c.plan.Settings.Policy(), c.plan.Settings.Names()))
	case out.Waits:
		outcome, state.Waits, state.Due = ledger.ParkedOut, ledger.WaitsForProfile, now
		if slices.ContainsFunc(s.indices, func(at int) bool { return c.lane.Entries[at].Verdict == entryLook }) {
			state.Due = now.Add(lookAgain) // it was said to be there, and is not
		}
	case out.WroteDynamics || out.WroteCampaign:
		outcome = ledger.Updated
	}
	var err error
	if state.Doc, err = json.Marshal(s.known); err != nil {
		return nil, err
	}
	settlements := make([]ledger.Result, len(s.indices))
	for i, at := range s.indices {
		settlements[i] = ledger.Result{Index: at, Outcome: ledger.Unchanged}
	}
	last := &settlements[len(settlements)-1]
	last.Outcome = outcome
	last.OptOut = &ledger.OptOutResult{State: state}
	last.Resolve = refused == nil
	for _, d := range out.Decisions {
		last.OptOut.Decisions = append(last.OptOut.Decisions, evidence(d, now))
	}
	if refused != nil {
		last.Quarantine = &ledger.QuarantineItem{Key: s.id, Class: string(refused.Class), Code: refused.Reason, Field: refused.Field, Message: refused.Message}
	}
	return settlements, nil
}

func evidence(d optout.Decision, at time.Time) ledger.OptOutDecision {
	seen := func(s optout.Side) ledger.Seen {
		return ledger.Seen{Known: s.Known && !s.Empty, Out: s.Out, At: s.At}
	}
	effect := ""
	switch {
	case d.Refused:
		effect = "refused"
	case d.ToDynamics && d.ToCampaign:
		effect = "both"
	case d.ToDynamics:
		effect = "dynamics"
	case d.ToCampaign:
		effect = "campaign"
	case d.Waits:
		effect = "waits"
	}
	return ledger.OptOutDecision{At: at, Pair: d.Pair, Rule: string(d.Rule), Out: d.Out, Dynamics: seen(d.Dynamics), Campaign: seen(d.Campaign), Effect: effect}
}

// refusedEntry sets an entry aside that cannot be read; why holds no value.
func refusedEntry(at int, e ledger.Entry, code, why string) ledger.Result {
	return ledger.Result{Index: at, Outcome: ledger.Refused, Quarantine: &ledger.QuarantineItem{
		Key: e.Key, Class: string(apierr.Rejected), Code: code, Message: why,
	}}
}

// known is what the ledger knows of the contacts of entries.
func (a *Activities) known(ctx context.Context, entries []ledger.Entry) (map[string]*optout.Contact, error) {
	ids := make([]string, 0, len(entries))
	for _, e := range entries {
		if _, refused := refusal(e); !refused {
			ids = append(ids, e.Key)
		}
	}
	slices.Sort(ids)
	found, err := a.o.Ledger.OptOuts(ctx, slices.Compact(ids))
	if err != nil {
		return nil, err
	}
	out := make(map[string]*optout.Contact, len(found))
	for id, o := range found {
		c := &optout.Contact{}
		if err := json.Unmarshal(o.Doc, c); err != nil {
			return nil, fmt.Errorf("what is known of contact %s cannot be read: %w", id, err)
		}
		out[id] = c
	}
	return out, nil
}

// see folds a staged entry into what is known.
func see(c *optout.Contact, e ledger.Entry) error {
	if e.Verdict == entryLook {
		if c.Campaign == optout.Gone {
			c.Campaign = optout.Unseen
		}
		return nil
	}
	var row seenRow
	if err := json.Unmarshal(e.Raw, &row); err != nil {
		return fmt.Errorf("reading a staged row: %w", err)
	}
	if row.Dynamics != nil {
		c.SeeDynamics(*row.Dynamics)
	}
	if row.Campaign != nil {
		c.SeeCampaign(*row.Campaign)
	}
	return nil
}
