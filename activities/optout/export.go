package optout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/ledger"
)

// exportControl is what the flow needs of Campaign's workflows.
type exportControl interface {
	GetWorkflow(ctx context.Context, id string) (*campaign.Workflow, error)
	CommandWorkflow(ctx context.Context, id string, command campaign.WorkflowCommand) error
}

const (
	warnedFor   = time.Hour // that a workflow may be paused, which may be intended, without an alarm
	restartsMax = 3         // in restartsIn
	restartsIn  = 24 * time.Hour

	exportsEvery = 24 * time.Hour // R19.13
)

// WatchExport checks the Campaign workflow that exports opt-outs, and the age of what it
// exported. If the workflow has stopped, opt-outs may be missed until somebody starts it
// (R19.15). Where that is configured it is started, at most three times a day.
func (a *Activities) WatchExport(ctx context.Context, in activities.WatchExportInput) (*activities.WatchExportResult, error) {
	defer run.KeepBeating(ctx, nil)()
	out := &activities.WatchExportResult{}
	if err := a.checkAgeOfFiles(ctx, in, out); err != nil {
		return nil, err
	}
	if in.Export.Workflow != "" {
		if err := a.checkExportWorkflow(ctx, in, out); err != nil {
			return nil, run.ToTemporal(ctx, err)
		}
	}
	down := 0.0
	if out.Alarm != "" {
		down = 1
		a.o.Logger.Warn("the export of opt-outs needs somebody", "flow", activities.FlowOptOut, "state", out.State, "restarted", out.Restarted)
	}
	a.metrics.exportDown.Tell(ctx, down)
	return out, nil
}

// checkAgeOfFiles raises the alarm when nothing was exported for long although profiles
// have changed. Without changes there is no file (docs/protocol/campaign.md §12, 16).
func (a *Activities) checkAgeOfFiles(ctx context.Context, in activities.WatchExportInput, out *activities.WatchExportResult) error {
	if !in.Files {
		return nil
	}
	done, err := a.o.Ledger.ExportFiles(ctx, activities.FlowOptOut, ledger.FileDone, 50)
	if err != nil {
		return err
	}
	for _, f := range done {
		if f.Modified.After(out.Newest) {
			out.Newest = f.Modified
		}
	}
	since := out.Newest
	if since.IsZero() { // none was ever read: from the first baseline on
		first, err := a.o.Ledger.Watermark(ctx, activities.FlowOptOut, campaignWatermark)
		if err != nil {
			return nil //nolint:nilerr // nothing ran yet
		}
		since = first.ObtainedAt
	}
	if a.o.Now().Sub(since) < in.Export.StaleAfter {
		return nil
	}
	// What changed in the last day may be in the next file.
	changed, err := a.o.Ledger.ProfilesChanged(ctx, since, a.o.Now().Add(-exportsEvery))
	if changed {
		out.Alarm = fmt.Sprintf("the newest export is of %s, and profiles have changed since: look at the Campaign workflow that writes it", since.UTC().Format(time.RFC3339)) // R19.15
	}
	return err
}

// checkExportWorkflow raises the alarm when the workflow has stopped, and starts it where
// that is configured.
func (a *Activities) checkExportWorkflow(ctx context.Context, in activities.WatchExportInput, out *activities.WatchExportResult) error {
	w, err := a.o.Exports.GetWorkflow(ctx, in.Export.Workflow)
	if apierr.ReasonOf(err) == apierr.ReasonNotFound {
		out.Alarm = "Campaign has no workflow " + in.Export.Workflow + " (opt_out.export.workflow); an administrator may have renamed it"
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking at the workflow that exports opt-outs: %w", err)
	}
	out.State = string(w.Status)
	switch w.Status {
	case campaign.WorkflowWarning:
		if out.Warned = in.Warned; out.Warned.IsZero() {
			out.Warned = a.o.Now().UTC()
		}
		if a.o.Now().Sub(out.Warned) < warnedFor {
			return nil
		}
	case campaign.WorkflowFinished, campaign.WorkflowError, campaign.WorkflowEdition:
	default:
		return nil
	}
	out.Alarm = fmt.Sprintf("the Campaign workflow %s that exports opt-outs is %s; start it, or opt-outs are missed", in.Export.Workflow, w.Status) // R19.15
	if !in.Export.AutoRestart {
		return nil
	}
	noted, err := a.savedExportStarts(ctx)
	if err != nil {
		return err
	}
	noted = a.ofLastDay(noted)
	if recent := max(len(a.ofLastDay(in.Restarts)), len(noted)); recent >= restartsMax {
		out.Alarm += fmt.Sprintf("; it was started %d times in a day and does not stay up", recent)
		return nil
	}
	return a.startExport(ctx, w, noted, out)
}

// exportStarts is the watermark whose link holds when the export was started. The owner
// does not hear of a start if the worker is killed right after it.
const exportStarts = "optout/export"

func (a *Activities) savedExportStarts(ctx context.Context) (out []time.Time, err error) {
	note, err := a.o.Ledger.Watermark(ctx, activities.FlowOptOut, exportStarts)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(note.Link), &out); err != nil {
		return nil, fmt.Errorf("reading when the export of opt-outs was started: %w", err)
	}
	return out, nil
}

func (a *Activities) saveExportStarts(ctx context.Context, at []time.Time) error {
	link, err := json.Marshal(at)
	if err != nil {
		return err
	}
	return a.o.Ledger.SaveWatermark(ctx, ledger.Watermark{Flow: activities.FlowOptOut, Table: exportStarts, Link: string(link), ObtainedAt: a.o.Now().UTC()})
}

// ofLastDay are the starts of the last day.
func (a *Activities) ofLastDay(restarts []time.Time) []time.Time {
	return slices.DeleteFunc(slices.Clone(restarts), func(at time.Time) bool { return a.o.Now().Sub(at) >= restartsIn })
}

// startExport starts the workflow. One that failed has to be stopped first. That takes
// Campaign a while, so the start follows at a later check. A start is saved before it is
// asked for, and taken back when it surely did not happen.
func (a *Activities) startExport(ctx context.Context, w *campaign.Workflow, noted []time.Time, out *activities.WatchExportResult) error {
	command := campaign.StartWorkflow
	if w.Status == campaign.WorkflowError {
		command = campaign.StopWorkflow
	} else if err := a.saveExportStarts(ctx, append(slices.Clone(noted), a.o.Now().UTC())); err != nil {
		return err
	}
	if err := a.o.Exports.CommandWorkflow(ctx, w.ID, command); err != nil {
		if fail, ok := errors.AsType[*apierr.Error](err); ok && !fail.Ambiguous && command == campaign.StartWorkflow {
			err = errors.Join(err, a.saveExportStarts(context.WithoutCancel(ctx), noted))
		}
		return fmt.Errorf("telling the workflow that exports opt-outs to %s: %w", command, err)
	}
	if command == campaign.StartWorkflow {
		out.Restarted = true
		a.metrics.restarts.Inc(1)
		out.Alarm += "; it was told to start"
	} else {
		out.Alarm += "; it was told to stop, and is started next"
	}
	return nil
}
