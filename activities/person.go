package activities

import (
	"encoding/json"
	"time"
)

// ShowPersonInput asks how both systems have a record, and what happened to it.
type ShowPersonInput struct {
	Table Table  `json:"table"`
	ID    string `json:"id"` // Dynamics record id
	// RevealTo is the X25519 public key of whoever asks, made for this question: values come
	// sealed to it, because results are kept in Temporal. None: no values.
	RevealTo []byte `json:"reveal_to,omitempty"`
	Reason   string `json:"reason,omitempty"` // why values are revealed
	By       string `json:"by,omitempty"`
}

// ShowPersonResult is a record in both systems: shapes and names of fields, no values but in
// Sealed.
type ShowPersonResult struct {
	Record  ExplainResult `json:"record"` // with Live
	Fields  []SideField   `json:"fields"`
	History []Happening   `json:"history"`        // the newest first
	More    bool          `json:"more,omitempty"` // there was more, which is not listed
	Sealed  []byte        `json:"sealed,omitempty"`
	At      time.Time     `json:"at"` // when the systems were asked
}

// SideField is one field mapping as both systems have it, in general terms.
type SideField struct {
	From       string `json:"from"`
	To         string `json:"to"`
	InDynamics string `json:"in_dynamics"`
	InCampaign string `json:"in_campaign"`
	Compared   bool   `json:"compared,omitempty"` // both systems have the record, and the row can be mapped
	Differs    bool   `json:"differs,omitempty"`  // Campaign has something else than the mapping makes of the row
}

// SideValues are the values of one of Fields. Sealed is the JSON of a list of these, in the
// order of Fields.
type SideValues struct {
	InDynamics json.RawMessage `json:"in_dynamics,omitempty"`
	InCampaign json.RawMessage `json:"in_campaign,omitempty"`
}

// What happened to a record.
const (
	HappenedCreated   = "created"
	HappenedWritten   = "written"
	HappenedDeleted   = "deleted"
	HappenedRestored  = "restored" // by a rollback
	HappenedRefused   = "refused"
	HappenedDiscarded = "discarded"
	HappenedEvent     = "event"
	HappenedOptOut    = "optout"
)

// Happening is something that happened to a record. It says that a choice was decided, and
// not which: choices are revealed as evidence.
type Happening struct {
	At     time.Time `json:"at"`
	What   string    `json:"what"`
	Run    string    `json:"run,omitempty"`
	Detail string    `json:"detail,omitempty"` // of a refusal its reason, of an event its type, of a choice the pair
	Field  string    `json:"field,omitempty"`  // that was refused
}

// RevealPerson opens what ShowPerson sealed to a pair of keys.
func RevealPerson(sealed []byte, public, private *[32]byte) ([]SideValues, error) {
	return reveal[[]SideValues](sealed, public, private)
}
