package optout

import (
	"slices"
	"strings"
	"time"
)

// Presence says whether a system has a contact's record.
type Presence string

// Presence of a record.
const (
	Unseen Presence = ""     // nobody has looked
	Here   Presence = "here" // it was there when last looked at
	Gone   Presence = "gone" // it was looked for and not found, or was deleted
)

// Contact is what is known of the choices of one contact. Its JSON is kept in the
// ledger.
type Contact struct {
	Dynamics Presence  `json:"d,omitempty"`
	Version  string    `json:"v,omitempty"` // of the Dynamics row last seen or written
	Campaign Presence  `json:"c,omitempty"`
	Seen     time.Time `json:"s,omitzero"`  // what is known of the profile is at least as recent
	Pairs    []Pair    `json:"p,omitempty"` // in order of Name
}

// Pair is one choice on both sides.
type Pair struct {
	Name     string `json:"n"` // says which attribute and which column, see PairName
	Dynamics Side   `json:"d,omitzero"`
	Campaign Side   `json:"c,omitzero"`
}

// PairName names a pair by its canonical Campaign attribute and Dynamics column,
// so that what is known of one column is never taken for another.
func PairName(attribute, column string, inverted bool) string {
	if inverted {
		return attribute + "=!" + column
	}
	return attribute + "=" + column
}

// DynamicsRow is a contact as Dynamics has it.
type DynamicsRow struct {
	Version  string
	Modified time.Time // of the record: whole seconds
	Gone     bool
	// Values by pair; nil means that the row holds none, a missing pair that it
	// was not read.
	Values map[string]*bool
}

// CampaignRow is a profile as Campaign has or had it.
type CampaignRow struct {
	Gone bool
	Live bool // it was read just now
	// AsOf is when the profile surely was so, or later: when it was read, or, of an
	// exported row, when the profile had last changed. Zero: unknown.
	AsOf time.Time
	// Within is by how much AsOf may be off, because it is by Campaign's clock.
	Within time.Duration
	// Made is when the profile was created, where that is told; a later one than is
	// known was made anew.
	Made   time.Time
	Values map[string]CampaignValue // by pair; what is missing was not told
}

// CampaignValue is one attribute and the stamp of its last change; zero: unknown.
type CampaignValue struct {
	Out bool
	At  time.Time
}

// pair finds or makes a pair. The pointer is good until the next call.
func (c *Contact) pair(name string) *Pair {
	i, found := slices.BinarySearchFunc(c.Pairs, name, func(p Pair, n string) int { return strings.Compare(p.Name, n) })
	if !found {
		c.Pairs = slices.Insert(c.Pairs, i, Pair{Name: name})
	}
	return &c.Pairs[i]
}

// Pair returns what is known of a pair.
func (c *Contact) Pair(name string) Pair {
	for _, p := range c.Pairs {
		if p.Name == name {
			return p
		}
	}
	return Pair{Name: name}
}

// Clone copies a contact.
func (c *Contact) Clone() *Contact {
	out := *c
	out.Pairs = slices.Clone(c.Pairs)
	return &out
}

// Agrees says that a later view of the contact tells nothing that has to be noted:
// the same choices, or none but a newer stamp on what both sides hold already, as
// our own writes have it. Where Campaign is not written, such a stamp is somebody's:
// Dynamics may have changed unseen, and the later choice is Campaign's.
func (c *Contact) Agrees(p Policy, later *Contact) bool {
	if c.Dynamics != later.Dynamics || c.Version != later.Version || c.Campaign != later.Campaign || len(c.Pairs) != len(later.Pairs) {
		return false
	}
	for i, was := range c.Pairs {
		l := later.Pairs[i]
		restamped := p.Mode == Bidirectional && was.Campaign.Known && !was.Campaign.Empty && l.Campaign.Known && !l.Campaign.Empty && was.Campaign.Out == l.Campaign.Out &&
			was.Dynamics.Known && !was.Dynamics.Empty && was.Dynamics.Out == was.Campaign.Out
		if was.Name != l.Name || was.Dynamics != l.Dynamics || was.Campaign != l.Campaign && !restamped {
			return false
		}
	}
	return true
}

// SeeDynamics takes in what Dynamics shows of a contact. A version that is known
// already, ours or another's, tells nothing new of the pairs that were read with it;
// of pairs that were not read with a new one, nothing is known any more.
func (c *Contact) SeeDynamics(row DynamicsRow) {
	if row.Gone {
		c.Dynamics, c.Version = Gone, ""
		return
	}
	echo := row.Version != "" && row.Version == c.Version
	c.Dynamics, c.Version = Here, row.Version
	for i := range c.Pairs {
		if _, read := row.Values[c.Pairs[i].Name]; !read && !echo {
			c.Pairs[i].Dynamics = Side{}
		}
	}
	for name, v := range row.Values {
		side := &c.pair(name).Dynamics
		switch {
		case v == nil:
			side.Empty = side.Known
		case echo && side.Known && !side.Empty:
		case !side.Known, side.Empty, side.Out != *v:
			*side = Side{Known: true, Out: *v, At: row.Modified, Since: row.Modified}
		default:
			side.At = row.Modified
		}
	}
}

// MayHaveChosen notes that a row has changed between two looks and that nobody saw
// how: an opt-out may have been taken back and chosen again.
func (c *Contact) MayHaveChosen(row DynamicsRow) {
	for name, v := range row.Values {
		if v != nil && *v {
			c.pair(name).Dynamics.Since = row.Modified
		}
	}
}

// SeeCampaign takes in what Campaign shows of a profile, in whatever order files
// and answers arrive.
func (c *Contact) SeeCampaign(row CampaignRow) {
	newest := row.Live || !row.AsOf.IsZero() && !row.AsOf.Before(c.Seen)
	// Of two that are about as old, nobody knows the later one.
	tie := !row.Live && !row.AsOf.After(c.Seen.Add(2*row.Within))
	if !c.Seen.IsZero() && row.Made.After(c.Seen) {
		c.lose(newest)
	}
	if row.AsOf.After(c.Seen) {
		c.Seen = row.AsOf
	}
	if row.Gone {
		c.lose(newest)
		return
	}
	if newest || c.Campaign == Unseen {
		c.Campaign = Here
	}
	for name, v := range row.Values {
		side := &c.pair(name).Campaign
		side.see(v, newest, tie)
		side.Empty = side.Empty || c.Campaign == Gone
	}
}

// lose notes that there is no profile. What it chose stays known: a profile made
// anew may have to hold it again.
func (c *Contact) lose(newest bool) {
	if !newest {
		return
	}
	c.Campaign = Gone
	for i := range c.Pairs {
		c.Pairs[i].Campaign.Empty = c.Pairs[i].Campaign.Known
	}
}

// see takes in one value. Stamps say which of two is the later choice; without
// them, the later sighting counts, and is of unknown age. A profile that was made
// anew or restored does not hold the opt-out any more that somebody chose, and
// nobody has taken it back: what tells is a stamp that is gone, or went back.
func (s *Side) see(v CampaignValue, newest, tie bool) {
	undated := v.At.IsZero()
	older := !undated && v.At.Before(s.At)
	unchosen := tie || s.Empty || !s.At.IsZero()
	if newest {
		s.Empty = false
	}
	switch {
	case !s.Known:
		*s = Side{Known: true, Out: v.Out, At: v.At, Due: true, First: true}
	case older && !newest: // a late file, or one read again
	case undated || older:
		switch {
		case v.Out == s.Out, !v.Out && !newest:
		case !v.Out && unchosen:
			s.Empty = true
		default: // never dated, or Campaign was restored
			*s = Side{Known: true, Out: v.Out, Due: true}
		}
	case v.At.Equal(s.At) && (v.Out == s.Out || s.Out && !newest): // known, or what we have replaced since
	default:
		*s = Side{Known: true, Out: v.Out, At: v.At, Due: true}
	}
}
