package activities

import (
	"time"
)

// MeterInput asks for the engine calls of the last day.
type MeterInput struct{}

// MeterResult is how many engine calls were made, by hour and kind of work.
type MeterResult struct {
	Budget int64        `json:"budget,omitempty"` // per hour; 0 = none
	Hours  []MeterCalls `json:"hours"`            // of the last day, oldest first
	// Credentials are the certificates that the worker signs in with.
	Credentials []CredentialEnd `json:"credentials,omitempty"`
	// Ledger says how the ledger is sealed; nil = that is not known.
	Ledger *LedgerSealing `json:"ledger,omitempty"`
	// Doctor is what the last night's checks found that is not well; nil = none were made.
	Doctor *DoctorResult `json:"doctor,omitempty"`
	// OddAnswers are the services that answer the worker as nobody expects.
	OddAnswers []OddAnswers `json:"odd_answers,omitempty"`
	// Notify says whether the webhook takes messages; nil = none was sent, or nobody is to be told.
	Notify *NotifyState `json:"notify,omitempty"`
	// LogExport is how the export of logs stands; nil = none was made, or it is off.
	LogExport *LogExportState `json:"log_export,omitempty"`
	// Pushes say how flows are told of changes; none = nobody is to tell them.
	Pushes []PushState `json:"pushes,omitempty"`
	// Config are digests of the sections of the worker's configuration; none = it does not say.
	Config map[string]string `json:"config,omitempty"`
	// Erasures says what was forgotten, and what is to be; nil = that is not known.
	Erasures *ErasuresState `json:"erasures,omitempty"`
	// Backup says how the backups of the ledger stand; nil = PostgreSQL keeps it, or that is not known.
	Backup *BackupState `json:"backup,omitempty"`
	// Workers are those that live, the one that began first is the first.
	Workers []WorkerState `json:"workers,omitempty"`
}

// WorkerState is a worker that lives, and its share of the limits that all workers keep together.
type WorkerState struct {
	Name  string    `json:"name"` // instance@host:pid
	Since time.Time `json:"since"`
	Lanes int       `json:"lanes"` // in hand; not told where there is one worker
	// Shares are what it may be using, by setting, such as campaign.rate; a setting without a
	// limit is not there.
	Shares map[string]float64 `json:"shares"`
}

// PushState is how a flow is told of changes by calls from outside.
type PushState struct {
	Flow   string    `json:"flow"`            // as operators type it
	Last   time.Time `json:"last,omitzero"`   // the last call
	Useful time.Time `json:"useful,omitzero"` // one was last followed by its change
	Missed time.Time `json:"missed,omitzero"` // a change was last found that no call had told of
	Told   bool      `json:"told,omitempty"`  // so the source is asked rarely
}

// CredentialEnd is when a credential ends, where that is known.
type CredentialEnd struct {
	Setting string    `json:"setting"` // that names it
	Ends    time.Time `json:"ends"`
}

// MeterCalls are the engine calls of one hour.
type MeterCalls struct {
	Hour    time.Time `json:"hour"`
	Changes int64     `json:"changes"`
	Loads   int64     `json:"loads"`
}

// OddAnswers is a service that answers as nobody expects, and since when.
type OddAnswers struct {
	Service string    `json:"service"`
	Since   time.Time `json:"since"`
}
