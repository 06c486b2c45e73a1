// Package activities is the contract between workflows and the work that they order:
// the payloads that histories keep, and the names of the activities. The work itself
// is in its sub-packages.
package activities

import (
	"time"

	"causeway.dev/internal/mapping"
	"causeway.dev/internal/readable"
)

// Table is a table mapping as an operator wrote it. A flow gets it with Start and keeps
// it until the next Start (R8.14).
type Table = mapping.Table

// Duration is a duration in a payload, written as "2s".
type Duration = readable.Duration

// Counts accounts for every record a run read:
// read = created + updated + unchanged + filtered + deleted + parked + quarantined,
// and, of events, + disabled + soft_bounce + seed_or_proof + no_contact + ignored.
type Counts struct {
	Read        int64 `json:"read"`
	Created     int64 `json:"created"`
	Updated     int64 `json:"updated"`
	Unchanged   int64 `json:"unchanged"`
	Filtered    int64 `json:"filtered"`
	Deleted     int64 `json:"deleted"`
	Parked      int64 `json:"parked"`
	Quarantined int64 `json:"quarantined"`

	Disabled    int64 `json:"disabled,omitempty"`      // its type is switched off
	SoftBounce  int64 `json:"soft_bounce,omitempty"`   // may still be delivered
	SeedOrProof int64 `json:"seed_or_proof,omitempty"` // of a test address
	NoContact   int64 `json:"no_contact,omitempty"`    // Dynamics has no such contact
	Ignored     int64 `json:"ignored,omitempty"`       // of another kind
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

// Settled is how many of the records that were read have an outcome.
func (c Counts) Settled() int64 {
	return c.Created + c.Updated + c.Unchanged + c.Filtered + c.Deleted + c.Parked + c.Quarantined + c.Skipped()
}

// Skipped is how many events were left out, for any reason.
func (c Counts) Skipped() int64 {
	return c.Disabled + c.SoftBounce + c.SeedOrProof + c.NoContact + c.Ignored
}

// Written is how many records changed the target.
func (c Counts) Written() int64 { return c.Created + c.Updated + c.Deleted }

// Kind says what a run is for.
type Kind string

const (
	KindInitial  Kind = "initial"  // tracked baseline: first load, or a new one after an expired link
	KindBackfill Kind = "backfill" // replay of a table, a window or named records
	KindDelta    Kind = "delta"    // changes since the watermark
)

// Phase is where the pages of a run come from; a run goes through its phases in order.
type Phase string

const (
	PhaseBaseline Phase = "baseline" // all records, with change tracking
	PhaseCatchUp  Phase = "catch-up" // modified since the baseline began (docs/protocol/dynamics.md §4.2)
	PhaseSweep    Phase = "sweep"    // known records that the baseline did not show: deleted if Dynamics says 404
	PhaseScan     Phase = "scan"     // all records, or a window of modifiedon, without tracking
	PhaseIDs      Phase = "ids"      // named records
	PhaseDelta    Phase = "delta"    // changes behind the watermark's delta link
)

// Window narrows a backfill. Zero times and no ids mean the whole table.
type Window struct {
	Since time.Time `json:"since,omitzero"` // modifiedon ≥ Since
	Until time.Time `json:"until,omitzero"` // modifiedon < Until
	IDs   []string  `json:"ids,omitempty"`  // record ids, at most 1,000
	// Folder of exported log files that events are loaded from.
	Folder string `json:"folder,omitempty"`
	// Where narrows it further, to records that meet all conditions. Their values
	// are in histories, so text columns may only be asked whether they are empty.
	Where []Condition `json:"where,omitempty"`
}

// Condition is one of a filter.
type Condition = mapping.Condition

// Whole says that the window is the whole table.
func (w Window) Whole() bool {
	return w.Since.IsZero() && w.Until.IsZero() && len(w.IDs) == 0 && len(w.Where) == 0
}

// RunRef names a run and the revision of the mapping it applies.
type RunRef struct {
	Run      string `json:"run"`
	Table    string `json:"table"`
	Revision string `json:"revision"`
	Kind     Kind   `json:"kind"`
	// Plan says which of the plans is meant that the revision has resolved to: the data
	// models may have been others at an earlier start.
	Plan string `json:"plan,omitempty"`
	// Undoes is the run that a rollback undoes.
	Undoes string `json:"undoes,omitempty"`
	// ByFile has records that are new go by file, from the second page on.
	ByFile bool `json:"by_file,omitempty"`
	// NoRollback lets such a run begin although Campaign holds records that are not of ours.
	NoRollback bool `json:"no_rollback,omitempty"`
}

// StartMark tells one start of a flow from the others, in the flow and in the ledger: the
// time of the start, and the revision that it was made with.
type StartMark struct {
	Start string `json:"start,omitempty"` // the ledger keeps it
	// After is the start before, where the flow starts again by itself: with settings that
	// a later start may have replaced. "" = an operator starts it.
	After string `json:"after,omitempty"`
}

// PreflightInput asks whether a mapping fits both systems.
type PreflightInput struct {
	Table Table `json:"table"`
	// Restored says why the flow takes the ledger for restored, and begins anew; "" = it does not.
	Restored string `json:"restored,omitempty"`
	// Comparing says that the flow compares the systems already because of that.
	Comparing bool `json:"comparing,omitempty"`
	StartMark
}

// PreflightResult says what a start will do.
type PreflightResult struct {
	Revision      string     `json:"revision"`
	NeedsBaseline bool       `json:"needs_baseline"` // no watermark, or one obtained for other columns
	Watermark     time.Time  `json:"watermark,omitzero"`
	Quarantined   int64      `json:"quarantined"`
	RefusedBefore int64      `json:"refused_before,omitempty"` // of Quarantined: refused under another revision
	Approvals     []Approval `json:"approvals,omitempty"`      // runs whose deletes wait for an operator
	Plan          string     `json:"plan,omitempty"`           // of RunRef
	Returned      *Returned  `json:"returned,omitempty"`       // nil: none
	Erased        *Erased    `json:"erased,omitempty"`         // nil: none, or they are created again
	Strays        int64      `json:"strays,omitempty"`         // that the last audit found
	Warnings      []string   `json:"warnings,omitempty"`       // what has changed in the data models since the last start
	Parents       []string   `json:"parents,omitempty"`        // mappings that records of this one link to
	UnfinishedRun string     `json:"unfinished_run,omitempty"` // a stopped initial load of this revision, to go on with
	Restored      string     `json:"restored,omitempty"`       // why the ledger counts as restored, and nobody compares the systems yet
}

// AwaitParentsInput waits for the initial loads of a table's parents.
type AwaitParentsInput struct {
	Table   string   `json:"table"`
	Parents []string `json:"parents"` // mappings
	Wait    Duration `json:"wait"`
}

// AwaitParentsResult names the parents that are still in their initial load.
type AwaitParentsResult struct {
	Loading []string `json:"loading,omitempty"`
}

// OpenRunInput begins a run, or finds where an earlier attempt left it.
type OpenRunInput struct {
	RunRef
	Window   Window   `json:"window,omitzero"`
	Workflow string   `json:"workflow"`
	Release  *Release `json:"release,omitempty"` // what a release tries
	// Known is what the flow remembers of the ledger; nil: it is not asked for.
	Known *LedgerKnown `json:"known,omitempty"`
}

// LaneRef is one lane of a staged page.
type LaneRef struct {
	Page int `json:"page"`
	Lane int `json:"lane"`
	Size int `json:"size"`
}

// OpenRunResult is the position of a run according to the ledger.
type OpenRunResult struct {
	LastPage   int       `json:"last_page"`            // 0: nothing staged yet
	LastPhase  Phase     `json:"last_phase,omitempty"` // phase of LastPage
	More       bool      `json:"more"`                 // LastPage has a next link
	Unfinished []LaneRef `json:"unfinished,omitempty"` // staged, not yet written, in page order
	Known      int64     `json:"known"`                // records that Campaign held when the run began, and those that wait
	Expected   int64     `json:"expected"`             // estimate of records to read; 0 when unknown
	Started    time.Time `json:"started"`
	Counts     Counts    `json:"counts"`          // of lanes already finished
	Ended      string    `json:"ended,omitempty"` // final state when the run is already over
}

// FetchInput asks for one page. The link it follows is in the ledger, with the
// page before it or with the watermark, so that histories stay small.
type FetchInput struct {
	RunRef
	Page   int      `json:"page"` // number of the page to stage, from 1
	Phase  Phase    `json:"phase"`
	Lanes  int      `json:"lanes"` // 1 to 32, the same for all pages of a run
	Window Window   `json:"window,omitzero"`
	Wait   Duration `json:"wait,omitempty"` // delta only: keep polling this long while nothing changed
	Poll   Duration `json:"poll,omitempty"` // pause between polls

	Release *Release  `json:"release,omitempty"` // what a release tries
	DueFrom time.Time `json:"due_from,omitzero"` // delta: from then on, end the wait when quarantined records are due
	// Now asks every source at once, also those that are asked less often.
	Now bool `json:"now,omitempty"`
	// Known is what the flow knows of the ledger: one that differs was restored from a
	// backup, or replaced. nil: nothing yet.
	Known *LedgerKnown `json:"known,omitempty"`
}

// Types of failures with which a flow goes on by itself.
const (
	FailureLedgerRestored = "LedgerRestored" // the ledger is not the one that the flow knew
	FailureLedgerLost     = "LedgerLost"     // the ledger lacks what the run in hand had kept
)

// FailureTemporalRestored is the type of the failure of a flow that does not know of its last
// start, which was made with other settings: an operator starts it again.
const FailureTemporalRestored = "TemporalRestored"

// LedgerKnown is what a flow remembers of the ledger, so that it can tell a restored one.
type LedgerKnown struct {
	Ledger string `json:"ledger,omitempty"` // its identity
	Run    string `json:"run,omitempty"`    // the flow's last run that the ledger was found to hold
	Latest string `json:"latest,omitempty"` // the last run completed since then; "": none
	Start  string `json:"start,omitempty"`  // mark of the flow's last start; "": it does not run
	// Opened is the last run that was opened, however it ended; nil: none, or nobody knows.
	Opened *RunKnown `json:"opened,omitempty"`
	// Comparing says that the flow knows that it was restored, and compares the systems.
	Comparing bool `json:"comparing,omitempty"`
	// Marked says that the ledger has been told so, and is to hold it until it was compared.
	Marked bool `json:"marked,omitempty"`
}

// RunKnown is what a flow remembers of a run. A ledger that holds less of it is an older one.
type RunKnown struct {
	Run     string `json:"run"`
	State   string `json:"state"`             // in which it ended, RUNNING, or FAILED
	Settled int64  `json:"settled,omitempty"` // records of lanes that were written
}

// MarkRestoredInput says that the ledger was restored, or Temporal.
type MarkRestoredInput struct {
	Tables []string `json:"tables"`
	Egress bool     `json:"egress,omitempty"`
	OptOut bool     `json:"opt_out,omitempty"`
	By     string   `json:"by,omitempty"`
}

// MarkRestoredResult names the flows that compare everything anew.
type MarkRestoredResult struct {
	Flows []string `json:"flows"`
}

// FetchResult describes a staged page.
type FetchResult struct {
	Page      int       `json:"page"`
	Phase     Phase     `json:"phase"`
	Read      int       `json:"read"`
	Lanes     []int     `json:"lanes,omitempty"`   // records per lane
	More      bool      `json:"more"`              // another page of this phase follows
	Nothing   bool      `json:"nothing,omitempty"` // delta: nothing changed; no page was staged
	Due       bool      `json:"due,omitempty"`     // and quarantined records are to be tried again
	Watermark time.Time `json:"watermark,omitzero"`
	Newest    time.Time `json:"newest,omitzero"` // time of the newest event of the page
	// BadFiles are exported files that were set aside, with place and reason.
	BadFiles []string `json:"bad_files,omitempty"`
	// Quarantined comes with Nothing: how many records of the table are in quarantine. An
	// operator may have discarded some meanwhile. Flows other than ingress do not say.
	Quarantined *int64 `json:"quarantined,omitempty"`
	// Models is what a look at the data models found during a wait; nil: there was none.
	Models *ModelChanges `json:"models,omitempty"`
	// Strays comes with Quarantined: how many the last audit found.
	Strays int64 `json:"strays,omitempty"`
	// Ledger is the identity of the ledger in which the first page of changes was looked for.
	Ledger string `json:"ledger,omitempty"`
}

// ModelChanges are changes of the data models since the start that do not keep the flow
// from running: names of fields, options and lengths.
type ModelChanges struct {
	Changes []string `json:"changes,omitempty"`
}

// LaneInput asks for one lane of a staged page to be written.
type LaneInput struct {
	RunRef
	Page int `json:"page"`
	Lane int `json:"lane"`
}

// LaneResult accounts for the records of one lane.
type LaneResult struct {
	Counts Counts `json:"counts"`
	// Unknown is how many of the quarantined events have a contact that Dynamics does not
	// have.
	Unknown int64 `json:"unknown,omitempty"`
}

// SaveWatermarkInput finishes a run.
type SaveWatermarkInput struct {
	RunRef
	Pages   int   `json:"pages,omitempty"`   // that the flow has had staged
	Settled int64 `json:"settled,omitempty"` // records of the lanes that it has had written
}

// SaveWatermarkResult is how a run ended.
type SaveWatermarkResult struct {
	State       string     `json:"state"` // COMPLETED or INCOMPLETE
	Counts      Counts     `json:"counts"`
	Watermark   time.Time  `json:"watermark,omitzero"`
	Quarantined int64      `json:"quarantined"`          // open items of the table
	Parked      int64      `json:"parked,omitempty"`     // records of the table that wait
	Returned    *Returned  `json:"returned,omitempty"`   // nil: none
	Erased      *Erased    `json:"erased,omitempty"`     // nil: none, or they are created again
	Strays      int64      `json:"strays,omitempty"`     // that the last audit found
	Approvals   []Approval `json:"approvals,omitempty"`  // runs whose deletes wait for an operator
	NotFound    []string   `json:"not_found,omitempty"`  // ids that the run was asked for and Dynamics does not have
	Unfinished  []LaneRef  `json:"unfinished,omitempty"` // lanes the ledger does not hold as written: write them, then save again
}

// Erased tells of records that somebody deleted in Campaign, and that the mapping leaves so.
type Erased struct {
	Count   int64 `json:"count"`
	ForGood bool  `json:"for_good,omitempty"` // a backfill does not bring them back either
}

// Returned tells of records that somebody deleted in Campaign and that were created again,
// as far back as before-images are kept.
type Returned struct {
	Count int64  `json:"count"`
	Last  string `json:"last"` // id of the one that came back last
}

// Approval is a run whose deletes wait for an operator: there are more of them
// than may be made unasked, or the run was shown too few records to believe it.
type Approval struct {
	Run     string `json:"run"`
	Deletes int64  `json:"deletes"`
	Before  int64  `json:"before,omitempty"` // deletes of the table that earlier runs made unasked, and that count with these
	// Short is there when the run asks because its list showed too few records.
	Short *ShortLoad `json:"short,omitempty"`
}

// ShortLoad is a load whose list showed far fewer records than there should be.
type ShortLoad struct {
	Expected int64 `json:"expected"` // records that Dynamics said the table has, up to a day before
	Listed   int64 `json:"listed"`   // records that its list showed
}

// ApproveInput says that an operator has decided on the deletes of a run.
type ApproveInput struct {
	Table string `json:"table"`
	Run   string `json:"run"`
}

// ApproveResult says how many deletes go on, and what still waits.
type ApproveResult struct {
	Approved int64      `json:"approved"`
	Waiting  []Approval `json:"waiting,omitempty"`
}

// RejectResult says how many deletes were dropped, and what still waits.
type RejectResult struct {
	Rejected int64      `json:"rejected"`
	Waiting  []Approval `json:"waiting,omitempty"`
}

// EndRunInput ends a run that did not finish.
type EndRunInput struct {
	RunRef
	State  string `json:"state"` // STOPPED, FAILED or CANCELLED
	Reason string `json:"reason,omitempty"`
	Drop   bool   `json:"drop,omitempty"`  // the staged pages will not be needed again
	Pages  int    `json:"pages,omitempty"` // that the flow has had staged
	// Settled is how many records the lanes have that the flow has had written.
	Settled int64 `json:"settled,omitempty"`
}
