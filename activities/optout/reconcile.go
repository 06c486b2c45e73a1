package optout

import (
	"context"
	"errors"
	"slices"
	"time"

	"causeway.dev/internal/optout"
)

// systems is how reconcile reads and writes the two records of one contact.
type systems interface {
	// ReadCampaign reads the profile; without one, the row is Gone.
	ReadCampaign(ctx context.Context) (optout.CampaignRow, error)
	// WriteCampaign sets the opt-outs that go ToCampaign; false without a profile.
	// Like WriteDynamics it fails with errRefused when the system will not have them.
	WriteCampaign(ctx context.Context, decisions []optout.Decision) (bool, error)
	// ReadDynamics reads the contact; without one, the row is Gone.
	ReadDynamics(ctx context.Context) (optout.DynamicsRow, error)
	// WriteDynamics sets the values that go ToDynamics in the version named, and
	// returns the row it made, or a row that is Gone; errChanged when that version is
	// not there any more.
	WriteDynamics(ctx context.Context, version string, decisions []optout.Decision) (optout.DynamicsRow, error)
	// Now is the time, less what the clocks may differ by.
	Now() time.Time
}

var (
	// errChanged is returned by systems when the contact is not as it was seen.
	errChanged = errors.New("the contact has changed since it was read")
	// errRefused is returned by systems when another try of this write is of no use.
	errRefused = errors.New("refused")
	// errNotKept says that Dynamics accepted a write and holds something else, as a
	// plug-in there decides.
	errNotKept = errors.New("dynamics accepted the value and does not hold it")
	// errKeepsChanging says that the contact kept changing while it was to be written.
	errKeepsChanging = errors.New("the contact changed at each try to write it")
)

// reconciled is what became of a contact.
type reconciled struct {
	Decisions                    []optout.Decision // those that wrote, wait, or rest on something new
	WroteDynamics, WroteCampaign bool
	Waits                        bool // an opt-out waits for its profile
}

const maxReconcileTries = 8

// given is what reconcile may take for granted.
type given struct {
	Fresh bool // what is known of the profile was read just now
	New   bool // the contact may have a profile of which nothing is known: read it
	// Before is what was known before the entries of the lane; nil: what is known now.
	Before *optout.Contact
}

// reconcile brings both systems to what the rules decide about a contact, and keeps in c
// what they hold. Before anything is written, the profile is read and the contact's
// version is checked, so that nobody's latest choice is overwritten unseen. It can be
// repeated after any failure, with the c that it left. A choice that is refused holds no
// other up: reconcile fails with the refusal after the others are written.
func reconcile(ctx context.Context, c *optout.Contact, p optout.Policy, pairs []string, s systems, look given) (*reconciled, error) {
	out, before := &reconciled{}, look.Before
	if before == nil {
		before = c.Clone()
	}
	w := &decisionWriter{c: c, s: s, out: out}
	for range maxReconcileTries {
		decisions := w.withoutRefused(c.Decide(p, pairs))
		unseen := look.New && p.Mode == optout.Bidirectional && c.Campaign == optout.Unseen && c.Dynamics == optout.Here
		switch {
		case !look.Fresh && (optout.NeedWrite(decisions) || unseen):
			row, err := s.ReadCampaign(ctx)
			if err != nil {
				return out, err
			}
			c.SeeCampaign(row)
			look.Fresh = true
			continue
		case !optout.NeedWrite(decisions):
			c.ClearDue(w.acceptedDecisions(decisions))
			out.Waits = optout.Waiting(decisions)
			out.addChosenAnew(before, c, decisions)
			return out, w.refusal()
		}
		if err := w.write(ctx, decisions); err != nil && !errors.Is(err, errChanged) {
			return out, err
		}
	}
	return out, errKeepsChanging
}

// merge adds what another try did.
func (o *reconciled) merge(more *reconciled) {
	o.WroteDynamics = o.WroteDynamics || more.WroteDynamics
	o.WroteCampaign = o.WroteCampaign || more.WroteCampaign
	o.Waits = more.Waits
	o.add(more.Decisions, func(optout.Decision) bool { return true })
}

// refuse marks the decisions that still call for a write as refused.
func (o *reconciled) refuse(decisions []optout.Decision) {
	for _, d := range decisions {
		if d.ToDynamics || d.ToCampaign {
			d.Refused = true
			o.Decisions = append(slices.DeleteFunc(o.Decisions, func(have optout.Decision) bool { return have.Pair == d.Pair }), d)
		}
	}
}

// add keeps decisions that wrote; one pair may write both sides.
func (o *reconciled) add(decisions []optout.Decision, wrote func(optout.Decision) bool) {
	for _, d := range decisions {
		if !wrote(d) {
			continue
		}
		if i := slices.IndexFunc(o.Decisions, func(have optout.Decision) bool { return have.Pair == d.Pair }); i >= 0 {
			d.ToDynamics = d.ToDynamics || o.Decisions[i].ToDynamics
			d.ToCampaign = d.ToCampaign || o.Decisions[i].ToCampaign
			o.Decisions[i] = d
			continue
		}
		o.Decisions = append(o.Decisions, d)
	}
}

// addChosenAnew adds decisions that wrote nothing and rest on a new choice.
func (o *reconciled) addChosenAnew(before, after *optout.Contact, decisions []optout.Decision) {
	for _, d := range decisions {
		if slices.ContainsFunc(o.Decisions, func(have optout.Decision) bool { return have.Pair == d.Pair }) {
			continue
		}
		was, is := before.Pair(d.Pair), after.Pair(d.Pair)
		if d.Waits && !(before.Campaign == optout.Gone && was.Dynamics == is.Dynamics) || choseAnew(was.Dynamics, is.Dynamics) || choseAnew(was.Campaign, is.Campaign) {
			o.Decisions = append(o.Decisions, d)
		}
	}
}

// choseAnew says whether a side shows another choice than before. The first one that is
// seen counts if it is an opt-out.
func choseAnew(was, is optout.Side) bool {
	return is.Known && was.Out != is.Out || is.Out && !was.Known
}
