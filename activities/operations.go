package activities

import (
	"strings"
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
	OpRekey          = "ledger-rekey"
	OpBackup         = "ledger-backup"
	OpForget         = "forget"
	OpApprove        = "approve"
	OpReject         = "reject"
	OpApply          = "apply"
	OpRelease        = "release"
	OpDiscard        = "discard"
	OpReveal         = "reveal"
	OpSearch         = "search"
	OpReplay         = "replay"
	OpAcknowledge    = "acknowledge"
	OpSecret         = "secret"  // a secret was replaced
	OpBundle         = "support" // a support bundle was made
)

// Operation is an entry of the audit trail: who asked for what, and when. It
// holds ids, revisions and the operator's own words; no values of records.
type Operation struct {
	Seq      int64     `json:"seq,omitzero"` // its number in the log, from 1; the ledger gives it
	ID       string    `json:"id"`           // an entry is kept once
	At       time.Time `json:"at"`
	By       string    `json:"by,omitempty"`       // account name; "" when not known
	Verified bool      `json:"verified,omitempty"` // By has signed in; else it is what the client said
	Subject  string    `json:"subject,omitempty"`  // of By at the issuer, if verified
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

// LogEnd is the last entry of the audit trail at a time. Flows remember it, so that a
// trail that is cut in the ledger is noticed.
type LogEnd struct {
	Seq  int64     `json:"seq"`
	At   time.Time `json:"at"`
	Hash []byte    `json:"hash"`
}

// RememberedEnd is how far a flow knows that the audit trail went.
type RememberedEnd struct {
	Flow string `json:"flow"`
	LogEnd
}

// VerifyLogInput is what to compare the audit trail with.
type VerifyLogInput struct {
	Remembered []RememberedEnd `json:"remembered,omitempty"`
}

// VerifyLogResult is what the audit trail looks like.
type VerifyLogResult struct {
	Agrees   bool      `json:"agrees"`
	Entries  int64     `json:"entries"` // that agree
	From     time.Time `json:"from,omitzero"`
	To       time.Time `json:"to,omitzero"`
	Unkeyed  int64     `json:"unkeyed"`            // of Entries: chained without a key
	Pruned   int64     `json:"pruned"`             // entries before them that were pruned
	PrunedTo time.Time `json:"pruned_to,omitzero"` // when the last of these was accepted
	Fault    string    `json:"fault,omitempty"`    // what does not agree first
	FaultSeq int64     `json:"fault_seq,omitzero"`
	// Lacking are the ends that flows remember and the trail does not have.
	Lacking []RememberedEnd `json:"lacking,omitempty"`
	// Restored is the entry that explains Lacking: somebody said that the ledger was restored.
	Restored *Operation `json:"restored,omitempty"`
	// Remembered are the flows whose ends were compared.
	Remembered []string `json:"remembered"`
}

// AcknowledgeInput is a text that somebody has acknowledged.
type AcknowledgeInput struct {
	Text string    `json:"text"` // its edition, such as privacy-1
	By   string    `json:"by"`
	At   time.Time `json:"at"`
	Once bool      `json:"once,omitempty"` // one person acknowledges it for all
}

// TextTypology is that Campaign's typology rules were looked at before opt-outs are carried.
const TextTypology = "typology-1"

// AcknowledgedOnce is the id of the entry that says that somebody has acknowledged a text
// for all.
func AcknowledgedOnce(text string) string { return OpAcknowledge + "/" + text }

// OperationsInput selects from the audit trail; empty fields match all.
type OperationsInput struct {
	Flow  string    `json:"flow,omitempty"`
	Table string    `json:"table,omitempty"`
	Run   string    `json:"run,omitempty"`
	By    string    `json:"by,omitempty"`
	What  string    `json:"what,omitempty"`
	Since time.Time `json:"since,omitzero"` // at or after it
	// Before leads to older entries: those before the first of a page, or before a time.
	Before *OperationPlace `json:"before,omitempty"`
	Limit  int             `json:"limit,omitempty"` // the newest so many, 1 to 1,000; default 100
}

// OperationPlace is a place in the audit trail.
type OperationPlace struct {
	At  time.Time `json:"at"`
	Seq int64     `json:"seq,omitempty"`
}

// OperationsResult is a part of the audit trail, the newest last.
type OperationsResult struct {
	Operations []Operation `json:"operations"`
}

// SubjectOf is who a verified name belongs to, as the issuer calls them: "Ada <subject>". A
// name that nobody verified never has this form.
func SubjectOf(name string) (subject string, verified bool) {
	rest, closed := strings.CutSuffix(name, ">")
	_, subject, opened := strings.Cut(rest, "<")
	if !closed || !opened {
		return "", false
	}
	return subject, true
}
