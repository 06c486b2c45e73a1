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
	// Config are digests of the sections of the worker's configuration; none = it does not say.
	Config map[string]string `json:"config,omitempty"`
	// Erasures says what was forgotten, and what is to be; nil = that is not known.
	Erasures *ErasuresState `json:"erasures,omitempty"`
	// Backup says how the backups of the ledger stand; nil = PostgreSQL keeps it, or that is not known.
	Backup *BackupState `json:"backup,omitempty"`
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
