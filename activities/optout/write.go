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
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/optout"
)

const (
	retryMissingProfile = time.Hour     // a contact whose profile was not there although it was said to be
	retryRefused        = 2 * time.Hour // a contact of which a system refused a choice
)

// WriteOptOuts brings the contacts of one lane to what the rules decide. What was read is
// added to what is known, and where a side differs from the decision, it is written.
// Writing the same again changes nothing. See run.WriteLane.
func (a *Activities) WriteOptOuts(ctx context.Context, in activities.LaneInput) (*activities.LaneResult, error) {
	plan, err := a.plan(ctx, in.RunRef)
	if err != nil {
		return nil, err
	}
	if in.Kind == activities.KindDelta {
		ctx = budget.ForChanges(ctx)
	}
	restored, err := run.Restored(ctx, a.o.Ledger, activities.FlowOptOut, activities.FlowOptOut)
	if err != nil {
		return nil, err
	}
	return run.WriteLane(ctx, a.lanes, in, func(_ context.Context, lane *ledger.Lane) (run.Writer[*contactState], error) {
		return &contactWriter{Activities: a, in: in, plan: plan, fresh: a.reread.Of(in.PlanKey()), lane: lane, restored: restored}, nil
	})
}

// contactWriter writes the opt-outs of the contacts of a lane in one attempt. It is the
// run.Writer of this flow.
type contactWriter struct {
	*Activities
	in    activities.LaneInput
	plan  *settingsPlan
	fresh *run.Reread[settingsPlan] // what the data models say since plan was resolved
	lane  *ledger.Lane
	// restored says that the ledger was restored, and that the look at everybody's choices
	// that follows is not through.
	restored bool
}

// policy is what the operator has decided. After the ledger was restored nobody knows
// which choices were made since its backup, so no choice has an age: an opt-out on either
// side wins.
func (w *contactWriter) policy() optout.Policy {
	p := w.plan.Settings.Policy()
	p.AgeUnknown = w.restored
	return p
}

// contactState is what is known of a contact while it is written, and what was done.
type contactState struct {
	id        string
	owed      []string        // pairs of which a contact that was merged into this one has opted out
	handsOver []string        // pairs whose opt-out goes to the contact that it was merged into
	before    *optout.Contact // as it was before the entries of this lane; never changed
	known     *optout.Contact // with what the entries say; nil until the first try
	out       reconciled
}

// Units makes a unit of every contact, and refuses entries that cannot be read.
func (w *contactWriter) Units(ctx context.Context, a *run.Attempt[*contactState]) ([]*run.Unit[*contactState], error) {
	only := ""
	if w.restored {
		only = w.in.Run // what was known before may be older than both systems
	}
	known, err := w.contactsOfRun(ctx, w.lane.Entries, only)
	if err != nil {
		return nil, err
	}
	owed, err := w.owedPairs(ctx)
	if err != nil {
		return nil, err
	}
	units := run.Units(w.lane, func(id string) *contactState {
		before := known[id]
		if before == nil {
			before = &optout.Contact{}
		}
		return &contactState{id: id, before: before, owed: owed[id]}
	})
	for _, u := range units {
		var refused []ledger.Result
		u.Entries = slices.DeleteFunc(u.Entries, func(i int) bool {
			why, unreadable := unreadable(w.lane.Entries[i])
			if unreadable {
				refused = append(refused, refusedEntry(i, w.lane.Entries[i], apierr.ReasonInvalidValue, why))
			}
			return unreadable
		})
		a.Record(refused...)
	}
	return slices.DeleteFunc(units, func(u *run.Unit[*contactState]) bool { return len(u.Entries) == 0 }), nil
}

// GroupSize is one, because each contact is read and written by itself.
func (w *contactWriter) GroupSize() int { return 1 }

// Write brings one contact to what the rules decide.
func (w *contactWriter) Write(ctx context.Context, a *run.Attempt[*contactState], group []*run.Unit[*contactState]) error {
	u := group[0]
	s := u.State
	if s.known == nil {
		known, err := w.withEntries(u)
		if err != nil {
			return err
		}
		s.known = known
		s.handsOver = known.HandsOver(s.before, w.plan.Settings.Names()) // before a newer choice clears it
	}
	refused, err := refusalOf(w.bring(ctx, s))
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

// bring brings both sides of a contact to what the rules decide. A refusal for what the
// data models are like has them read again, and the contact tried anew by what they say now.
func (w *contactWriter) bring(ctx context.Context, s *contactState) error {
	plan := w.fresh.Newest(w.plan)
	for {
		err := w.bringBy(ctx, s, plan)
		if apierr.ReasonOf(err) != apierr.ReasonSchema || apierr.ClassOf(err) == apierr.Retryable {
			return err
		}
		switch fresh, readErr := w.replan(ctx, plan, err); {
		case readErr != nil:
			return readErr
		case fresh == plan:
			return err
		default:
			plan = fresh
		}
	}
}

func (w *contactWriter) bringBy(ctx context.Context, s *contactState, plan *settingsPlan) error {
	sides := &contactSides{contactWriter: w, plan: plan, id: s.id}
	if s.known.Owes() && s.known.Dynamics == optout.Unseen { // no entry has told of the winner yet
		row, err := sides.ReadDynamics(ctx)
		if err != nil {
			return err
		}
		s.known.SeeDynamics(row)
	}
	look := given{New: w.in.Kind == activities.KindDelta && s.before.Campaign == optout.Unseen, Before: s.before}
	done, err := reconcile(ctx, s.known, w.policy(), w.plan.Settings.Names(), sides, look)
	s.out.merge(done)
	return err
}

// withEntries is what is known of a contact together with what its entries say.
func (w *contactWriter) withEntries(u *run.Unit[*contactState]) (*optout.Contact, error) {
	known := u.State.before.Clone()
	for _, i := range u.Entries {
		ahead, err := applyEntry(known, w.lane.Entries[i], w.o.Now())
		if err != nil {
			return nil, fmt.Errorf("entry %d of %s: %w", i, w.lane.ID, err)
		}
		w.warnAhead(w.lane.Entries[i].Key, ahead)
	}
	for _, pair := range u.State.owed {
		known.TakeOver(pair)
	}
	return known, nil
}

// refusalOf splits a failure into the refusal of a contact's choices and anything else.
func refusalOf(err error) (*apierr.Error, error) {
	fail, ok := errors.AsType[*apierr.Error](err)
	switch {
	case errors.Is(err, errNotKept):
		return &apierr.Error{Class: apierr.Rejected, Reason: apierr.ReasonRefused, Service: "dataverse", Op: "update contact",
			Message: "Dynamics accepted the value and does not hold it: a plug-in or process there decides otherwise"}, nil
	case errors.Is(err, errKeepsChanging):
		return nil, &apierr.Error{Class: apierr.Retryable, Reason: apierr.ReasonConflict, Service: "dataverse", Op: "update contact", Message: err.Error()}
	case ok && fail.Reason == apierr.ReasonSchema && fail.Class != apierr.Retryable: // it would come for every contact
		stop := *fail
		stop.Class = apierr.Blocked
		stop.Message += "; mend opt_out.pairs or the data model, then: causeway start optout"
		return nil, &stop
	case ok && fail.Class == apierr.Rejected:
		return fail, nil
	}
	return nil, err
}

// LastResort sets contacts aside that fail while the system that refuses them takes others.
func (w *contactWriter) LastResort(ctx context.Context, a *run.Attempt[*contactState], failed []*run.Unit[*contactState]) []*run.Unit[*contactState] {
	return a.SetAside(ctx, failed, w.o.SetAsideAfter, func(ctx context.Context, fail *apierr.Error) (err error) {
		if fail.Service == "dataverse" {
			_, err = w.o.Dynamics.WhoAmI(ctx)
		} else {
			_, err = w.o.Campaign.List(ctx, w.plan.resource(), campaign.ListOptions{Lines: 1})
		}
		return err
	})
}

// Refuse sets an entry aside at which the program failed. What was read of the contact is
// kept if that is possible, so that no choice is lost. It is tried again later, unless
// workers died at it.
func (w *contactWriter) Refuse(u *run.Unit[*contactState], entry int, why *apierr.Error) ledger.Result {
	e := w.lane.Entries[entry]
	r := refusedEntry(entry, e, why.Reason, why.Message)
	r.Quarantine.Payload = e.Raw
	if entry == u.Entries[len(u.Entries)-1] {
		if kept, ok := w.keepObserved(u, why.Reason != run.CodePoison); ok {
			r.OptOut = kept
		}
	}
	return r
}

// keepObserved is what to keep of a contact, with what was read of it; not ok when the
// program fails at that, too.
func (w *contactWriter) keepObserved(u *run.Unit[*contactState], again bool) (out *ledger.OptOutResult, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	known, err := w.withEntries(u)
	if err != nil {
		return nil, false
	}
	state := ledger.OptOut{Contact: u.State.id}
	if again {
		state.Waits, state.Due = ledger.WaitsForRetry, w.o.Now().UTC().Add(retryRefused)
	}
	state.Doc, err = json.Marshal(known)
	return w.handOver(u.State, known, state), err == nil
}

// Count counts in the metrics of the flow.
func (w *contactWriter) Count(what run.Happened, _ ...ledger.Result) {
	if what == run.Transient {
		w.metrics.transient.Inc(1)
	}
}

// results are the results of a contact's entries. The last one carries the contact's state
// and the evidence.
func (w *contactWriter) results(u *run.Unit[*contactState], known *optout.Contact, refused *apierr.Error) ([]ledger.Result, error) {
	now := w.o.Now().UTC()
	out := &u.State.out
	state := ledger.OptOut{Contact: u.State.id}
	outcome := ledger.Unchanged
	switch {
	case refused != nil:
		outcome, state.Waits, state.Due = ledger.Refused, ledger.WaitsForRetry, now.Add(retryRefused)
		out.refuse(known.Decide(w.policy(), w.plan.Settings.Names()))
	case out.Waits:
		outcome, state.Waits, state.Due = ledger.ParkedOut, ledger.WaitsForProfile, now
		if slices.ContainsFunc(u.Entries, func(i int) bool { return w.lane.Entries[i].Verdict == entryDue }) {
			state.Due = now.Add(retryMissingProfile) // it was said to be there, and is not
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
	last.OptOut = w.handOver(u.State, known, state)
	last.Resolve = refused == nil
	for _, d := range out.Decisions {
		last.OptOut.Decisions = append(last.OptOut.Decisions, evidence(d, now))
	}
	if refused != nil {
		last.Quarantine = &ledger.QuarantineItem{Key: u.State.id, Class: string(refused.Class), Code: refused.Reason, Field: refused.Field, Message: refused.Message}
	}
	return results, nil
}

// evidence is what the ledger keeps of a decision.
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

// knownContacts loads what is known of the contacts of entries.
func (a *Activities) knownContacts(ctx context.Context, entries []ledger.Entry) (map[string]*optout.Contact, error) {
	return a.contactsOfRun(ctx, entries, "")
}

// contactsOfRun is knownContacts, without what other runs than this one touched last; ""
// stands for any run.
func (a *Activities) contactsOfRun(ctx context.Context, entries []ledger.Entry, only string) (map[string]*optout.Contact, error) {
	ids := make([]string, 0, len(entries))
	for _, e := range entries {
		if _, refused := unreadable(e); !refused {
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
		if only != "" && o.Run != only {
			continue
		}
		c := &optout.Contact{}
		if err := json.Unmarshal(o.Doc, c); err != nil {
			return nil, fmt.Errorf("what is known of contact %s cannot be read: %w", id, err)
		}
		out[id] = c
	}
	return out, nil
}

// applyEntry adds what a staged entry says to what is known of a contact. ahead says that
// a date in it was not believed.
func applyEntry(c *optout.Contact, e ledger.Entry, now time.Time) (ahead bool, err error) {
	if e.Verdict == entryDue {
		if c.Campaign == optout.Gone {
			c.Campaign = optout.Unseen
		}
		return false, nil
	}
	var row stagedRow
	if err := json.Unmarshal(e.Raw, &row); err != nil {
		return false, fmt.Errorf("reading a staged row: %w", err)
	}
	if row.Dynamics != nil {
		ahead = row.Dynamics.Believe(now)
		c.SeeDynamics(*row.Dynamics)
	}
	if row.Campaign != nil {
		ahead = row.Campaign.Believe(now) || ahead
		c.SeeCampaign(*row.Campaign)
	}
	return ahead, nil
}

// warnAhead tells of a date that is not believed.
func (a *Activities) warnAhead(contact string, ahead bool) {
	if ahead {
		a.o.Logger.Warn("a choice is dated more than a day ahead; its date counts as unknown, so an opt-out on either side wins", "flow", activities.FlowOptOut, "record_id", contact)
	}
}
