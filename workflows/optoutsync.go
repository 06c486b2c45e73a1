package workflows

import (
	"errors"
	"time"

	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
)

// OptOutSyncInput starts the owner of the flow of opt-outs, or continues it as new.
type OptOutSyncInput struct {
	Instance string           `json:"instance"`
	State    *OptOutSyncState `json:"state,omitempty"` // nil: a new flow, stopped
}

// OptOutSyncState is everything the owner remembers across continue-as-new. What
// is known of people's choices is not in it: that is the ledger's.
type OptOutSyncState struct {
	OwnerState
	Settings      activities.OptOutSettings `json:"settings,omitzero"` // that run
	NeedsBaseline bool                      `json:"needs_baseline,omitempty"`
	InitialRun    string                    `json:"initial_run,omitempty"` // a stopped baseline to go on with
	Now           bool                      `json:"now,omitempty"`         // look at every source at once
}

// OptOutSync owns the flow of opt-outs for as long as it exists: everybody's
// choices when the settings change, then each new one, and what operators ask for
// in between. It never ends by itself; stopped, it waits for Start.
func OptOutSync(ctx workflow.Context, in OptOutSyncInput) error {
	s := newOptOutSync(ctx, in)
	s.trail = openTrail(ctx, &s.Trail, &s.Status.LogEnd)
	s.receiveWakes(ctx)
	if err := s.handle(ctx); err != nil {
		return err
	}
	workflow.GoNamed(ctx, "export", s.watchExport)
	return s.loop(ctx)
}

// optOutSync is the owner at work.
type optOutSync struct {
	owner
	in    OptOutSyncInput
	state OptOutSyncState
}

func newOptOutSync(ctx workflow.Context, in OptOutSyncInput) *optOutSync {
	s := &optOutSync{in: in}
	if in.State != nil {
		s.state = *in.State
	} else {
		s.state.Status = neverStarted(ctx, OptOutFlow(in.Instance))
	}
	s.owner = owner{OwnerState: &s.state.OwnerState, self: s, id: OptOutFlow(in.Instance), name: activities.FlowOptOut, seeks: "work"}
	return s
}

func (s *optOutSync) continueAsNew(ctx workflow.Context) error {
	s.drainWakes()
	s.in.State = &s.state
	return workflow.NewContinueAsNewError(ctx, OptOutSync, s.in)
}

func (s *optOutSync) steps() steps { return optOutSteps }

// lookEverywhere is remembered while choices are carried: without it the next wait
// looks at Campaign only when its time has come.
func (s *optOutSync) lookEverywhere() { s.state.Now = true }

func (s *optOutSync) step(ctx workflow.Context) error {
	switch st := &s.Status; {
	case s.stopping:
		return s.halt(ctx)
	case s.starting != nil:
		return s.start(ctx)
	case st.State == StatePaused:
		return s.hold(ctx)
	case s.Held != nil && st.State == StateRunning:
		return s.resumeHeld(ctx)
	case st.State != StateRunning:
		return s.rest(ctx, func() bool { return s.starting != nil })
	case s.state.NeedsBaseline:
		return s.baseline(ctx)
	default:
		return s.follow(ctx)
	}
}

// fits refuses what is not for the flow of opt-outs.
func (s *optOutSync) fits(req StartRequest) error {
	if req.OptOut == nil {
		return errors.New("got no settings of opt-outs, and this is the flow of opt-outs")
	}
	return nil
}

func (s *optOutSync) startable(req StartRequest) error {
	if idle := req.OptOut.WhyIdle(); idle != "" { // R8.16
		return errors.New(idle)
	}
	return nil
}

// start checks the settings against both systems before anything is read.
func (s *optOutSync) start(ctx workflow.Context) error {
	req := *s.starting
	s.starting = nil
	mark := s.begun(ctx, req)
	st := &s.Status
	s.Tuning = req.Tuning.complete()
	st.StartedBy, st.FiledRevision = req.By, req.Revision
	var checked activities.PreflightOptOutResult
	ok, err := s.preflight(ctx, "check the settings against both systems", activities.PreflightOptOut, activities.PreflightOptOutInput{Settings: *req.OptOut, Restored: st.Restored, StartMark: mark}, &checked)
	if !ok {
		return err
	}
	st.Revision, st.Watermark, st.Quarantined, st.Warnings, st.ModelChanges, st.LastError = checked.Revision, checked.Watermark, checked.Quarantined, checked.Warnings, nil, ""
	s.Start = mark.Start
	s.Plan, s.state.Settings, s.state.Now = checked.Plan, *req.OptOut, true
	s.state.NeedsBaseline, s.state.InitialRun = checked.NeedsBaseline, checked.UnfinishedRun
	if checked.Restored != "" {
		s.Known, st.Restored = nil, checked.Restored
	}
	s.Marked = st.Restored != ""
	if st.Restored != "" {
		s.state.NeedsBaseline, s.state.InitialRun = true, "" // what is staged is as old as the backup
	}
	before := st.OptOut
	st.OptOut = &OptOutStatus{Mode: string(req.OptOut.Mode), Source: checked.Source, Pairs: len(req.OptOut.Pairs), Waiting: checked.Waiting}
	if before != nil && before.Export != nil {
		// The limit of starts a day holds across our own stops and starts.
		st.OptOut.Export = &ExportStatus{Workflow: req.OptOut.Export.Workflow, Newest: before.Export.Newest, Restarts: before.Export.Restarts}
	}
	s.enter(ctx, StateRunning, "started", "")
	return nil
}

// baseline looks at everybody's choices: after a first start, after one with other
// pairs or another rule, and when Dynamics has forgotten where we were.
func (s *optOutSync) baseline(ctx workflow.Context) error {
	run := s.state.InitialRun
	if run == "" {
		run = s.newRun(ctx)
	}
	s.state.InitialRun = ""
	result, err := s.runPass(ctx, OptOutPass, "looking at everybody's choices", PassInput{Title: "look at everybody's choices", Instance: s.id.Instance, Ref: s.ref(run, activities.KindInitial), Tuning: s.Tuning})
	if err != nil || result == nil {
		return err
	}
	switch result.Summary.State {
	case "COMPLETED":
		s.state.NeedsBaseline, s.Status.Restored, s.Marked = false, "", false
	case "STOPPED":
		s.state.InitialRun = run
	case "CANCELLED":
		s.enter(ctx, StateStopped, "the look at everybody's choices was cancelled", result.Summary.Reason)
	}
	return nil
}

// follow waits for choices and carries them.
func (s *optOutSync) follow(ctx workflow.Context) error {
	st := &s.Status
	if st.Phase != "waiting for choices" {
		st.Phase = "waiting for choices"
		s.publish(ctx)
	}
	ref := s.ref(s.newRun(ctx), activities.KindDelta)
	now := s.state.Now
	s.state.Now = false
	var first *activities.FetchResult
	asked := false
	wanted, err := s.waitForWork(ctx, func(waiting workflow.Context) (err error) {
		first, err = fetchOptOuts(waiting, ref, s.Tuning, now, s.known())
		asked = waiting.Err() != nil // also when the worker ended the wait without a failure
		return err
	})
	switch {
	case wanted:
		s.state.Now = true // an operator wants something; it may be this look
		return nil
	case err != nil:
		return s.failed(ctx, err)
	}
	s.knows(first)
	s.noteModels(ctx, first)
	s.state.Now = asked
	st.OptOut.BadFiles = first.BadFiles
	if first.Nothing {
		s.well()
		if !first.Watermark.IsZero() {
			st.Watermark = first.Watermark
		}
		return nil
	}
	_, err = s.apply(ctx, "carrying choices", ref, first)
	return err
}

// account keeps how many contacts wait for a profile.
func (s *optOutSync) account(out *PassResult) {
	if out.Summary.State == "COMPLETED" {
		s.Status.OptOut.Waiting = out.Parked
	}
}

// failed has a new look at everybody after an expired delta link; anything else is
// for an operator.
func (s *optOutSync) failed(ctx workflow.Context, err error) error {
	if s.ledgerDiffers(ctx, err) {
		s.state.NeedsBaseline, s.state.InitialRun = true, ""
		return nil
	}
	if ctx.Err() != nil || failureType(err) != "LinkExpired" {
		return s.fail(ctx, err)
	}
	s.state.NeedsBaseline = true
	s.recovered(ctx, err)
	return nil
}

// watched says whether the export is to be watched, and how often.
func (s *optOutSync) watched() (time.Duration, bool) {
	st, e := s.Status, s.state.Settings.Export
	return e.CheckEvery, st.OptOut != nil && (st.State == StateRunning || st.State == StatePaused) && e.CheckEvery > 0 &&
		(e.Workflow != "" || st.OptOut.Source == "sftp")
}

// watchExport watches the Campaign workflow that exports opt-outs, also while the flow
// is paused: an opt-out that is not exported is missed (R19.15).
func (s *optOutSync) watchExport(ctx workflow.Context) {
	for {
		if err := workflow.Await(ctx, func() bool { _, on := s.watched(); return on }); err != nil {
			return
		}
		every, _ := s.watched()
		if left := exportDue(ctx, s.Status.OptOut.Export, every); left > 0 {
			if err := workflow.NewTimerWithOptions(ctx, left, workflow.TimerOptions{Summary: "until the export is looked at"}).Get(ctx, nil); err != nil {
				return
			}
			continue
		}
		s.checkExport(ctx)
		if ctx.Err() != nil {
			return
		}
	}
}

func (s *optOutSync) checkExport(ctx workflow.Context) {
	before := ExportStatus{}
	if e := s.Status.OptOut.Export; e != nil {
		before = *e
	}
	setting := s.state.Settings.Export
	opts := activityOptions(QueueCampaign, activities.KindDelta, "how the export of opt-outs is")
	opts.ScheduleToCloseTimeout = setting.CheckEvery // the next look is due then
	var found activities.WatchExportResult
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, opts), activities.WatchExport, activities.WatchExportInput{
		Export: setting, Files: s.Status.OptOut.Source == "sftp", Warned: before.Warned, Restarts: before.Restarts,
	}).Get(ctx, &found)
	if ctx.Err() != nil {
		return
	}
	after := &ExportStatus{Workflow: setting.Workflow, State: found.State, Newest: found.Newest, Alarm: found.Alarm, Warned: found.Warned, Looked: workflow.Now(ctx), Restarts: before.Restarts}
	if err != nil {
		after.State, after.Newest, after.Warned = before.State, before.Newest, before.Warned
		after.Alarm = "the export could not be looked at: " + reasonOf(err)
	}
	if found.Restarted {
		after.Restarts = append(after.Restarts, workflow.Now(ctx))
		if len(after.Restarts) > 3 {
			after.Restarts = after.Restarts[1:]
		}
	}
	s.Status.OptOut.Export = after
	if after.Alarm != before.Alarm {
		s.publish(ctx)
	}
}
