package workflows

import (
	"cmp"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"

	"causeway.dev/activities"
)

// Task queues, one per system, so that a throttled one does not starve the others.
const (
	QueueMain      = "causeway"           // workflows and ledger work
	QueueDataverse = "causeway-dataverse" // calls to Dynamics
	QueueCampaign  = "causeway-campaign"  // calls to Campaign
)

// Updates of the workflows that own a flow. Each takes the struct of the same name
// with "Request" and answers a Status once the request is accepted and recorded;
// ApplyConfig takes a StartRequest.
const (
	UpdateStart           = "Start"
	UpdateStop            = "Stop"
	UpdatePause           = "Pause"
	UpdateResume          = "Resume"
	UpdateSyncNow         = "SyncNow"
	UpdateRequestBackfill = "RequestBackfill"
	UpdateCancelBackfill  = "CancelBackfill"
	UpdateApplyConfig     = "ApplyConfig"
	UpdateApprove         = "Approve"
	UpdateReject          = "Reject"
	UpdateRequestRollback = "RequestRollback"
	UpdateDeleteStrays    = "DeleteStrays"
)

// Queries.
const (
	QueryStatus   = "Status"   // of an owner: Status
	QueryProgress = "Progress" // of a pass: Progress; of Audit: AuditProgress
)

// SignalControl steers a pass; its payload is Control. Its owner sends it.
const SignalControl = "Control"

// SignalRepair asks the owner of a table to act on the findings of an audit; its
// payload is Repair. Audit sends it.
const SignalRepair = "Repair"

// SignalWake makes an owner look at its source at once; its payload is Wake. Whoever
// learns of a change sends it. Many that come together count as one, and one that
// is lost costs no more than the wait until the next poll.
const SignalWake = "Wake"

// Wake says who learned of a change.
type Wake struct {
	By string `json:"by,omitempty"`
}

// Repair makes the ledger say what an audit found, and loads the table anew.
type Repair struct {
	Audit string `json:"audit"` // its run
	// Failed says that there is nothing to act on: an audit that the flow began has failed.
	Failed bool   `json:"failed,omitempty"`
	By     string `json:"by,omitempty"`
}

// Control is what an owner asks of a running pass.
type Control string

const (
	ControlStop   Control = "stop"   // put back what is in hand and end; the run goes on later
	ControlPause  Control = "pause"  // put back what is in hand and wait
	ControlResume Control = "resume" // go on
	ControlCancel Control = "cancel" // keep what was written, give up the rest
)

// State of a flow (R8.3, and PAUSED).
type State string

const (
	StateStopped  State = "STOPPED"
	StateStarting State = "STARTING"
	StateRunning  State = "RUNNING"
	StatePaused   State = "PAUSED"
	StateFailed   State = "FAILED"
)

// StartRequest is what Start and ApplyConfig take: what the flow is to do, which is
// exactly one of Table, Egress and OptOut. Start starts a stopped or failed flow
// with it; ApplyConfig says what is on file for the next start (R8.14).
type StartRequest struct {
	Table    *activities.Table          `json:"table,omitempty"`
	Egress   *activities.EgressSettings `json:"egress,omitempty"`
	OptOut   *activities.OptOutSettings `json:"opt_out,omitempty"`
	Revision string                     `json:"revision"` // of Table, Egress or OptOut; whoever asks computes it
	// Tuning of the flow, from the configuration file.
	Tuning Tuning `json:"tuning,omitzero"`
	// LagAlarm of egress is the age of the position that raises the alarm (R18.17).
	LagAlarm activities.Duration `json:"lag_alarm,omitempty"`
	By       string              `json:"by,omitempty"`
	// Load is how the initial load writes, if the start begins one.
	Load ByFile `json:"load,omitzero"`
}

// ByFile has a load go by file.
type ByFile struct {
	File bool `json:"file,omitempty"`
	// NoRollback lets it go although Campaign holds records of the resource: of these no
	// before-images are kept.
	NoRollback bool `json:"no_rollback,omitempty"`
}

// ref is ref for a run that loads so.
func (b ByFile) ref(ref activities.RunRef) activities.RunRef {
	ref.ByFile, ref.NoRollback = b.File, b.NoRollback
	return ref
}

// tuned is t for a run that loads so. One part at a time is outstanding, so there is one
// lane, and a page is read when the one before is settled.
func (b ByFile) tuned(t Tuning) Tuning {
	if b.File {
		t.Lanes, t.ReadAhead = 1, 1
	}
	return t
}

// StopRequest stops a flow: work in hand is finished or put back, nothing is lost.
type StopRequest struct {
	By string `json:"by,omitempty"`
}

// PauseRequest holds a running flow until Resume.
type PauseRequest struct {
	Reason string `json:"reason"`
	By     string `json:"by,omitempty"`
}

// ResumeRequest lets a paused flow go on.
type ResumeRequest struct {
	By string `json:"by,omitempty"`
}

// SyncNowRequest looks for changes at once instead of at the next poll.
type SyncNowRequest struct {
	By string `json:"by,omitempty"`
}

// BackfillRequest reads records again: the whole table, a window, or named ids.
type BackfillRequest struct {
	Window activities.Window `json:"window,omitzero"`
	By     string            `json:"by,omitempty"`
	Load   ByFile            `json:"load,omitzero"`
}

// BackfillAnswer names the run a backfill request became.
type BackfillAnswer struct {
	Run        string `json:"run"`
	WorkflowID string `json:"workflow_id"`
	Queued     int    `json:"queued"` // backfills before it
}

// CancelBackfillRequest gives up the running backfill, or a queued one.
type CancelBackfillRequest struct {
	Run string `json:"run,omitempty"` // "" = the running one
	By  string `json:"by,omitempty"`
	// Rollback undoes what a running one has written.
	Rollback bool `json:"rollback,omitempty"`
}

// RollbackRequest undoes a run; one that is running is cancelled first.
type RollbackRequest struct {
	Run string `json:"run"`
	By  string `json:"by,omitempty"`
}

// ApproveRequest is about the deletes of a run that wait because there are more of
// them than may be made unasked: with Approve they go on, with Reject they are dropped.
type ApproveRequest struct {
	Run string `json:"run"`
	By  string `json:"by,omitempty"`
}

// DeleteStraysRequest has records deleted in Campaign that an audit found, that nobody
// here remembers, and that are gone from Dynamics.
type DeleteStraysRequest struct {
	IDs []string `json:"ids"` // 1 to activities.MaxStrays
	By  string   `json:"by,omitempty"`
}

// Tuning bounds the work of a flow. The configuration says it all; what it has no
// setting for may be zero.
type Tuning struct {
	Lanes         int                 `json:"lanes,omitempty"`          // parallel lanes per page, 1 to 32
	ReadAhead     int                 `json:"read_ahead,omitempty"`     // pages staged but not yet written, 1 to 8; 0: 2
	Poll          activities.Duration `json:"poll,omitempty"`           // pause between looks at the source
	StopRatio     float64             `json:"stop_ratio,omitempty"`     // share of refused records that stops a run
	OnStop        string              `json:"on_stop,omitempty"`        // what follows then: "" keeps what was written, OnStopRollback undoes it
	StopMin       int64               `json:"stop_min,omitempty"`       // records settled before StopRatio counts
	PagesPerRun   int                 `json:"pages_per_run,omitempty"`  // continue as new after so many pages; 0 = when Temporal suggests it
	DeltaInterval activities.Duration `json:"delta_interval,omitempty"` // during a backfill: look for changes this often; 0: 15 s
	RetryAfter    activities.Duration `json:"retry_after,omitempty"`    // pause before a FAILED flow tries again by itself, doubled each time; 0: never
	RetryAtMost   activities.Duration `json:"retry_at_most,omitempty"`  // the longest such pause
}

// OnStopRollback undoes a run that was stopped for too many refusals.
const OnStopRollback = "rollback"

// Status answers what a flow is doing.
type Status struct {
	Instance      string                `json:"instance"`
	Table         string                `json:"table"`
	State         State                 `json:"state"`
	Phase         string                `json:"phase"`            // in words: "initial load", "waiting for changes"
	Reason        string                `json:"reason,omitempty"` // why paused or failed
	Since         time.Time             `json:"since"`            // of State
	Run           string                `json:"run,omitempty"`    // the run in hand
	RunWorkflow   string                `json:"run_workflow,omitempty"`
	RunKind       activities.Kind       `json:"run_kind,omitempty"`
	RunTitle      string                `json:"run_title,omitempty"` // what the run is, where its kind does not tell
	Progress      *Progress             `json:"progress,omitempty"`  // of a run that the owner carries out itself; the workflow of another run is asked for its own
	LastRun       *RunSummary           `json:"last_run,omitempty"`
	Watermark     time.Time             `json:"watermark,omitzero"` // everything before it is settled
	Totals        activities.Counts     `json:"totals"`             // of all finished runs since the flow first started
	Runs          int64                 `json:"runs"`
	Quarantined   int64                 `json:"quarantined"`             // open items
	Warnings      []string              `json:"warnings,omitempty"`      // what had changed in the data models at the last start
	ModelChanges  []string              `json:"model_changes,omitempty"` // what has changed in the data models since, and does no harm
	Parked        int64                 `json:"parked,omitempty"`        // records that wait, by the end of the last run
	Erased        *activities.Erased    `json:"erased,omitempty"`        // records that somebody deleted in Campaign and that stay so
	Returned      *activities.Returned  `json:"returned,omitempty"`      // records that somebody deleted in Campaign and that were created again
	Approvals     []activities.Approval `json:"approvals,omitempty"`     // runs whose deletes wait for an operator
	Strays        int64                 `json:"strays,omitempty"`        // that the last audit found and nobody has decided about
	Revision      string                `json:"revision,omitempty"`
	FiledRevision string                `json:"filed_revision,omitempty"` // on file; differs while changes are pending (R8.15)
	Queue         []QueuedRequest       `json:"queue,omitempty"`          // requests that wait, in the order they came
	LastError     string                `json:"last_error,omitempty"`
	Restored      string                `json:"restored,omitempty"` // why the ledger counts as restored; "" when it has been compared with the systems since
	StartedBy     string                `json:"started_by,omitempty"`
	RetryAt       time.Time             `json:"retry_at,omitzero"` // a FAILED flow tries again by itself then
	Retries       int                   `json:"retries,omitempty"` // failures since a run went well
	LogEnd        *activities.LogEnd    `json:"log_end,omitempty"` // the end of the audit trail when this flow last wrote to it

	Events *EventStatus  `json:"events,omitempty"`  // of egress only
	OptOut *OptOutStatus `json:"opt_out,omitempty"` // of the opt-out flow only
}

// ChangesPending says that a saved mapping waits for stop and start.
func (s Status) ChangesPending() bool {
	return s.FiledRevision != "" && s.Revision != "" && s.FiledRevision != s.Revision
}

// RunSummary is how a run ended.
type RunSummary struct {
	Run    string            `json:"run"`
	Kind   activities.Kind   `json:"kind"`
	Title  string            `json:"title,omitempty"` // what it was, where the kind does not tell: "new baseline"
	State  string            `json:"state"`           // COMPLETED, INCOMPLETE, STOPPED, FAILED, CANCELLED
	Reason string            `json:"reason,omitempty"`
	Counts activities.Counts `json:"counts"`
	Start  time.Time         `json:"start"`
	End    time.Time         `json:"end"`
}

// Named is what the run was, in words.
func (r RunSummary) Named() string { return cmp.Or(r.Title, string(r.Kind)) }

// Progress of a pass. Counts cover finished lanes; Read may be ahead of them by Backlog.
type Progress struct {
	Run      string            `json:"run"`
	Kind     activities.Kind   `json:"kind"`
	Phase    activities.Phase  `json:"phase"`
	Paused   bool              `json:"paused,omitempty"`
	Pages    int               `json:"pages"`         // fetched
	IDs      int64             `json:"ids,omitempty"` // read before the first page of a baseline; the CLI takes it from the heartbeat
	Read     int64             `json:"read"`
	Backlog  int64             `json:"backlog"` // read, not yet settled (R8.8)
	Expected int64             `json:"expected"`
	Counts   activities.Counts `json:"counts"`
	Started  time.Time         `json:"started"`
}

// Search attributes. Values are never encrypted: ids and counts only.
var (
	AttrFlow        = temporal.NewSearchAttributeKeyKeyword("CausewayFlow")
	AttrTable       = temporal.NewSearchAttributeKeyKeyword("CausewayTable")
	AttrState       = temporal.NewSearchAttributeKeyKeyword("CausewayState")
	AttrRevision    = temporal.NewSearchAttributeKeyKeyword("CausewayRevision")
	AttrRead        = temporal.NewSearchAttributeKeyInt64("CausewayRead")
	AttrWritten     = temporal.NewSearchAttributeKeyInt64("CausewayWritten")
	AttrQuarantined = temporal.NewSearchAttributeKeyInt64("CausewayQuarantined")
)

// SearchAttributes are the attributes a namespace needs before a flow can start.
func SearchAttributes() map[string]enumspb.IndexedValueType {
	const keyword, integer = enumspb.INDEXED_VALUE_TYPE_KEYWORD, enumspb.INDEXED_VALUE_TYPE_INT
	return map[string]enumspb.IndexedValueType{
		AttrFlow.GetName(): keyword, AttrTable.GetName(): keyword, AttrState.GetName(): keyword, AttrRevision.GetName(): keyword,
		AttrRead.GetName(): integer, AttrWritten.GetName(): integer, AttrQuarantined.GetName(): integer,
	}
}
