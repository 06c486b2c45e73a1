package activities

import (
	"time"

	"causeway.dev/internal/timeline"
)

// EgressSettings are what an egress flow runs with from start to stop (R8.14).
type EgressSettings = timeline.Settings

// Phases of a run of events.
const (
	PhaseEvents  Phase = "events"  // wait for either
	PhaseJournal Phase = "journal" // pages of the I/O Events journal
	PhaseFiles   Phase = "files"   // rows of exported log files
)

// PreflightEventsInput asks whether settings fit the organisation.
type PreflightEventsInput struct {
	Settings EgressSettings `json:"settings"`
}

// PreflightEventsResult says what a start will do.
type PreflightEventsResult struct {
	Revision    string    `json:"revision"`
	Plan        string    `json:"plan"` // of RunRef
	Watermark   time.Time `json:"watermark,omitzero"`
	Quarantined int64     `json:"quarantined"`
	Warnings    []string  `json:"warnings,omitempty"`
}

// RestartJournalInput forgets a position.
type RestartJournalInput struct{}

// RestartJournalResult is what is known of a position that the journal lost.
type RestartJournalResult struct {
	Lost time.Time `json:"lost,omitzero"`  // everything up to then was settled
	Held bool      `json:"held,omitempty"` // the journal holds it: what expired was the place of a backfill
}

// RaiseLagInput reports how old the position is.
type RaiseLagInput struct {
	Alarm Duration `json:"alarm"`
}

// RaiseLagResult is the age of the position.
type RaiseLagResult struct {
	Watermark time.Time `json:"watermark,omitzero"`
	Raised    bool      `json:"raised"`
}
