// Package reconcile decides what one record of Dynamics calls for in Campaign: the
// rules of ingress, with no I/O, no clock and no log. activities/ingress calls it:
// a run carries the action out, a plan counts it, explain tells it, and a rollback
// looks whether it was carried out.
//
// A decision begins with Read, which maps a row. Decide then answers with an
// Action, or with the fact that it needs first: facts cost calls, so they are looked
// up only when they matter. What Campaign answers to an action is a fact, too, for
// the next Decide.
package reconcile

import (
	"bytes"
	"errors"

	"causeway.dev/internal/mapping"
)

// Rules is what the operator's mapping says about the records of a table.
type Rules struct {
	Mapper          *mapping.Mapper
	ApplyDeletes    bool // what Dynamics deletes is deleted in Campaign
	DeleteUnmatched bool // what the filter leaves out is deleted in Campaign
	DeleteMerged    bool // what Dynamics merged into another record is deleted in Campaign
	LeaveErased     bool // what somebody deleted in Campaign is not created again
	ClearOptOuts    bool // taking a record over may end the opt-outs that it has
	Replay          bool // fields with apply_updates: false are written, too
}

// Known is what the ledger holds of a record; the zero value is a record that it
// has never seen.
type Known struct {
	Payload     []byte // as last written, canonical; nil: Campaign holds nothing of ours
	Fingerprint []byte // of Payload
	Parked      bool   // a change of it waits
	Own         bool   // this run created it
	Lost        bool   // somebody deleted it in Campaign
	Hidden      bool   // it is not held, and Campaign may have it all the same, hidden for want of a parent
}

// Held says that Campaign holds the record, as far as the ledger knows.
func (k *Known) Held() bool { return k.Payload != nil }

// Entry is what Dynamics says about a record.
type Entry struct {
	Version string
	Deleted bool

	// Of a record that is there, as Read found it:
	Rule    string              // the condition of the filter that leaves it out, or RuleMerged
	Merged  bool                // it was merged into another record, and that leaves it out
	Winner  string              // that record; "" when Dynamics has deleted it since
	Refused *mapping.FieldError // why it cannot be mapped
	Same    bool                // what was written last says the same
	Whole   *mapping.Payload    // what Campaign is to hold when the record is created
	Change  *mapping.Payload    // the same for one that is there: fields with apply_updates: false as they were
	Last    *mapping.Payload    // what was written last, when Change differs from it
}

// Read maps a row of Dynamics. It fails when what the ledger holds of the record
// cannot be read; what is wrong with the row is in the entry.
func (r *Rules) Read(k *Known, version string, row []byte) (Entry, error) {
	e := Entry{Version: version}
	var err error
	if e.Merged = r.merged(row); e.Merged {
		e.Rule, e.Winner = RuleMerged, r.Mapper.MergedInto(row)
		return e, nil
	}
	if e.Rule, err = r.Mapper.Excluded(row); err == nil && e.Rule == "" {
		e.Whole, err = r.Mapper.Map(row)
	}
	if err != nil {
		if bad, ok := errors.AsType[*mapping.FieldError](err); ok {
			e.Refused = bad
			return e, nil
		}
		return e, err
	}
	e.Change = e.Whole
	if e.Whole == nil || !k.Held() {
		return e, nil
	}
	if r.Mapper.SkipsUpdates() && !r.Replay {
		if e.Last, err = mapping.ParsePayload(k.Payload); err != nil {
			return e, err
		}
		e.Change = r.Mapper.KeepSkipped(e.Whole, e.Last) // R11.8
	}
	if e.Same = bytes.Equal(k.Fingerprint, e.Change.Fingerprint()); !e.Same && e.Last == nil {
		e.Last, err = mapping.ParsePayload(k.Payload)
	}
	return e, err
}

// RuleMerged is the rule by which a record is left out that was merged into another one.
const RuleMerged = "it was merged into another record"

// merged says that a row was merged into another one, if the profile of such a row is
// deleted.
func (r *Rules) merged(row []byte) bool { return r.DeleteMerged && r.Mapper.Merged(row) }

// Deletes says that a record calls for a delete if Campaign holds it: Dynamics has
// deleted it or merged it into another one, or a condition of the filter leaves it out.
// A row that cannot be compared with the filter is refused when it is written.
func (r *Rules) Deletes(deleted bool, row []byte) bool {
	switch {
	case deleted:
		return r.ApplyDeletes
	case r.merged(row):
		return true
	case !r.DeleteUnmatched:
		return false
	}
	rule, _ := r.Mapper.Excluded(row)
	return rule != ""
}
