package activities

import (
	"strings"
	"time"
)

// UnrecordedWritesInput names a rollback. The unrecorded writes of the run that it
// undoes are searched for.
type UnrecordedWritesInput struct{ RunRef }

// UnrecordedWritesResult counts the writes that the ledger did not know of.
type UnrecordedWritesResult struct {
	Looked int `json:"looked"` // records that were compared with Campaign
	Found  int `json:"found"`  // of them, written by the run
}

// FlowRollback is the flow of rollbacks in the ledger. Its quarantine lists what they
// leave alone.
const FlowRollback = "rollback"

const (
	// KindRollback undoes another run, see RunRef.Undoes.
	KindRollback Kind = "rollback"
	// PhaseUndo is the records that the undone run changed.
	PhaseUndo Phase = "undo"
)

// RollbackPrefix is how the ids of the rollbacks of a run begin.
func RollbackPrefix(run string) string { return "rollback-" + run + "-" }

// UndoneRun is the run that a rollback undoes, by the rollback's id.
func UndoneRun(rollback string) string {
	run := strings.TrimPrefix(rollback, "rollback-")
	return run[:max(strings.LastIndex(run, "-"), 0)]
}

// MayRollbackInput asks what undoing a run would touch.
type MayRollbackInput struct {
	Run string `json:"run"`
}

// MayRollbackResult is what undoing a run would touch, by the ledger. What somebody did
// in Campaign since shows only in the rollback itself.
type MayRollbackResult struct {
	Run     string    `json:"run"`
	Table   string    `json:"table"`
	Mapping string    `json:"mapping"` // revision that the run applied
	Kind    Kind      `json:"kind"`
	State   string    `json:"state"`
	Ended   time.Time `json:"ended,omitzero"`
	Created int64     `json:"created"` // would be deleted
	Existed int64     `json:"existed"` // would be restored
	Since   int64     `json:"since"`   // of Created and Existed: touched since by a later run, so left alone
	Bytes   int64     `json:"bytes"`   // of before-images
	// UndoneBy is a rollback that has undone all of it already; "" = there is none.
	UndoneBy string `json:"undone_by,omitempty"`
}
