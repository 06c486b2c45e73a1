package optout

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Systems are the two records of one contact, as Carry reads and writes them.
type Systems interface {
	// ReadCampaign reads the profile; without one, the row is Gone.
	ReadCampaign(ctx context.Context) (CampaignRow, error)
	// WriteCampaign sets the opt-outs that go ToCampaign; false without a profile.
	// Like WriteDynamics it fails with ErrRefused when the system will not have them.
	WriteCampaign(ctx context.Context, decisions []Decision) (bool, error)
	// ReadDynamics reads the contact; without one, the row is Gone.
	ReadDynamics(ctx context.Context) (DynamicsRow, error)
	// WriteDynamics sets the values that go ToDynamics in the version named, and
	// returns the row it made, or a row that is Gone; ErrChanged when that version is
	// not there any more.
	WriteDynamics(ctx context.Context, version string, decisions []Decision) (DynamicsRow, error)
	// Now is the time, less what the clocks may differ by.
	Now() time.Time
}

var (
	// ErrChanged is returned by Systems when the contact is not as it was seen.
	ErrChanged = errors.New("the contact has changed since it was read")
	// ErrRefused is returned by Systems when another try of this write is of no use.
	ErrRefused = errors.New("refused")
	// ErrNotKept says that Dynamics took a write and holds something else: a plug-in
	// of its own decides.
	ErrNotKept = errors.New("dynamics accepted the value and does not hold it")
	// ErrKeepsChanging says that the contact kept changing while it was to be written.
	ErrKeepsChanging = errors.New("the contact changed at each try to write it")
)

// Carried is what became of a contact.
type Carried struct {
	Decisions                    []Decision // those that wrote, wait, or rest on something new
	WroteDynamics, WroteCampaign bool
	Waits                        bool // an opt-out waits for its profile
}

const carryTries = 8

// Look says what Carry may assume.
type Look struct {
	Fresh bool // what is known of the profile was read just now
	New   bool // look for the profile of a contact of which nothing is known
	// Before is what was known before the latest sightings; nil: what is known now.
	Before *Contact
}

// Carry brings both systems to what the rules say of a contact and notes it in c.
// Before anything is written, the profile is read and the contact's version is
// checked, so that nobody's latest choice is overwritten unseen. It can be repeated
// after any failure; what was written until then is noted. A choice that is refused
// holds no other up: Carry fails with it when the others are carried.
func (c *Contact) Carry(ctx context.Context, p Policy, pairs []string, s Systems, look Look) (*Carried, error) {
	out, before := &Carried{}, look.Before
	if before == nil {
		before = c.Clone()
	}
	w := &writer{c: c, s: s, out: out}
	for range carryTries {
		decisions := w.open(c.Decide(p, pairs))
		unseen := look.New && p.Mode == Bidirectional && c.Campaign == Unseen && c.Dynamics == Here
		switch {
		case !look.Fresh && (Due(decisions) || unseen):
			row, err := s.ReadCampaign(ctx)
			if err != nil {
				return out, err
			}
			c.SeeCampaign(row)
			look.Fresh = true
			continue
		case !Due(decisions):
			c.Settle(w.accepted(decisions))
			out.Waits = Waiting(decisions)
			out.note(before, c, decisions)
			return out, w.refusal()
		}
		if err := w.write(ctx, decisions); err != nil && !errors.Is(err, ErrChanged) {
			return out, err
		}
	}
	return out, ErrKeepsChanging
}

// Merge adds what a further try did.
func (o *Carried) Merge(more *Carried) {
	o.WroteDynamics = o.WroteDynamics || more.WroteDynamics
	o.WroteCampaign = o.WroteCampaign || more.WroteCampaign
	o.Waits = more.Waits
	o.add(more.Decisions, func(Decision) bool { return true })
}

// Refuse notes that the decisions that are due could not be carried out.
func (o *Carried) Refuse(decisions []Decision) {
	for _, d := range decisions {
		if d.ToDynamics || d.ToCampaign {
			d.Refused = true
			o.Decisions = append(slices.DeleteFunc(o.Decisions, func(have Decision) bool { return have.Pair == d.Pair }), d)
		}
	}
}

// add keeps decisions that wrote; one pair may write both sides.
func (o *Carried) add(decisions []Decision, wrote func(Decision) bool) {
	for _, d := range decisions {
		if !wrote(d) {
			continue
		}
		if i := slices.IndexFunc(o.Decisions, func(have Decision) bool { return have.Pair == d.Pair }); i >= 0 {
			d.ToDynamics = d.ToDynamics || o.Decisions[i].ToDynamics
			d.ToCampaign = d.ToCampaign || o.Decisions[i].ToCampaign
			o.Decisions[i] = d
			continue
		}
		o.Decisions = append(o.Decisions, d)
	}
}

// note adds the decisions that wrote nothing, where a side has chosen anew.
func (o *Carried) note(before, after *Contact, decisions []Decision) {
	for _, d := range decisions {
		if slices.ContainsFunc(o.Decisions, func(have Decision) bool { return have.Pair == d.Pair }) {
			continue
		}
		was, is := before.Pair(d.Pair), after.Pair(d.Pair)
		if d.Waits && !(before.Campaign == Gone && was.Dynamics == is.Dynamics) || anew(was.Dynamics, is.Dynamics) || anew(was.Campaign, is.Campaign) {
			o.Decisions = append(o.Decisions, d)
		}
	}
}

// anew says that another choice was seen; the first one counts when it is an opt-out.
func anew(was, is Side) bool {
	return is.Known && was.Out != is.Out || is.Out && !was.Known
}
