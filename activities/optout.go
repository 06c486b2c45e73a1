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
	After   *EvidencePlace `json:"after,omitempty"`   // the end of the page before
	Limit   int            `json:"limit,omitempty"`   // 1 to 1,000; default 1,000
	// RevealTo is the X25519 public key of whoever asks, made for this question. What
	// people chose comes sealed to it, because results are kept in Temporal.
	RevealTo []byte `json:"reveal_to"`
	By       string `json:"by,omitempty"`
}

// EvidencePlace is the last decision of a page of evidence.
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
	OptedOut  bool      `json:"opted_out"` // the value that both systems are to hold
	Effect    string    `json:"effect"`    // what was written: dynamics, campaign, both, waits, refused; "" = nothing
}

// Choice is what one system held when a decision was made.
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

// CheckOptOutsResult is a part of a comparison. It does not say what people chose.
type CheckOptOutsResult struct {
	Profiles  int64              `json:"profiles"`  // compared, each with its contact
	Missing   int64              `json:"missing"`   // of Profiles: Dynamics does not have the contact
	Different []OptOutDifference `json:"different"` // pairs that do not agree
	Waiting   int64              `json:"waiting"`   // contacts whose opt-out waits for a profile
	Link      string             `json:"link,omitempty"`
}

// OptOutDifference is a choice on which the systems do not agree.
type OptOutDifference struct {
	Contact   string `json:"contact"`
	Attribute string `json:"attribute"`
	Column    string `json:"column"`
	// Loser is a contact that was merged into this one and has opted out, which this one
	// has not; "" when it is the two systems that do not agree.
	Loser string `json:"loser,omitempty"`
}

// TypologyWarning is told at a start until somebody has acknowledged TextTypology.
const TypologyWarning = "review the typology rules in Campaign before an opt-out attribute changes its meaning, so that relationship or transactional mail is not cut off by mistake"

// OptOutSettings are what an opt-out flow is started with.
type OptOutSettings = optout.Settings

// PreflightOptOutInput asks whether settings fit both systems.
type PreflightOptOutInput struct {
	Settings OptOutSettings `json:"settings"`
	Restored string         `json:"restored,omitempty"` // as in PreflightInput
	StartMark
}

// PreflightOptOutResult says what a start will do.
type PreflightOptOutResult struct {
	Revision      string    `json:"revision"`
	Plan          string    `json:"plan"` // of RunRef
	Source        string    `json:"source"`
	NeedsBaseline bool      `json:"needs_baseline"` // both systems are read to the end first
	UnfinishedRun string    `json:"unfinished_run,omitempty"`
	Restored      string    `json:"restored,omitempty"` // as in PreflightResult
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

// CheckSourceResult says where Campaign's choices can be read.
type CheckSourceResult struct {
	Source string        `json:"source"` // that a start would use; "" = none
	REST   string        `json:"rest"`   // "" = possible; else why not
	SFTP   string        `json:"sftp"`   // "" = possible; else why not
	Fields []OptOutField `json:"fields"`
}

// OptOutField is what the profile of an instance has for an attribute.
type OptOutField struct {
	Attribute string `json:"attribute"`
	Field     string `json:"field"` // of the profile; "" = the instance has none
	Stamp     string `json:"stamp"` // "" = no time of its last change is published
}

// WatchExportInput asks whether opt-outs are still being exported.
type WatchExportInput struct {
	Export optout.ExportSetting `json:"export"`
	Files  bool                 `json:"files"` // the flow reads exported files
	// Warned is since when Campaign's workflow has been in the state WARNING, which may
	// pass by itself.
	Warned time.Time `json:"warned,omitzero"`
	// Restarts are the starts of the last day that the flow knows of. There are at most
	// three.
	Restarts []time.Time `json:"restarts,omitempty"`
}

// WatchExportResult is the state of the export.
type WatchExportResult struct {
	State     string    `json:"state,omitempty"` // of Campaign's workflow, in Campaign's words
	Newest    time.Time `json:"newest,omitzero"` // when the newest file that was read was exported
	Alarm     string    `json:"alarm,omitempty"` // what somebody has to do; "" = nothing
	Warned    time.Time `json:"warned,omitzero"`
	Restarted bool      `json:"restarted,omitempty"`
}
