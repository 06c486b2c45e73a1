package operator

import (
	"context"
	"errors"

	"causeway.dev/workflows"
)

// BeginAudit compares both systems with what was written, and with repair has the
// flow write what differs. False when an audit of the table is running already,
// which is left alone.
func (i *Instance) BeginAudit(ctx context.Context, name string, repair bool) (bool, error) {
	table, err := i.table(name)
	if err != nil {
		return false, err
	}
	in := workflows.AuditInput{Instance: i.Config.Instance, Table: table, Repair: repair, By: i.By}
	return i.temporal.Begin(ctx, i.flow(name).id.AuditID(), workflows.TypeAudit, "audit of "+name, in)
}

// WatchAudit watches the audit of a table until it has a result; at is told how far
// it is, twice a second, with the number of the look.
func (i *Instance) WatchAudit(ctx context.Context, name string, at func(look int, progress workflows.AuditProgress)) (*workflows.AuditResult, error) {
	id := i.flow(name).id.AuditID()
	gone := failed("no longer watching; the audit of %s goes on", name)
	quiet, told := i.listen(i.Say), reasonsTold{}
	for look := 0; ; look++ {
		progress, err := i.auditProgress(ctx, id)
		switch {
		case ctx.Err() != nil:
			return nil, gone
		case err == nil && progress.Result != nil:
			return progress.Result, nil
		case err == nil:
			quiet.heard()
			at(look, progress)
		case quiet.bears(err):
		case errors.Is(err, ErrNoWorker):
			return nil, i.nobody(ctx, " for the audit of "+name, "it goes on when there is one", patience)
		default:
			return nil, err
		}
		if d, err := i.temporal.Describe(ctx, id); err == nil {
			told.tell(i.Now(), d, i.Say)
			if !d.Running {
				result := &workflows.AuditResult{}
				return result, i.temporal.Result(ctx, id, result)
			}
		}
		if i.Sleep(ctx, lookEvery) != nil {
			return nil, gone
		}
	}
}

func (i *Instance) auditProgress(ctx context.Context, id string) (at workflows.AuditProgress, err error) {
	ctx, cancel := context.WithTimeout(ctx, min(i.Timeout, questionTimeout))
	defer cancel()
	err = i.temporal.Query(ctx, id, workflows.QueryProgress, &at)
	return at, err
}
