package workflows

import "time"

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
