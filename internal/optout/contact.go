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
	Unseen Presence = ""     // not read yet
	Here   Presence = "here" // it was there at the last read
	Gone   Presence = "gone" // it was not found at the last read, or was deleted
)

// Contact is what is known of the choices of one contact. The ledger keeps it as
// JSON.
type Contact struct {
	Dynamics Presence  `json:"d,omitempty"`
	Version  string    `json:"v,omitempty"` // of the Dynamics row that was last read or written
	Campaign Presence  `json:"c,omitempty"`
	Seen     time.Time `json:"s,omitzero"`  // the newest moment for which the profile is known
	Pairs    []Pair    `json:"p,omitempty"` // in order of Name
	// Winner is the contact that Dynamics merged this one into; "" when it did not.
	Winner string `json:"w,omitempty"`
}

// Pair is one choice on both sides.
type Pair struct {
	Name     string `json:"n"` // attribute and column, see PairName
	Dynamics Side   `json:"d,omitzero"`
	Campaign Side   `json:"c,omitzero"`
	// Owed says that the contact has an opt-out from one that was merged into it, which
	// one of the systems does not hold yet.
	Owed bool `json:"o,omitempty"`
}

// PairName names a pair by its canonical Campaign attribute and its Dynamics column.
// An operator may pair an attribute with another column later; what was known of
// the old column is then not taken for the new one.
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
	Winner   string // the contact that it was merged into; "" when it was not
	// Values by pair. nil means that the column is empty; a missing pair means that
	// the column was not read.
	Values map[string]*bool
}

// CampaignRow is a profile as Campaign has or had it.
type CampaignRow struct {
	Gone bool
	Live bool // it was read just now
	// AsOf is a moment at which the profile certainly held these values. For a read
	// it is the time of the read; for an exported row, the profile's last change.
	// Zero means unknown.
	AsOf time.Time
	// Within is how far AsOf may be off, because it is by Campaign's clock.
	Within time.Duration
	// Made is when the profile was created, where the source says it. If it is later
	// than Contact.Seen, the profile that we knew was deleted and created again.
	Made time.Time
	// Winner is the contact whose person the profile is of, where the profile has a key of
	// its own; "" for the contact's own profile.
	Winner string
	Values map[string]CampaignValue // by pair; a missing pair was not read
}

// CampaignValue is the value of one attribute and when it last changed; zero means
// unknown.
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

// NothingNew says that a later view of the contact holds no news, so that it need
// not be stored. Either all is equal, or only the date of a value in Campaign is
// newer that both sides hold already: our own write sets such a date.
//
// In mode campaign_to_dynamics we do not write to Campaign, so there a newer date
// is a choice that somebody made. It counts, because Dynamics may have changed
// unseen meanwhile.
func (c *Contact) NothingNew(p Policy, later *Contact) bool {
	if c.Winner != later.Winner || c.Dynamics != later.Dynamics || c.Version != later.Version || c.Campaign != later.Campaign || len(c.Pairs) != len(later.Pairs) {
		return false
	}
	for i, was := range c.Pairs {
		l := later.Pairs[i]
		restamped := p.Mode == Bidirectional && was.Campaign.Known && !was.Campaign.Empty && l.Campaign.Known && !l.Campaign.Empty && was.Campaign.Out == l.Campaign.Out &&
			was.Dynamics.Known && !was.Dynamics.Empty && was.Dynamics.Out == was.Campaign.Out
		if was.Name != l.Name || was.Owed != l.Owed || was.Dynamics != l.Dynamics || was.Campaign != l.Campaign && !restamped {
			return false
		}
	}
	return true
}

// SeeDynamics takes in a contact as Dynamics has it. A version that is known
// already brings no news for the pairs that were read with it, whoever made it. A
// new version that was read without some pair makes that pair unknown.
func (c *Contact) SeeDynamics(row DynamicsRow) {
	if row.Gone {
		c.Dynamics, c.Version = Gone, ""
		return
	}
	c.Winner = row.Winner
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

// ChangedUnseen is called when a row has changed between two reads. An opt-out in it
// may have been cleared and chosen again in between, so it counts as chosen at the
// row's last edit.
func (c *Contact) ChangedUnseen(row DynamicsRow) {
	for name, v := range row.Values {
		if v != nil && *v {
			c.pair(name).Dynamics.Since = row.Modified
		}
	}
}

// SeeCampaign takes in a profile as Campaign has or had it. Files and answers may
// arrive in any order.
func (c *Contact) SeeCampaign(row CampaignRow) {
	newest := row.Live || !row.AsOf.IsZero() && !row.AsOf.Before(c.Seen)
	// Two views whose times differ by less than the clocks may be in either order.
	tie := !row.Live && !row.AsOf.After(c.Seen.Add(2*row.Within))
	if !c.Seen.IsZero() && row.Made.After(c.Seen) {
		c.profileGone(newest)
	}
	if row.AsOf.After(c.Seen) {
		c.Seen = row.AsOf
	}
	if row.Winner != "" {
		c.Winner = row.Winner
	}
	if row.Gone {
		c.profileGone(newest)
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

// profileGone takes in that there is no profile. Its choices stay known, because a
// profile that is created again may have to hold them.
func (c *Contact) profileGone(newest bool) {
	if !newest {
		return
	}
	c.Campaign = Gone
	for i := range c.Pairs {
		c.Pairs[i].Campaign.Empty = c.Pairs[i].Campaign.Known
	}
}

// see takes in one value. The dates say which of two choices is the later one.
// Without dates the value that was read later counts, and its age is unknown.
//
// A profile that was created again or restored has lost an opt-out without anybody
// clearing it. The sign is a date that is missing now, or older than before: then
// the opt-out stays known and the side counts as empty.
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
	case older && !newest: // from a file that came late, or was read again
	case undated || older:
		switch {
		case v.Out == s.Out, !v.Out && !newest:
		case !v.Out && unchosen:
			s.Empty = true
		default: // values have no dates here, or Campaign was restored
			*s = Side{Known: true, Out: v.Out, Due: true}
		}
	case v.At.Equal(s.At) && (v.Out == s.Out || s.Out && !newest): // known already, or replaced by our own write since
	default:
		*s = Side{Known: true, Out: v.Out, At: v.At, Due: true}
	}
}
