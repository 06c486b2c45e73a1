package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/ledger"
)

// OpenRun begins a run in the ledger, noting the source's clock, or finds where
// an earlier attempt left it. It may run any number of times.
func (a *Ingress) OpenRun(ctx context.Context, in OpenRunInput) (*OpenRunResult, error) {
	defer keepBeating(ctx, nil)()
	if err := a.accept(in.Workflow); err != nil {
		return nil, err
	}
	if in.Undoes != "" && in.Revision == "" {
		return nil, blocked("BadInput", "a rollback needs the revision of the run that it undoes")
	}
	run, err := a.o.Ledger.Run(ctx, in.Run)
	if errors.Is(err, ledger.ErrNotFound) {
		run, err = a.beginRun(ctx, in)
	}
	if err != nil {
		return nil, toTemporal(ctx, err)
	}
	if run.State == "STOPPED" {
		if err := a.o.Ledger.SetRunState(ctx, run.ID, "RUNNING", ""); err != nil {
			return nil, err
		}
		run.State = "RUNNING"
	}
	at, err := a.o.Ledger.Resume(ctx, in.Run)
	if err != nil {
		return nil, err
	}
	known, err := a.o.Ledger.KnownCount(ctx, in.Table)
	if err != nil {
		return nil, err
	}
	if run.Counts.Created > 0 { // what this run created was not there to be missed by its baseline
		known -= run.Counts.Created
	}
	parked, err := a.o.Ledger.ParkedCount(ctx, in.Table)
	if err != nil {
		return nil, err
	}
	out := &OpenRunResult{Known: max(known, 0) + parked, Expected: run.Expected, Started: run.Started, Counts: fromLedger(run.Counts), Ended: string(run.State)}
	if at.LastPage != nil {
		out.LastPage, out.LastPhase, out.More = at.LastPage.Number, Phase(at.LastPage.Phase), !at.LastPage.Next.None()
	}
	for _, l := range at.Unfinished {
		out.Unfinished = append(out.Unfinished, LaneRef{Page: l.Page, Lane: l.Lane, Size: l.Size})
	}
	return out, nil
}

func (a *Ingress) beginRun(ctx context.Context, in OpenRunInput) (*ledger.Run, error) {
	if in.Undoes != "" {
		may, err := a.MayRollback(ctx, MayRollbackInput{Run: in.Undoes})
		if err != nil {
			return nil, err
		}
		// Nobody goes on with a run that is undone: what it had written is gone.
		if ledger.RunState(may.State) == ledger.RunStopped || ledger.RunState(may.State) == ledger.RunRunning {
			if err := a.o.Ledger.SetRunState(ctx, in.Undoes, ledger.RunCancelled, "given up to be rolled back"); err != nil {
				return nil, err
			}
			if err := a.o.Ledger.DropPages(ctx, in.Undoes); err != nil {
				return nil, err
			}
		}
		return a.o.Ledger.BeginRun(ctx, ledger.Run{ID: in.Run, Flow: FlowRollback, Table: in.Table, Kind: ledger.RunKind(in.Kind), Revision: in.Revision,
			State: ledger.RunRunning, Workflow: in.Workflow, Started: time.Now().UTC(), Expected: may.Created + may.Existed})
	}
	me, err := a.o.Source.WhoAmI(ctx)
	if err != nil {
		return nil, err
	}
	m, err := a.mapper(ctx, in.RunRef)
	if err != nil {
		return nil, err
	}
	expected := a.estimate(ctx, m, in)
	if in.Kind == KindInitial && a.o.MaxRecords > 0 && expected > a.o.MaxRecords {
		return nil, &apierr.Error{Class: apierr.Blocked, Reason: apierr.ReasonConfig, Service: "dataverse", Op: "load " + in.Table,
			Message: fmt.Sprintf("the table holds about %d records, more than the %d of ingress.max_records; raise it, if Campaign is licensed for so many, and start again", expected, a.o.MaxRecords)} // R15.7
	}
	var span []byte
	if in.Kind == KindBackfill {
		if span, err = json.Marshal(in.Window); err != nil {
			return nil, err
		}
	}
	return a.o.Ledger.BeginRun(ctx, ledger.Run{
		ID: in.Run, Flow: FlowIngress, Table: in.Table, Kind: ledger.RunKind(in.Kind), Revision: in.Revision, State: "RUNNING",
		Workflow: in.Workflow, Started: time.Now().UTC(), ServerStart: me.ServerTime, Expected: expected, Span: string(span),
	})
}

// estimate is how many records the run will read, for progress; 0 when unknown.
func (a *Ingress) estimate(ctx context.Context, m *tableMapper, in OpenRunInput) int64 {
	switch {
	case in.Kind == KindDelta, len(in.Window.Where) > 0:
		return 0
	case in.Release != nil:
		return a.toTry(ctx, in)
	case len(in.Window.IDs) > 0:
		return int64(len(in.Window.IDs))
	}
	var n int64
	var err error
	if in.Window.Since.IsZero() && in.Window.Until.IsZero() {
		n, err = a.o.Source.TotalRecordCount(ctx, m.plan.Table.Dynamics.Table)
	} else {
		n, err = a.o.Source.Count(ctx, m.query.EntitySet, windowFilter(in.Window))
	}
	if err != nil {
		a.o.Logger.Warn("no estimate of the records to read", "table", in.Table, "error", err)
		return 0
	}
	return n
}

// SaveWatermark ends a run: when the ledger holds every lane as written, the
// delta link becomes the watermark and the staged pages go, in one transaction.
func (a *Ingress) SaveWatermark(ctx context.Context, in SaveWatermarkInput) (*SaveWatermarkResult, error) {
	at, err := a.o.Ledger.Resume(ctx, in.Run)
	if err != nil {
		return nil, err
	}
	mark := ledger.Watermark{Flow: FlowIngress, Table: in.Table, Revision: in.Revision, Run: in.Run}
	if (in.Kind == KindInitial || in.Kind == KindDelta) && at.LastPage != nil {
		mark.Link, mark.ObtainedAt = at.LastPage.End.At, time.Now().UTC()
	}
	run, err := a.o.Ledger.Advance(ctx, in.Run, mark)
	if open := stillOpen(err); open != nil {
		return open, nil
	}
	if err != nil {
		return nil, err
	}
	out := &SaveWatermarkResult{State: string(run.State), Counts: fromLedger(run.Counts)}
	if run.State == "COMPLETED" {
		out.Watermark = mark.ObtainedAt
		if err := a.prune(ctx); err != nil {
			return nil, err
		}
	}
	if out.Quarantined, err = a.o.Ledger.QuarantineCount(ctx, FlowIngress, in.Table); err != nil {
		return nil, err
	}
	if out.Parked, err = a.o.Ledger.ParkedCount(ctx, in.Table); err != nil {
		return nil, err
	}
	if run.State == "COMPLETED" {
		if out.Approvals, err = a.release(ctx, in.Run, in.Table); err != nil {
			return nil, err
		}
	}
	counts := a.metrics.of(in.Table)
	counts.runEnded(in.Kind, run.State)
	counts.quarantined.Update(float64(out.Quarantined))
	if !out.Watermark.IsZero() {
		counts.settledUpTo(out.Watermark)
	}
	activity.GetLogger(ctx).Info("run ended", "flow", FlowIngress, "table", in.Table, "run", in.Run, "state", run.State,
		"read", out.Counts.Read, "written", out.Counts.Written(), "quarantined", out.Counts.Quarantined)
	return out, nil
}

// stillOpen is the answer to an attempt to end a run with lanes to be written: the
// workflow writes them. nil when err is anything else.
func stillOpen(err error) *SaveWatermarkResult {
	unfinished, ok := errors.AsType[*ledger.UnfinishedError](err)
	if !ok {
		return nil
	}
	out := &SaveWatermarkResult{State: string(ledger.RunRunning)}
	for _, l := range unfinished.Lanes {
		out.Unfinished = append(out.Unfinished, LaneRef{Page: l.Page, Lane: l.Lane, Size: l.Size})
	}
	return out
}

// EndRun closes a run that did not finish.
func (a *Ingress) EndRun(ctx context.Context, in EndRunInput) error {
	// A rollback must look at what a dead attempt had in hand.
	return endRun(ctx, a.o.Ledger, in, a.metrics.of(in.Table).runEnded, a.o.Ledger.DropPages)
}

func endRun(ctx context.Context, l *ledger.Ledger, in EndRunInput, ended func(Kind, ledger.RunState), drop func(context.Context, string) error) error {
	run, err := l.Run(ctx, in.Run)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil // it never began
	}
	if err != nil {
		return err
	}
	if run.State == ledger.RunCompleted || run.State == ledger.RunIncomplete {
		return nil
	}
	if err := l.SetRunState(ctx, in.Run, ledger.RunState(in.State), in.Reason); err != nil {
		return err
	}
	ended(in.Kind, ledger.RunState(in.State))
	if in.Drop {
		return drop(ctx, in.Run)
	}
	return nil
}

func fromLedger(c ledger.Counts) Counts {
	return Counts{Read: c.Read, Created: c.Created, Updated: c.Updated, Unchanged: c.Unchanged,
		Filtered: c.Filtered, Deleted: c.Deleted, Parked: c.Parked, Quarantined: c.Quarantined,
		Disabled: c.Disabled, SoftBounce: c.SoftBounce, SeedOrProof: c.SeedOrProof, NoContact: c.NoContact, Ignored: c.Ignored}
}
