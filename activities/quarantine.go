package activities

import (
	"context"
	"fmt"
	"strings"

	"causeway.dev/internal/ledger"
)

// ListQuarantine returns refused records: ids and reasons, no values. The
// operators' tool runs it by itself, so that only workers need the ledger.
func (a *Ingress) ListQuarantine(ctx context.Context, in QuarantineListInput) (*QuarantineListResult, error) {
	if in.Limit == 0 {
		in.Limit = 100
	}
	if in.Limit < 1 || in.Limit > 1000 {
		return nil, blocked("BadInput", fmt.Sprintf("limit: got %d, want 1 to 1000", in.Limit))
	}
	flow := FlowIngress
	if strings.HasPrefix(in.Run, "rollback-") { // what a rollback left alone
		flow = FlowRollback
	}
	total, err := a.o.Ledger.QuarantineCount(ctx, flow, in.Table)
	if err != nil {
		return nil, err
	}
	items, err := a.o.Ledger.Quarantined(ctx, ledger.QuarantineFilter{
		Flow: flow, Table: in.Table, Run: in.Run, Code: in.Code, State: "open", Limit: in.Limit,
	})
	if err != nil {
		return nil, err
	}
	out := &QuarantineListResult{Total: total, Records: make([]QuarantinedRecord, 0, len(items))}
	for _, q := range items {
		out.Records = append(out.Records, QuarantinedRecord{
			Table: q.Table, ID: q.Key, Run: q.Run, Class: q.Class, Code: q.Code, Field: q.Field, Message: q.Message,
			FirstSeen: q.FirstSeen, LastSeen: q.LastSeen, Attempts: q.Attempts,
		})
	}
	return out, nil
}
