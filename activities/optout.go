package activities

import (
	"time"

	"causeway.dev/internal/optout"
)

// EvidenceInput selects decisions about opt-outs, the oldest first.
type EvidenceInput struct {
	Contact string         `json:"contact,omitempty"` // id in Dynamics; "" = everybody
	Since   time.Time      `json:"since,omitzero"`    // of the decision
	Until   time.Time      `json:"until,omitzero"`    // not included
	After   *EvidencePlace `json:"after,omitempty"`   // goes on behind it
	Limit   int            `json:"limit,omitempty"`   // 1 to 1,000; default 1,000
	// RevealTo is the X25519 public key of whoever asks, made for this question: what
	// people chose is in no history but sealed to it.
	RevealTo []byte `json:"reveal_to"`
}

// EvidencePlace is where a listing stands.
type EvidencePlace struct {
	At      time.Time `json:"at"`
	Contact string    `json:"contact"`
	Run     string    `json:"run"`
	Pair    string    `json:"pair"`
}

// EvidenceResult is a page of decisions.
type EvidenceResult struct {
	Rows   int            `json:"rows"`
	Next   *EvidencePlace `json:"next,omitempty"` // nil: there are no more
	Sealed []byte         `json:"sealed"`         // []Evidence, see RevealEvidence
}

// Evidence is one decision and what it rests on.
type Evidence struct {
	Contact   string    `json:"contact"`
	At        time.Time `json:"at"`
	Run       string    `json:"run"`
	Attribute string    `json:"attribute"` // of Campaign, by its canonical name
	Column    string    `json:"column"`    // of Dynamics
	Dynamics  Choice    `json:"dynamics"`
	Campaign  Choice    `json:"campaign"`
	Rule      string    `json:"rule"`
	OptedOut  bool      `json:"opted_out"` // the value that both sides are to hold
	Effect    string    `json:"effect"`    // what was written: dynamics, campaign, both, waits, refused; "" = nothing
}

// Choice is what one side said.
type Choice struct {
	Known    bool      `json:"known"`
	OptedOut bool      `json:"opted_out"`
	At       time.Time `json:"at,omitzero"` // when it was chosen there; zero: unknown
}

// RevealEvidence opens what OptOutEvidence sealed to a pair of keys.
func RevealEvidence(sealed []byte, public, private *[32]byte) ([]Evidence, error) {
	return reveal[[]Evidence](sealed, public, private)
}

// CheckOptOutsInput asks for a comparison of both systems as they are now, a part
// at a time.
type CheckOptOutsInput struct {
	Settings OptOutSettings `json:"settings"`
	Link     string         `json:"link,omitempty"` // where the last part ended; "" = from the beginning
}

// CheckOptOutsResult is a part of a comparison. What people chose is not in it.
type CheckOptOutsResult struct {
	Profiles  int64              `json:"profiles"`  // of contacts, looked at
	Missing   int64              `json:"missing"`   // of them without their contact in Dynamics
	Different []OptOutDifference `json:"different"` // pairs that do not agree
	Waiting   int64              `json:"waiting"`   // contacts whose opt-out waits for a profile
	Link      string             `json:"link,omitempty"`
}

// OptOutDifference is a choice on which the systems do not agree.
type OptOutDifference struct {
	Contact   string `json:"contact"`
	Attribute string `json:"attribute"`
	Column    string `json:"column"`
}

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
