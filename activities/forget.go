package activities

import "time"

// TracesInput asks where a record is. Ids are no values.
type TracesInput struct {
	Table Table  `json:"table"`
	ID    string `json:"id"`
}

// TracesResult says where a record is: counts, no values.
type TracesResult struct {
	Table      string    `json:"table"`
	ID         string    `json:"id"`
	InDynamics bool      `json:"in_dynamics"`
	InCampaign bool      `json:"in_campaign"`
	Ledger     []Trace   `json:"ledger"`
	Asked      time.Time `json:"asked,omitzero"`     // it is to be forgotten since then, and is not yet
	Waits      string    `json:"waits,omitempty"`    // for what
	Forgotten  time.Time `json:"forgotten,omitzero"` // it was, the first time
}

// Trace is how many rows of a table of the ledger are of a record.
type Trace struct {
	Where string `json:"where"`
	Rows  int64  `json:"rows"`
	Kept  bool   `json:"kept,omitempty"` // also after it is forgotten: ids and choices
}

// ForgetInput has the workers forget a record that neither system has any more.
type ForgetInput struct {
	Table Table  `json:"table"`
	ID    string `json:"id"`
	By    string `json:"by,omitempty"`
}

// ForgetResult is what became of it.
type ForgetResult struct {
	Done    bool    `json:"done"`
	Waits   string  `json:"waits,omitempty"` // for what, when it is not done; workers do it then
	Erasure string  `json:"erasure"`         // keyed hash of the id, by which the log and the file of erasures have it
	Left    []Trace `json:"left"`            // ids and choices
}

// ErasuresState says what was forgotten, and what is to be.
type ErasuresState struct {
	Done      int64     `json:"done"`
	Waiting   int64     `json:"waiting,omitempty"`
	Since     time.Time `json:"since,omitzero"`  // the oldest that waits
	Waits     string    `json:"waits,omitempty"` // for what it waits
	Searching bool      `json:"searching,omitempty"`
	File      string    `json:"file,omitempty"`    // that keeps them apart from the ledger; "" = none
	Damaged   int       `json:"damaged,omitempty"` // lines of the file that cannot be read
	Problem   string    `json:"problem,omitempty"` // why nobody can be forgotten, because of the file
}
