package activities

import (
	"time"

	"causeway.dev/internal/optout"
)

// OptOutSettings are what an opt-out flow is started with.
type OptOutSettings = optout.Settings

// PreflightOptOutInput asks whether settings fit both systems.
type PreflightOptOutInput struct {
	Settings OptOutSettings `json:"settings"`
}

// PreflightOptOutResult says what a start will do.
type PreflightOptOutResult struct {
	Revision      string    `json:"revision"`
	Plan          string    `json:"plan"` // of RunRef
	Source        string    `json:"source"`
	NeedsBaseline bool      `json:"needs_baseline"` // both systems are read to the end first
	UnfinishedRun string    `json:"unfinished_run,omitempty"`
	Watermark     time.Time `json:"watermark,omitzero"`
	Quarantined   int64     `json:"quarantined"`
	Waiting       int64     `json:"waiting"` // contacts whose opt-out waits for a profile
	Warnings      []string  `json:"warnings,omitempty"`
	BadFiles      []string  `json:"bad_files,omitempty"`
}

// CheckSourceInput asks where Campaign's choices can be read.
type CheckSourceInput struct {
	Settings OptOutSettings `json:"settings"`
}

// CheckSourceResult says it.
type CheckSourceResult struct {
	Source string        `json:"source"` // that a start would use; "" = none
	REST   string        `json:"rest"`   // "" = possible; else why not
	SFTP   string        `json:"sftp"`   // "" = possible; else why not
	Fields []OptOutField `json:"fields"`
}

// OptOutField is what an instance has of an attribute.
type OptOutField struct {
	Attribute string `json:"attribute"`
	Field     string `json:"field"` // of the profile; "" = the instance has none
	Stamp     string `json:"stamp"` // "" = no time of its last change is published
}

// WatchExportInput asks how the export is.
type WatchExportInput struct {
	Export optout.ExportSetting `json:"export"`
	Files  bool                 `json:"files"` // files are what the flow reads
	// Warned is since when the workflow has been in a state that may pass.
	Warned time.Time `json:"warned,omitzero"`
	// Restarts of the last day that are known, so that there are at most three.
	Restarts []time.Time `json:"restarts,omitempty"`
}

// WatchExportResult says how the export is.
type WatchExportResult struct {
	State     string    `json:"state,omitempty"` // of the workflow, in Campaign's words
	Newest    time.Time `json:"newest,omitzero"` // file that was read
	Alarm     string    `json:"alarm,omitempty"` // what somebody must look at
	Warned    time.Time `json:"warned,omitzero"`
	Restarted bool      `json:"restarted,omitempty"`
}
