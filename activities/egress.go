package activities

import (
	"time"

	"causeway.dev/internal/timeline"
)

// EgressSettings are what an egress flow runs with from start to stop (R8.14).
type EgressSettings = timeline.Settings

// Phases of a run of events.
const (
	PhaseEvents  Phase = "events"  // the first page of either source that has something
	PhaseJournal Phase = "journal" // pages of the I/O Events journal
	PhaseFiles   Phase = "files"   // rows of exported log files
)

// PreflightEventsInput asks whether settings fit the organisation.
type PreflightEventsInput struct {
	Settings EgressSettings `json:"settings"`
	StartMark
}

// PreflightEventsResult says what a start will do.
type PreflightEventsResult struct {
	Revision    string    `json:"revision"`
	Plan        string    `json:"plan"` // of RunRef
	Watermark   time.Time `json:"watermark,omitzero"`
	Quarantined int64     `json:"quarantined"`
	Warnings    []string  `json:"warnings,omitempty"`
}

// RestartJournalInput asks to begin again with the journal's oldest event.
type RestartJournalInput struct{}

// RestartJournalResult says what became of the position.
type RestartJournalResult struct {
	Lost time.Time `json:"lost,omitzero"`  // the time of the position that was given up: all events until then were dealt with
	Held bool      `json:"held,omitempty"` // the journal still has the position, so it stays: what expired was the place of a backfill
}

// RaiseLagInput asks whether the position is too old.
type RaiseLagInput struct {
	Alarm Duration `json:"alarm"` // from which age on
}

// RaiseLagResult is the age of the position.
type RaiseLagResult struct {
	Watermark time.Time `json:"watermark,omitzero"`
	Raised    bool      `json:"raised"`
}
