package optout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"causeway.dev/activities"
	"causeway.dev/activities/budget"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/optout"
)

const (
	lookAgain = time.Hour     // at a contact whose profile was not there after all
	tryAgain  = 2 * time.Hour // at a contact that a system refused
)

// WriteOptOuts brings the contacts of one lane to what the rules say: what was
// observed is folded into what is known, and what differs is written. Entries that
// have a result from an earlier attempt are skipped; writing again what was written
// changes nothing.
func (a *Activities) WriteOptOuts(ctx context.Context, in activities.LaneInput) (*activities.LaneResult, error) {
	plan, err := a.plan(ctx, in.RunRef)
	if err != nil {
		return nil, err
	}
	if in.Kind == activities.KindDelta {
		ctx = budget.ForChanges(ctx)
	}
	return run.WriteLane(ctx, a.lanes, in, func(_ context.Context, lane *ledger.Lane) (run.Writer[*sighting], error) {
		return &contactWriter{Activities: a, in: in, plan: plan, lane: lane}, nil
	})
}

// contactWriter writes the opt-outs of the contacts of a lane, for one attempt.
type contactWriter struct {
	*Activities
	in   activities.LaneInput
	plan *settingsPlan
	lane *ledger.Lane
}

// sighting is what is known of a contact, and what has come of it so far.
type sighting struct {
	id     string
	before *optout.Contact // as it was before the entries of this lane; never changed
	known  *optout.Contact // with what the entries say; nil until the first try
	out    reconciled
}

// Units makes a unit of every contact; entries that cannot be read are refused.
func (w *contactWriter) Units(ctx context.Context, a *run.Attempt[*sighting]) ([]*run.Unit[*sighting], error) {
	known, err := w.known(ctx, w.lane.Entries)
	if err != nil {
		return nil, err
	}
	units := run.Units(w.lane, func(id string) *sighting {
		before := known[id]
		if before == nil {
			before = &optout.Contact{}
		}
		return &sighting{id: id, before: before}
	})
	for _, u := range units {
		var refused []ledger.Result
		u.Entries = slices.DeleteFunc(u.Entries, func(i int) bool {
			why, unreadable := refusal(w.lane.Entries[i])
			if unreadable {
				refused = append(refused, refusedEntry(i, w.lane.Entries[i], apierr.ReasonInvalidValue, why))
			}
			return unreadable
		})
		a.Record(refused...)
	}
	return slices.DeleteFunc(units, func(u *run.Unit[*sighting]) bool { return len(u.Entries) == 0 }), nil
}

// GroupSize is one: each contact is read and written by itself.
func (w *contactWriter) GroupSize() int { return 1 }

// Write brings one contact to what the rules say.
func (w *contactWriter) Write(ctx context.Context, a *run.Attempt[*sighting], group []*run.Unit[*sighting]) error {
	u := group[0]
	s := u.Of
	if s.known == nil {
		known, err := w.observed(u)
		if err != nil {
			return err
		}
		s.known = known
	}
	sides := &bothSides{contactWriter: w, id: s.id}
	look := assumptions{New: w.in.Kind == activities.KindDelta && s.before.Campaign == optout.Unseen, Before: s.before}
	done, err := reconcile(ctx, s.known, w.plan.Settings.Policy(), w.plan.Settings.Names(), sides, look)
	s.out.merge(done)
	refused, err := refusalOf(err)
	if err != nil {
		return err
	}
	results, err := w.results(u, s.known, refused)
	if err != nil {
		return err
	}
	a.DoneTogether(u, results)
	return nil
}

// observed is what is known of a contact, with what the entries of its unit say.
func (w *contactWriter) observed(u *run.Unit[*sighting]) (*optout.Contact, error) {
	known := u.Of.before.Clone()
	for _, i := range u.Entries {
		if err := observe(known, w.lane.Entries[i]); err != nil {
			return nil, fmt.Errorf("entry %d of %s: %w", i, w.lane.ID, err)
		}
	}
	return known, nil
}

// refusalOf tells a refusal of a contact's choices from a failure of another kind.
func refusalOf(err error) (*apierr.Error, error) {
	fail, ok := errors.AsType[*apierr.Error](err)
	switch {
	case errors.Is(err, errNotKept):
		return &apierr.Error{Class: apierr.Rejected, Reason: apierr.ReasonRefused, Service: "dataverse", Op: "update contact",
			Message: "Dynamics accepted the value and does not hold it: a plug-in or process there decides otherwise"}, nil
	case errors.Is(err, errKeepsChanging):
		return nil, &apierr.Error{Class: apierr.Retryable, Reason: apierr.ReasonConflict, Service: "dataverse", Op: "update contact", Message: err.Error()}
	case ok && fail.Reason == apierr.ReasonSchema && fail.Class != apierr.Retryable: // nobody's record is to blame
		stop := *fail
		stop.Class = apierr.Blocked
		stop.Message += "; mend opt_out.pairs or the data model, then: causeway start optout"
		return nil, &stop
	case ok && fail.Class == apierr.Rejected:
		return fail, nil
	}
	return nil, err
}

// Refuse is the result of an entry at which the program failed. What was observed of
// the contact is kept, where that is possible, so that no choice is lost: it is tried
// again later, unless workers died at it.
func (w *contactWriter) Refuse(u *run.Unit[*sighting], entry int, why *apierr.Error) ledger.Result {
	e := w.lane.Entries[entry]
	r := refusedEntry(entry, e, why.Reason, why.Message)
	r.Quarantine.Payload = e.Raw
	if entry == u.Entries[len(u.Entries)-1] {
		if state, ok := w.kept(u, why.Reason != run.CodePoison); ok {
			r.OptOut = &ledger.OptOutResult{State: state}
		}
	}
	return r
}

// kept is what is known of a contact with what was observed; not ok when the program
// fails at that, too.
func (w *contactWriter) kept(u *run.Unit[*sighting], again bool) (state ledger.OptOut, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	known, err := w.observed(u)
	if err != nil {
		return state, false
	}
	state.Contact = u.Of.id
	if again {
		state.Waits, state.Due = ledger.WaitsForRetry, w.o.Now().UTC().Add(tryAgain)
	}
	state.Doc, err = json.Marshal(known)
	return state, err == nil
}

// Count meters what happened.
func (w *contactWriter) Count(what run.Happened, _ ...ledger.Result) {
	if what == run.Transient {
		w.metrics.transient.Inc(1)
	}
}

// results is what becomes of the entries of a contact.
func (w *contactWriter) results(u *run.Unit[*sighting], known *optout.Contact, refused *apierr.Error) ([]ledger.Result, error) {
	now := w.o.Now().UTC()
	out := &u.Of.out
	state := ledger.OptOut{Contact: u.Of.id}
	outcome := ledger.Unchanged
	switch {
	case refused != nil:
		outcome, state.Waits, state.Due = ledger.Refused, ledger.WaitsForRetry, now.Add(tryAgain)
		out.refuse(known.Decide(w.plan.Settings.Policy(), w.plan.Settings.Names()))
	case out.Waits:
		outcome, state.Waits, state.Due = ledger.ParkedOut, ledger.WaitsForProfile, now
		if slices.ContainsFunc(u.Entries, func(i int) bool { return w.lane.Entries[i].Verdict == entryLook }) {
			state.Due = now.Add(lookAgain) // it was said to be there, and is not
		}
	case out.WroteDynamics || out.WroteCampaign:
		outcome = ledger.Updated
	}
	var err error
	if state.Doc, err = json.Marshal(known); err != nil {
		return nil, err
	}
	results := make([]ledger.Result, len(u.Entries))
	for n, i := range u.Entries {
		results[n] = ledger.Result{Index: i, Outcome: ledger.Unchanged}
	}
	last := &results[len(results)-1]
	last.Outcome = outcome
	last.OptOut = &ledger.OptOutResult{State: state}
	last.Resolve = refused == nil
	for _, d := range out.Decisions {
		last.OptOut.Decisions = append(last.OptOut.Decisions, evidence(d, now))
	}
	if refused != nil {
		last.Quarantine = &ledger.QuarantineItem{Key: u.Of.id, Class: string(refused.Class), Code: refused.Reason, Field: refused.Field, Message: refused.Message}
	}
	return results, nil
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

// observe folds a staged entry into what is known.
func observe(c *optout.Contact, e ledger.Entry) error {
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
