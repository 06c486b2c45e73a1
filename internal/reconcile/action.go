package reconcile

import "causeway.dev/internal/mapping"

// Action is what a record calls for. While Needs names a fact it is not final: with
// that fact Decide may answer otherwise.
type Action struct {
	Kind  Kind
	Why   Why
	Needs Fact
	Done  bool // Campaign is so already: nothing is to be sent

	Rule    string           // of the filter, with LeaveOut and Delete
	Payload *mapping.Payload // with Create, Update, Adopt and Unchanged: what the ledger is to hold afterwards
	Body    []byte           // with Update and Adopt: what is to be sent
	Changed []string         // with Update and Adopt: the fields in Body
	Before  []byte           // what Campaign held, to be kept before anything is sent; nil: the ledger has it
	Link    mapping.Link     // with Park: the parent that it waits for
	Refusal Refusal          // with Refuse and Stop
	Orphan  bool             // with Refuse: for want of a parent, perhaps
}

// Sends says that carrying out the action is a write to Campaign.
func (a *Action) Sends() bool {
	switch a.Kind {
	case Create, Update, Adopt, Delete:
		return a.Needs == NoFact && !a.Done
	}
	return false
}

// Refusal says why a record is set aside.
type Refusal struct {
	Reason  string // one of apierr's reasons
	Message string
	Field   string // of Campaign; "" when none is named
}

// Kind is what is to be done.
type Kind int

const (
	Nothing   Kind = iota // Campaign never had it
	Unchanged             // Campaign holds what it is to hold
	LeaveOut              // it is not propagated; what Campaign holds stays
	Create
	Update // write the fields that changed
	Adopt  // take over a record that Campaign has already
	Delete
	HoldBack // a delete that waits
	Park     // a change that waits for a parent
	Refuse   // set the record aside; what Campaign holds stays
	Stop     // the mapping does not fit Campaign any more: no record would pass
)

var kinds = [...]string{"nothing", "unchanged", "leave out", "create", "update", "adopt", "delete", "hold back", "park", "refuse", "stop"}

func (k Kind) String() string { return kinds[k] }

// RuleErased is the rule by which a record is left out that somebody deleted in Campaign.
const RuleErased = "somebody deleted it in Campaign (erased: leave)"

// Why is the rule that an action follows.
type Why string

const (
	NeverHeld       Why = "Campaign never had it"
	SameAsWritten   Why = "what was last written says the same"
	NoFieldDiffers  Why = "what was last written has the same values"
	ByFilter        Why = "the filter leaves it out"
	DeletesOff      Why = "deletes are not applied"
	WasMerged       Why = "Dynamics merged it into another record"
	Erased          Why = "somebody deleted it in Campaign, and it stays deleted"
	DeletedInSource Why = "Dynamics deleted it"
	IsNew           Why = "Campaign does not have it"
	LostInTarget    Why = "Campaign does not have it any more"
	HasChanged      Why = "it has changed"
	HasNewFields    Why = "the mapping has fields that were never written"
	KeyIsThere      Why = "Campaign has a record with its key"
	GuardIsClosed   Why = "the deletes of the run are not counted, or too many"
	ChildrenFirst   Why = "records that name it are deleted first"
	ParentRequired  Why = "Campaign would refuse it without its parent"
	StillWaits      Why = "what it waits for has not come"
	HiddenByTarget  Why = "Campaign hides it until its parent comes"
	NotMappable     Why = "a value does not fit the mapping"
	TargetRefused   Why = "Campaign refused it"
	KeyIsHidden     Why = "its key is taken, yet the record cannot be read"
	SchemaChanged   Why = "Campaign does not have a field of the mapping"
)
