package workflows

import (
	"time"

	"causeway.dev/activities"
)

// Workflow types of egress.
const (
	TypeEventSync = "EventSync"
	TypeEventPass = "EventPass"
)

// EventSyncID is the id of the one workflow that owns the flow of events.
func EventSyncID(instance string) string { return instance + "/" + activities.FlowEgress }

// StartEventsRequest is what Start and ApplyConfig of EventSync take; its other
// updates are those of TableSync. RequestBackfill takes a window with Since (the
// journal is read again from then) or Folder (of exported files).
type StartEventsRequest struct {
	Settings activities.EgressSettings `json:"settings"`
	Revision string                    `json:"revision"` // of Settings; hashing is not a workflow's work
	Tuning   Tuning                    `json:"tuning,omitzero"`
	// LagAlarm is the age of the position that raises the alarm (R18.17); 5 days when 0.
	LagAlarm time.Duration `json:"lag_alarm,omitempty"`
	By       string        `json:"by,omitempty"`
}

// EventStatus is what Status has of egress beside what every flow has.
type EventStatus struct {
	Enabled []string  `json:"enabled"`         // types that are switched on
	Source  string    `json:"source"`          // journal, sftp or both
	Newest  time.Time `json:"newest,omitzero"` // event that was handled
	// Lagging says that the position is older than the alarm allows.
	Lagging bool `json:"lagging,omitempty"`
	// Lost are the times at which the journal no longer held the position, the
	// newest last, and up to when everything had been handled then.
	Lost []LostEvents `json:"lost,omitempty"`
	// BadFiles are exported files that cannot be read, with place and reason.
	BadFiles []string `json:"bad_files,omitempty"`
}

// LostEvents is a gap: events between the two may be missing.
type LostEvents struct {
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to"`
}
