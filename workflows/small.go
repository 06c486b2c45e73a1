package workflows

import (
	"errors"

	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
)

// maxSmall is how many records the only page of a small pass may hold. A child workflow
// for so few would cost more than the work.
const maxSmall = 100

// isSmall says that a pass of changes is carried out by the workflow that found them.
func isSmall(first *activities.FetchResult) bool {
	return !first.Nothing && !first.More && first.Page == 1 && first.Read <= maxSmall
}

// smallPass is what a pass needs that is not a workflow of its own.
type smallPass struct {
	first *activities.FetchResult // staged and not begun; nil: the ledger says what is left
	show  func(workflow.Context)  // its progress, in the workflow that carries it out
}

// HeldPass is a small pass that was paused. It is part of the owner's state, so that
// the owner can continue as new meanwhile.
type HeldPass struct {
	Phase string    `json:"phase"`
	In    PassInput `json:"in"`
}

// newSmallPass makes a pass that its caller carries out, and steers by its control.
func newSmallPass(ctx workflow.Context, steps steps, in PassInput, first *activities.FetchResult, show func(workflow.Context)) *pass {
	in.Tuning = in.Tuning.complete()
	return &pass{
		in: in, steps: steps, control: &control{}, memory: in.Memory, small: &smallPass{first: first, show: show},
		progress: Progress{Run: in.Ref.Run, Kind: in.Ref.Kind, Phase: activities.PhaseDelta, Started: workflow.Now(ctx)},
	}
}

// writeFirst writes the page that is staged; there is no other.
func (p *pass) writeFirst(ctx workflow.Context) error {
	first := p.small.first
	p.small.first, p.opened = nil, true
	p.remember(first)
	p.progress.Phase, p.progress.Pages, p.progress.Read = first.Phase, first.Page, int64(first.Read)
	flow := newLanes(ctx, p)
	defer flow.close()
	flow.add(laneRefs(*first))
	p.describe(ctx)
	return flow.drain(ctx)
}

// runInSummary begins the summary of an activity with its run, where the workflow
// does not say it.
func (p *pass) runInSummary() string {
	if p.small == nil {
		return ""
	}
	return p.in.Ref.Run + ": "
}

// apply carries out the changes of which the first page is staged: here when they are
// few, else in a child.
func (o *owner) apply(ctx workflow.Context, phase string, ref activities.RunRef, first *activities.FetchResult) (*PassResult, error) {
	in := PassInput{Instance: o.id.Instance, Ref: ref, Tuning: o.Tuning}
	if !isSmall(first) {
		return o.runPass(ctx, o.self.steps().delta, phase, in)
	}
	return o.runSmall(ctx, phase, in, first)
}

// resumeHeld goes on with a pass that was paused, where the ledger holds it.
func (o *owner) resumeHeld(ctx workflow.Context) error {
	held := *o.Held
	o.Held = nil
	_, err := o.runSmall(ctx, held.Phase, held.In, nil)
	return err
}

// runSmall carries a pass out in this workflow. Stop and pause reach it by steer. A
// stop puts back what was not written; a pause keeps the run as Held, and the loop
// goes on with it when the flow is resumed.
func (o *owner) runSmall(ctx workflow.Context, phase string, in PassInput, first *activities.FetchResult) (*PassResult, error) {
	st := &o.Status
	st.Phase, st.Run, st.RunKind, st.RunTitle = phase, in.Ref.Run, in.Ref.Kind, in.Title
	started := workflow.Now(ctx)
	p := newSmallPass(ctx, o.self.steps(), in, first, o.describe)
	o.small, st.Progress = p, &p.progress
	switch { // what was asked while its page was read
	case o.stopping:
		p.control.take(ControlStop)
	case st.State == StatePaused:
		p.control.take(ControlPause)
	}
	result, err := p.run(ctx, nil)
	o.small = nil
	switch {
	case errors.Is(err, errHeld):
		in.Memory = p.memory
		o.Held = &HeldPass{Phase: phase, In: in}
		o.describe(ctx)
		return nil, nil
	case errors.Is(err, errOutgrown): // after a restore of the ledger, for instance: there may be more to read now
		st.Progress = nil
		return o.runPass(ctx, o.self.steps().delta, phase, in)
	}
	return o.ended(ctx, in.Ref, started, result, err)
}

// endHeld ends a pass that was paused and does not go on: its changes are read again,
// because the watermark has not moved.
func (o *owner) endHeld(ctx workflow.Context, state, reason string) {
	if o.Held == nil {
		return
	}
	clean, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	ref, progress := o.Held.In.Ref, o.Status.Progress
	o.Held = nil
	o.endOrLog(clean, ref, state, reason)
	st := &o.Status
	st.LastRun = &RunSummary{Run: ref.Run, Kind: ref.Kind, State: state, Reason: reason, End: workflow.Now(ctx)}
	if progress != nil {
		st.LastRun.Start, st.LastRun.Counts = progress.Started, progress.Counts
		st.Totals.Add(progress.Counts)
	}
	st.Run, st.RunKind, st.RunTitle, st.Progress = "", "", "", nil
	st.Runs++
}

// applyBetween carries out changes that came while a backfill owns the flow. Nothing
// interrupts them: what is asked of the backfill waits until they are written.
func applyBetween(ctx workflow.Context, steps steps, id FlowID, in PassInput, first *activities.FetchResult) (*PassResult, error) {
	if isSmall(first) {
		return newSmallPass(ctx, steps, in, first, func(workflow.Context) {}).run(ctx, nil)
	}
	var result PassResult
	err := workflow.ExecuteChildWorkflow(childOptions(ctx, id, in.Ref, in.Title), steps.delta, in).Get(ctx, &result)
	return &result, err
}
