package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
)

// TableSyncInput starts the owner of a table mapping, or continues it as new.
type TableSyncInput struct {
	Instance string          `json:"instance"`
	Table    string          `json:"table"`
	State    *TableSyncState `json:"state,omitempty"` // nil: a new flow, stopped
}

// TableSyncState is everything the owner remembers across continue-as-new. The
// position of the data is not in it: that is the ledger's.
type TableSyncState struct {
	OwnerState
	NeedsBaseline bool      `json:"needs_baseline,omitempty"`
	InitialRun    string    `json:"initial_run,omitempty"` // a stopped initial load to go on with
	Corrected     bool      `json:"corrected,omitempty"`   // by an audit, and no baseline since
	Expired       bool      `json:"expired,omitempty"`     // the delta link, and no baseline since
	NextDue       time.Time `json:"next_due,omitzero"`     // no release that nobody asked for before it
	Parents       []string  `json:"parents,omitempty"`     // mappings whose initial load comes first

	Load ByFile `json:"load,omitzero"` // how the initial load writes

	Restore    restoreStep `json:"restore,omitempty"`    // what is next after the ledger was restored
	AuditAfter time.Time   `json:"audit_after,omitzero"` // no audit of a restored ledger before it
}

// TableSync owns one table mapping for as long as it exists: the initial load,
// then every change, and what operators ask for in between. It never ends by
// itself; stopped, it waits for Start.
func TableSync(ctx workflow.Context, in TableSyncInput) error {
	s := newTableSync(ctx, in)
	s.trail = openTrail(ctx, &s.Trail, &s.Status.LogEnd)
	s.receiveWakes(ctx)
	s.receiveRepairs(ctx)
	if err := s.handle(ctx); err != nil {
		return err
	}
	return s.loop(ctx)
}

// tableSync is the owner at work.
type tableSync struct {
	owner
	in      TableSyncInput
	state   TableSyncState
	repairs workflow.ReceiveChannel
}

func newTableSync(ctx workflow.Context, in TableSyncInput) *tableSync {
	s := &tableSync{in: in}
	if in.State != nil {
		s.state = *in.State
	} else {
		s.state.Status = neverStarted(ctx, TableFlow(in.Instance, in.Table))
	}
	s.owner = owner{OwnerState: &s.state.OwnerState, self: s, id: TableFlow(in.Instance, in.Table), name: in.Table, seeks: "changes"}
	return s
}

func (s *tableSync) continueAsNew(ctx workflow.Context) error {
	s.drainRepairs(ctx)
	s.drainWakes()
	s.in.State = &s.state
	return workflow.NewContinueAsNewError(ctx, TableSync, s.in)
}

func (s *tableSync) steps() steps { return ingressSteps }

func (s *tableSync) step(ctx workflow.Context) error {
	switch st := &s.Status; {
	case s.stopping:
		return s.halt(ctx)
	case s.starting != nil:
		return s.start(ctx)
	case s.Held != nil && st.State == StateRunning:
		return s.resumeHeld(ctx)
	case s.isQueued(RequestRollback) && st.State != StatePaused:
		return s.rollback(ctx)
	case st.State == StatePaused:
		return s.hold(ctx)
	case st.State != StateRunning:
		return s.rest(ctx, func() bool { return s.starting != nil || s.isQueued(RequestRollback) })
	case s.isQueued(RequestRepair):
		return s.repair(ctx)
	case s.isQueued(RequestStrays):
		return s.deleteStrays(ctx)
	case s.state.NeedsBaseline:
		return s.initial(ctx)
	case s.mayAudit(ctx):
		return s.auditRestored(ctx)
	case s.isQueued(RequestBackfill):
		return s.backfill(ctx, Backfill)
	case s.isQueued(RequestRelease):
		return s.release(ctx)
	default:
		return s.follow(ctx)
	}
}

// start checks the mapping against both systems before anything is written.
func (s *tableSync) start(ctx workflow.Context) error {
	req := *s.starting
	s.starting = nil
	mark := s.begun(ctx, req)
	s.Tuning, s.state.Load = req.Tuning.complete(), req.Load
	s.Status.StartedBy = req.By
	s.Status.FiledRevision = req.Revision
	var checked activities.PreflightResult
	in := activities.PreflightInput{Table: *req.Table, Comparing: s.Status.Restored != "", StartMark: mark}
	if s.state.Restore == restoreBaseline {
		in.Restored = s.Status.Restored
	}
	ok, err := s.preflight(ctx, "check the mapping against both systems", activities.Preflight, in, &checked)
	if !ok {
		return err
	}
	s.Start = mark.Start
	if checked.Restored != "" {
		s.Known, s.Status.Restored, s.state.Restore = nil, checked.Restored, restoreBaseline
	}
	s.Marked = s.state.Restore == restoreBaseline
	s.Status.Revision, s.Status.Watermark, s.Status.Quarantined = checked.Revision, checked.Watermark, checked.Quarantined
	s.Status.Approvals, s.Status.Erased, s.Status.Returned, s.Status.Strays = checked.Approvals, checked.Erased, checked.Returned, checked.Strays
	s.Status.Warnings, s.Status.ModelChanges, s.Plan = checked.Warnings, nil, checked.Plan
	s.Status.LastError = ""
	s.state.NeedsBaseline, s.state.InitialRun = checked.NeedsBaseline || s.state.Corrected, checked.UnfinishedRun
	if s.state.Restore == restoreBaseline {
		s.state.NeedsBaseline, s.state.InitialRun = true, "" // what is staged is as old as the backup
	}
	if s.state.Parents = nil; checked.Watermark.IsZero() {
		s.state.Parents = checked.Parents
	}
	s.releaseAfterStart(ctx, checked)
	s.enter(ctx, StateRunning, "started", "")
	return nil
}

// initial loads the table: the first time, or after its delta link was lost.
func (s *tableSync) initial(ctx workflow.Context) error {
	if len(s.state.Parents) > 0 {
		return s.awaitParents(ctx)
	}
	run := s.state.InitialRun
	if run == "" {
		run = s.newRun(ctx)
	}
	title := s.loadInWords()
	result, err := s.runPass(ctx, Backfill, title, PassInput{
		Instance: s.id.Instance, Ref: s.state.Load.ref(s.ref(run, activities.KindInitial)), Tuning: s.state.Load.tuned(s.Tuning), Title: title,
	})
	s.state.InitialRun = ""
	if err != nil {
		return err
	}
	switch {
	case result == nil:
	case result.Summary.State == "COMPLETED":
		s.state.NeedsBaseline, s.state.Corrected, s.state.Expired, s.state.Load = false, false, false, ByFile{}
		s.baselineAfterRestore(ctx)
		s.releasedByBaseline()
	case result.Summary.State == "STOPPED":
		s.state.InitialRun = run
	case result.Summary.State == "CANCELLED":
		s.enter(ctx, StateStopped, title+" cancelled", result.Summary.Reason)
	}
	return nil
}

// loadInWords says why the whole table is read.
func (s *tableSync) loadInWords() string {
	switch {
	case s.state.Restore == restoreBaseline:
		return "new baseline after a restore"
	case s.state.Corrected || s.state.Restore == restoreRepair:
		return "new baseline after an audit"
	case s.state.Expired:
		return "new baseline after an expired delta link"
	case !s.Status.Watermark.IsZero():
		return "new baseline"
	}
	return "initial load"
}

// awaitParents lets the initial loads of the tables that this one links to go
// first, so that no record has to wait for its parent by itself.
func (s *tableSync) awaitParents(ctx workflow.Context) error {
	s.Status.Phase = "waiting for the initial load of " + strings.Join(s.state.Parents, ", ")
	s.publish(ctx)
	opts := activityOptions(QueueMain, activities.KindInitial, s.Status.Phase)
	var result activities.AwaitParentsResult
	wanted, err := s.waitFor(ctx, func(waiting workflow.Context) error {
		return workflow.ExecuteActivity(workflow.WithActivityOptions(waiting, opts), activities.AwaitParents,
			activities.AwaitParentsInput{Table: s.name, Parents: s.state.Parents, Wait: activities.Duration(idleWait)}).Get(ctx, &result)
	})
	switch {
	case wanted:
		return nil // an operator wants something
	case err != nil:
		return s.failed(ctx, err)
	}
	s.state.Parents = result.Loading
	return nil
}

// follow waits for changes and applies them.
func (s *tableSync) follow(ctx workflow.Context) error {
	if s.Status.Phase != "waiting for changes" {
		s.Status.Phase = "waiting for changes"
		s.publish(ctx)
	}
	ref := s.ref(s.newRun(ctx), activities.KindDelta)
	var first *activities.FetchResult
	wanted, err := s.waitForWork(ctx, func(waiting workflow.Context) (err error) {
		first, err = fetchChanges(waiting, ref, s.Tuning, idleWait, s.dueFrom(ctx), s.known())
		return err
	})
	switch {
	case wanted:
		return nil // an operator wants something
	case err != nil:
		return s.failed(ctx, err)
	}
	s.knows(first)
	s.noteModels(ctx, first)
	if first.Nothing {
		s.well()
		if !first.Watermark.IsZero() {
			s.Status.Watermark = first.Watermark
		}
		if first.Quarantined != nil {
			s.Status.Strays = first.Strays
		}
		if n := first.Quarantined; n != nil && *n != s.Status.Quarantined {
			s.Status.Quarantined = *n
			s.publish(ctx)
		}
		if first.Due {
			return s.releaseDue(ctx)
		}
		return nil
	}
	_, err = s.apply(ctx, "applying changes", ref, first)
	return err
}

// account keeps what waits after a run, for an operator or for other records.
func (s *tableSync) account(out *PassResult) {
	if out.Summary.State == "COMPLETED" {
		s.Status.Approvals, s.Status.Parked, s.Status.Strays = out.Approvals, out.Parked, out.Strays
		s.Status.Erased, s.Status.Returned = out.Erased, out.Returned
	}
}

// failed has a new baseline loaded after an expired delta link; anything else is
// for an operator, after too many refusals with a rollback if so configured.
func (s *tableSync) failed(ctx workflow.Context, err error) error {
	if failureType(err) == "TooManyRefused" && s.Tuning.OnStop == OnStopRollback {
		run := s.Status.LastRun.Run // only a run fails so, and it has just ended
		if refused := refusedRun(err); refused != "" && refused != run {
			s.undoRefused(ctx, refused) // a pass of changes inside it; the newest goes first
		}
		s.undoRefused(ctx, run)
	}
	if s.ledgerDiffers(ctx, err) {
		s.state.Restore, s.state.NeedsBaseline, s.state.InitialRun = restoreBaseline, true, ""
		// What audits of the other ledger found is not in this one.
		s.setQueue(slices.DeleteFunc(slices.Clone(s.Queue), func(r Request) bool { return r.Kind == RequestRepair || r.Kind == RequestStrays }))
		return nil
	}
	if ctx.Err() != nil || failureType(err) != "LinkExpired" {
		return s.fail(ctx, err)
	}
	s.state.NeedsBaseline, s.state.Expired = true, true
	s.recovered(ctx, err)
	return nil
}

// details name what waits for an operator.
func (s *tableSync) details() string {
	st := s.Status
	details := headline(st) + modelChanges(st) + settledUntil(st)
	for _, a := range st.Approvals {
		details += fmt.Sprintf("\n\n**%d deletes of run %s wait for approval**: `causeway approve %s`, or `causeway reject %s`", a.Deletes, a.Run, a.Run, a.Run)
	}
	return details + allRuns(st, "records ")
}
