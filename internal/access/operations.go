package access

import (
	"encoding/json"
	"maps"
	"slices"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

// Operation is something that people ask for.
type Operation struct {
	Name string // in words, as docs/access.md lists it
	Role Role   // who may
	// FourEyes is the name that access.four_eyes has for it; "" when it never waits for a
	// second person.
	FourEyes string
	// Signs says that its input names who asks, which is replaced by who was verified.
	Signs bool
	// NamesNoRun says that it is about the run that is at work when it is carried out, which
	// nobody can confirm beforehand.
	NamesNoRun bool
}

// Update is the name of an update of a workflow.
func Update(name string) string { return "update/" + name }

// Ask is the name of a question, which an activity answers.
func Ask(activity string) string { return "ask/" + activity }

// Begin is the name of beginning a workflow of a type.
func Begin(workflow string) string { return "begin/" + workflow }

// What Temporal itself is asked for.
const (
	CancelRun = "temporal/cancel" // give up an audit
	ResetRun  = "temporal/reset"  // take a workflow back to an earlier step
)

// What access.four_eyes calls operations.
const (
	approve  = "approve"
	rollback = "rollback"
	reveal   = "reveal"
	forget   = "forget"
)

// operations are what may be asked for, and by whom. What is missing nobody may ask for.
var operations = map[string]Operation{
	Update(workflows.UpdateStart):           {Name: "start", Role: Operator, Signs: true},
	Update(workflows.UpdateStop):            {Name: "stop", Role: Operator, Signs: true},
	Update(workflows.UpdatePause):           {Name: "pause", Role: Operator, Signs: true},
	Update(workflows.UpdateResume):          {Name: "resume", Role: Operator, Signs: true},
	Update(workflows.UpdateSyncNow):         {Name: "sync-now", Role: Support, Signs: true},
	Update(workflows.UpdateRequestBackfill): {Name: "backfill", Role: Operator, Signs: true},
	Update(workflows.UpdateCancelBackfill):  {Name: "cancel-backfill, runs cancel", Role: Operator, Signs: true},
	Update(workflows.UpdateRequestRollback): {Name: "rollback", Role: Operator, FourEyes: rollback, Signs: true},
	Update(workflows.UpdateApprove):         {Name: "approve", Role: Operator, FourEyes: approve, Signs: true},
	Update(workflows.UpdateReject):          {Name: "reject", Role: Operator, Signs: true},
	Update(workflows.UpdateDeleteStrays):    {Name: "audit --strays: delete what was found", Role: Operator, FourEyes: approve, Signs: true},
	Update(workflows.UpdateRelease):         {Name: "quarantine release", Role: Support, Signs: true},
	Update(workflows.UpdateApplyConfig):     {Name: "apply", Role: Admin, Signs: true},

	Ask(activities.DiscardQuarantined): {Name: "quarantine discard", Role: Support, Signs: true},
	Ask(activities.ShowQuarantined):    {Name: "quarantine show", Role: Viewer, Signs: true},
	Ask(activities.Explain):            {Name: "explain", Role: Support},
	Ask(activities.FindRecords):        {Name: "explain --email, explain --name", Role: Support, Signs: true},
	Ask(activities.QuestionKey):        {Name: "explain --email, explain --name: the key to seal to", Role: Support},
	Ask(activities.ShowPerson):         {Name: "console: a person", Role: Support, Signs: true},
	Ask(activities.ExplainEvent):       {Name: "explain event", Role: Support},
	Ask(activities.OptOutEvidence):     {Name: "optout history, optout export", Role: Support, Signs: true},
	Ask(activities.CheckOptOuts):       {Name: "optout check", Role: Support},
	Ask(activities.ListQuarantine):     {Name: "quarantine list", Role: Viewer},
	Ask(activities.ListDeletes):        {Name: "approve --list", Role: Viewer},
	Ask(activities.ListStrays):         {Name: "audit --strays: list", Role: Viewer},
	Ask(activities.ListRuns):           {Name: "runs list", Role: Viewer},
	Ask(activities.ShowRun):            {Name: "runs show", Role: Viewer},
	Ask(activities.ListOperations):     {Name: "log", Role: Viewer},
	Ask(activities.ListRequests):       {Name: "requests", Role: Viewer},
	Ask(activities.VerifyLog):          {Name: "log verify", Role: Viewer},
	Ask(activities.Acknowledge):        {Name: "console: acknowledge the privacy text", Role: Viewer, Signs: true},
	Ask(activities.CompareMapping):     {Name: "mapping diff", Role: Viewer},
	Ask(activities.Totals):             {Name: "status", Role: Viewer},
	Ask(activities.Meter):              {Name: "status: engine calls", Role: Viewer},
	Ask(activities.Series):             {Name: "console: charts", Role: Viewer},
	Ask(activities.MayRollback):        {Name: "rollback: what it would touch", Role: Viewer},
	Ask(activities.EstimateBackfill):   {Name: "backfill: what it costs", Role: Viewer},
	Ask(activities.CheckFilter):        {Name: "backfill: check a filter", Role: Operator},
	Ask(activities.CheckNamed):         {Name: "backfill: which records there are", Role: Operator},
	Ask(activities.CheckFolder):        {Name: "events backfill: check a folder", Role: Operator},
	Ask(activities.CheckSource):        {Name: "optout source", Role: Operator},
	Ask(activities.CheckMapping):       {Name: "apply: check a mapping", Role: Operator},
	Ask(activities.Doctor):             {Name: "doctor", Role: Operator},
	Ask(activities.Plan):               {Name: "plan", Role: Operator},
	Ask(activities.ProposeMapping):     {Name: "mapping propose", Role: Operator},
	Ask(activities.ListModels):         {Name: "console: what there is to map", Role: Operator},
	Ask(activities.DescribeMapping):    {Name: "console: a mapping against both systems", Role: Viewer},
	Ask(activities.TryMapping):         {Name: "console: try a mapping on one record", Role: Support, Signs: true},
	Ask(activities.LogOperation):       {Name: "runs replay, support bundle, a replaced secret: enter it into the log", Role: Operator, Signs: true},
	Ask(activities.RecordSave):         {Name: "save the configuration", Role: Admin, Signs: true},
	Ask(activities.ShowSave):           {Name: "config restore: what a save changed", Role: Admin},
	Ask(activities.ListSaves):          {Name: "config history", Role: Viewer},
	Ask(activities.MarkRestored):       {Name: "ledger restored", Role: Admin, Signs: true},
	Ask(activities.RekeyLedger):        {Name: "ledger rekey", Role: Admin, Signs: true},
	Ask(activities.BackupLedger):       {Name: "ledger backup", Role: Admin, Signs: true},
	Ask(activities.FindTraces):         {Name: "forget: where a person is", Role: Admin},
	Ask(activities.Forget):             {Name: "forget", Role: Admin, FourEyes: forget, Signs: true},
	Ask(activities.DecideRequest):      {Name: "requests confirm, requests decline", Role: Viewer},

	Begin(workflows.TypeAudit): {Name: "audit", Role: Operator, Signs: true},
	CancelRun:                  {Name: "runs cancel: an audit", Role: Operator},
	ResetRun:                   {Name: "runs replay", Role: Operator},
}

// Find is what is asked for under a name, with an input. Some inputs ask for more.
func Find(name string, input json.RawMessage) (Operation, bool) {
	op, ok := operations[name]
	var more struct {
		RevealTo []byte `json:"reveal_to"`
		Rollback bool   `json:"rollback"`
		Run      string `json:"run"`
		Once     bool   `json:"once"`
	}
	_ = json.Unmarshal(input, &more) // what is no object asks for nothing more
	switch {
	case name == Ask(activities.ShowQuarantined) && len(more.RevealTo) > 0:
		op.Name, op.Role, op.FourEyes = "quarantine show --reveal", Support, reveal
	case name == Ask(activities.ShowPerson) && len(more.RevealTo) > 0:
		op.Name, op.FourEyes = "console: reveal a person's values", reveal
	case name == Ask(activities.TryMapping) && len(more.RevealTo) > 0:
		op.Name, op.FourEyes = "console: reveal what a mapping would send", reveal
	case name == Ask(activities.Acknowledge) && more.Once:
		op.Name, op.Role = "console: acknowledge the typology rules", Operator
	case name == Update(workflows.UpdateCancelBackfill) && more.Rollback:
		op.Name, op.FourEyes = "cancel-backfill --rollback", rollback
		op.NamesNoRun = more.Run == ""
	}
	return op, ok
}

// Names are the names of everything that may be asked for.
func Names() []string { return slices.Sorted(maps.Keys(operations)) }
