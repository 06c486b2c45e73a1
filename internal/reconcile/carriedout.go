package reconcile

// CarriedOut says that Campaign shows a record as an action would have left it, of
// those that Calls gives. An update counts only where Campaign differs from what was
// written before: else nothing shows that it was made.
func (r *Rules) CarriedOut(a *Action, e *Entry, there *Target) bool {
	switch a.Kind {
	case Delete:
		return there.Payload == nil
	case Create:
		return there.Payload != nil && !r.drifts(a, there)
	case Update:
		if there.Payload == nil || r.drifts(a, there) { // gone, or somebody else's
			return false
		}
		_, fields := r.Mapper.Drift(e.Last, there.Payload)
		return len(fields) > 0
	}
	return false
}

func (r *Rules) drifts(a *Action, there *Target) bool {
	_, fields := r.Mapper.Drift(a.Payload, there.Payload)
	return len(fields) > 0
}
