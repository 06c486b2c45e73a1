package workflows

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
)

// Backfill reads every record of a table, or those of a window, and writes what
// differs: the initial load, a new baseline after an expired link, a replay.
func Backfill(ctx workflow.Context, in PassInput) (*PassResult, error) {
	p, err := newPass(ctx, in)
	if err != nil {
		return nil, err
	}
	return p.run(ctx, Backfill)
}

// DeltaPass applies the changes behind a delta link; its first page is staged.
func DeltaPass(ctx workflow.Context, in PassInput) (*PassResult, error) {
	p, err := newPass(ctx, in)
	if err != nil {
		return nil, err
	}
	return p.run(ctx, DeltaPass)
}

// pass carries out one run: as a workflow of its own, or, when the run is small,
// inside the workflow that found its changes (see small.go).
type pass struct {
	in       PassInput
	control  *control
	small    *smallPass // nil: a workflow of its own
	progress Progress
	memory   PassMemory
	phases   []activities.Phase
	pages    int // fetched by this workflow run
	steps    steps
	givenUp  string // the state in which the ledger has ended the run already
	ended    string // the state in which the run has ended
	opened   bool   // the ledger holds the run
}

// steps are the activities that carry a run out, and the systems they call.
type steps struct {
	flow                          string // in search attributes
	delta                         string // the type of the workflow that carries new changes
	open, fetch, write, save, end any
	source, target                string // task queues
	phases                        func(in PassInput, known int64) []activities.Phase
	// between applies what is new while a backfill owns the flow; nil when nothing is.
	between func(ctx workflow.Context, id FlowID, ref activities.RunRef, tuning Tuning, known *activities.LedgerKnown) (*PassResult, error)
}

var ingressSteps = steps{
	flow: activities.FlowIngress, delta: TypeDeltaPass, open: activities.OpenRun, fetch: activities.FetchPage, write: activities.WriteLane, save: activities.SaveWatermark, end: activities.EndRun,
	source: QueueDataverse, target: QueueCampaign, phases: phasesOf,
}

var (
	errInterrupted = errors.New("interrupted") // stop, pause or cancel: work in hand was put back
	errContinue    = errors.New("continue as new")
	errHeld        = errors.New("held")     // a small pass was paused; its owner goes on with it
	errOutgrown    = errors.New("outgrown") // a small pass is not small any more
)

func newPass(ctx workflow.Context, in PassInput) (*pass, error) {
	in.Tuning = in.Tuning.complete()
	p := &pass{in: in, memory: in.Memory, steps: ingressSteps, progress: Progress{Run: in.Ref.Run, Kind: in.Ref.Kind, Started: workflow.Now(ctx), Paused: in.Paused}}
	p.steps.between = applyChanges
	p.control = listen(ctx, in.Paused)
	err := workflow.SetQueryHandlerWithOptions(ctx, QueryProgress, func() (Progress, error) { return p.progress, nil },
		workflow.QueryHandlerOptions{Description: "Counts, phase and backlog of this run."})
	if err != nil {
		return nil, fmt.Errorf("registering the %s query: %w", QueryProgress, err)
	}
	return p, nil
}

// run drives the pass until it is finished, given up, or continued as new.
func (p *pass) run(ctx workflow.Context, self any) (*PassResult, error) {
	for {
		if err := p.holdWhilePaused(ctx); errors.Is(err, errHeld) {
			return nil, err
		} else if err != nil {
			p.fail(ctx, err)
			return nil, err
		}
		p.control.takenBack = false
		switch p.control.wanted {
		case ControlStop:
			// A stopped load goes on with its staged pages; changes are read again
			// from the watermark, which has not moved, and quarantined records anew.
			reread := p.in.Ref.Kind == activities.KindDelta || p.in.Ref.Kind == activities.KindRelease
			out, err := p.end(ctx, "STOPPED", "stopped by an operator", reread)
			if err == nil && p.control.wanted == ControlCancel {
				continue // it was cancelled while it was being stopped
			}
			return out, err
		case ControlCancel:
			return p.end(ctx, "CANCELLED", cancelledByOperator, true)
		}
		switch err := p.drive(ctx); {
		case err == nil && p.givenUp != "":
			return &PassResult{Summary: RunSummary{
				Run: p.in.Ref.Run, Kind: p.in.Ref.Kind, State: p.givenUp, Reason: "the ledger has ended it", Counts: p.progress.Counts,
				Start: p.progress.Started, End: workflow.Now(ctx),
			}}, nil
		case err == nil:
			result, err := p.finish(ctx)
			if errors.Is(err, errInterrupted) {
				continue
			}
			if err != nil {
				err = p.failure(err)
			}
			return result, err
		case errors.Is(err, errInterrupted):
			continue
		case errors.Is(err, errOutgrown):
			return nil, err
		case errors.Is(err, errContinue):
			if p.control.drainSignals(); p.control.wanted != "" {
				continue
			}
			in := p.in
			in.Paused, in.Memory = p.control.paused, p.memory
			in.Known = p.knows()
			return nil, workflow.NewContinueAsNewError(ctx, self, in)
		default:
			p.fail(ctx, err)
			return nil, p.failure(err)
		}
	}
}

func (p *pass) holdWhilePaused(ctx workflow.Context) error {
	if !p.control.paused {
		return nil
	}
	p.progress.Paused = true
	if p.small != nil {
		return errHeld
	}
	p.describe(ctx)
	if err := workflow.Await(ctx, func() bool { return !p.control.paused || p.control.wanted != "" }); err != nil {
		return err
	}
	p.progress.Paused = false
	p.describe(ctx)
	return nil
}

// drive opens the run where the ledger holds it and works until nothing is left.
func (p *pass) drive(ctx workflow.Context) error {
	if p.small != nil && p.small.first != nil {
		return p.writeFirst(ctx)
	}
	var open activities.OpenRunResult
	opts := activityOptions(p.steps.source, p.in.Ref.Kind, "where run "+p.in.Ref.Run+" stands")
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, opts), p.steps.open, activities.OpenRunInput{
		RunRef: p.in.Ref, Window: p.in.Window, Release: p.in.Release, Workflow: workflow.GetInfo(ctx).WorkflowExecution.ID, Known: p.knows(),
	}).Get(ctx, &open)
	if err != nil {
		return fmt.Errorf("opening run %s: %w", p.in.Ref.Run, err)
	}
	p.opened = true
	if open.Ended != "" && open.Ended != "RUNNING" {
		// An earlier attempt finished it. If it was given up there is no position to save.
		if open.Ended == "CANCELLED" || open.Ended == "FAILED" {
			p.givenUp, p.progress.Counts = open.Ended, open.Counts
		}
		return nil
	}
	if p.in.Ref.Undoes != "" && open.LastPage == 0 {
		opts := activityOptions(QueueCampaign, p.in.Ref.Kind, "what "+p.in.Ref.Undoes+" wrote before its worker died")
		err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, opts), activities.FindUnrecordedWrites, activities.UnrecordedWritesInput{RunRef: p.in.Ref}).Get(ctx, nil)
		if err != nil {
			return fmt.Errorf("finding the unrecorded writes of run %s: %w", p.in.Ref.Undoes, err)
		}
	}
	p.phases = p.steps.phases(p.in, open.Known)
	p.progress.Counts, p.progress.Read, p.progress.Expected, p.progress.Started = open.Counts, open.Counts.Settled(), open.Expected, open.Started
	p.progress.Pages, p.progress.Backlog = open.LastPage, 0
	for _, l := range open.Unfinished {
		p.progress.Read += int64(l.Size)
	}

	if p.small != nil && (open.LastPage == 0 || open.More) {
		return errOutgrown
	}
	flow := newLanes(ctx, p)
	defer flow.close()
	// Lanes of earlier pages first, and all of them: with another number of
	// lanes a key may be in another lane of the next page.
	flow.add(open.Unfinished)
	if err := flow.drain(ctx); err != nil || p.small != nil {
		return err
	}
	return p.fetchAll(ctx, flow, open)
}

// fetchAll stages page after page, at most ReadAhead of them unwritten.
func (p *pass) fetchAll(ctx workflow.Context, flow *lanes, open activities.OpenRunResult) error {
	phase := p.next(open.LastPhase, open.More)
	page := open.LastPage
	lastDelta := workflow.Now(ctx)
	for phase != "" {
		if err := flow.room(ctx, p.in.Tuning.ReadAhead); err != nil {
			return err
		}
		if p.shouldContinue(ctx) {
			if err := flow.drain(ctx); err != nil {
				return err
			}
			return errContinue
		}
		if p.in.Deltas && workflow.Now(ctx).Sub(lastDelta) >= time.Duration(p.in.Tuning.DeltaInterval) {
			// A page read before a change must be written before the change.
			if err := flow.drain(ctx); err != nil {
				return err
			}
			if err := p.deltaBetween(ctx); err != nil {
				return err
			}
			lastDelta = workflow.Now(ctx)
		}
		if phase == activities.PhaseSweep {
			// Which records were not seen is known once everything seen is written.
			if err := flow.drain(ctx); err != nil {
				return err
			}
		}
		page++
		p.progress.Phase = phase
		opts := activityOptions(p.steps.source, p.in.Ref.Kind, fmt.Sprintf("page %d (%s)", page, phase))
		var fetched activities.FetchResult
		err := workflow.ExecuteActivity(workflow.WithActivityOptions(flow.ctx, opts), p.steps.fetch, activities.FetchInput{
			RunRef: p.in.Ref, Page: page, Phase: phase, Lanes: p.in.Tuning.Lanes, Window: p.in.Window, Release: p.in.Release,
		}).Get(ctx, &fetched)
		if err != nil {
			return flow.fail(ctx, fmt.Errorf("fetching page %d of %s: %w", page, p.in.Ref.Table, err))
		}
		p.pages++
		p.remember(&fetched)
		if fetched.Nothing { // a delta pass resumed after its pages were applied
			if phase = p.next(phase, false); phase == "" {
				break
			}
			page-- // another source may have something
			continue
		}
		p.progress.Pages, p.progress.Read = page, p.progress.Read+int64(fetched.Read)
		flow.add(laneRefs(fetched))
		p.publish(ctx)
		phase = p.next(phase, fetched.More)
	}
	return flow.drain(ctx)
}

// remember keeps what a page says beside its records.
func (p *pass) remember(page *activities.FetchResult) {
	for _, file := range page.BadFiles {
		if !slices.Contains(p.memory.BadFiles, file) && len(p.memory.BadFiles) < 20 {
			p.memory.BadFiles = append(p.memory.BadFiles, file)
		}
	}
	if !page.Nothing && page.Newest.After(p.memory.Newest) {
		p.memory.Newest = page.Newest
	}
}

// next is the phase of the page after one of phase; "" when the run is read.
func (p *pass) next(phase activities.Phase, more bool) activities.Phase {
	if phase == "" {
		return p.phases[0]
	}
	if more {
		return phase
	}
	for i, known := range p.phases {
		if known == phase && i+1 < len(p.phases) {
			return p.phases[i+1]
		}
	}
	return ""
}

func phasesOf(in PassInput, known int64) []activities.Phase {
	switch {
	case in.Ref.Kind == activities.KindRollback:
		return []activities.Phase{activities.PhaseUndo}
	case in.Ref.Kind == activities.KindRelease:
		return []activities.Phase{activities.PhaseQuarantined}
	case in.Ref.Kind == activities.KindDelta:
		return []activities.Phase{activities.PhaseDelta}
	case in.Ref.Kind == activities.KindBackfill && len(in.Window.IDs) > 0:
		return []activities.Phase{activities.PhaseIDs}
	case in.Ref.Kind == activities.KindBackfill:
		return []activities.Phase{activities.PhaseScan}
	case known > 0:
		return []activities.Phase{activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep}
	default:
		return []activities.Phase{activities.PhaseBaseline, activities.PhaseCatchUp}
	}
}

func laneRefs(f activities.FetchResult) []activities.LaneRef {
	var refs []activities.LaneRef
	for lane, size := range f.Lanes {
		if size > 0 {
			refs = append(refs, activities.LaneRef{Page: f.Page, Lane: lane, Size: size})
		}
	}
	return refs
}

func (p *pass) shouldContinue(ctx workflow.Context) bool {
	limit := p.in.Tuning.PagesPerRun
	return workflow.GetInfo(ctx).GetContinueAsNewSuggested() || (limit > 0 && p.pages >= limit)
}

// deltaBetween applies the changes that came in while a backfill owns the table.
func (p *pass) deltaBetween(ctx workflow.Context) error {
	ref := p.in.Ref
	ref.Kind = activities.KindDelta
	ref.Run = newRun(ctx, ref.Table)
	info, err := p.steps.between(ctx, FlowNamed(p.in.Instance, ref.Table), ref, p.in.Tuning, p.knows())
	if err != nil {
		return fmt.Errorf("applying changes during backfill %s: %w", p.in.Ref.Run, err)
	}
	if info != nil {
		p.memory.Deltas.Runs++
		p.memory.Deltas.Counts.Add(info.Summary.Counts)
		if p.in.Known != nil && info.Summary.State == "COMPLETED" {
			p.in.Known.Run = ref.Run
		}
	}
	return nil
}
