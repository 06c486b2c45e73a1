package operator

import (
	"context"
	"time"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

// Backfill asks a table's flow to read records again. Conditions that do not fit
// the table are bad input.
func (i *Instance) Backfill(ctx context.Context, table string, w activities.Window) (answer workflows.BackfillAnswer, err error) {
	if err := i.HasRecords(table); err != nil {
		return answer, err
	}
	if err := i.checkFilter(ctx, table, w.Where); err != nil {
		return answer, err
	}
	return i.backfill(ctx, table, w, workflows.ByFile{})
}

// BackfillByFile is Backfill whose records go by file where the ledger does not have them.
func (i *Instance) BackfillByFile(ctx context.Context, table string, w activities.Window, load workflows.ByFile) (answer workflows.BackfillAnswer, err error) {
	if err := i.mayLoadByFile(table); err != nil {
		return answer, err
	}
	if err := i.checkFilter(ctx, table, w.Where); err != nil {
		return answer, err
	}
	return i.backfill(ctx, table, w, load)
}

// HasRecords fails for a flow that is no table's, with what serves in place of a backfill.
func (i *Instance) HasRecords(flow string) error {
	switch id := i.flow(flow).id; {
	case id.IsEvents():
		return badInput("egress has events, not the records of a table; to read them again: causeway events backfill")
	case id.IsOptOut():
		return badInput("optout has no table whose records could be read again; to look at both systems now: causeway sync-now optout; to compare everybody's opt-outs: causeway optout check")
	}
	return nil
}

// estimateWithin bounds the question for an estimate: one can be asked without it.
const estimateWithin = 5 * time.Second

// EstimateBackfill says what reading a whole table, or all choices, again costs, by what
// earlier runs left in the ledger; nil when no worker answers in time.
func (i *Instance) EstimateBackfill(ctx context.Context, name string) *activities.EstimateResult {
	ctx, cancel := context.WithTimeout(ctx, estimateWithin)
	defer cancel()
	in := activities.EstimateInput{Flow: activities.FlowIngress, Table: name}
	if name == activities.FlowOptOut {
		in.Flow = name
	}
	var out activities.EstimateResult
	if err := i.temporal.Run(ctx, activities.EstimateBackfill, in, &out); err != nil {
		return nil
	}
	return &out
}

func (i *Instance) backfill(ctx context.Context, name string, w activities.Window, load workflows.ByFile) (answer workflows.BackfillAnswer, err error) {
	err = i.flow(name).update(ctx, workflows.UpdateRequestBackfill, workflows.BackfillRequest{Window: w, By: i.By, Load: load}, &answer)
	return answer, err
}

// CancelBackfill gives up the run named, or with "" the one that is running. With undo,
// what it has written is undone as well.
func (i *Instance) CancelBackfill(ctx context.Context, name, run string, undo bool) (workflows.Status, error) {
	return i.flow(name).updateStatus(ctx, workflows.UpdateCancelBackfill, workflows.CancelBackfillRequest{Run: run, Rollback: undo, By: i.By})
}

// CheckNamed asks Dynamics which of some records of a table there are. It reads nothing of
// them but their ids.
func (i *Instance) CheckNamed(ctx context.Context, name string, ids []string) (r activities.CheckNamedResult, err error) {
	if err := i.HasRecords(name); err != nil {
		return r, err
	}
	table, err := i.table(name)
	if err != nil {
		return r, err
	}
	err = i.ask(ctx, i.Timeout, activities.CheckNamed, activities.CheckNamedInput{Table: table, IDs: ids}, &r)
	return r, err
}

// checkFilter asks a worker whether conditions fit a table. It asks without their values
// first: values that may be personal must not reach Temporal.
func (i *Instance) checkFilter(ctx context.Context, name string, where []activities.Condition) error {
	if len(where) == 0 {
		return nil
	}
	table, err := i.table(name)
	if err != nil {
		return err
	}
	in := activities.CheckFilterInput{Table: table}
	valued := map[string]bool{}
	for _, c := range where {
		in.Columns = append(in.Columns, c.Column)
		valued[c.Column] = valued[c.Column] || c.Value != ""
	}
	known, err := i.askFilter(ctx, in)
	if err != nil {
		return err
	}
	for _, column := range known.Text {
		if valued[column] {
			return badField("where", "%s is text, which may be personal, and conditions are kept in Temporal's history; ask whether it is empty or not_empty, or name records by their ids", column)
		}
	}
	_, err = i.askFilter(ctx, activities.CheckFilterInput{Table: table, Where: where})
	return err
}

// askFilter has a worker compare conditions with the table.
func (i *Instance) askFilter(ctx context.Context, in activities.CheckFilterInput) (r activities.CheckFilterResult, err error) {
	err = i.ask(ctx, i.Timeout, activities.CheckFilter, in, &r)
	if err == nil && r.Misfit != "" {
		err = badField("where", "%s", r.Misfit)
	}
	return r, err
}
