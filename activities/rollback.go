package activities

import "time"

// UnrecordedWritesInput names a rollback; what is looked over is the run that it undoes.
type UnrecordedWritesInput struct{ RunRef }

// UnrecordedWritesResult counts what the ledger did not know of.
type UnrecordedWritesResult struct {
	Looked int `json:"looked"`
	Found  int `json:"found"` // written by the run
}

// FlowRollback is the flow of rollbacks in the ledger; what they leave alone is
// listed as its quarantine.
const FlowRollback = "rollback"

const (
	// KindRollback undoes another run, see RunRef.Undoes.
	KindRollback Kind = "rollback"
	// PhaseUndo is the records that the undone run changed.
	PhaseUndo Phase = "undo"
)

// RollbackPrefix begins the names of the rollbacks of a run.
func RollbackPrefix(run string) string { return "rollback-" + run + "-" }

// MayRollbackInput asks what undoing a run would touch.
type MayRollbackInput struct {
	Run string `json:"run"`
}

// MayRollbackResult is what the ledger says of it; what somebody did in Campaign
// since shows only when the rollback looks.
type MayRollbackResult struct {
	Run     string    `json:"run"`
	Table   string    `json:"table"`
	Mapping string    `json:"mapping"` // revision that the run applied
	Kind    Kind      `json:"kind"`
	State   string    `json:"state"`
	Ended   time.Time `json:"ended,omitzero"`
	Created int64     `json:"created"` // would be deleted
	Existed int64     `json:"existed"` // would be restored
	Since   int64     `json:"since"`   // of both, touched since: left alone
	Bytes   int64     `json:"bytes"`   // of before-images
	// UndoneBy is a rollback that has undone all of it already; "" = there is none.
	UndoneBy string `json:"undone_by,omitempty"`
}
