package ledger

// Outcome of one staged record. Stored as one byte each: never renumber.
type Outcome byte

const (
	Pending     Outcome = 0
	Created     Outcome = 'c'
	Updated     Outcome = 'u'
	Unchanged   Outcome = 'e'
	FilteredOut Outcome = 'f'
	Removed     Outcome = 'd'
	ParkedOut   Outcome = 'p'
	Refused     Outcome = 'q'

	// Only events have these.
	Disabled    Outcome = 'x' // its type is switched off
	SoftBounce  Outcome = 's' // may still be delivered
	SeedOrProof Outcome = 't' // of no contact: a test address
	NoContact   Outcome = 'n' // Dynamics has no such contact
	Ignored     Outcome = 'i' // of another kind than e-mail events
)

// known says that the outcome is one of the constants, and not Pending.
func (o Outcome) known() bool {
	switch o {
	case Created, Updated, Unchanged, FilteredOut, Removed, ParkedOut, Refused, Disabled, SoftBounce, SeedOrProof, NoContact, Ignored:
		return true
	}
	return false
}

// Counts accounts for every record read.
type Counts struct {
	Read        int64 `json:"read"`
	Created     int64 `json:"created"`
	Updated     int64 `json:"updated"`
	Unchanged   int64 `json:"unchanged"`
	Filtered    int64 `json:"filtered"`
	Deleted     int64 `json:"deleted"`
	Parked      int64 `json:"parked"`
	Quarantined int64 `json:"quarantined"`

	Disabled    int64 `json:"disabled,omitempty"` // this and what follows: of events only
	SoftBounce  int64 `json:"soft_bounce,omitempty"`
	SeedOrProof int64 `json:"seed_or_proof,omitempty"`
	NoContact   int64 `json:"no_contact,omitempty"`
	Ignored     int64 `json:"ignored,omitempty"`
}

// Add sums two accounts.
func (c *Counts) Add(o Counts) {
	c.Read += o.Read
	c.Created += o.Created
	c.Updated += o.Updated
	c.Unchanged += o.Unchanged
	c.Filtered += o.Filtered
	c.Deleted += o.Deleted
	c.Parked += o.Parked
	c.Quarantined += o.Quarantined
	c.Disabled += o.Disabled
	c.SoftBounce += o.SoftBounce
	c.SeedOrProof += o.SeedOrProof
	c.NoContact += o.NoContact
	c.Ignored += o.Ignored
}

// Count adds one outcome; Pending counts as read only.
func (c *Counts) Count(o Outcome) {
	c.Read++
	switch o {
	case Created:
		c.Created++
	case Updated:
		c.Updated++
	case Unchanged:
		c.Unchanged++
	case FilteredOut:
		c.Filtered++
	case Removed:
		c.Deleted++
	case ParkedOut:
		c.Parked++
	case Refused:
		c.Quarantined++
	case Disabled:
		c.Disabled++
	case SoftBounce:
		c.SoftBounce++
	case SeedOrProof:
		c.SeedOrProof++
	case NoContact:
		c.NoContact++
	case Ignored:
		c.Ignored++
	}
}

// WithOutcome is how many records have an outcome.
func (c Counts) WithOutcome() int64 {
	return c.Created + c.Updated + c.Unchanged + c.Filtered + c.Deleted + c.Parked + c.Quarantined +
		c.Disabled + c.SoftBounce + c.SeedOrProof + c.NoContact + c.Ignored
}

// Balanced says that every record read has an outcome.
func (c Counts) Balanced() bool { return c.Read == c.WithOutcome() }
