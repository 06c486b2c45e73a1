package activities

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/nacl/box"
)

// QuarantineListInput selects quarantined records.
type QuarantineListInput struct {
	Table string `json:"table,omitempty"` // "" = all tables
	Selection
	State string `json:"state,omitempty"` // open, released, discarded or all; default open
	Limit int    `json:"limit,omitempty"` // 1 to 1,000; default 100
	// After is the last record of the page before. Only the first page has groups, and says
	// what is elsewhere.
	After *QuarantinePlace `json:"after,omitempty"`
}

// QuarantinePlace is a record in a list of refused records.
type QuarantinePlace struct {
	Table string `json:"table"`
	ID    string `json:"id"`
}

// QuarantinedRecord is one refused record: ids and reasons, no values.
type QuarantinedRecord struct {
	Table     string    `json:"table"`
	ID        string    `json:"id"` // Dynamics record id
	State     string    `json:"state"`
	Run       string    `json:"run"`
	Class     string    `json:"class"`
	Code      string    `json:"code"`
	Field     string    `json:"field,omitempty"`
	Message   string    `json:"message"`
	Version   string    `json:"version,omitempty"` // of the Dynamics record, that was refused
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
	Attempts  int       `json:"attempts"`
	NextTry   time.Time `json:"next_try,omitzero"` // when it is tried again by itself; open records only
	Discarded *Discard  `json:"discarded,omitempty"`
}

// Discard is an operator's decision to leave a refused record alone. The record
// may have been refused again since, in another version.
type Discard struct {
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// QuarantineGroup counts the records refused for one reason.
type QuarantineGroup struct {
	Table     string    `json:"table"`
	Code      string    `json:"code"`
	Field     string    `json:"field,omitempty"`
	Message   string    `json:"message"`
	Records   int64     `json:"records"`
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
	NextTry   time.Time `json:"next_try,omitzero"` // the earliest
}

// QuarantineListResult is how many records a selection holds, how many for each reason,
// and the first of them.
type QuarantineListResult struct {
	Total   int64               `json:"total"` // of all pages
	Groups  []QuarantineGroup   `json:"groups"`
	Records []QuarantinedRecord `json:"records"`
	// Elsewhere is what the same selection holds of tables and flows that were not asked
	// for.
	Elsewhere []QuarantineElsewhere `json:"elsewhere,omitempty"`
}

// QuarantineElsewhere is how many records of a table, or of egress or optout, are in
// quarantine.
type QuarantineElsewhere struct {
	Table   string `json:"table"`
	Records int64  `json:"records"`
}

// InWords says what is selected, for the audit trail.
func (s Selection) InWords() string {
	var parts []string
	switch n := len(s.IDs); n {
	case 0:
	case 1:
		parts = append(parts, "1 record by id")
	default:
		parts = append(parts, fmt.Sprintf("%d records by id", n))
	}
	for _, c := range []struct{ name, value string }{{"run", s.Run}, {"code", s.Code}, {"field", s.Field}} {
		if c.value != "" {
			parts = append(parts, c.name+" "+c.value)
		}
	}
	if !s.Before.IsZero() {
		parts = append(parts, "refused before "+s.Before.UTC().Format(time.RFC3339))
	}
	if len(parts) == 0 {
		return "everything"
	}
	return strings.Join(parts, ", ")
}

// DiscardInput closes quarantined records that nobody wants tried again. At is
// the command's clock and tells one discard from another.
type DiscardInput struct {
	Table string `json:"table"`
	Selection
	Discard
}

// DiscardResult says how many records were discarded.
type DiscardResult struct {
	Discarded int64 `json:"discarded"`
}

// ShowQuarantinedInput asks what is known of one quarantined record, and what
// would be sent of it now.
type ShowQuarantinedInput struct {
	Table string `json:"table"` // mapping
	ID    string `json:"id"`    // Dynamics record id
	// RevealTo is the X25519 public key of whoever asks, made for this question:
	// values come sealed to it, because results are kept in Temporal. None: no values.
	RevealTo []byte `json:"reveal_to,omitempty"`
	By       string `json:"by,omitempty"`
}

// ShowQuarantinedResult is a refused record: rules, states and names of fields,
// no values but in Sealed.
type ShowQuarantinedResult struct {
	Record  QuarantinedRecord `json:"record"`
	Rule    string            `json:"rule,omitempty"`   // of the field that was refused: lastname -> lastName
	Held    bool              `json:"held"`             // Campaign holds what was written of it before
	Parent  string            `json:"parent,omitempty"` // table/id for want of which it was refused
	Mapping string            `json:"mapping"`          // the revision that the flow runs with
	Live    ExplainLive       `json:"live"`             // both systems now, and what the mapping calls for
	Fields  []ShownField      `json:"fields"`           // as mapped now
	Sealed  []byte            `json:"sealed,omitempty"`
}

// ShownField is one field mapping with its values in general terms: "text of 6".
type ShownField struct {
	From       string `json:"from"`
	To         string `json:"to"`
	InDynamics string `json:"in_dynamics"`
	InCampaign string `json:"in_campaign"`          // as last written
	WouldSend  string `json:"would_send,omitempty"` // "" = nothing of it
}

// RevealedField holds the values of one of Fields. Sealed is the JSON of a list of
// these, in the order of Fields.
type RevealedField struct {
	InDynamics json.RawMessage `json:"in_dynamics,omitempty"`
	InCampaign json.RawMessage `json:"in_campaign,omitempty"`
	WouldSend  json.RawMessage `json:"would_send,omitempty"`
}

// Reveal opens what ShowQuarantined sealed to a pair of keys.
func Reveal(sealed []byte, public, private *[32]byte) ([]RevealedField, error) {
	return reveal[[]RevealedField](sealed, public, private)
}

func reveal[T any](sealed []byte, public, private *[32]byte) (values T, err error) {
	plain, ok := box.OpenAnonymous(nil, sealed, public, private)
	if !ok {
		return values, errors.New("the values were not sealed to this key, or were changed on the way")
	}
	if err := json.Unmarshal(plain, &values); err != nil {
		return values, fmt.Errorf("reading revealed values: %w", err)
	}
	return values, nil
}

const (
	// KindRelease tries quarantined records again, each as Dynamics has it now.
	KindRelease Kind = "release"
	// PhaseQuarantined is the quarantined records that a release tries.
	PhaseQuarantined Phase = "quarantined"
)

// Selection says which quarantined records of a table are meant; empty fields
// match all.
type Selection struct {
	IDs    []string  `json:"ids,omitempty"` // record ids, at most 1,000
	Run    string    `json:"run,omitempty"` // that refused it last
	Code   string    `json:"code,omitempty"`
	Field  string    `json:"field,omitempty"`
	Before time.Time `json:"before,omitzero"` // first refused before
}

// All says that every quarantined record of the table is meant.
func (s Selection) All() bool {
	return len(s.IDs) == 0 && s.Run == "" && s.Code == "" && s.Field == "" && s.Before.IsZero()
}

// Release is what a release tries again.
type Release struct {
	Selection
	Due           bool `json:"due,omitempty"`            // what the schedule says is to be tried by now; one page of it
	RefusedBefore bool `json:"refused_before,omitempty"` // what was refused under another revision of the mapping
	Remodelled    bool `json:"remodelled,omitempty"`     // everything that may be tried by itself, because a data model has changed
}
