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

// maxGroups bounds the reasons that are listed.
const maxGroups = 100

// ListQuarantine returns refused records: ids and reasons, no values. The
// operators' tool runs it by itself, so that only workers need the ledger.
func (a *Activities) ListQuarantine(ctx context.Context, in activities.QuarantineListInput) (*activities.QuarantineListResult, error) {
	if in.Limit == 0 {
		in.Limit = 100
	}
	if in.Limit < 1 || in.Limit > 1000 {
		return nil, run.Blocked("BadInput", fmt.Sprintf("limit: got %d, want 1 to 1000", in.Limit))
	}
	f := run.FilterOf(in.Selection, quarantineOf(in.Table, in.Run), in.Table)
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
	f.Limit = maxGroups
	groups, err := a.ledger.QuarantineGroups(ctx, f)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		if f.Flow != activities.FlowIngress {
			g.NextTry = time.Time{}
		}
		out.Groups = append(out.Groups, activities.QuarantineGroup(g))
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

// quarantineOf is the flow whose quarantine is meant by a table and a run; that of
// events, and what a rollback left alone, are kept apart.
func quarantineOf(table, run string) string {
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

// DiscardQuarantined closes records with who, when and why. A later change of one
// in Dynamics is tried as any other. It may run twice.
func (a *Activities) DiscardQuarantined(ctx context.Context, in activities.DiscardInput) (*activities.DiscardResult, error) {
	switch {
	case in.Table == "":
		return nil, run.Blocked("BadInput", "a discard needs the table whose records it closes")
	case strings.TrimSpace(in.Reason) == "":
		return nil, run.Blocked("BadInput", "a discard needs a reason, for the next person who wonders")
	case in.At.IsZero():
		return nil, run.Blocked("BadInput", "a discard needs the time at which it was decided")
	}
	flow := quarantineOf(in.Table, in.Run)
	n, err := a.ledger.Discard(ctx, run.FilterOf(in.Selection, flow, in.Table), ledger.Discard(in.Discard))
	if err != nil {
		return nil, err
	}
	err = a.LogOperation(ctx, activities.LogInput{Operations: []activities.Operation{{
		ID: fmt.Sprintf("discard/%s/%s/%d", in.Table, in.By, in.At.UnixNano()), At: in.At, By: in.By, What: activities.OpDiscard, Flow: flow, Table: in.Table, Run: in.Run,
		Reason: in.Reason, Detail: fmt.Sprintf("%d discarded: %s", n, in.InWords()),
	}}})
	if err != nil {
		return nil, err
	}
	if flow != activities.FlowIngress {
		return &activities.DiscardResult{Discarded: n}, nil
	}
	return &activities.DiscardResult{Discarded: n}, a.ingress.RefreshGauges(ctx, in.Table)
}
