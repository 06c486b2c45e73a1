package activities

import "time"

// PreBaselineBeat is the heartbeat while the ids before a baseline are read. Operators
// see it, because nothing else shows how far that is.
type PreBaselineBeat struct {
	IDs int64 `json:"ids"` // read so far
}

// WaitingBeat is the heartbeat while an owner waits for something to do. Status takes it:
// the owner learns only at the end of the wait up to when everything is settled.
type WaitingBeat struct {
	Checked time.Time `json:"checked,omitzero"` // the source was asked then, and had nothing new
}

// LaneBeat is the heartbeat of a lane that is written.
type LaneBeat struct {
	Counts       // settled so far
	Waits  *Wait `json:"waits,omitempty"` // nil: it is at work
}

// Wait is one that an activity makes itself, instead of failing. Without it nobody would see
// why nothing moves: the activity is at its first attempt, and has no failure.
type Wait struct {
	For   string    `json:"for"` // the service that wants to be left alone
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
}
