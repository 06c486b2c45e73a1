package egress

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/ledger"
)

// OpenEventRun begins a run in the ledger, or finds where an earlier attempt left it. It
// may run any number of times.
func (a *Activities) OpenEventRun(ctx context.Context, in activities.OpenRunInput) (*activities.OpenRunResult, error) {
	ctx = run.InTurn(ctx)
	if err := run.CheckInstance(a.o.Instance, in.Workflow); err != nil {
		return nil, err
	}
	if _, err := run.SameLedger(ctx, a.o.Ledger, in.Known, activities.FlowEgress, activities.FlowEgress, in.Run); err != nil {
		return nil, err
	}
	_, out, err := run.Open(ctx, a.o.Ledger, in.Run, func(ctx context.Context) (*ledger.Run, error) {
		return a.o.Ledger.BeginRun(ctx, ledger.Run{
			ID: in.Run, Flow: activities.FlowEgress, Table: activities.FlowEgress, Kind: ledger.RunKind(in.Kind), Revision: in.Revision, Workflow: in.Workflow, Started: time.Now().UTC(),
		})
	})
	return out, err
}

// SaveEventPosition ends a run whose lanes are all written: in one transaction the
// position is saved and the staged pages are dropped. Then the files that were read are
// moved or deleted, which may be repeated.
func (a *Activities) SaveEventPosition(ctx context.Context, in activities.SaveWatermarkInput) (*activities.SaveWatermarkResult, error) {
	ctx = run.InTurn(ctx)
	defer run.KeepBeating(ctx, nil)()
	current, out, err := run.Save(ctx, a.o.Ledger, in, func(last *ledger.Page) ledger.Watermark {
		mark := ledger.Watermark{Flow: activities.FlowEgress, Table: activities.FlowEgress, Revision: in.Revision, Run: in.Run}
		if in.Kind == activities.KindDelta && last != nil {
			mark.Link, mark.ObtainedAt = last.End.At, last.ServerTime
		}
		return mark
	})
	if err != nil || current == nil {
		return out, err
	}
	if current.State == ledger.RunCompleted {
		if in.Kind == activities.KindDelta {
			if saved, err := a.o.Ledger.Watermark(ctx, activities.FlowEgress, activities.FlowEgress); err == nil {
				out.Watermark = saved.ObtainedAt
			}
		}
		if _, err := a.files.Finish(ctx, in.Run); err != nil {
			return nil, err
		}
	}
	if out.Quarantined, err = a.o.Ledger.QuarantineCount(ctx, activities.FlowEgress, ""); err != nil {
		return nil, err
	}
	a.metrics.countEnded(in.Kind, current.State)
	a.metrics.quarantine.Update(float64(out.Quarantined))
	a.showWatermark(out.Watermark)
	activity.GetLogger(ctx).Info("run ended", "flow", activities.FlowEgress, "run", in.Run, "state", current.State,
		"read", out.Counts.Read, "written", out.Counts.Created, "quarantined", out.Counts.Quarantined)
	return out, nil
}

// showWatermark shows up to when events are dealt with.
func (a *Activities) showWatermark(t time.Time) {
	if !t.IsZero() {
		a.metrics.watermark.Update(float64(t.Unix()))
		a.metrics.lagAlarm.Update(0) // RaiseLag raises it, if need be
	}
}

// EndEventRun closes a run that did not finish.
func (a *Activities) EndEventRun(ctx context.Context, in activities.EndRunInput) error {
	ctx = run.InTurn(ctx)
	return run.End(ctx, a.o.Ledger, in, a.metrics.countEnded, a.o.Ledger.ForgetPages)
}

// factJournal names the address of the journal that the saved position is of.
const factJournal = "journal"

// keepJournal says whether the saved position is of the journal as it is configured. It
// keeps the address when none is kept, or when it is to replace the one that is.
func (a *Activities) keepJournal(ctx context.Context, replace bool) (bool, error) {
	address := a.o.Journal.Address()
	kept, err := a.o.Ledger.Fact(ctx, factJournal)
	if err != nil || kept == address {
		return true, err
	}
	if kept != "" && !replace {
		return false, nil
	}
	return true, a.o.Ledger.SaveFact(ctx, factJournal, address)
}

// RestartJournal forgets a position that the journal no longer holds, or that is of another
// journal. Reading begins again with the oldest event that it has (R18.17); events that
// were written before are recognised. A position that the journal still holds stays.
func (a *Activities) RestartJournal(ctx context.Context, _ activities.RestartJournalInput) (*activities.RestartJournalResult, error) {
	defer run.KeepBeating(ctx, nil)()
	mark, err := a.o.Ledger.Watermark(ctx, activities.FlowEgress, activities.FlowEgress)
	if errors.Is(err, ledger.ErrNotFound) {
		if err = nil; a.o.Journal != nil {
			_, err = a.keepJournal(ctx, true)
		}
		return &activities.RestartJournalResult{}, err
	}
	if err != nil {
		return nil, err
	}
	lost := mark.ObtainedAt
	if mark.Link == "" { // an earlier attempt did it
		if a.o.Journal != nil {
			_, err = a.keepJournal(ctx, true)
		}
		return &activities.RestartJournalResult{Lost: lost}, err
	}
	same := true
	if a.o.Journal != nil {
		if same, err = a.keepJournal(ctx, false); err != nil {
			return nil, err
		}
	}
	if a.o.Journal != nil && same {
		_, err := a.o.Journal.Page(ctx, mark.Link, a.o.PageSize)
		switch {
		case err == nil:
			return &activities.RestartJournalResult{Held: true}, nil
		case apierr.ReasonOf(err) != apierr.ReasonPositionExpired:
			return nil, run.ToTemporal(ctx, fmt.Errorf("asking the journal whether it holds the position: %w", err))
		}
	}
	mark.Link = ""
	if err := a.o.Ledger.SaveWatermark(ctx, *mark); err != nil {
		return nil, err
	}
	if !same {
		if _, err := a.keepJournal(ctx, true); err != nil {
			return nil, err
		}
	}
	a.metrics.restarts.Inc(1)
	activity.GetLogger(ctx).Warn("the journal no longer held the position; it is read again from its oldest event", "flow", activities.FlowEgress, "settled_up_to", lost)
	return &activities.RestartJournalResult{Lost: lost}, nil
}

// RaiseLag measures how old the position is, and raises the alarm or ends it.
func (a *Activities) RaiseLag(ctx context.Context, in activities.RaiseLagInput) (*activities.RaiseLagResult, error) {
	mark, err := a.o.Ledger.Watermark(ctx, activities.FlowEgress, activities.FlowEgress)
	if errors.Is(err, ledger.ErrNotFound) {
		return &activities.RaiseLagResult{}, nil
	}
	if err != nil {
		return nil, err
	}
	out := &activities.RaiseLagResult{Watermark: mark.ObtainedAt, Raised: !mark.ObtainedAt.IsZero() && time.Since(mark.ObtainedAt) >= time.Duration(in.Alarm)}
	a.showWatermark(mark.ObtainedAt)
	a.metrics.showLag(out.Raised)
	if out.Raised {
		activity.GetLogger(ctx).Warn("events wait for days; the journal forgets them after 7", "flow", activities.FlowEgress, "settled_up_to", mark.ObtainedAt)
	}
	return out, nil
}
