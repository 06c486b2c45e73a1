package workflows

import (
	"time"

	"causeway.dev/activities"
)

// PassInput starts a Backfill or a DeltaPass. The position of the run is in the
// ledger, so the same input starts it, resumes it after a stop, and continues
// it as new.
type PassInput struct {
	Instance string            `json:"instance"`
	Ref      activities.RunRef `json:"ref"`
	Window   activities.Window `json:"window,omitzero"`
	Tuning   Tuning            `json:"tuning"`
	Title    string            `json:"title,omitempty"` // what the run is, where its kind does not tell
	// Release is what a release tries.
	Release *activities.Release `json:"release,omitempty"`
	// Deltas makes a backfill look for changes in between: it owns the table meanwhile.
	Deltas bool `json:"deltas,omitempty"`
	// Paused starts the pass held, after continuing as new in a pause.
	Paused bool `json:"paused,omitempty"`
	// Known is what the flow knows of the ledger: a run must not begin in an older one.
	Known *activities.LedgerKnown `json:"known,omitempty"`
	// Memory is that of the pass before it continued as new or was stopped.
	Memory PassMemory `json:"memory,omitzero"`
}

// PassMemory is what a pass remembers that the ledger does not.
type PassMemory struct {
	Deltas   PassInfo  `json:"deltas,omitzero"`
	Unknown  int64     `json:"unknown,omitempty"`   // events that were refused because their contact is unknown
	Newest   time.Time `json:"newest,omitzero"`     // time of the newest event that was read
	BadFiles []string  `json:"bad_files,omitempty"` // files that a backfill could not read
}

// PassResult is how a pass ended.
type PassResult struct {
	Summary     RunSummary            `json:"summary"`
	Quarantined int64                 `json:"quarantined"`
	Parked      int64                 `json:"parked,omitempty"`
	Approvals   []activities.Approval `json:"approvals,omitempty"`
	Erased      *activities.Erased    `json:"erased,omitempty"`
	Returned    *activities.Returned  `json:"returned,omitempty"`
	Strays      int64                 `json:"strays,omitempty"`
	Watermark   int64                 `json:"watermark,omitempty"` // unix seconds; 0 = not moved
	Newest      time.Time             `json:"newest,omitzero"`     // event that was read
	Deltas      []PassInfo            `json:"deltas,omitempty"`    // passes run in between
	Memory      PassMemory            `json:"memory,omitzero"`     // for when a stopped pass goes on
	Opened      *activities.RunKnown  `json:"opened,omitempty"`    // the run as the ledger holds it; nil: it was not opened
}

// PassInfo accounts for a delta pass that ran inside a backfill.
type PassInfo struct {
	Runs   int64             `json:"runs"`
	Counts activities.Counts `json:"counts"`
}
