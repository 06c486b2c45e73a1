package ingress

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/ledger"
)

// OpenRun begins a run in the ledger and keeps what time Dynamics says it is, or finds
// where an earlier attempt left the run. It may run any number of times.
func (a *Activities) OpenRun(ctx context.Context, in activities.OpenRunInput) (*activities.OpenRunResult, error) {
	ctx = run.InTurn(ctx)
	defer run.KeepBeating(ctx, nil)()
	if err := run.CheckInstance(a.o.Instance, in.Workflow); err != nil {
		return nil, err
	}
	if in.Undoes != "" && in.Revision == "" {
		return nil, run.Blocked("BadInput", "a rollback needs the revision of the run that it undoes")
	}
	if _, err := run.SameLedger(ctx, a.o.Ledger, in.Known, activities.FlowIngress, in.Table, in.Run); err != nil {
		return nil, err
	}
	current, out, err := run.Open(ctx, a.o.Ledger, in.Run, func(ctx context.Context) (*ledger.Run, error) { return a.beginRun(ctx, in) })
	if err != nil {
		return nil, err
	}
	known, err := a.o.Ledger.KnownCount(ctx, in.Table)
	if err != nil {
		return nil, err
	}
	if current.Counts.Created > 0 { // these are counted as known by now, and were not when the run began
		known -= current.Counts.Created
	}
	parked, err := a.o.Ledger.ParkedCount(ctx, in.Table)
	if err != nil {
		return nil, err
	}
	out.Known = max(known, 0) + parked
	return out, nil
}

func (a *Activities) beginRun(ctx context.Context, in activities.OpenRunInput) (*ledger.Run, error) {
	if in.Undoes != "" {
		may, err := a.MayRollback(ctx, activities.MayRollbackInput{Run: in.Undoes})
		if err != nil {
			return nil, err
		}
		// A run that is undone cannot go on, because what it had written is gone.
		if ledger.RunState(may.State) == ledger.RunStopped || ledger.RunState(may.State) == ledger.RunRunning {
			if err := a.o.Ledger.SetRunState(ctx, in.Undoes, ledger.RunCancelled, "given up to be rolled back"); err != nil {
				return nil, err
			}
			if err := a.o.Ledger.DropPages(ctx, in.Undoes); err != nil {
				return nil, err
			}
		}
		return a.o.Ledger.BeginRun(ctx, ledger.Run{ID: in.Run, Flow: activities.FlowRollback, Table: in.Table, Kind: ledger.RunKind(in.Kind), Revision: in.Revision,
			State: ledger.RunRunning, Workflow: in.Workflow, Started: time.Now().UTC(), Expected: may.Created + may.Existed})
	}
	me, err := a.o.Source.WhoAmI(ctx)
	if err != nil {
		return nil, err
	}
	if err := run.SameOrganization(ctx, a.o.Ledger, me.OrganizationID); err != nil {
		return nil, err
	}
	m, err := a.mappingOf(ctx, in.RunRef)
	if err != nil {
		return nil, err
	}
	if err := a.mayLoadByFile(ctx, m, in); err != nil {
		return nil, err
	}
	expected, err := a.estimate(ctx, m, in)
	if err != nil && (in.Kind != activities.KindInitial || a.o.MaxRecords == 0) {
		a.o.Logger.Warn("no estimate of the records to read", "table", in.Table, "error", err)
		expected, err = 0, nil
	}
	if err != nil {
		return nil, fmt.Errorf("counting the records of %s, which ingress.max_records limits: %w", in.Table, err)
	}
	if in.Kind == activities.KindInitial && a.o.MaxRecords > 0 {
		if err := a.checkTotal(ctx, in.Table, expected); err != nil {
			return nil, err
		}
	}
	var span []byte
	if in.Kind == activities.KindBackfill {
		if span, err = json.Marshal(in.Window); err != nil {
			return nil, err
		}
	}
	return a.o.Ledger.BeginRun(ctx, ledger.Run{
		ID: in.Run, Flow: activities.FlowIngress, Table: in.Table, Kind: ledger.RunKind(in.Kind), Revision: in.Revision, State: "RUNNING",
		Workflow: in.Workflow, Started: time.Now().UTC(), ServerStart: me.ServerTime, Expected: expected, Span: string(span),
	})
}

// checkTotal refuses a load with which all tables together have more records than
// ingress.max_records (R15.7).
func (a *Activities) checkTotal(ctx context.Context, table string, expected int64) error {
	others, err := a.o.Ledger.ExpectedOfOthers(ctx, activities.FlowIngress, table)
	if err != nil || expected+others <= a.o.MaxRecords {
		return err
	}
	with := ""
	if others > 0 {
		with = fmt.Sprintf(", and %d with those of the other tables", expected+others)
	}
	return &apierr.Error{Class: apierr.Blocked, Reason: apierr.ReasonConfig, Service: "dataverse", Op: "load " + table,
		Message: fmt.Sprintf("the table holds about %d records%s, more than the %d of ingress.max_records; raise it, if Campaign is licensed for so many, and start again", expected, with, a.o.MaxRecords)}
}

// estimate is how many records the run will read; 0 when nothing tells.
func (a *Activities) estimate(ctx context.Context, m *tableMapper, in activities.OpenRunInput) (int64, error) {
	switch {
	case in.Kind == activities.KindDelta, len(in.Window.Where) > 0:
		return 0, nil
	case in.Release != nil:
		return a.countToTry(ctx, in), nil
	case len(in.Window.IDs) > 0:
		return int64(len(in.Window.IDs)), nil
	case in.Window.Since.IsZero() && in.Window.Until.IsZero():
		return a.o.Source.TotalRecordCount(ctx, m.plan.Table.Dynamics.Table)
	}
	return a.o.Source.Count(ctx, m.query.EntitySet, run.WindowFilter(in.Window))
}

// SaveWatermark ends a run whose lanes are all written: in one transaction the delta link
// becomes the watermark and the staged pages are dropped. Then deletes that were held
// back go on, unless there are too many.
func (a *Activities) SaveWatermark(ctx context.Context, in activities.SaveWatermarkInput) (*activities.SaveWatermarkResult, error) {
	ctx = run.InTurn(ctx)
	mark := ledger.Watermark{Flow: activities.FlowIngress, Table: in.Table, Revision: in.Revision, Run: in.Run}
	current, out, err := run.Save(ctx, a.o.Ledger, in, func(last *ledger.Page) ledger.Watermark {
		if (in.Kind == activities.KindInitial || in.Kind == activities.KindDelta) && last != nil {
			mark.Link, mark.ObtainedAt = last.End.At, time.Now().UTC()
		}
		return mark
	})
	if err != nil || current == nil {
		return out, err
	}
	out.NotFound = current.NotFound
	if current.State == ledger.RunCompleted {
		out.Watermark = mark.ObtainedAt
		if in.Kind == activities.KindRollback {
			if err := a.o.Ledger.ForgetUndoneDeletes(ctx, activities.UndoneRun(in.Run)); err != nil {
				return nil, err
			}
		}
	}
	if out.Quarantined, err = a.o.Ledger.QuarantineCount(ctx, activities.FlowIngress, in.Table); err != nil {
		return nil, err
	}
	if out.Parked, err = a.o.Ledger.ParkedCount(ctx, in.Table); err != nil {
		return nil, err
	}
	if out.Returned, err = a.returned(ctx, in.Table); err != nil {
		return nil, err
	}
	if out.Erased, err = a.erased(ctx, in.Table, func() (*tableMapper, error) { return a.mappingOf(ctx, in.RunRef) }); err != nil {
		return nil, err
	}
	if out.Strays, err = a.o.Ledger.Strays(ctx, in.Table); err != nil {
		return nil, err
	}
	if current.State == ledger.RunCompleted {
		if out.Approvals, err = a.releaseDeletes(ctx, in.Run, in.Table); err != nil {
			return nil, err
		}
	}
	counts := a.metrics.of(in.Table)
	counts.countEnded(in.Kind, current.State)
	counts.quarantined.Update(float64(out.Quarantined))
	if !out.Watermark.IsZero() {
		counts.showWatermark(out.Watermark)
	}
	activity.GetLogger(ctx).Info("run ended", "flow", activities.FlowIngress, "table", in.Table, "run", in.Run, "state", current.State,
		"read", out.Counts.Read, "written", out.Counts.Written(), "quarantined", out.Counts.Quarantined)
	return out, nil
}

// EndRun closes a run that did not finish.
func (a *Activities) EndRun(ctx context.Context, in activities.EndRunInput) error {
	ctx = run.InTurn(ctx)
	defer run.KeepBeating(ctx, nil)()
	if err := a.giveUpFile(ctx, in.Table, func(of string) bool { return of == in.Run }); err != nil {
		return run.ToTemporal(ctx, err)
	}
	// DropPages keeps lanes at which an attempt died: a rollback searches them.
	return run.End(ctx, a.o.Ledger, in, a.metrics.of(in.Table).countEnded, a.o.Ledger.DropPages)
}
