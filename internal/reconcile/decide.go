package reconcile

import "causeway.dev/internal/apierr"

// Decide says what is to be done about a record now, or which fact it needs to say
// so. It is asked again with that fact, and again with what Campaign answered.
func (r *Rules) Decide(k *Known, e *Entry, f *Facts) Action {
	if f.Refusal != nil {
		return r.refused(k, e, f)
	}
	a := r.Calls(k, e, f.Lost)
	switch a.Kind {
	case Delete:
		return r.remove(a, k, e, f)
	case Create, Update:
		if wait, waits := r.waits(a, k, e, f); waits {
			return wait
		}
		return r.write(a, k, e, f)
	}
	return a
}

// Calls says what the source calls for, whatever stands in the way and whatever
// Campaign holds. With anew, what was written before does not count: Campaign has
// lost it, or part of it.
func (r *Rules) Calls(k *Known, e *Entry, anew bool) Action {
	switch {
	case e.Deleted && !r.ApplyDeletes:
		return Action{Kind: LeaveOut, Why: DeletesOff} // R14.2
	case e.Deleted && k.Hidden:
		return Action{Kind: Delete, Why: DeletedInSource}
	case e.Deleted && !k.Held(): // created and deleted before anybody looked
		return Action{Kind: Nothing, Why: NeverHeld}
	case e.Deleted:
		return Action{Kind: Delete, Why: DeletedInSource}
	case e.Merged && (k.Held() || k.Hidden):
		return Action{Kind: Delete, Why: WasMerged, Rule: e.Rule}
	case e.Rule != "" && (k.Held() || k.Hidden) && r.DeleteUnmatched:
		return Action{Kind: Delete, Why: ByFilter, Rule: e.Rule}
	case e.Rule != "":
		return Action{Kind: LeaveOut, Why: ByFilter, Rule: e.Rule} // R13.8
	case e.Refused != nil:
		return Action{Kind: Refuse, Why: NotMappable, Refusal: Refusal{Reason: e.Refused.Reason, Message: e.Refused.Error(), Field: e.Refused.To}}
	case !k.Held() && k.Lost && r.LeaveErased:
		return Action{Kind: LeaveOut, Why: Erased, Rule: RuleErased}
	case !k.Held() && k.Lost:
		return Action{Kind: Create, Why: LostInTarget, Payload: e.Whole}
	case !k.Held():
		return Action{Kind: Create, Why: IsNew, Payload: e.Whole}
	case anew:
		return Action{Kind: Create, Why: LostInTarget, Payload: e.Whole}
	case e.Same:
		return Action{Kind: Unchanged, Why: SameAsWritten}
	}
	return Action{Kind: Update, Why: HasChanged, Payload: e.Change}
}

// waits says whether a write waits for a parent. What was parked is not tried again
// while one is missing: that would cost calls and end the same.
func (r *Rules) waits(a Action, k *Known, e *Entry, f *Facts) (Action, bool) {
	for _, link := range r.Mapper.Links(e.Whole) {
		if link.Required && !f.Parents[link] {
			return Action{Kind: Park, Why: ParentRequired, Link: link}, true // R17.7
		}
	}
	if !k.Parked {
		return a, false
	}
	return f.Wanted.park(a, WantedParents, StillWaits)
}

// park turns an action into waiting for the parent that is missing, if one is; it
// needs the answer whether one is.
func (p *Parents) park(a Action, fact Fact, why Why) (Action, bool) {
	switch {
	case !p.Asked:
		a.Needs = fact
		return a, true
	case p.Missing:
		return Action{Kind: Park, Why: why, Link: p.Link, Rule: a.Rule}, true
	}
	return a, false
}

// write brings a record to what the source says, with as few calls as the ledger
// allows. What is new is created without asking; Campaign is looked at when it may
// have the record already.
func (r *Rules) write(a Action, k *Known, e *Entry, f *Facts) Action {
	if a.Kind == Update {
		if a.Body, a.Changed = e.Change.Diff(e.Last); len(a.Changed) == 0 {
			return Action{Kind: Unchanged, Why: NoFieldDiffers, Payload: e.Change}
		}
	}
	switch {
	case f.KeyTaken && f.Target.lacks():
		return r.orphan(k, f, Action{Kind: Refuse, Why: KeyIsHidden, Refusal: Refusal{Reason: apierr.ReasonConflict,
			Message: "the key is taken, yet the record cannot be read; in Campaign it may wait for a parent that does not exist"}})
	case f.Target.lacks() && a.Kind == Update && r.LeaveErased:
		out := Action{Kind: LeaveOut, Why: Erased, Rule: RuleErased}
		if wait, waits := r.hides(out, f); waits {
			return wait
		}
		return out
	case f.Target.lacks() && a.Kind == Update: // somebody deleted it in Campaign; Dynamics is the source of truth (R2.1)
		return Action{Kind: Create, Why: LostInTarget, Payload: e.Whole}
	case f.Target.lacks():
		return a
	case a.Kind == Update && !f.KeyTaken:
		return r.update(a, k, e, f)
	case f.Target.Asked:
		return r.adopt(k, e, f)
	case f.KeyTaken || f.Ambiguous || f.Lost:
		return Action{Kind: Adopt, Why: KeyIsThere, Payload: e.Whole, Needs: TargetRecord}
	}
	return a
}

// update sends the fields that differ from what was last written. What Campaign
// holds in fields that are new in the mapping is somebody else's: it is read and
// kept first, and an opt-out among it stays.
func (r *Rules) update(a Action, k *Known, e *Entry, f *Facts) Action {
	if k.Own || !r.Mapper.HasNewFields(e.Last) {
		return a
	}
	a.Why = HasNewFields
	if !f.Target.Asked {
		a.Needs = TargetRecord
		return a
	}
	held, wish := r.Mapper.FillNewFields(e.Change, e.Last, f.Target.Payload)
	a.Before = held.Canonical()
	a.Body, _ = wish.Diff(e.Last)
	return a
}

// adopt takes over a record that Campaign has: an earlier write of ours, or one with
// a matching key from before the integration (R2.6, R2.7).
func (r *Rules) adopt(k *Known, e *Entry, f *Facts) Action {
	a := Action{Kind: Adopt, Why: KeyIsThere, Payload: e.Whole}
	wish := e.Whole
	if !r.ClearOptOuts && !k.Held() {
		// Who unsubscribed before the integration came stays so until Dynamics
		// says otherwise by a change.
		wish = r.Mapper.KeepOptOuts(wish, f.Target.Payload)
	}
	if a.Body, a.Changed = wish.Diff(f.Target.Payload); len(a.Changed) > 0 {
		a.Before = f.Target.Payload.Canonical()
		return a
	}
	if a.Done = true; (f.Ambiguous || f.Retried) && f.Target.Ours {
		a.Kind, a.Why = Create, IsNew
	}
	return a
}

// hides says whether an action waits because Campaign may hide the record that it does not
// show: it hides one whose parent is missing, which is not gone.
func (r *Rules) hides(a Action, f *Facts) (Action, bool) {
	if !r.Mapper.HasLinks() {
		return a, false
	}
	if wait, waits := f.Held.park(a, HeldParents, HiddenByTarget); waits {
		return wait, true
	}
	// Somebody may have deleted its parent in Campaign, and the ledger does not know.
	return f.Shown.park(a, ShownParents, HiddenByTarget)
}

// remove says whether a delete may be carried out.
func (r *Rules) remove(a Action, k *Known, e *Entry, f *Facts) Action {
	if f.Target.lacks() { // R14.5
		if wait, waits := r.hides(a, f); waits {
			return wait
		}
		a.Done = true
		return a
	}
	w := &f.Waits
	if k.Hidden || w.For == ForParent && w.Deleted == e.Deleted && (e.Deleted || w.Version == e.Version) { // it was found hidden
		if wait, waits := f.Held.park(a, HeldParents, StillWaits); waits {
			return wait
		}
	}
	switch {
	case k.Hidden: // the guard counts what the ledger knows to be there
		return a
	case f.Guard == GuardUnasked:
		a.Needs = GuardOpen
		return a
	case f.Guard == GuardForbids && !(w.Ready && w.For != ForParent):
		return Action{Kind: HoldBack, Why: GuardIsClosed, Rule: a.Rule}
	case f.Children && !(w.Ready && w.For == ForChildren): // their own deletes are on their way
		return Action{Kind: HoldBack, Why: ChildrenFirst, Rule: a.Rule}
	}
	return a
}

// refused says what becomes of a record that Campaign refused.
func (r *Rules) refused(k *Known, e *Entry, f *Facts) Action {
	fail := f.Refusal
	a := Action{Kind: Refuse, Why: TargetRefused, Refusal: Refusal{Reason: fail.Reason, Message: fail.Message, Field: fail.Field}}
	switch {
	case fail.Reason == apierr.ReasonSchema:
		a.Kind, a.Why = Stop, SchemaChanged // every record would be refused for it (R8.18)
		return a
	case e.Whole != nil && (fail.Reason == apierr.ReasonNotFound || fail.Reason == apierr.ReasonConflict):
		return r.orphan(k, f, a)
	}
	return a
}

// orphan is for a refusal that may be for want of a parent: Campaign does not find
// the target of a link, or hides the record itself, whose key is then taken although
// it cannot be read (docs/protocol/campaign.md §4.4). What hides it is the parent
// that it has there, which may be another than the one it is to have.
func (r *Rules) orphan(k *Known, f *Facts, a Action) Action {
	a.Orphan = true
	if !r.Mapper.HasLinks() {
		return a
	}
	if wait, waits := f.Wanted.park(a, WantedParents, HiddenByTarget); waits {
		return wait
	}
	if k.Held() || k.Hidden {
		if wait, waits := f.Held.park(a, HeldParents, HiddenByTarget); waits {
			return wait
		}
	}
	if f.KeyTaken { // it is there and hidden: somebody may have deleted a parent in Campaign
		if wait, waits := f.Shown.park(a, ShownParents, HiddenByTarget); waits {
			return wait
		}
	}
	return a
}
