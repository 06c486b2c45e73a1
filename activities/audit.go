package activities

// FlowAudit is the flow of audits in the ledger.
const FlowAudit = "audit"

// KindAudit is a comparison of both systems with what was written.
const KindAudit Kind = "audit"

// AuditInput names an audit and the mapping it goes by.
type AuditInput struct {
	Run      string `json:"run"`
	Table    Table  `json:"table"`
	Workflow string `json:"workflow"`
}

// OpenAuditResult says how much there is to compare.
type OpenAuditResult struct {
	Held int64 `json:"held"` // records that Campaign should hold, by the ledger
}

// AuditPagesResult is one step through Campaign's list.
type AuditPagesResult struct {
	Listed int64 `json:"listed"`
	More   bool  `json:"more"`
}

// AuditMissingInput asks about the next records that Campaign's list did not show.
type AuditMissingInput struct {
	AuditInput
	After string `json:"after,omitempty"` // the last record id that was asked about
}

// AuditMissingResult is one step through the records that the list did not show.
type AuditMissingResult struct {
	Checked int64  `json:"checked"`
	After   string `json:"after,omitempty"`
	More    bool   `json:"more"`
}

// AuditFindings accounts for what differs in Campaign: ids and names of fields, no values.
type AuditFindings struct {
	Changed int64 `json:"changed"` // mapped fields were changed in Campaign
	Missing int64 `json:"missing"` // deleted in Campaign, or hidden for want of a parent
	Stray   int64 `json:"stray"`   // with a key, in Campaign, and not from here; touched only when an operator asks (R2.5)
	// Erased counts records that somebody deleted in Campaign and that the mapping leaves so:
	// those known before, and those that the audit found. They are not Missing.
	Erased int64 `json:"erased,omitempty"`
	// Duplicate counts records whose key is that of one of ours in another spelling, such
	// as a GUID in upper case; never touched. Two profiles then stand for one contact.
	Duplicate int64 `json:"duplicate,omitempty"`

	Fields   []PlanCount   `json:"fields,omitempty"`
	Examples []PlanExample `json:"examples,omitempty"` // at most 5 of each finding
}

// Drifted is how many records differ in Campaign from what was written.
func (f AuditFindings) Drifted() int64 { return f.Changed + f.Missing }

// StraysInput asks for the strays of the last audit that are gone from Dynamics.
type StraysInput struct {
	Table Table `json:"table"`
}

// StraysResult lists them: ids, no values.
type StraysResult struct {
	Audit string   `json:"audit"`          // the run that found them; "" = there was none
	Gone  []string `json:"gone"`           // have a key of ours, and are not in Dynamics, or left out by the filter; at most MaxStrays
	Left  int64    `json:"left"`           // of those looked at: Dynamics says that they belong there, or their key is none of ours
	More  bool     `json:"more,omitempty"` // there are more than were looked at
}

// MaxStrays is how many strays are deleted at a time.
const MaxStrays = 1000

// DeleteStraysInput names the strays that an operator has seen and wants deleted.
type DeleteStraysInput struct {
	RunRef
	Workflow string   `json:"workflow"`
	IDs      []string `json:"ids"`
}

// DeleteStraysResult says how many deletes were taken up. The delete guard may let them wait.
type DeleteStraysResult struct {
	Adopted int64      `json:"adopted"`
	Left    int64      `json:"left,omitempty"` // by now known, back in Dynamics, or gone from Campaign
	Strays  int64      `json:"strays,omitempty"`
	Waiting []Approval `json:"waiting,omitempty"` // runs whose deletes wait for an operator
}

// ApplyFindingsInput makes the ledger say what an audit found.
type ApplyFindingsInput struct {
	Table string `json:"table"`
	Run   string `json:"run"` // the audit; "" = there was nothing to audit
}

// ApplyFindingsResult is how many records the ledger was wrong about.
type ApplyFindingsResult struct {
	Corrected int64 `json:"corrected"`
}
