package operator

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/access"
	"causeway.dev/internal/ledger"
)

// LogOperation adds to the audit trail. An entry that is in it already stays as it is.
func (a *Activities) LogOperation(ctx context.Context, in activities.LogInput) (*activities.LogEnd, error) {
	_, asked := access.PermitOf(ctx)
	return a.enter(ctx, in, asked)
}

// enter adds to the trail. What people ask for by themselves is held to replays, with ids
// that nothing else has: an entry whose id is there already is left out.
func (a *Activities) enter(ctx context.Context, in activities.LogInput, asked bool) (*activities.LogEnd, error) {
	operations := make([]ledger.Operation, 0, len(in.Operations))
	for _, o := range in.Operations {
		if o.ID == "" || o.What == "" {
			return nil, run.Blocked("BadInput", "an operation needs an id and what was asked for")
		}
		if asked && (o.What != activities.OpReplay || !strings.HasPrefix(o.ID, activities.OpReplay+"/")) {
			return nil, run.Blocked("BadInput", "people enter replays into the log, and workers what else was done")
		}
		operations = append(operations, ledger.Operation(o))
	}
	end, err := run.Log(ctx, a.ledger, operations...)
	if err != nil {
		return nil, err
	}
	return (*activities.LogEnd)(&end), nil
}

// VerifyLog checks that the audit trail was only ever added to.
func (a *Activities) VerifyLog(ctx context.Context, in activities.VerifyLogInput) (*activities.VerifyLogResult, error) {
	remembered := make([]ledger.LogEnd, 0, len(in.Remembered))
	out := &activities.VerifyLogResult{Remembered: []string{}}
	for _, r := range in.Remembered {
		remembered = append(remembered, ledger.LogEnd(r.LogEnd))
		out.Remembered = append(out.Remembered, r.Flow)
	}
	check, err := a.ledger.VerifyLog(ctx, remembered...)
	if err != nil {
		return nil, err
	}
	out.Entries, out.From, out.To, out.Unkeyed, out.Pruned, out.PrunedTo = check.Entries, check.From, check.To, check.Unkeyed, check.Pruned, check.PrunedTo
	out.Fault, out.FaultSeq = check.Fault, check.FaultSeq
	var newest time.Time // of what is lacking
	for i, r := range in.Remembered {
		if check.Lacks[i] {
			out.Lacking = append(out.Lacking, r)
			newest = slices.MaxFunc([]time.Time{newest, r.At}, time.Time.Compare)
		}
	}
	if len(out.Lacking) > 0 {
		if out.Restored, err = a.restoredSince(ctx, newest); err != nil {
			return nil, err
		}
	}
	out.Agrees = out.Fault == "" && (len(out.Lacking) == 0 || out.Restored != nil)
	return out, nil
}

// restoredSince is the entry that says that the ledger was restored at a time or later.
func (a *Activities) restoredSince(ctx context.Context, at time.Time) (*activities.Operation, error) {
	said, err := a.ledger.Operations(ctx, ledger.OperationFilter{What: activities.OpRestored, Since: at, Limit: 1})
	if err != nil || len(said) == 0 {
		return nil, err
	}
	return (*activities.Operation)(&said[0]), nil
}

// Acknowledge enters into the audit trail that somebody has acknowledged a text. Whoever may
// look may do that, so it is an activity of its own. The first time counts.
func (a *Activities) Acknowledge(ctx context.Context, in activities.AcknowledgeInput) (*activities.LogEnd, error) {
	if in.Text == "" || in.By == "" {
		return nil, run.Blocked("BadInput", "an acknowledgement needs a text, and who acknowledges it")
	}
	id := activities.AcknowledgedOnce(in.Text)
	if !in.Once {
		id += "/" + in.By
	}
	return a.enter(ctx, activities.LogInput{Operations: []activities.Operation{{
		ID: id, At: in.At, By: in.By, What: activities.OpAcknowledge, Flow: "console", Detail: in.Text,
	}}}, false)
}

// ListOperations reads the audit trail.
func (a *Activities) ListOperations(ctx context.Context, in activities.OperationsInput) (*activities.OperationsResult, error) {
	if in.Limit == 0 {
		in.Limit = 100
	}
	if in.Limit < 1 || in.Limit > 1000 {
		return nil, run.Blocked("BadInput", fmt.Sprintf("limit: got %d, want 1 to 1000", in.Limit))
	}
	f := ledger.OperationFilter{Flow: in.Flow, Table: in.Table, Run: in.Run, By: in.By, What: in.What, Since: in.Since, Limit: in.Limit}
	if in.Before != nil {
		f.Before = ledger.OperationPlace(*in.Before)
	}
	kept, err := a.ledger.Operations(ctx, f)
	if err != nil {
		return nil, err
	}
	out := &activities.OperationsResult{Operations: make([]activities.Operation, 0, len(kept))}
	for _, o := range kept {
		out.Operations = append(out.Operations, activities.Operation(o))
	}
	return out, nil
}
