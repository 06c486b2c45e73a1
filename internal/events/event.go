// Package events is the marketing event of egress: a send, open, click or bounce of
// one e-mail to one contact. An event is the same whether it came through the
// journal or in a log file (docs/protocol/campaign.md §6). It is pure: no I/O, no
// clock, no logging. activities/egress reads the journal with it, internal/exports
// the files, and internal/timeline makes rows of its events.
package events

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Type is what happened.
type Type string

// The types that can go to a contact's timeline (R18.3).
const (
	Send   Type = "send"
	Open   Type = "open"
	Click  Type = "click"
	Bounce Type = "bounce"
)

// MarketingEvent is one event. The same event has the same Key, Time and texts
// from every source; RecipientID and Source may differ.
type MarketingEvent struct {
	Type Type `json:"t"`
	// Key identifies the event: broadlog/<id>/send, broadlog/<id>/bounce,
	// tracking/<id>, or event/<id> if the source gave no id of the log. A soft and a
	// hard bounce of one message have the same key. A key that was seen for the soft
	// one must therefore not count as done for the hard one.
	Key           string    `json:"k"`
	ContactID     string    `json:"c,omitempty"` // lower-case GUID; "" when the profile is no contact of Dynamics
	RecipientID   string    `json:"r,omitempty"` // Campaign's own id of the profile; not in files
	BroadLogID    string    `json:"b,omitempty"`
	TrackingLogID string    `json:"l,omitempty"`
	CampaignName  string    `json:"cn,omitempty"` // the campaign's internal id, not its label (R18.8); may be ""
	DeliveryName  string    `json:"dn,omitempty"` // the delivery's internal id
	Time          time.Time `json:"at"`           // when the event happened (R18.9); UTC, whole milliseconds
	URL           string    `json:"u,omitempty"`  // of a click, unchanged
	MirrorPageURL string    `json:"m,omitempty"`  // unchanged (R18.10); may be ""
	Soft          bool      `json:"soft,omitempty"`
	Seed          bool      `json:"seed,omitempty"`
	Proof         bool      `json:"proof,omitempty"`
	// Source is where the event was read: a journal position, or file:line.
	Source string `json:"s,omitempty"`
}

// Encode returns the stable, compact form that the ledger keeps.
func (e *MarketingEvent) Encode() []byte {
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false) // URLs stay readable
	if err := out.Encode(e); err != nil {
		panic(fmt.Sprintf("events: a struct of texts cannot be encoded: %T", err)) // only for a year beyond 9999, which parsers refuse
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// Decode reads what Encode wrote. Its error does not quote the event.
func Decode(data []byte) (*MarketingEvent, error) {
	var e MarketingEvent
	if err := json.Unmarshal(data, &e); err != nil {
		return nil, fmt.Errorf("reading a staged event: not in the form it was written (%T)", err)
	}
	e.Time = e.Time.UTC()
	return &e, nil
}

// Fault is what is wrong with a member of an event or a column of a row.
type Fault string

const (
	// Missing means not there, or empty where a value is needed.
	Missing Fault = "missing"
	// Invalid means there, but not what is wanted.
	Invalid Fault = "invalid"
	// Label means a text where the raw value of an enumeration is wanted. The whole
	// file was then exported with labels (docs/protocol/campaign.md §6.4).
	Label Fault = "label"
)

// Problem says why an event or a row cannot be used. It names the member or
// column, never the value.
type Problem struct {
	Member string // data.eventDate in the journal, eventDate in a file
	Fault  Fault
	Want   string
}

func (p *Problem) Error() string {
	switch p.Fault {
	case Missing:
		return p.Member + ": missing, want " + p.Want
	case Label:
		return p.Member + ": got a label, want " + p.Want
	}
	return p.Member + ": not valid, want " + p.Want
}

const (
	wantMoment = "a date and time with its zone, such as 2026-03-01T10:15:29.000Z"
	wantID     = "an id of at most 64 letters, digits and . _ : - @ + ="
	wantFlag   = "true or false"
)

// moments are the forms of a date and time: that of XML and that of the REST API.
// time.Parse accepts a fraction in both.
var moments = []string{"2006-01-02T15:04:05Z07:00", "2006-01-02 15:04:05Z07:00"}

// ParseTime reads a date and time with its zone, in the form of XML or of the REST
// API. Parts finer than a millisecond are dropped, so that an event has the same time
// from every source. A time before 1970 is refused.
func ParseTime(s string) (time.Time, bool) {
	for _, form := range moments {
		if at, err := time.Parse(form, s); err == nil {
			at = at.UTC().Truncate(time.Millisecond)
			return at, at.Year() >= 1970 && at.Year() <= 9999
		}
	}
	return time.Time{}, false
}

// ContactID is the canonical form of a contact's id: a lower-case GUID with
// hyphens. It is "" for any other external id: such a profile is no contact.
func ContactID(externalID string) string {
	s := strings.TrimSpace(externalID)
	if len(s) == 38 && s[0] == '{' && s[37] == '}' {
		s = s[1:37]
	}
	id, err := uuid.Parse(s)
	if err != nil || len(s) != 36 || id == uuid.Nil {
		return ""
	}
	return id.String()
}

// logID says that s can be the id of a log entry, so that it may be part of a key.
func logID(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._:-@+=", r)) {
			return false
		}
	}
	return true
}

// ParseFlag reads a boolean in any of the forms that files and events use.
func ParseFlag(s string) (value, ok bool) {
	switch {
	case s == "1", strings.EqualFold(s, "true"):
		return true, true
	case s == "0", strings.EqualFold(s, "false"):
		return false, true
	}
	return false, false
}

func broadLogKey(id string, t Type) string { return "broadlog/" + id + "/" + string(t) }
func trackingKey(id string) string         { return "tracking/" + id }
