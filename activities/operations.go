package activities

import (
	"time"
)

// What operators ask for, as the audit trail says it.
const (
	OpStart          = "start"
	OpStop           = "stop"
	OpPause          = "pause"
	OpResume         = "resume"
	OpBackfill       = "backfill"
	OpCancelBackfill = "cancel-backfill"
	OpRollback       = "rollback"
	OpRepair         = "repair"
	OpStrays         = "delete-strays"
	OpRestored       = "ledger-restored"
	OpApprove        = "approve"
	OpReject         = "reject"
	OpApply          = "apply"
	OpRelease        = "release"
	OpDiscard        = "discard"
	OpReplay         = "replay"
	OpAcknowledge    = "acknowledge"
)

// Operation is an entry of the audit trail: who asked for what, and when. It
// holds ids, revisions and the operator's own words; no values of records.
type Operation struct {
	ID       string    `json:"id"` // an entry is kept once
	At       time.Time `json:"at"`
	By       string    `json:"by,omitempty"` // account name; "" when not known
	What     string    `json:"what"`
	Flow     string    `json:"flow"`
	Table    string    `json:"table,omitempty"`
	Run      string    `json:"run,omitempty"`      // that it is about
	Revision string    `json:"revision,omitempty"` // of the mapping that it is about
	Was      string    `json:"was,omitempty"`      // the revision before, where it changed
	Reason   string    `json:"reason,omitempty"`   // in the operator's words
	Detail   string    `json:"detail,omitempty"`   // what else was asked, in words
}

// LogInput is what to add to the audit trail.
type LogInput struct {
	Operations []Operation `json:"operations"`
}

// AcknowledgeInput is a text that somebody has acknowledged.
type AcknowledgeInput struct {
	Text string    `json:"text"` // its edition, such as privacy-1
	By   string    `json:"by"`
	At   time.Time `json:"at"`
}

// OperationsInput selects from the audit trail; empty fields match all.
type OperationsInput struct {
	Flow  string    `json:"flow,omitempty"`
	Table string    `json:"table,omitempty"`
	Run   string    `json:"run,omitempty"`
	By    string    `json:"by,omitempty"`
	What  string    `json:"what,omitempty"`
	Since time.Time `json:"since,omitzero"`  // at or after it
	Limit int       `json:"limit,omitempty"` // the newest so many, 1 to 1,000; default 100
}

// OperationsResult is a part of the audit trail, the newest last.
type OperationsResult struct {
	Operations []Operation `json:"operations"`
}
