package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
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
	Status        Status            `json:"status"`
	Filed         *activities.Table `json:"filed,omitempty"` // mapping to use at the next start
	Tuning        Tuning            `json:"tuning"`
	NeedsBaseline bool              `json:"needs_baseline,omitempty"`
	InitialRun    string            `json:"initial_run,omitempty"` // a stopped initial load to go on with
	Queue         []QueuedBackfill  `json:"queue,omitempty"`
	Repairs       []Repair          `json:"repairs,omitempty"`
	Rollbacks     []RollbackRequest `json:"rollbacks,omitempty"`
	Releases      []QueuedRelease   `json:"releases,omitempty"`
	NextDue       time.Time         `json:"next_due,omitzero"` // no release that nobody asked for before it
	Plan          string            `json:"plan,omitempty"`    // of RunRef
	Parents       []string          `json:"parents,omitempty"` // mappings whose initial load comes first
	Recent        []string          `json:"recent,omitempty"`  // the newest run names, so that none is used twice

	Trail []activities.Operation `json:"trail,omitempty"` // entries of the audit trail that are not in the ledger yet
}

// QueuedBackfill waits for its turn: one writer per table at a time.
type QueuedBackfill struct {
	Run    string            `json:"run"`
	Window activities.Window `json:"window,omitzero"`
	By     string            `json:"by,omitempty"`
}

// TableSync owns one table mapping for as long as it exists: the initial load,
// then every change, and what operators ask for in between. It never ends by
// itself; stopped, it waits for Start.
func TableSync(ctx workflow.Context, in TableSyncInput) error {
	s := newTableSync(ctx, in)
	s.trail = openTrail(ctx, &s.Trail)
	s.hearRepairs(ctx)
	if err := s.handle(ctx); err != nil {
		return err
	}
	for {
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
				return err
			}
			s.drainRepairs(ctx)
			in.State = &s.TableSyncState
			return workflow.NewContinueAsNewError(ctx, TableSync, in)
		}
		if err := s.step(ctx); err != nil {
			s.trail.flush(ctx)
			return err
		}
	}
}

// tableSync is the owner at work. Update handlers set flags and interrupt what
// is waited for; only the main loop changes what is in hand.
type tableSync struct {
	in TableSyncInput
	TableSyncState
	starting  *StartRequest
	stopping  bool
	interrupt workflow.CancelFunc // of the wait for changes, while there is one
	repairs   workflow.ReceiveChannel
	trail     *trail
}

func newTableSync(ctx workflow.Context, in TableSyncInput) *tableSync {
	s := &tableSync{in: in}
	if in.State != nil {
		s.TableSyncState = *in.State
		return s
	}
	s.Status = Status{Instance: in.Instance, Table: in.Table, State: StateStopped, Phase: "never started", Since: workflow.Now(ctx)}
	return s
}

// step does the next thing there is to do, or waits until there is one.
func (s *tableSync) step(ctx workflow.Context) error {
	switch st := &s.Status; {
	case s.stopping:
		s.stopping = false
		s.enter(ctx, StateStopped, "stopped", "")
		return nil
	case s.starting != nil:
		return s.start(ctx)
	case len(s.Rollbacks) > 0 && st.State != StatePaused:
		return s.rollback(ctx)
	case st.State == StatePaused:
		return workflow.Await(ctx, func() bool { return st.State != StatePaused || s.stopping })
	case st.State != StateRunning:
		return workflow.Await(ctx, func() bool { return s.starting != nil || len(s.Rollbacks) > 0 })
	case len(s.Repairs) > 0:
		return s.repair(ctx)
	case s.NeedsBaseline:
		return s.initial(ctx)
	case len(s.Queue) > 0:
		return s.backfill(ctx)
	case len(s.Releases) > 0:
		return s.release(ctx)
	default:
		return s.follow(ctx)
	}
}

// enter changes the state of the flow and shows it.
func (s *tableSync) enter(ctx workflow.Context, state State, phase, reason string) {
	st := &s.Status
	if st.State != state {
		st.Since = workflow.Now(ctx)
	}
	st.State, st.Phase, st.Reason = state, phase, reason
	if state == StateFailed {
		st.LastError = reason
	}
	s.publish(ctx)
}

func (s *tableSync) publish(ctx workflow.Context) {
	st := s.Status
	err := workflow.UpsertTypedSearchAttributes(ctx,
		AttrFlow.ValueSet("ingress"), AttrTable.ValueSet(s.in.Table), AttrState.ValueSet(string(st.State)),
		AttrRevision.ValueSet(st.Revision), AttrRead.ValueSet(st.Totals.Read), AttrWritten.ValueSet(st.Totals.Written()),
		AttrQuarantined.ValueSet(st.Quarantined))
	if err != nil {
		workflow.GetLogger(ctx).Warn("search attributes", "table", s.in.Table, "error", err)
	}
	details := fmt.Sprintf("**%s** since %s: %s", st.State, st.Since.UTC().Format(time.RFC3339), st.Phase)
	if st.Reason != "" {
		details += "\n\n> " + st.Reason
	}
	if !st.Watermark.IsZero() {
		details += fmt.Sprintf("\n\nEverything up to %s is settled.", st.Watermark.UTC().Format(time.RFC3339))
	}
	for _, a := range st.Approvals {
		details += fmt.Sprintf("\n\n**%d deletes of run %s wait for approval**: `causeway approve %s`", a.Deletes, a.Run, a.Run)
	}
	details += fmt.Sprintf("\n\nAll %d runs so far, %d records in quarantine:\n\n%s", st.Runs, st.Quarantined, countsTable(st.Totals.Read, st.Totals))
	workflow.SetCurrentDetails(ctx, details)
}

// start checks the mapping against both systems before anything is written.
func (s *tableSync) start(ctx workflow.Context) error {
	req := *s.starting
	s.starting = nil
	s.Filed, s.Tuning = &req.Table, req.Tuning.withDefaults()
	s.Status.StartedBy = req.By
	s.Status.FiledRevision = req.Revision

	checking, cancel := workflow.WithCancel(ctx)
	s.interrupt = cancel
	opts := activityOptions(QueueDataverse, activities.KindDelta, "check the mapping against both systems")
	var checked activities.PreflightResult
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(checking, opts), ingress.Preflight,
		activities.PreflightInput{Table: req.Table}).Get(ctx, &checked)
	s.interrupt = nil
	switch {
	case s.stopping:
		return nil
	case temporal.IsCanceledError(err):
		return err
	case err != nil:
		s.enter(ctx, StateFailed, "not started", reasonOf(err))
		return nil
	}
	s.Status.Revision, s.Status.Watermark, s.Status.Quarantined = checked.Revision, checked.Watermark, checked.Quarantined
	s.Status.Approvals = checked.Approvals
	s.Status.Warnings, s.Plan = checked.Warnings, checked.Plan
	s.Status.LastError = ""
	s.NeedsBaseline, s.InitialRun = checked.NeedsBaseline, checked.UnfinishedRun
	if s.Parents = nil; checked.Watermark.IsZero() {
		s.Parents = checked.Parents
	}
	s.releaseAfterStart(ctx, checked)
	s.enter(ctx, StateRunning, "started", "")
	return nil
}

// initial loads the table: the first time, or after its delta link was lost.
func (s *tableSync) initial(ctx workflow.Context) error {
	if len(s.Parents) > 0 {
		return s.awaitParents(ctx)
	}
	run := s.InitialRun
	if run == "" {
		run = s.newRun(ctx)
	}
	phase := "initial load"
	if !s.Status.Watermark.IsZero() {
		phase = "new baseline"
	}
	result, err := s.runPass(ctx, Backfill, phase, PassInput{
		Instance: s.in.Instance, Ref: s.ref(run, activities.KindInitial), Tuning: s.Tuning,
	})
	s.InitialRun = ""
	if err != nil {
		return err
	}
	switch {
	case result == nil:
	case result.Summary.State == "COMPLETED":
		s.NeedsBaseline = false
		s.releasedByBaseline()
	case result.Summary.State == "STOPPED":
		s.InitialRun = run
	case result.Summary.State == "CANCELLED":
		s.enter(ctx, StateStopped, "initial load cancelled", result.Summary.Reason)
	}
	return nil
}

// awaitParents lets the initial loads of the tables that this one links to go
// first, so that no record has to wait for its parent by itself.
func (s *tableSync) awaitParents(ctx workflow.Context) error {
	s.Status.Phase = "waiting for the initial load of " + strings.Join(s.Parents, ", ")
	s.publish(ctx)
	waiting, cancel := workflow.WithCancel(ctx)
	defer cancel()
	s.interrupt = cancel
	opts := activityOptions(QueueMain, activities.KindInitial, s.Status.Phase)
	var result activities.AwaitParentsResult
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(waiting, opts), ingress.AwaitParents,
		activities.AwaitParentsInput{Table: s.in.Table, Parents: s.Parents, Wait: idleWait}).Get(ctx, &result)
	s.interrupt = nil
	switch {
	case err != nil && interrupted(ctx, waiting, err):
		return nil // an operator wants something
	case err != nil:
		return s.passFailed(ctx, err)
	}
	s.Parents = result.Loading
	return nil
}

// interrupted tells a wait that was ended on purpose from one that failed. When
// its worker dies at that moment, nobody is left to say that it was cancelled: it
// ends by its heartbeat, and that is no failure either.
func interrupted(ctx, waiting workflow.Context, err error) bool {
	switch {
	case ctx.Err() != nil || waiting.Err() == nil:
		return false
	case temporal.IsCanceledError(err):
		return true
	}
	// Without the version the flow failed here; that branch can go when no history
	// from before July 2027 is left.
	return workflow.GetVersion(ctx, "interrupted-wait", workflow.DefaultVersion, 1) == 1
}

// rollback undoes the first run in the queue, whatever the state of the flow: who
// stopped it for a wrong mapping wants that before the next start.
func (s *tableSync) rollback(ctx workflow.Context) error {
	next := s.Rollbacks[0]
	phase := s.Status.Phase
	s.Status.Phase = "rolling back run " + next.Run
	s.publish(ctx)
	opts := activityOptions(QueueMain, activities.KindRollback, "what a rollback of "+next.Run+" touches")
	var may activities.MayRollbackResult
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, opts), ingress.MayRollback, activities.MayRollbackInput{Run: next.Run}).Get(ctx, &may)
	if err == nil && may.Table != s.in.Table {
		s.Status.LastError = fmt.Sprintf("run %s is one of %s, not of %s", next.Run, may.Table, s.in.Table)
	} else if err == nil {
		ref := activities.RunRef{
			Run: activities.RollbackPrefix(next.Run) + workflow.Now(ctx).UTC().Format("20060102T150405.000Z"), Table: s.in.Table,
			Revision: may.Mapping, Kind: activities.KindRollback, Undoes: next.Run,
		}
		_, err = s.runPass(ctx, Rollback, s.Status.Phase, PassInput{Instance: s.in.Instance, Ref: ref, Tuning: s.Tuning})
	} else if ctx.Err() == nil {
		s.Status.LastError, err = reasonOf(err), nil
	}
	if s.setRollbacks(s.Rollbacks[1:]); s.Status.State != StateFailed {
		s.Status.Phase = phase
	}
	s.publish(ctx)
	return err
}

func (s *tableSync) setRollbacks(r []RollbackRequest) {
	s.Rollbacks, s.Status.Rollbacks = r, nil
	for _, one := range r {
		s.Status.Rollbacks = append(s.Status.Rollbacks, one.Run)
	}
}

// repair acts on an audit: what it found goes into the ledger while nobody else
// writes the table, and a new baseline brings Campaign to what Dynamics says.
func (s *tableSync) repair(ctx workflow.Context) error {
	next := s.Repairs[0]
	s.Status.Phase = "repairing what audit " + next.Audit + " found"
	s.publish(ctx)
	opts := activityOptions(QueueMain, activities.KindBackfill, s.Status.Phase)
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, opts), ingress.Correct,
		activities.CorrectInput{Table: s.in.Table, Run: next.Audit}).Get(ctx, nil)
	if err != nil {
		return s.passFailed(ctx, err)
	}
	s.setRepairs(s.Repairs[1:])
	s.NeedsBaseline = true
	return nil
}

func (s *tableSync) setRepairs(r []Repair) {
	s.Repairs, s.Status.Repairs = r, nil
	for _, one := range r {
		s.Status.Repairs = append(s.Status.Repairs, one.Audit)
	}
}

// hearRepairs receives what audits ask for, for the life of the workflow.
func (s *tableSync) hearRepairs(ctx workflow.Context) {
	s.repairs = workflow.GetSignalChannel(ctx, SignalRepair)
	workflow.GoNamed(ctx, "repairs", func(ctx workflow.Context) {
		for {
			var asked Repair
			if more := s.repairs.Receive(ctx, &asked); !more {
				return
			}
			s.takeRepair(ctx, asked)
			s.wake()
		}
	})
}

// drainRepairs takes what arrived in the task that continues as new.
func (s *tableSync) drainRepairs(ctx workflow.Context) {
	for {
		var asked Repair
		if !s.repairs.ReceiveAsync(&asked) {
			return
		}
		s.takeRepair(ctx, asked)
	}
}

func (s *tableSync) takeRepair(ctx workflow.Context, asked Repair) {
	s.setRepairs(append(s.Repairs, asked))
	s.note(ctx, activities.Operation{ID: "repair/" + asked.Audit, By: asked.By, What: activities.OpRepair, Run: asked.Audit})
}

// backfill grants the first request in the queue.
func (s *tableSync) backfill(ctx workflow.Context) error {
	next := s.Queue[0]
	s.setQueue(s.Queue[1:])
	result, err := s.runPass(ctx, Backfill, "backfill", PassInput{
		Instance: s.in.Instance, Ref: s.ref(next.Run, activities.KindBackfill), Window: next.Window, Tuning: s.Tuning, Deltas: true,
	})
	if err != nil {
		return err
	}
	if result != nil && result.Summary.State == "STOPPED" {
		s.setQueue(append([]QueuedBackfill{next}, s.Queue...))
	}
	return nil
}

// follow waits for changes and applies them.
func (s *tableSync) follow(ctx workflow.Context) error {
	if s.Status.Phase != "waiting for changes" {
		s.Status.Phase = "waiting for changes"
		s.publish(ctx)
	}
	waiting, cancel := workflow.WithCancel(ctx)
	defer cancel()
	s.interrupt = cancel
	ref := s.ref(s.newRun(ctx), activities.KindDelta)
	first, err := fetchChanges(waiting, ref, s.Tuning, idleWait, s.dueFrom(ctx))
	s.interrupt = nil
	switch {
	case err != nil && interrupted(ctx, waiting, err):
		return nil // an operator wants something
	case err != nil:
		return s.passFailed(ctx, err)
	case first.Nothing:
		if !first.Watermark.IsZero() {
			s.Status.Watermark = first.Watermark
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
	_, err = s.runPass(ctx, DeltaPass, "applying changes", PassInput{Instance: s.in.Instance, Ref: ref, Tuning: s.Tuning})
	return err
}

// newRun names the next run; two may begin in the same millisecond.
func (s *tableSync) newRun(ctx workflow.Context) string {
	run := newRun(ctx, s.in.Table)
	for base, n := run, 2; slices.Contains(s.Recent, run) || slices.Contains(s.Status.QueuedBackfills, run); n++ {
		run = fmt.Sprintf("%s-%d", base, n)
	}
	s.Recent = append(s.Recent, run)
	if len(s.Recent) > 20 {
		s.Recent = s.Recent[len(s.Recent)-20:]
	}
	return run
}

func (s *tableSync) ref(run string, kind activities.Kind) activities.RunRef {
	return activities.RunRef{Run: run, Table: s.in.Table, Revision: s.Status.Revision, Kind: kind, Plan: s.Plan}
}

// fetchChanges stages the first page of changes behind the watermark, polling
// for up to wait while there are none; from dueFrom on, unless it is zero, it
// comes back when quarantined records are due.
func fetchChanges(ctx workflow.Context, ref activities.RunRef, tuning Tuning, wait time.Duration, dueFrom time.Time) (*activities.FetchResult, error) {
	summary := "changes since the watermark"
	if wait > 0 {
		summary = "waiting for changes"
	}
	var first activities.FetchResult
	opts := activityOptions(QueueDataverse, activities.KindDelta, summary)
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, opts), ingress.FetchPage, activities.FetchInput{
		RunRef: ref, Page: 1, Phase: activities.PhaseDelta, Lanes: tuning.Lanes, Wait: wait, Poll: tuning.Poll, DueFrom: dueFrom,
	}).Get(ctx, &first)
	if err != nil {
		return nil, fmt.Errorf("reading changes to %s: %w", ref.Table, err)
	}
	return &first, nil
}

// applyChanges runs one delta pass if anything changed; nil when nothing did.
func applyChanges(ctx workflow.Context, instance string, ref activities.RunRef, tuning Tuning, wait time.Duration) (*PassResult, error) {
	first, err := fetchChanges(ctx, ref, tuning, wait, time.Time{})
	if err != nil || first.Nothing {
		return nil, err
	}
	var result PassResult
	err = workflow.ExecuteChildWorkflow(childOptions(ctx, instance, ref), DeltaPass,
		PassInput{Instance: instance, Ref: ref, Tuning: tuning}).Get(ctx, &result)
	return &result, err
}

var kindInWords = map[activities.Kind]string{
	activities.KindInitial: "initial load", activities.KindBackfill: "backfill", activities.KindDelta: "changes",
	activities.KindRollback: "rollback", activities.KindRelease: "release",
}

func childOptions(ctx workflow.Context, instance string, ref activities.RunRef) workflow.Context {
	return workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:          PassID(instance, ref.Table, ref.Kind, ref.Run),
		TaskQueue:           QueueMain,
		WaitForCancellation: true,
		StaticSummary:       kindInWords[ref.Kind] + " of " + ref.Table,
	})
}

// runPass runs a child for the run in hand and accounts for it. An error it
// returns ends the owner; a failed run does not.
func (s *tableSync) runPass(ctx workflow.Context, pass any, phase string, in PassInput) (*PassResult, error) {
	st := &s.Status
	st.Phase = phase
	child := workflow.ExecuteChildWorkflow(childOptions(ctx, s.in.Instance, in.Ref), pass, in)
	if err := child.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
		return nil, fmt.Errorf("starting run %s: %w", in.Ref.Run, err)
	}
	st.Run, st.RunKind, st.RunWorkflow = in.Ref.Run, in.Ref.Kind, PassID(s.in.Instance, s.in.Table, in.Ref.Kind, in.Ref.Run)
	s.publish(ctx)
	if s.stopping { // asked while the child was being started
		s.steer(ctx, ControlStop)
	} else if st.State == StatePaused {
		s.steer(ctx, ControlPause)
	}
	started := workflow.Now(ctx)
	var result PassResult
	err := child.Get(ctx, &result)
	st.Run, st.RunKind, st.RunWorkflow = "", "", ""
	st.Runs++
	if err != nil {
		st.LastRun = &RunSummary{Run: in.Ref.Run, Kind: in.Ref.Kind, State: "FAILED", Reason: reasonOf(err), Start: started, End: workflow.Now(ctx)}
		if failureType(err) == "TooManyRefused" && s.Tuning.OnStop == OnStopRollback {
			s.setRollbacks(append(s.Rollbacks, RollbackRequest{Run: in.Ref.Run, By: "quarantine.on_stop"}))
			s.note(ctx, activities.Operation{ID: "on-stop/" + in.Ref.Run, By: "quarantine.on_stop", What: activities.OpRollback, Run: in.Ref.Run})
		}
		return nil, s.passFailed(ctx, err)
	}
	st.LastRun = &result.Summary
	if in.Ref.Kind != activities.KindRollback {
		st.Totals.Add(result.Summary.Counts)
	}
	st.Quarantined = result.Quarantined
	if result.Summary.State == "COMPLETED" {
		st.Approvals, st.Parked = result.Approvals, result.Parked
	}
	for _, d := range result.Deltas {
		st.Runs += d.Runs
		st.Totals.Add(d.Counts)
	}
	if result.Watermark != 0 {
		st.Watermark = time.Unix(result.Watermark, 0).UTC()
	}
	if result.Summary.State == "INCOMPLETE" {
		s.enter(ctx, StateFailed, "stopped after an incomplete run", "run "+in.Ref.Run+" is INCOMPLETE: "+result.Summary.Reason)
		return &result, nil
	}
	s.publish(ctx)
	return &result, nil
}

// passFailed decides what a failed run means for the flow: an expired delta
// link calls for a new baseline, anything else for an operator.
func (s *tableSync) passFailed(ctx workflow.Context, err error) error {
	if ctx.Err() != nil {
		return err // the owner itself was cancelled
	}
	if failureType(err) == "LinkExpired" {
		s.NeedsBaseline = true
		s.Status.LastError = reasonOf(err)
		s.publish(ctx)
		return nil
	}
	s.enter(ctx, StateFailed, "failed", reasonOf(err))
	return nil
}

// steer passes an operator's wish on to the run in hand.
func (s *tableSync) steer(ctx workflow.Context, what Control) {
	if s.Status.RunWorkflow == "" {
		return
	}
	if what == ControlStop && s.Status.RunKind == activities.KindRollback {
		return // who stops a flow because it went wrong wants it undone all the same
	}
	err := workflow.SignalExternalWorkflow(ctx, s.Status.RunWorkflow, "", SignalControl, what).Get(ctx, nil)
	if err != nil { // it has just ended
		workflow.GetLogger(ctx).Info("steering a run", "run", s.Status.Run, "control", what, "error", err)
	}
}

// wake ends the wait for changes.
func (s *tableSync) wake() {
	if s.interrupt != nil {
		s.interrupt()
	}
}

func (s *tableSync) setQueue(q []QueuedBackfill) {
	s.Queue = q
	s.Status.QueuedBackfills = nil
	for _, b := range q {
		s.Status.QueuedBackfills = append(s.Status.QueuedBackfills, b.Run)
	}
}
