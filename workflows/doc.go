// Package workflows decides the order in which a flow does things, how it waits and
// what it undoes. The worker registers the workflows; the starter, and the console
// behind internal/operator, start and ask them with the types of messages.go. What
// touches a system or the ledger is an activity.
//
// # Owners
//
// One workflow owns each flow for as long as the flow exists. Its id is that of
// FlowID.WorkflowID, so that there is one. Nothing ends it: a stopped owner waits for
// Start, and a long history continues as new with the whole state as input. Only a
// cancellation from outside, or a termination, ends it; the next Start begins a new
// one, which finds its position in the ledger.
//
//	TableSync   <instance>/ingress/<table>   a table mapping, Dynamics to Campaign
//	EventSync   <instance>/egress            e-mail events, Campaign to Dynamics
//	OptOutSync  <instance>/optout            opt-outs, both ways
//
//	every owner  updates  Start, Stop, Pause, Resume, SyncNow, CancelBackfill, ApplyConfig
//	             query    Status
//	             signal   Wake, from whoever learns of a change
//	TableSync    updates  RequestBackfill, Release, RequestRollback, Approve, Reject, DeleteStrays
//	             signal   Repair, from an audit
//	EventSync    updates  RequestBackfill
//
// An update is refused by its validator, without a trace in the history, or recorded
// and carried out by the owner's loop. What has to wait is a Request
// in the owner's queue.
//
// # Passes
//
// A pass carries out one run: it reads pages, writes them in lanes, and saves the
// position when everything is settled. Changes of one page, a hundred at most, are
// carried out inside the workflow that found them (see small.go); they are a run of
// the ledger like any other, and Status has their progress. Every other pass is a
// child of its owner, with the id of FlowID.PassID, and ends by itself: with a
// PassResult when the run is completed, incomplete, stopped or cancelled, and with a
// failure that the owner judges.
//
//	Backfill    <owner>/backfill/<run>  an initial load, a new baseline, a backfill
//	DeltaPass   <owner>/delta/<run>     changes behind the watermark
//	Release     <owner>/release/<run>   quarantined records, once more
//	Rollback    <owner>/rollback/<run>  undoes another run
//	EventPass   <owner>/pass/<run>      events to the timeline
//	OptOutPass  <owner>/pass/<run>      opt-outs, those that are new or everybody's
//
//	every pass   query    Progress
//	             signal   Control, from its owner: stop, pause, resume, cancel
//
// # Audit
//
//	Audit  <instance>/ingress/<table>/audit
//	             query    Progress
//
// compares both systems with the ledger beside the owner that goes on. It ends with an
// AuditResult, and signals Repair to the owner when it was asked to repair.
//
// # Checkup
//
//	Checkup  <instance>/checkup-<time>
//
// is begun by a schedule every night, when doctor.nightly is set. It has a worker make the
// checks of the doctor, and keep them in the ledger. Then it has an Audit of each table of
// doctor.audit carried out, one after the other.
//
// # Backup
//
//	Backup  <instance>/backup-<time>
//
// is begun by a schedule every night, when ledger.backup.nightly is set. It has a worker copy
// the SQLite ledger.
//
// # Questions
//
//	Ask  ask/<activity>/<unique>
//
// has a worker carry out one activity, and ends with its answer or with the time that
// the question has. internal/operator asks so where the server has no standalone
// activities.
package workflows
