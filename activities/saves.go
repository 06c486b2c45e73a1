package activities

import "time"

// SavedFile is a file of the configuration that a save changed. It holds no secrets, only
// where they are.
type SavedFile struct {
	Path   string `json:"path"`           // seen from the folder of the main file
	Main   bool   `json:"main,omitempty"` // it is the main file, whatever its name
	New    bool   `json:"new,omitempty"`  // there was none before
	Before []byte `json:"before,omitempty"`
	After  []byte `json:"after"`
}

// ConfigSave is one saved change of the configuration.
type ConfigSave struct {
	ID          string              `json:"id"`
	At          time.Time           `json:"at"`
	By          string              `json:"by,omitempty"`
	Verified    bool                `json:"verified,omitempty"` // By has signed in; else it is what the client said
	Reason      string              `json:"reason,omitempty"`
	Paths       []string            `json:"paths"` // of the files that it changed
	Differences []MappingDifference `json:"differences"`
}

// RecordSaveInput is a change that was saved, for the ledger to keep.
type RecordSaveInput struct {
	ConfigSave
	Files []SavedFile `json:"files"`
}

// ListSavesInput selects saved changes: the newest Limit (0: 50) before a time.
type ListSavesInput struct {
	Before time.Time `json:"before,omitzero"`
	Limit  int       `json:"limit,omitempty"`
}

// ListSavesResult has them, the newest last.
type ListSavesResult struct {
	Saves []ConfigSave `json:"saves"`
}

// ShowSaveInput names one.
type ShowSaveInput struct {
	ID string `json:"id"`
}

// ShowSaveResult has what its files held.
type ShowSaveResult struct {
	Found bool        `json:"found"`
	Save  ConfigSave  `json:"save"`
	Files []SavedFile `json:"files"`
}

// OpSave is what the audit trail calls a saved change.
const OpSave = "save"
