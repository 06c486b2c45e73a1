package operator

import (
	"context"
	"errors"

	"causeway.dev/workflows"
)

// BeginAudit begins an audit of a table. With repair the flow then writes what differs. It
// returns false when an audit of the table is running already, which goes on as it is.
func (i *Instance) BeginAudit(ctx context.Context, name string, repair bool) (bool, error) {
	table, err := i.table(name)
	if err != nil {
		return false, err
	}
	in := workflows.AuditInput{Instance: i.Config.Instance, Table: table, Repair: repair, By: i.By}
	return i.temporal.Begin(ctx, i.flow(name).id.AuditID(), workflows.TypeAudit, "audit of "+name, i.flow(name).id.Searchable(table.Revision()), in)
}

// WatchAudit follows the audit of a table to its result. It calls at with the progress
// twice a second, and counts the calls in look.
func (i *Instance) WatchAudit(ctx context.Context, name string, at func(look int, progress workflows.AuditProgress)) (*workflows.AuditResult, error) {
	id := i.flow(name).id.AuditID()
	gone := failed("no longer watching; the audit of %s goes on", name)
	quiet, told := i.newLiveness(i.Say), knownReasons{}
	for look := 0; ; look++ {
		progress, err := i.auditProgress(ctx, id)
		switch {
		case ctx.Err() != nil:
			return nil, gone
		case err == nil && progress.Result != nil:
			return progress.Result, nil
		case err == nil:
			quiet.answered()
			at(look, progress)
		case quiet.keepAsking(err):
		case errors.Is(err, ErrNoWorker):
			return nil, i.whoDidNotAnswer(ctx, " for the audit of "+name, "it goes on when there is one", patience)
		default:
			return nil, err
		}
		if d, err := i.temporal.Describe(ctx, id); err == nil {
			told.sayNew(i.Now(), d, i.Say)
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
