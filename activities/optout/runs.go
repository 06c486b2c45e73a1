package optout

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/ledger"
)

// OpenOptOutRun begins a run in the ledger, or finds where an earlier attempt left it. It
// may run any number of times.
func (a *Activities) OpenOptOutRun(ctx context.Context, in activities.OpenRunInput) (*activities.OpenRunResult, error) {
	ctx = run.InTurn(ctx)
	defer run.KeepBeating(ctx, nil)()
	if err := run.CheckInstance(a.o.Instance, in.Workflow); err != nil {
		return nil, err
	}
	if _, err := run.SameLedger(ctx, a.o.Ledger, in.Known, activities.FlowOptOut, activities.FlowOptOut, in.Run); err != nil {
		return nil, err
	}
	_, out, err := run.Open(ctx, a.o.Ledger, in.Run, func(ctx context.Context) (*ledger.Run, error) { return a.beginRun(ctx, in) })
	return out, err
}

func (a *Activities) beginRun(ctx context.Context, in activities.OpenRunInput) (*ledger.Run, error) {
	begun := ledger.Run{ID: in.Run, Flow: activities.FlowOptOut, Table: activities.FlowOptOut, Kind: ledger.RunKind(in.Kind), Revision: in.Revision, Workflow: in.Workflow, Started: a.o.Now().UTC()}
	if in.Kind == activities.KindInitial {
		me, err := a.o.Dynamics.WhoAmI(ctx)
		if err != nil {
			return nil, fmt.Errorf("asking Dynamics for its clock: %w", err)
		}
		if err := run.SameOrganization(ctx, a.o.Ledger, me.OrganizationID); err != nil {
			return nil, err
		}
		begun.ServerStart = me.ServerTime
		if n, err := a.o.Dynamics.TotalRecordCount(ctx, "contact"); err == nil {
			begun.Expected = 2 * n // contacts, and about as many profiles
		} else {
			a.o.Logger.Warn("no estimate of the records to read", "flow", activities.FlowOptOut, "error", err)
		}
	}
	return a.o.Ledger.BeginRun(ctx, begun)
}

// SaveOptOutPosition ends a run whose lanes are all written: in one transaction the
// position is saved and the staged pages are dropped. What follows, such as moving a file
// that was read, may be repeated.
func (a *Activities) SaveOptOutPosition(ctx context.Context, in activities.SaveWatermarkInput) (*activities.SaveWatermarkResult, error) {
	ctx = run.InTurn(ctx)
	defer run.KeepBeating(ctx, nil)()
	before, err := a.o.Ledger.Run(ctx, in.Run)
	if err != nil {
		return nil, run.Lost(err)
	}
	mark := ledger.Watermark{Flow: activities.FlowOptOut, Table: activities.FlowOptOut, Revision: in.PlanKey(), Run: in.Run}
	var position ledger.Cursor
	current, out, err := run.Save(ctx, a.o.Ledger, in, func(last *ledger.Page) ledger.Watermark {
		if last != nil {
			position = last.End
		}
		if link, ok := position.Of(ledger.CursorContacts); ok {
			mark.Link, mark.ObtainedAt = link, a.o.Now().UTC()
		}
		return mark
	})
	if err != nil || current == nil {
		return out, err
	}
	if current.State == ledger.RunCompleted {
		if err := a.afterCompleted(ctx, in, before, position); err != nil {
			return nil, err
		}
		out.Watermark = mark.ObtainedAt
	}
	if out.Quarantined, err = a.o.Ledger.QuarantineCount(ctx, activities.FlowOptOut, ""); err != nil {
		return nil, err
	}
	if out.Parked, err = a.o.Ledger.OptOutsWaiting(ctx, ledger.WaitsForProfile); err != nil {
		return nil, err
	}
	a.metrics.countEnded(in.Kind, current.State)
	a.metrics.quarantine.Update(float64(out.Quarantined))
	a.metrics.waiting.Update(float64(out.Parked))
	a.showWatermark(out.Watermark)
	activity.GetLogger(ctx).Info("run ended", "flow", activities.FlowOptOut, "run", in.Run, "state", current.State,
		"read", out.Counts.Read, "written", out.Counts.Updated, "quarantined", out.Counts.Quarantined)
	return out, nil
}

// afterCompleted does what follows from a completed run: it saves the position in
// Campaign, puts the files away that were read, and forgets old evidence.
func (a *Activities) afterCompleted(ctx context.Context, in activities.SaveWatermarkInput, begun *ledger.Run, position ledger.Cursor) error {
	at := time.Time{}
	if in.Kind == activities.KindInitial {
		if err := run.Trust(ctx, a.o.Ledger, activities.FlowOptOut, activities.FlowOptOut); err != nil {
			return err
		}
		at = earlier(begun.Started, begun.ServerStart)
	}
	if stamp, ok := position.Of(ledger.CursorLooked); ok {
		var err error
		if at, err = time.Parse(time.RFC3339Nano, stamp); err != nil {
			return fmt.Errorf("reading the position of run %s: %w", in.Run, err)
		}
	}
	if !at.IsZero() {
		if err := a.o.Ledger.SaveWatermark(ctx, ledger.Watermark{Flow: activities.FlowOptOut, Table: campaignWatermark, Link: "modified", ObtainedAt: at, Run: in.Run}); err != nil {
			return err
		}
		a.countFarBack(in.Run)
	}
	files, err := a.files.Finish(ctx, in.Run)
	if err != nil {
		return err
	}
	for _, file := range files {
		a.metrics.newestFile.Tell(ctx, float64(file.Modified.Unix()))
	}
	return nil
}

// EndOptOutRun closes a run that did not finish.
func (a *Activities) EndOptOutRun(ctx context.Context, in activities.EndRunInput) error {
	ctx = run.InTurn(ctx)
	return run.End(ctx, a.o.Ledger, in, a.metrics.countEnded, a.o.Ledger.ForgetPages)
}
