package reconcile

import (
	"time"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/mapping"
)

// Fact names what Decide needs to know before it can decide.
type Fact int

const (
	NoFact        Fact = iota
	WantedParents      // Facts.Wanted
	HeldParents        // Facts.Held
	GuardOpen          // Facts.Guard
	TargetRecord       // Facts.Target
	ShownParents       // Facts.Shown
)

var facts = [...]string{"nothing", "the parents that it is to have", "the parents that it has", "the delete guard", "the record in Campaign", "the parents in Campaign"}

func (f Fact) String() string { return facts[f] }

// Facts is what has been looked up about a record. The first group is known to the
// caller beforehand, the second is looked up when Decide needs it, and the third is
// what Campaign answered: see Answered.
type Facts struct {
	Parents   map[mapping.Link]bool // the parents that Campaign holds, of those that it requires
	Children  bool                  // other records name a deleted one
	Waits     Waiting               // what it waits for already
	Ambiguous bool                  // an earlier try may have reached Campaign
	Retried   bool                  // so may an earlier attempt of the run have

	Lost   bool    // Campaign does not hold it, or not with its links
	Wanted Parents // of the parents that it is to have
	Held   Parents // of the parents that it was last written with
	Shown  Parents // of all these, the ones that Campaign does not show although it holds them by the ledger
	Guard  Guard
	Target Target

	KeyTaken bool          // Campaign would not create it, because its key is there
	Refusal  *apierr.Error // Campaign refused what was sent
}

// Parents is the answer whether a parent is missing that may still come.
type Parents struct {
	Asked, Missing bool
	Link           mapping.Link // the one that is missing
}

// Guard is what keeps a run from deleting too much.
type Guard int

const (
	GuardUnasked Guard = iota
	GuardAllows
	GuardForbids
)

// Target is what Campaign shows of a record.
type Target struct {
	Asked   bool
	Payload *mapping.Payload // nil: it shows none
	Created time.Time        // by Campaign's stamp; zero: it does not say
	Ours    bool             // it was created since the run began
}

// lacks says that Campaign was asked and shows no such record.
func (t *Target) lacks() bool { return t.Asked && t.Payload == nil }

// Waiting is what a parked record waits for.
type Waiting struct {
	For     Wait
	Deleted bool   // it is a delete that waits
	Version string // of what waits
	Ready   bool   // it has come, or was approved
}

// Wait is a kind of waiting.
type Wait int

const (
	NoWait Wait = iota
	ForParent
	ForChildren
	ForGuard
)

// Answered takes in that Campaign refused an action, and says whether the decision
// goes on with that. If not, the failure is not about this record.
func (f *Facts) Answered(a Kind, fail *apierr.Error) bool {
	switch {
	case fail.Reason == apierr.ReasonNotFound && a == Delete:
		f.Target, f.Held, f.Shown = Target{Asked: true}, Parents{}, Parents{}
	case fail.Reason == apierr.ReasonNotFound && (a == Update || a == Adopt):
		f.Target = Target{Asked: true}
	case fail.Reason == apierr.ReasonExists && a == Create:
		f.Target, f.KeyTaken = Target{}, true
		f.Wanted, f.Held, f.Shown = Parents{}, Parents{}, Parents{}
	case fail.Class == apierr.Rejected:
		f.Refusal = fail
		f.Wanted, f.Held, f.Shown = Parents{}, Parents{}, Parents{}
	default:
		return false
	}
	return true
}
