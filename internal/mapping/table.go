// Package mapping turns one row of a Dynamics table into what Campaign should
// hold, by the operator's table mapping. It is pure: no I/O, no clock, no
// logging, so that the same row and plan give the same payload on every attempt.
//
// An operator writes a mapping as a Table. Resolve checks it once against both data
// models and makes a Plan of it, which is kept with the run. A Mapper applies the
// plan row by row. The configuration reads and checks tables; activities/ingress
// resolves, applies and proposes them.
package mapping

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"causeway.dev/internal/optout"
)

// MaxLinks is the most links one mapping may have (R17.3).
const MaxLinks = 5

// MaxFields is the most fields any mapping may have.
const MaxFields = 1000

// maxCustomFields is the most fields a mapping of a custom entity may have (R9.10).
// Contacts have no such limit.
const maxCustomFields = 50

// What to do with text that is longer than the Campaign field.
const (
	// Reject refuses the record; it goes to quarantine. The default.
	Reject = "reject"
	// Truncate cuts the text after the last Unicode character that fits.
	Truncate = "truncate"
)

// Table is one table mapping as the operator wrote it: which Dynamics table
// feeds which Campaign resource, and how.
type Table struct {
	// Name is the flow's name for this mapping, such as "contacts": its key under ingress.tables.
	Name string `json:"name" yaml:"-"`
	// Dynamics names the table records are read from.
	Dynamics SourceTable `json:"dynamics" yaml:"dynamics" jsonschema:"required"`
	// Campaign names the resource records are written to.
	Campaign TargetTable `json:"campaign" yaml:"campaign" jsonschema:"required"`
	// ApplyDeletes deletes the Campaign record when the Dynamics record is deleted (R14.1).
	ApplyDeletes bool `json:"apply_deletes,omitempty" yaml:"apply_deletes,omitempty"`
	// TechnicalValues sends a choice's number instead of its label (R14.4).
	TechnicalValues bool `json:"technical_values,omitempty" yaml:"technical_values,omitempty"`
	// ClearOptOuts lets an adopted profile's opt-outs be turned off by what Dynamics says; without it, an opt-out that Campaign holds survives adoption.
	ClearOptOuts bool `json:"clear_opt_outs,omitempty" yaml:"clear_opt_outs,omitempty"`
	// Merged says what becomes of the profile of a contact that Dynamics merged into another one: delete or keep. Without it, the profile is deleted where apply_deletes is set, and kept elsewhere. Its opt-outs go to the winner's profile first.
	Merged string `json:"merged,omitempty" yaml:"merged,omitempty" jsonschema:"enum=delete,enum=keep"`
	// Erased says what becomes of a record that Causeway wrote and somebody deleted in Campaign: restore creates it again with its next change in Dynamics, and with the opt-outs that are known of it; leave leaves it deleted, whatever comes. Without it, the profile of a contact stays deleted until a backfill reads the contact, and records of other tables are created again.
	Erased string `json:"erased,omitempty" yaml:"erased,omitempty" jsonschema:"enum=restore,enum=leave"`
	// OptOuts are the pairs that opt_out keeps in step. A profile is created with those that Dynamics holds.
	OptOuts []optout.PairSetting `json:"opt_outs,omitempty" yaml:"-"`
	// Filter selects the records to propagate; without it, all of them (R13).
	Filter Filter `json:"filter,omitzero" yaml:"filter,omitempty"`
	// Fields are the pairs to synchronise. The key pair need not be listed. A mapping of another table than contact may have 50.
	Fields []Field `json:"fields" yaml:"fields" jsonschema:"required,minItems=1,maxItems=1000"`
}

const contactTable = "contact"

// maxFields is the most fields the mapping may have.
func (t Table) maxFields() int {
	if t.Dynamics.Table == contactTable {
		return MaxFields
	}
	return maxCustomFields
}

// What to do with the profile of a contact that was merged into another one.
const (
	DeleteMerged = "delete"
	KeepMerged   = "keep"
)

// What to do with a record that somebody deleted in Campaign.
const (
	RestoreErased = "restore"
	LeaveErased   = "leave"
)

// DeletesMerged says that the profile of a contact is deleted when the contact was
// merged into another one.
func (t *Table) DeletesMerged() bool {
	return t.Merged == DeleteMerged || t.Merged == "" && t.ApplyDeletes
}

// LeavesErased says that a record which somebody deleted in Campaign stays deleted. The
// profile of a person does unless the mapping says otherwise: whoever deleted it may have
// been asked to. A backfill is asked for by an operator, so it brings such a profile back
// where the mapping says nothing.
func (t *Table) LeavesErased(backfill bool) bool {
	return t.Erased == LeaveErased || t.Erased == "" && t.Dynamics.Table == contactTable && !backfill
}

// SourceTable is the Dynamics side of a mapping.
type SourceTable struct {
	// Table is the logical name of the Dynamics table, such as contact.
	Table string `json:"table" yaml:"table" jsonschema:"required"`
}

// TargetTable is the Campaign side of a mapping.
type TargetTable struct {
	// API is the Campaign API that serves the resource.
	API string `json:"api" yaml:"api,omitempty" jsonschema:"enum=profileAndServicesExt,enum=profileAndServices,enum=customResources,default=profileAndServicesExt"`
	// Resource is the name of the Campaign resource, such as profile or cusVehicle.
	Resource string `json:"resource" yaml:"resource" jsonschema:"required"`
	// Key is the Campaign text field that holds the Dynamics id: externalId for contact to profile (R10.6).
	Key string `json:"key" yaml:"key" jsonschema:"required"`
}

// Field is one pair of a mapping.
type Field struct {
	// From is the logical name of the Dynamics column, such as emailaddress1.
	From string `json:"from" yaml:"from" jsonschema:"required"`
	// To is the Campaign field; a nested one has dots, such as location.city.
	To string `json:"to" yaml:"to" jsonschema:"required"`
	// OnTooLong says what happens to text longer than the Campaign field: reject refuses the record, truncate cuts the text.
	OnTooLong string `json:"on_too_long,omitempty" yaml:"on_too_long,omitempty" jsonschema:"enum=reject,enum=truncate,default=reject"`
	// TimeZone is the IANA zone in which an instant's date is taken for a date field, such as Europe/Paris.
	TimeZone string `json:"time_zone,omitempty" yaml:"time_zone,omitempty" jsonschema:"default=UTC"`
	// ApplyUpdates propagates changes as they occur; false writes the column when a record is created and when it is replayed, and never in between (R11.7, R11.8).
	ApplyUpdates *bool `json:"apply_updates,omitempty" yaml:"apply_updates,omitempty" jsonschema:"default=true"`
	// LowerCase writes text in lower case, as e-mail addresses are best compared.
	LowerCase bool `json:"lower_case,omitempty" yaml:"lower_case,omitempty"`
	// Replace gives a new value for an existing one, before conversion: a choice by its label, with technical_values by its number; text as it is; "" for an empty column (R12).
	Replace map[string]string `json:"replace,omitempty" yaml:"replace,omitempty"`
	// Parent is the mapping of the table that a lookup names, such as contacts: it makes the pair a link. A Campaign link needs it; for a text field that Campaign joins to the parent's key it lets a record wait that Campaign hides for want of its parent (R17).
	Parent string `json:"parent,omitempty" yaml:"parent,omitempty"`
}

// Filter selects records by their Dynamics values, mapped or not.
type Filter struct {
	// Match says whether all conditions must hold or any one of them.
	Match string `json:"match,omitempty" yaml:"match,omitempty" jsonschema:"enum=all,enum=any,default=all"`
	// Where are the conditions; none selects every record.
	Where []Condition `json:"where,omitempty" yaml:"where,omitempty"`
	// DeleteUnmatched deletes the Campaign record of one that no longer matches; without it, it stays as it was (R13.5, R13.6).
	DeleteUnmatched bool `json:"delete_unmatched,omitempty" yaml:"delete_unmatched,omitempty"`
}

// Condition compares one Dynamics column with a value.
type Condition struct {
	// Column is the logical name of any column of the table.
	Column string `json:"column" yaml:"column" jsonschema:"required"`
	// Is says how the column compares with the value.
	Is string `json:"is" yaml:"is" jsonschema:"required,enum=equals,enum=not_equals,enum=greater,enum=greater_or_equal,enum=less,enum=less_or_equal,enum=contains,enum=begins_with,enum=empty,enum=not_empty"`
	// Value to compare with, in quotes: text, a number, true or false, an id, a choice's label or number, or an ISO 8601 date or time; not with empty and not_empty.
	Value string `json:"value,omitempty" yaml:"value,omitempty"`
}

// MatchAny makes one condition of a filter enough.
const MatchAny = "any"

// Revision identifies what the mapping says: 12 hexadecimal characters that are
// equal for two tables if and only if they mean the same, defaults written out
// or not. A flow runs one revision until it is stopped and started (R8.14).
func (t Table) Revision() string {
	data, err := json.Marshal(t.normal())
	if err != nil {
		return "" // unreachable: the type holds only text and booleans
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:6])
}

// normal returns the table with defaults left out where they are optional and
// written where they are not.
func (t Table) normal() Table {
	if t.Campaign.API == "" {
		t.Campaign.API = DefaultAPI
	}
	fields := make([]Field, len(t.Fields))
	for i, f := range t.Fields {
		if f.OnTooLong == Reject {
			f.OnTooLong = ""
		}
		if f.TimeZone == "UTC" {
			f.TimeZone = ""
		}
		if f.ApplyUpdates != nil && *f.ApplyUpdates {
			f.ApplyUpdates = nil
		}
		if len(f.Replace) == 0 {
			f.Replace = nil
		}
		fields[i] = f
	}
	t.Fields = fields
	if t.Erased == RestoreErased && t.Dynamics.Table != contactTable {
		t.Erased = ""
	}
	if len(t.OptOuts) == 0 {
		t.OptOuts = nil
	}
	if t.Filter.Match == "all" {
		t.Filter.Match = ""
	}
	if len(t.Filter.Where) == 0 {
		t.Filter = Filter{}
	}
	return t
}

// DefaultAPI is the Campaign API used when a mapping names none.
const DefaultAPI = "profileAndServicesExt"
