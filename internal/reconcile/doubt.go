package reconcile

import (
	"fmt"
	"slices"
	"time"

	"causeway.dev/internal/mapping"
)

// clockSkew is how far Campaign's clock may differ from ours when its stamps are compared
// with our times.
const clockSkew = 2 * time.Minute

// Doubt is why Campaign may hold something else of a record than the ledger says.
type Doubt struct {
	// Requests of which nobody knows the end may have had an effect late.
	Requests bool
	Sent     []*mapping.Payload // what those carried that create or change it; nil: not known
	Since    time.Time          // none is older
	// Without Requests, its parent was created anew: Campaign may have removed the record
	// with its parent, or taken the parent out of it. Other fields are not in doubt.
}

// Looked is what a look at a doubtful record brought.
type Looked struct {
	Known          // what the ledger is to hold of it
	Differs   bool // from what it holds
	Created   bool // a late request has created it
	LinksLost bool // Campaign does not hold it, or not with its links
}

// Look compares a doubtful record, as Campaign shows it, with what the ledger holds. It
// is decided about with what it returns.
func (r *Rules) Look(k *Known, there *Target, d *Doubt) (Looked, error) {
	out := Looked{Known: *k}
	switch {
	case there.lacks():
		out.LinksLost, out.Differs = k.Held(), k.Held()
		return out, nil
	case !k.Held():
		if out.Created = d.created(there); out.Created {
			out.hold(there.Payload)
		}
		return out, nil
	}
	last, err := mapping.ParsePayload(k.Payload)
	if err != nil {
		return out, fmt.Errorf("what was written last: %w", err)
	}
	if !d.Requests {
		out.LinksLost = !slices.Equal(r.Mapper.Links(there.Payload), r.Mapper.Links(last))
		return out, nil
	}
	if held, fields := r.Mapper.DriftBy(last, there.Payload, d.Sent); len(fields) > 0 {
		out.hold(held)
	}
	return out, nil
}

func (l *Looked) hold(p *mapping.Payload) {
	l.Payload, l.Fingerprint, l.Differs = p.Canonical(), p.Fingerprint(), true
}

// created says that a doubtful request has created what Campaign shows. Else it was there
// before, or somebody made it in Campaign. A delete creates nobody. A custom resource may
// have no stamp: then it is ours if it holds what a request carried.
func (d *Doubt) created(there *Target) bool {
	if !there.Created.IsZero() {
		return len(d.Sent) > 0 && there.Created.After(d.Since.Add(-clockSkew))
	}
	return slices.ContainsFunc(d.Sent, func(sent *mapping.Payload) bool {
		if sent == nil {
			return false
		}
		_, differs := sent.Diff(there.Payload)
		return len(differs) == 0
	})
}
