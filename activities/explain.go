package activities

import (
	"time"
)

// ExplainEventInput asks what became of an event.
type ExplainEventInput struct {
	// ID is an event's key (tracking/5000, broadlog/8003/send, event/<id>), or the
	// id of a log entry or event alone.
	ID       string         `json:"id"`
	Live     bool           `json:"live,omitempty"` // also look at Dynamics now
	Settings EgressSettings `json:"settings"`       // of the configuration file, for Live
}

// ExplainEventResult has an entry for each event that the id can mean and the
// ledger knows: ids, times and reasons, no address and no URL.
type ExplainEventResult struct {
	Events []ExplainedEvent `json:"events"`
}

// ExplainedEvent is what is known of an event.
type ExplainedEvent struct {
	Key        string             `json:"key"`
	Type       string             `json:"type,omitempty"`
	Contact    string             `json:"contact,omitempty"`
	Outcome    string             `json:"outcome"`
	Meaning    string             `json:"meaning"`
	Time       time.Time          `json:"time,omitzero"` // of the event
	Run        string             `json:"run"`
	At         time.Time          `json:"at"`              // when the run gave it its outcome
	Again      int64              `json:"again,omitempty"` // times that it was read again since
	AgainRun   string             `json:"again_run,omitempty"`
	AgainAt    time.Time          `json:"again_at,omitzero"`
	Activity   string             `json:"activity,omitempty"` // id of its row in Dynamics, where it was written
	Quarantine *QuarantinedRecord `json:"quarantine,omitempty"`
	InDynamics *bool              `json:"in_dynamics,omitempty"` // with Live
}

// ExplainInput asks what is known of one record.
type ExplainInput struct {
	Table Table  `json:"table"`
	ID    string `json:"id"`             // Dynamics record id
	Live  bool   `json:"live,omitempty"` // also look at both systems now
}

// NeverSeen is the State of a record that no run has met.
const NeverSeen = "never seen"

// ExplainResult is what is known of a record: states, ids, rules and names of
// fields, no values.
type ExplainResult struct {
	Table   string `json:"table"`
	ID      string `json:"id"`
	State   string `json:"state"` // never seen, or the ledger's: written, filtered, deleted, parked, quarantined, lost
	Meaning string `json:"meaning"`

	Version     string             `json:"version,omitempty"` // of the Dynamics record, last applied
	CampaignKey string             `json:"campaign_key,omitempty"`
	Held        bool               `json:"held"` // Campaign holds what we wrote
	LastRun     string             `json:"last_run,omitempty"`
	LastRunAt   time.Time          `json:"last_run_at,omitzero"`
	Created     string             `json:"created,omitempty"` // run that created it in Campaign; "" = adopted, or never there
	Quarantine  *QuarantinedRecord `json:"quarantine,omitempty"`
	Waits       *ExplainWait       `json:"waits,omitempty"`
	Doubt       *ExplainDoubt      `json:"doubt,omitempty"`
	Live        *ExplainLive       `json:"live,omitempty"`
}

// ExplainDoubt is why Campaign may hold something else of a record than the ledger says,
// and is looked at.
type ExplainDoubt struct {
	Why   string    `json:"why"`
	Since time.Time `json:"since"`
	Look  time.Time `json:"look"` // when Campaign is read next
}

// ExplainWait is what a parked record waits for.
type ExplainWait struct {
	For    string    `json:"for"`
	Parent string    `json:"parent,omitempty"` // table/id
	Run    string    `json:"run"`
	Since  time.Time `json:"since"`
	Ready  bool      `json:"ready,omitempty"` // it goes on with the next pass
}

// ExplainLive is how the systems look now, and what the mapping calls for.
type ExplainLive struct {
	InDynamics  bool              `json:"in_dynamics"`
	Version     string            `json:"version,omitempty"`
	InCampaign  bool              `json:"in_campaign"`
	Decision    string            `json:"decision"`              // create, update, nothing, leave out, delete, refuse, wait
	Why         string            `json:"why,omitempty"`         // rule or refusal
	Differences map[string]string `json:"differences,omitempty"` // mapped fields that differ in Campaign, in general terms
}
