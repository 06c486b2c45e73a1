package operator

import (
	"context"
	"slices"
	"strings"
	"time"

	"causeway.dev/activities"
	"causeway.dev/internal/temporalcodec"
	"causeway.dev/workflows"
)

// Start starts a stopped, failed or new flow with what the configuration says of it.
func (i *Instance) Start(ctx context.Context, name string) (workflows.Status, error) {
	return i.startWith(ctx, name, workflows.ByFile{})
}

// StartByFile is Start for a table whose initial load goes by file.
func (i *Instance) StartByFile(ctx context.Context, name string, load workflows.ByFile) (workflows.Status, error) {
	if err := i.mayLoadByFile(name); err != nil {
		return workflows.Status{}, err
	}
	return i.startWith(ctx, name, load)
}

func (i *Instance) mayLoadByFile(name string) error {
	if err := i.HasRecords(name); err != nil {
		return err
	}
	if _, ok := i.Config.Ingress.Files.Tables[name]; !ok {
		return badInput("no import workflow is set up for %s: add ingress.files.tables.%s, see docs/first-load.md", name, name)
	}
	return nil
}

func (i *Instance) startWith(ctx context.Context, name string, load workflows.ByFile) (workflows.Status, error) {
	f := i.flow(name)
	if _, ok := f.configured(); !ok {
		return workflows.Status{}, f.notConfigured()
	}
	if slices.Contains(i.Config.ClearTexts(), name) {
		i.Say("the filter or the replacements of " + name + " hold text, which goes into Temporal unsealed: set " + temporalcodec.Setting)
	}
	ctx, cancel := context.WithTimeout(ctx, i.Timeout)
	defer cancel()
	stop := i.sayWhileWaiting(ctx, i.Timeout)
	request := StartRequest(i.Config, name, i.By)
	request.Load = load
	st, err := i.temporal.Start(ctx, f.id, summary(i.Config, f.id), request)
	stop()
	return st, f.explain(ctx, err)
}

// Stop stops a flow. One with much under way goes on stopping by itself.
func (i *Instance) Stop(ctx context.Context, name string) (workflows.Status, error) {
	return i.flow(name).updateStatus(ctx, workflows.UpdateStop, workflows.StopRequest{By: i.By})
}

// Pause holds a running flow until it is resumed.
func (i *Instance) Pause(ctx context.Context, name, reason string) (workflows.Status, error) {
	return i.flow(name).updateStatus(ctx, workflows.UpdatePause, workflows.PauseRequest{Reason: reason, By: i.By})
}

// Resume lets a paused flow go on.
func (i *Instance) Resume(ctx context.Context, name string) (workflows.Status, error) {
	return i.flow(name).updateStatus(ctx, workflows.UpdateResume, workflows.ResumeRequest{By: i.By})
}

// SyncNow makes a running flow ask for changes at once.
func (i *Instance) SyncNow(ctx context.Context, name string) (workflows.Status, error) {
	return i.flow(name).updateStatus(ctx, workflows.UpdateSyncNow, workflows.SyncNowRequest{By: i.By})
}

// ApplyConfig tells a flow what the configuration says of it now, for its next start. A
// mapping of a table that a start would refuse is refused.
func (i *Instance) ApplyConfig(ctx context.Context, name string) (workflows.Status, error) {
	f := i.flow(name)
	if _, ok := f.configured(); !ok {
		return workflows.Status{}, f.notConfigured()
	}
	if table, err := i.table(name); err == nil {
		if err := i.ask(ctx, i.Timeout, activities.CheckMapping, activities.PreflightInput{Table: table}, &activities.CheckMappingResult{}); err != nil {
			return workflows.Status{}, err
		}
	}
	return f.updateStatus(ctx, workflows.UpdateApplyConfig, StartRequest(i.Config, name, i.By))
}

// Approve lets the deletes of a run go on that wait for an operator.
func (i *Instance) Approve(ctx context.Context, run string) (workflows.Status, error) {
	table, err := i.tableOf(run, "those that wait")
	if err != nil {
		return workflows.Status{}, err
	}
	return i.flow(table).updateStatus(ctx, workflows.UpdateApprove, workflows.ApproveRequest{Run: run, By: i.By})
}

// Reject drops the deletes of a run that wait for an operator.
func (i *Instance) Reject(ctx context.Context, run string) (workflows.Status, error) {
	table, err := i.tableOf(run, "those that wait")
	if err != nil {
		return workflows.Status{}, err
	}
	return i.flow(table).updateStatus(ctx, workflows.UpdateReject, workflows.ApproveRequest{Run: run, By: i.By})
}

// ListStrays lists what the last audit of a table found in Campaign that nobody here
// remembers, and that is gone from Dynamics or left out by the filter.
func (i *Instance) ListStrays(ctx context.Context, name string) (r activities.StraysResult, err error) {
	table, err := i.table(name)
	if err != nil {
		return r, err
	}
	err = i.ask(ctx, max(straysWithin, i.Timeout), activities.ListStrays, activities.StraysInput{Table: table}, &r)
	if r.Gone == nil {
		r.Gone = []string{}
	}
	return r, err
}

// straysWithin bounds the questions to Dynamics, one for each stray.
const straysWithin = 10 * time.Minute

// DeleteStrays has strays deleted that an operator has seen.
func (i *Instance) DeleteStrays(ctx context.Context, table string, ids []string) (workflows.Status, error) {
	return i.flow(table).updateStatus(ctx, workflows.UpdateDeleteStrays, workflows.DeleteStraysRequest{IDs: ids, By: i.By})
}

// ListDeletes lists the deletes that wait for an operator.
func (i *Instance) ListDeletes(ctx context.Context, in activities.DeleteListInput) (r activities.DeleteListResult, err error) {
	if in.Run != "" {
		if _, err := i.tableOf(in.Run, "those that wait"); err != nil {
			return r, err
		}
	}
	err = i.ask(ctx, i.Timeout, activities.ListDeletes, in, &r)
	if len(r.Deletes) == 0 {
		r.Deletes = []activities.WaitingDelete{}
	}
	return r, err
}

// MayRollback says what undoing a run would touch. A run that is undone already is bad
// input.
func (i *Instance) MayRollback(ctx context.Context, run string) (activities.MayRollbackResult, error) {
	var may activities.MayRollbackResult
	if _, err := i.tableOf(run, "the last"); err != nil {
		return may, err
	}
	err := i.ask(ctx, i.Timeout, activities.MayRollback, activities.MayRollbackInput{Run: run}, &may)
	if err == nil && may.UndoneBy != "" {
		err = badInput("run %s is undone already, by %s; nothing of it is left to undo", run, may.UndoneBy)
	}
	return may, err
}

// Rollback asks the owner of a run's table to undo what the run has written.
func (i *Instance) Rollback(ctx context.Context, run string) (workflows.Status, error) {
	table, err := i.tableOf(run, "the last")
	if err != nil {
		return workflows.Status{}, err
	}
	return i.flow(table).updateStatus(ctx, workflows.UpdateRequestRollback, workflows.RollbackRequest{Run: run, By: i.By})
}

// TableOf is the mapping that a run belongs to, "" when there is none. A run's name is that
// of its table and when the run began.
func (i *Instance) TableOf(run string) string {
	for _, name := range i.Tables() {
		if isRunOf(name, run) {
			return name
		}
	}
	return ""
}

func (i *Instance) tableOf(run, named string) (string, error) {
	if table := i.TableOf(run); table != "" {
		return table, nil
	}
	return "", badInput("run: got %q, want a run of a table in %s, such as contacts-20260102T030405.000Z; causeway status names %s", run, i.File, named)
}

func isRunOf(name, run string) bool {
	rest, ok := strings.CutPrefix(run, name+"-")
	return ok && len(rest) > 8 && rest[0] >= '0' && rest[0] <= '9' && rest[8] == 'T'
}
