package activities

import (
	"encoding/json"
	"time"
)

// Activities by which people get leave to do something, where access is configured.
const (
	AccessKey     = "AccessKey"     // AccessKeyInput -> AccessKeyResult
	AskPermit     = "AskPermit"     // AskPermitInput -> AskPermitResult
	ListRequests  = "ListRequests"  // RequestsInput -> RequestsResult
	DecideRequest = "DecideRequest" // DecideInput -> DecideResult
)

// What becomes of what waits for a second person, as the audit trail says it.
const (
	OpAskSecond = "ask-second"
	OpConfirm   = "confirm"
	OpDecline   = "decline"
)

// AccessKeyInput asks for the key that requests are sealed to.
type AccessKeyInput struct{}

// AccessKeyResult is the workers' public key.
type AccessKeyResult struct {
	Public []byte `json:"public,omitempty"` // none: the worker's configuration has no access
}

// AskPermitInput asks for a permit. The request holds a token, so it is sealed.
type AskPermitInput struct {
	Sealed []byte `json:"sealed"`
}

// AskPermitResult is a permit, or what is waited for instead.
type AskPermitResult struct {
	Permit json.RawMessage `json:"permit,omitempty"`
	Waits  *SecondPerson   `json:"waits,omitempty"` // for a second person
}

// SecondPerson is a request that waits for a second person, or has waited for one. It
// holds ids and names of operators, no values of records.
type SecondPerson struct {
	ID        string          `json:"id"`
	Operation string          `json:"operation"`        // in words
	Target    string          `json:"target,omitempty"` // workflow id
	Input     json.RawMessage `json:"input,omitempty"`  // what is asked, without who asks
	By        string          `json:"by"`
	At        time.Time       `json:"at"`
	Until     time.Time       `json:"until"` // it expires
	State     string          `json:"state"` // asked, confirmed, declined, done, expired
	Decider   string          `json:"decider,omitempty"`
}

// States of a SecondPerson.
const (
	SecondAsked     = "asked"
	SecondConfirmed = "confirmed" // whoever asked may do it now, once
	SecondDeclined  = "declined"
	SecondDone      = "done"
	SecondExpired   = "expired"
)

// RequestsInput asks for the requests that wait for a second person.
type RequestsInput struct {
	All bool `json:"all,omitempty"` // those that are over, too
}

// RequestsResult lists them, the oldest first.
type RequestsResult struct {
	Requests []SecondPerson `json:"requests"`
}

// DecideInput is what a second person decides.
type DecideInput struct {
	ID      string `json:"id"`
	Confirm bool   `json:"confirm,omitempty"` // false: decline
}

// DecideResult is the request as it is now.
type DecideResult struct {
	Request SecondPerson `json:"request"`
}
