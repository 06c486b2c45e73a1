// Package apierr classifies failures of the two services by who must act on
// them. Clients return *Error; activities turn it into a Temporal failure in
// one place. It is a leaf: it imports nothing of this module.
package apierr

import (
	"errors"
	"strings"
	"time"
)

// Class says who acts on a failure.
type Class string

const (
	// Retryable failures go away by themselves: timeouts, 5xx, resets.
	Retryable Class = "Retryable"
	// Throttled failures go away after RetryAfter.
	Throttled Class = "Throttled"
	// Rejected failures concern one record: it is quarantined, the rest goes on.
	Rejected Class = "Rejected"
	// Blocked failures stop the flow until an operator, or the workflow by Reason, acts.
	Blocked Class = "Blocked"
)

// Reasons: what happened, in words that are stable enough to match on. They
// become the type of the Temporal failure and the code of a quarantined record.
const (
	ReasonNetwork        = "Network"          // no answer: refused, reset, timed out
	ReasonServiceFault   = "ServiceFault"     // 5xx without a better explanation
	ReasonThrottled      = "Throttled"        // 429, or the gate is closed
	ReasonCredentials    = "Credentials"      // token refused twice, wrong secret, not a member
	ReasonPermission     = "Permission"       // authenticated, but not allowed
	ReasonLinkExpired    = "LinkExpired"      // delta token too old: a new baseline is needed
	ReasonNotTracked     = "NotTracked"       // change tracking is off for the table
	ReasonSchema         = "Schema"           // unknown table, column, resource or field
	ReasonConfig         = "Config"           // the request can never work as configured
	ReasonNotFound       = "NotFound"         // the addressed record does not exist
	ReasonExists         = "Exists"           // the key is taken, or the row is already there
	ReasonConflict       = "Conflict"         // the row changed since it was read
	ReasonTooLong        = "TooLong"          // text longer than the target allows
	ReasonInvalidValue   = "InvalidValue"     // wrong type, unknown enumeration value, out of range
	ReasonRefused        = "Refused"          // any other refusal of one record
	ReasonQuota          = "Quota"            // a licensed volume is used up
	ReasonBadResponse    = "BadResponse"      // the answer cannot be read
	ReasonForeignLink    = "ForeignLink"      // a link leads to another host
	ReasonLinkRepeated   = "LinkRepeated"     // a page names itself as the next one
	ReasonResponseTooBig = "ResponseTooLarge" // the answer exceeds the configured cap

	ReasonPositionExpired = "PositionExpired" // the journal no longer holds the position: restart from the oldest event
	ReasonHostUnknown     = "HostUnknown"     // nothing says which key the SFTP server should have
	ReasonHostKeyChanged  = "HostKeyChanged"  // the SFTP server has another key than the one on record
	ReasonNoSpace         = "NoSpace"         // the SFTP server's storage is full
)

// Error is a failed call. Message is safe to store: it names the operation and
// what the service said, never a value of a record, a token or a URL's query.
type Error struct {
	Class   Class
	Reason  string // one of the Reason constants
	Service string // "dataverse", "entra", "campaign", "ims", "journal", "sftp"
	Op      string // what was being done: "create profile"
	Status  int    // HTTP status; 0 when there was no answer
	Code    string // the service's own code: "0x80072322", "401013", "PGS-220000"
	Message string // scrubbed text
	Field   string // the service's field, where it named one
	// RetryAfter is how long to send nothing, with Throttled; with Retryable, how
	// long the service said, or is known, to be down; else 0.
	RetryAfter time.Duration
	RequestID  string
	// Ambiguous is true when the service may have committed the request although
	// it failed here: a timeout, a reset or a 5xx after the request was sent.
	Ambiguous bool
	// Lasted is true when the failure is Blocked only because nothing but such an odd
	// answer came for minutes. It may still be the record's own.
	Lasted bool
	Err    error // cause, may be nil
}

// Error gives one line: service, operation, what happened.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Service)
	b.WriteString(": ")
	b.WriteString(e.Op)
	b.WriteString(": ")
	b.WriteString(e.Reason)
	if e.Code != "" {
		b.WriteString(" (")
		b.WriteString(e.Code)
		b.WriteString(")")
	}
	if e.Message != "" {
		b.WriteString(": ")
		b.WriteString(e.Message)
	}
	return Plain(b.String())
}

func (e *Error) Unwrap() error { return e.Err }

// Odd says that the failure is an answer that something in between, or a passing
// state, may give, and that only an operator can end when it stays: a redirect, a
// refusal or an unknown address that the service itself does not explain. Clients
// make such a failure Blocked when nothing else came for minutes.
func (e *Error) Odd() bool {
	return e.Class == Retryable && (e.Reason == ReasonConfig || e.Reason == ReasonPermission || e.Reason == ReasonSchema || e.Reason == ReasonCredentials)
}

// ClassOf is the class of the *Error in err's chain, or "" without one.
func ClassOf(err error) Class {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Class
	}
	return ""
}

// ReasonOf is the reason of the *Error in err's chain, or "" without one.
func ReasonOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return ""
}
