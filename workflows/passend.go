package workflows

import (
	"fmt"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
)

// finish saves the watermark once the ledger holds every lane as written.
func (p *pass) finish(ctx workflow.Context) (*PassResult, error) {
	for range 5 {
		var saved activities.SaveWatermarkResult
		opts := activityOptions(QueueMain, p.in.Ref.Kind, "balance run "+p.in.Ref.Run+" and save the watermark")
		err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, opts), p.steps.save,
			activities.SaveWatermarkInput{RunRef: p.in.Ref, Pages: p.progress.Pages, Settled: p.progress.Counts.Settled()}).Get(ctx, &saved)
		if err != nil {
			return nil, fmt.Errorf("saving the watermark of %s: %w", p.in.Ref.Table, err)
		}
		if len(saved.Unfinished) > 0 { // a ledger restored from a backup, say: it decides
			flow := newLanes(ctx, p)
			flow.add(saved.Unfinished)
			err := flow.drain(ctx)
			flow.close()
			if err != nil {
				return nil, err
			}
			continue
		}
		p.progress.Counts = saved.Counts
		p.progress.Backlog = 0
		result := &PassResult{
			Summary: RunSummary{Run: p.in.Ref.Run, Kind: p.in.Ref.Kind, State: saved.State, Counts: saved.Counts,
				Start: p.progress.Started, End: workflow.Now(ctx)},
			Quarantined: saved.Quarantined, Approvals: saved.Approvals, Parked: saved.Parked, Erased: saved.Erased, Returned: saved.Returned, Strays: saved.Strays, Newest: p.memory.Newest,
		}
		if len(p.memory.BadFiles) > 0 {
			result.Summary.Reason = "left alone, because they cannot be read: " + strings.Join(p.memory.BadFiles, "; ")
		}
		if len(saved.NotFound) > 0 {
			result.Summary.Reason = notFound(p.in.Ref.Run, saved.NotFound)
		}
		if saved.State != "COMPLETED" {
			result.Summary.Reason = fmt.Sprintf("read %d records, but only %d have an outcome; the watermark was not moved", saved.Counts.Read, saved.Counts.Settled())
		}
		if !saved.Watermark.IsZero() {
			result.Watermark = saved.Watermark.Unix()
		}
		p.summarise(result)
		p.publish(ctx)
		return result, nil
	}
	return nil, temporal.NewNonRetryableApplicationError(
		fmt.Sprintf("run %s: the ledger keeps losing lanes that were written; check its storage", p.in.Ref.Run), "LedgerLost", nil)
}

// end closes a run that was not finished. It runs although the workflow may be
// cancelled: that is when it is needed.
func (p *pass) end(ctx workflow.Context, state, reason string, drop bool) (*PassResult, error) {
	clean, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	opts := activityOptions(QueueMain, p.in.Ref.Kind, "end run "+p.in.Ref.Run+": "+state)
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(clean, opts), p.steps.end,
		activities.EndRunInput{RunRef: p.in.Ref, State: state, Reason: reason, Drop: drop, Pages: p.progress.Pages, Settled: p.progress.Counts.Settled()}).Get(clean, nil)
	if err != nil {
		return nil, fmt.Errorf("ending run %s: %w", p.in.Ref.Run, err)
	}
	result := &PassResult{Summary: RunSummary{
		Run: p.in.Ref.Run, Kind: p.in.Ref.Kind, State: state, Reason: reason, Counts: p.progress.Counts,
		Start: p.progress.Started, End: workflow.Now(ctx),
	}}
	p.summarise(result)
	p.describe(ctx)
	return result, nil
}

// summarise adds the memory of the pass to its result. Passes in between are reported
// once, also when this pass was stopped and goes on later.
func (p *pass) summarise(result *PassResult) {
	p.ended, result.Memory = result.Summary.State, p.memory
	result.Memory.Deltas = PassInfo{}
	if p.opened {
		result.Opened = p.known(result.Summary.State)
	}
	if p.memory.Deltas.Runs > 0 {
		result.Deltas = []PassInfo{p.memory.Deltas}
	}
}

// fail closes the run in the ledger; the workflow fails with the error all the same.
func (p *pass) fail(ctx workflow.Context, err error) {
	if _, endErr := p.end(ctx, "FAILED", reasonOf(err), true); endErr != nil {
		workflow.GetLogger(ctx).Error("ending a failed run", "run", p.in.Ref.Run, "error", endErr)
	}
}

// fewIDs is how many ids a reason names.
const fewIDs = 10

// notFound names the ids that a backfill was asked for and Dynamics does not have.
func notFound(run string, ids []string) string {
	if len(ids) <= fewIDs {
		return fmt.Sprintf("not found in Dynamics, and left alone: %s", strings.Join(ids, ", "))
	}
	return fmt.Sprintf("%d ids were not found in Dynamics, and left alone, among them %s; causeway runs show %s names all", len(ids), strings.Join(ids[:fewIDs], ", "), run)
}
