package activities

import (
	"time"
)

// RunInfo is what the ledger knows of a run.
type RunInfo struct {
	Run      string    `json:"run"`
	Flow     string    `json:"flow"`
	Table    string    `json:"table,omitempty"`
	Kind     Kind      `json:"kind"`
	State    string    `json:"state"` // RUNNING, COMPLETED, INCOMPLETE, STOPPED, FAILED, CANCELLED
	Reason   string    `json:"reason,omitempty"`
	Revision string    `json:"revision,omitempty"`
	Workflow string    `json:"workflow,omitempty"` // that carried it out; of changes, the workflow that found them
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended,omitzero"`
	Expected int64     `json:"expected,omitempty"`
	Counts   Counts    `json:"counts"`
	Passes   int64     `json:"passes,omitempty"` // of changes, of one hour, that the ledger has put together in this row
}

// RunListInput selects runs; empty fields match all.
type RunListInput struct {
	Flow   string    `json:"flow,omitempty"`
	Table  string    `json:"table,omitempty"`
	Kind   string    `json:"kind,omitempty"`
	States []string  `json:"states,omitempty"` // any of them
	Since  time.Time `json:"since,omitzero"`   // begun at or after it
	Before *RunPlace `json:"before,omitempty"` // only what comes after it in the list; nil: from its beginning
	Limit  int       `json:"limit,omitempty"`  // the newest so many, 1 to 1,000; default 20
}

// RunPlace is where a run stands in a list of runs.
type RunPlace struct {
	Started time.Time `json:"started"`
	Run     string    `json:"run"`
}

// RunListResult lists runs, the newest first.
type RunListResult struct {
	Runs []RunInfo `json:"runs"`
}

// ShowRunInput names a run.
type ShowRunInput struct {
	Run string `json:"run"`
}

// ShowRunResult is all the ledger knows of a run.
type ShowRunResult struct {
	Found bool    `json:"found"`
	Info  RunInfo `json:"info"`
	// Window is what a backfill was asked to read; nil = not known, or not asked.
	Window      *Window            `json:"window,omitempty"`
	NotFound    []string           `json:"not_found,omitempty"`    // ids that it was asked for and Dynamics does not have
	Quarantined int64              `json:"quarantined"`            // records that this run set aside, and that are still there
	Rollback    *MayRollbackResult `json:"rollback,omitempty"`     // what undoing it would touch
	Until       time.Time          `json:"until,omitzero"`         // it can be undone until then; zero while it runs, or is stopped
	NoRollback  string             `json:"no_rollback,omitempty"`  // or why not
	Asked       []Operation        `json:"asked,omitempty"`        // what operators asked about it, the newest last
	UndoneBy    string             `json:"undone_by,omitempty"`    // the newest rollback of it
	UndoneState string             `json:"undone_state,omitempty"` // of that
}
