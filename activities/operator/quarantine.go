package operator

import (
	"context"
	"fmt"
	"strings"
	"time"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/ledger"
)

// maxGroups is how many reasons are listed at most.
const maxGroups = 100

// ListQuarantine returns refused records: ids and reasons, no values.
func (a *Activities) ListQuarantine(ctx context.Context, in activities.QuarantineListInput) (*activities.QuarantineListResult, error) {
	if in.Limit == 0 {
		in.Limit = 100
	}
	if in.Limit < 1 || in.Limit > 1000 {
		return nil, run.Blocked("BadInput", fmt.Sprintf("limit: got %d, want 1 to 1000", in.Limit))
	}
	f := run.QuarantineFilter(in.Selection, flowOfQuarantine(in.Table, in.Run), in.Table)
	switch ledger.QuarantineState(in.State) {
	case "":
		f.State = ledger.QuarantineOpen
	case ledger.QuarantineOpen, ledger.QuarantineReleased, ledger.QuarantineDiscarded:
		f.State = ledger.QuarantineState(in.State)
	case "all":
	default:
		return nil, run.Blocked("BadInput", fmt.Sprintf("state: got %q, want open, released, discarded or all", in.State))
	}
	out := &activities.QuarantineListResult{Groups: []activities.QuarantineGroup{}, Records: []activities.QuarantinedRecord{}}
	var err error
	if out.Total, err = a.ledger.CountQuarantined(ctx, f); err != nil {
		return nil, err
	}
	if in.After != nil {
		f.After = ledger.QuarantineKey{Flow: f.Flow, Table: in.After.Table, Key: in.After.ID}
	} else if err := a.summarise(ctx, f, out); err != nil {
		return nil, err
	}
	f.Limit = in.Limit
	items, err := a.ledger.Quarantined(ctx, f)
	if err != nil {
		return nil, err
	}
	for i := range items {
		out.Records = append(out.Records, run.QuarantinedRecord(&items[i]))
	}
	return out, nil
}

// summarise counts what a selection holds by reason, and what it holds elsewhere.
func (a *Activities) summarise(ctx context.Context, f ledger.QuarantineFilter, out *activities.QuarantineListResult) (err error) {
	if out.Elsewhere, err = a.elsewhere(ctx, f); err != nil {
		return err
	}
	f.Limit = maxGroups
	groups, err := a.ledger.QuarantineGroups(ctx, f)
	for _, g := range groups {
		if f.Flow != activities.FlowIngress {
			g.NextTry = time.Time{}
		}
		out.Groups = append(out.Groups, activities.QuarantineGroup(g))
	}
	return err
}

// elsewhere counts what a selection holds outside of the flow and table that were asked
// for. What rollbacks leave alone belongs to their runs and is not told here.
func (a *Activities) elsewhere(ctx context.Context, asked ledger.QuarantineFilter) (out []activities.QuarantineElsewhere, err error) {
	f := asked
	f.Flow, f.Table = "", ""
	totals, err := a.ledger.QuarantineTotals(ctx, f)
	if err != nil {
		return nil, err
	}
	for _, t := range totals {
		if t.Flow != activities.FlowRollback && (t.Flow != asked.Flow || asked.Table != "" && t.Table != asked.Table) {
			out = append(out, activities.QuarantineElsewhere{Table: t.Table, Records: t.Records})
		}
	}
	return out, nil
}

// flowOfQuarantine is the flow whose quarantine a table and a run mean. Events, opt-outs
// and what rollbacks leave alone have quarantines of their own.
func flowOfQuarantine(table, run string) string {
	switch {
	case table == activities.FlowEgress:
		return activities.FlowEgress
	case table == activities.FlowOptOut:
		return activities.FlowOptOut
	case strings.HasPrefix(run, "rollback-"):
		return activities.FlowRollback
	}
	return activities.FlowIngress
}

// DiscardQuarantined closes quarantined records and keeps who did it, when and why. A
// later change of one in Dynamics is tried as any other. It may run twice.
func (a *Activities) DiscardQuarantined(ctx context.Context, in activities.DiscardInput) (*activities.DiscardResult, error) {
	switch {
	case in.Table == "":
		return nil, run.Blocked("BadInput", "a discard needs the table whose records it closes")
	case strings.TrimSpace(in.Reason) == "":
		return nil, run.Blocked("BadInput", "a discard needs a reason, for the next person who wonders")
	case in.At.IsZero():
		return nil, run.Blocked("BadInput", "a discard needs the time at which it was decided")
	}
	flow := flowOfQuarantine(in.Table, in.Run)
	n, err := a.ledger.Discard(ctx, run.QuarantineFilter(in.Selection, flow, in.Table), ledger.Discard(in.Discard))
	if err != nil {
		return nil, err
	}
	_, err = a.enter(ctx, activities.LogInput{Operations: []activities.Operation{{
		ID: "discard/" + run.Execution(ctx), At: in.At, By: in.By, What: activities.OpDiscard, Flow: flow, Table: in.Table, Run: in.Run,
		Reason: in.Reason, Detail: fmt.Sprintf("%d discarded: %s", n, in.InWords()),
	}}}, false)
	if err != nil {
		return nil, err
	}
	if flow != activities.FlowIngress {
		return &activities.DiscardResult{Discarded: n}, nil
	}
	return &activities.DiscardResult{Discarded: n}, a.ingress.RefreshGauges(ctx, in.Table)
}
