// Package ledger is the durable state of the synchronisation: staged pages,
// what was last written of each record, watermarks, before-images, quarantine
// and runs, in SQLite (one worker) or PostgreSQL (several). Positions and
// outcomes commit together, so a restored backup is consistent with itself.
// Activities use it; workflows never do.
package ledger

import (
	"errors"
	"fmt"
	"time"
)

// State of a record.
type State string

const (
	Written     State = "written"     // the target holds Payload
	Filtered    State = "filtered"    // left out by rule
	Deleted     State = "deleted"     // deleted in the source, and in the target
	Parked      State = "parked"      // waits, see ParkedItem; the target holds Payload, if any
	Quarantined State = "quarantined" // refused; the target holds Payload, if any
	Undone      State = "undone"      // a rollback removed from the target what a run had created
	Lost        State = "lost"        // was written; an audit found that the target does not hold it any more
)

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

// Verdict is what was decided about an entry when it was staged; its flow gives
// it the meaning.
type Verdict string

const (
	// VerdictNone leaves the decision to the writer.
	VerdictNone Verdict = ""
	// VerdictUnreadable is for what cannot be read; Entry.Problem says why.
	VerdictUnreadable Verdict = "unreadable"
)

// Entry is one staged record.
type Entry struct {
	Key     string
	Version string // of the source
	Verdict Verdict
	Problem string // with VerdictUnreadable; no value is in it
	Deleted bool
	Raw     []byte // the source's JSON object; nil when Deleted
}

// Record is what is known of one record of a table.
type Record struct {
	Key, Version string // source key; source version last applied
	TargetKey    string
	State        State
	Payload      []byte // mapped payload last written; nil: the target holds nothing of ours
	Fingerprint  []byte // of Payload
	Run          string // last run that touched it
	CreatedRun   string // run that created it in the target; "" = adopted
	SeenRun      string // last baseline that saw it
}

// BeforeImage is what the target held of a record before a run touched it. A
// record the run created has none: Record.CreatedRun says it.
type BeforeImage struct {
	Key     string
	Existed bool
	Payload []byte
}

// QuarantineItem is a refused record, set aside with its reason.
type QuarantineItem struct {
	Flow, Table, Key, Run       string
	Class, Code, Field, Message string
	Version                     string // of the source, that was refused
	Payload                     []byte // the staged source object; compressed at rest, encrypted with a key
	Parent                      Parent // that the target did not hold; may be the cause
	State                       QuarantineState
	FirstSeen, LastSeen         time.Time
	Attempts                    int
	NextTry                     time.Time // when open: tried again by itself; zero: not
	NoRetry                     bool      // it is not to be tried again by itself
	Discarded                   Discard   // the last one, if any
}

// Discard is an operator's decision to leave a refused record alone.
type Discard struct {
	By, Reason string
	At         time.Time
}

// Result is the outcome of one staged record and all that follows from it.
type Result struct {
	Index      int // of the entry in its lane
	Outcome    Outcome
	Record     *Record // new state; nil = as it was
	Seen       string  // key: without a Record, note that this run saw the record
	Before     *BeforeImage
	Quarantine *QuarantineItem // Key, Version, Class, Code, Field, Message, Parent and Payload are kept; the lane says the rest
	Resolve    bool            // releases an open quarantine item of Record's key, and what was parked of it: it was applied after all

	Park    *ParkedItem // the change waits; replaces what was parked of its key
	Links   []Parent    // parents that Record names in the target; nil = as they were, empty = none
	Arrived bool        // the target holds Record now and did not before: wakes what waits for it
	Renewed bool        // it was created anew: has the records that name it looked at

	Event *Event // what became of an event; with Resolve its key is that of the item

	OptOut *OptOutResult // what is known of a contact's choices now, and what was decided
}

// PageInput is a page to stage.
type PageInput struct {
	Run, Table string
	Number     int
	Phase      string
	Lanes      [][]Entry
	Next       Cursor // of the next page of the phase; none on the last one
	End        Cursor // where the next run begins, if this page is the run's last
	ServerTime time.Time
	Deletes    int // entries that would be deleted in the target
}

// Page is a staged page without its records.
type Page struct {
	Run        string
	Number     int
	Phase      string
	Read       int
	LaneSizes  []int
	Next, End  Cursor // see PageInput
	ServerTime time.Time
}

// RunState is how far a run is.
type RunState string

const (
	RunRunning    RunState = "RUNNING"
	RunCompleted  RunState = "COMPLETED"  // every record accounted for; final
	RunIncomplete RunState = "INCOMPLETE" // ended without balancing; never a success
	RunStopped    RunState = "STOPPED"    // by an operator; may go on
	RunFailed     RunState = "FAILED"
	RunCancelled  RunState = "CANCELLED" // given up
)

// RunKind is why a run reads what it reads. The flows have more kinds than these,
// which the ledger treats in a way of their own: a stopped run of these kinds goes
// on at the next start, whereas others begin anew.
type RunKind string

const (
	RunInitial  RunKind = "initial"
	RunBackfill RunKind = "backfill"
)

// QuarantineState is what became of a refused record.
type QuarantineState string

const (
	QuarantineOpen      QuarantineState = "open"
	QuarantineReleased  QuarantineState = "released"  // it was applied after all
	QuarantineDiscarded QuarantineState = "discarded" // an operator decided to leave it alone
)

// Run is one pass over a table.
type Run struct {
	ID, Flow, Table, Revision string
	Kind                      RunKind
	State                     RunState
	Error, Workflow           string
	Started, Ended            time.Time
	ServerStart               time.Time // the source's clock when it began
	PreBaseline               Cursor    // from before a baseline was read: it shows what was deleted meanwhile; none = not needed
	Counts                    Counts
	Expected                  int64
	Span                      string // what a backfill was asked to read; its caller's to read
}

// RunFilter selects runs; empty fields match all.
type RunFilter struct {
	Flow, Table string
	Kind        RunKind
	State       RunState
	States      []RunState // any of them
	Since       time.Time  // begun at or after it
	Limit       int        // 0: 1,000
}

// ResumePoint is where a run stands.
type ResumePoint struct {
	LastPage   *Page // nil: nothing staged
	Unfinished []OpenLaneRef
}

// Watermark is a position everything before which is settled.
type Watermark struct {
	Flow, Table, Link, Revision string
	ObtainedAt                  time.Time
	Run                         string
}

// EngineCalls is the number of calls of a kind in one hour.
type EngineCalls struct {
	Hour  time.Time
	Kind  string
	Calls int64
}

// QuarantineFilter selects quarantined records; empty fields match all.
type QuarantineFilter struct {
	Flow, Table, Key, Run, Code, Field string
	State                              QuarantineState

	Keys          []string      // one of these
	SeenBefore    time.Time     // first refused before
	DueBy         time.Time     // tried again by itself by then
	OtherRevision string        // refused in a run of another revision than this, and not to stay
	After         QuarantineKey // goes on behind this one
	Limit         int           // 0: 1,000
}

// QuarantineGroup is how many records were refused for one reason.
type QuarantineGroup struct {
	Table, Code, Field, Message  string
	Records                      int64
	FirstSeen, LastSeen, NextTry time.Time // earliest, latest, earliest
}

// QuarantineKey names a quarantined record; listings are in its order.
type QuarantineKey struct{ Flow, Table, Key string }

var (
	// ErrNotFound is returned for a run, page, revision or watermark the ledger does not hold.
	ErrNotFound = errors.New("not in the ledger")
	// ErrFenced is returned to an attempt whose lane another attempt has opened since; nothing was written.
	ErrFenced = errors.New("the lane was taken over by another attempt")
	// ErrEnded is returned for staging into, or advancing, a run that has ended; nothing was written.
	ErrEnded = errors.New("the run has ended")
	// ErrClosed is returned once Close was called.
	ErrClosed = errors.New("the ledger is closed")
)

// UnfinishedError lists lanes that must be written before a run can end.
type UnfinishedError struct{ Lanes []OpenLaneRef }

func (e *UnfinishedError) Error() string {
	return fmt.Sprintf("%d lanes of the run are not written yet", len(e.Lanes))
}
