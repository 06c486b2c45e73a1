package optout

import "time"

// FarAhead is how far ahead of our clock a choice may be dated and be believed. One that
// is dated in the year 9999 would win for ever, and a profile last changed then would
// never be seen to change again.
const FarAhead = 24 * time.Hour

// Believe takes the dates that are far ahead for unknown, so that none wins by its date,
// and an opt-out on either side does. It returns whether there was one.
func (r *CampaignRow) Believe(now time.Time) (ahead bool) {
	limit := now.Add(FarAhead)
	for _, at := range []*time.Time{&r.AsOf, &r.Made} {
		ahead = forget(at, limit) || ahead
	}
	for name, v := range r.Values {
		if forget(&v.At, limit) {
			r.Values[name], ahead = v, true
		}
	}
	return ahead
}

// Believe is the same for a contact in Dynamics.
func (r *DynamicsRow) Believe(now time.Time) (ahead bool) {
	return forget(&r.Modified, now.Add(FarAhead))
}

func forget(at *time.Time, limit time.Time) bool {
	if !at.After(limit) {
		return false
	}
	*at = time.Time{}
	return true
}
