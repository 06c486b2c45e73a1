package ingress

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"go.temporal.io/sdk/activity"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
)

// ShowQuarantined says why a record was refused, and what the flow's mapping makes of the
// record as Dynamics has it now.
func (a *Activities) ShowQuarantined(ctx context.Context, in activities.ShowQuarantinedInput) (*activities.ShowQuarantinedResult, error) {
	defer a.reportEngineCalls(ctx)
	if len(in.RevealTo) > 0 && a.o.HideValues {
		return nil, run.Blocked("Hidden", "values are not shown, because quarantine.reveal is off in the worker's configuration; leave out --reveal")
	}
	in.ID = strings.ToLower(strings.Trim(in.ID, "{}"))
	items, err := a.o.Ledger.Quarantined(ctx, ledger.QuarantineFilter{Flow: activities.FlowIngress, Table: in.Table, Key: in.ID, Limit: 1})
	if err != nil {
		return nil, err
	}
	m, err := a.lastPlan(ctx, in.Table)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 || m == nil {
		return nil, run.Blocked("BadInput", fmt.Sprintf("record %s of %s was never refused; causeway explain %s %s says what happened to it", in.ID, in.Table, in.Table, in.ID))
	}
	known, err := a.o.Ledger.Records(ctx, in.Table, []string{in.ID})
	if err != nil {
		return nil, err
	}
	rec := known[in.ID]
	out := &activities.ShowQuarantinedResult{Record: run.QuarantinedRecord(&items[0]), Mapping: m.plan.Revision(), Held: rec != nil && rec.Payload != nil, Fields: []activities.ShownField{}}
	if p := items[0].Parent; p.Key != "" {
		out.Parent = p.Table + "/" + p.Key
	}
	out.Rule = ruleOf(m.plan, out.Record.Field)
	live, row, err := a.explainLive(ctx, m, in.ID, rec)
	if err != nil {
		return nil, run.ToTemporal(ctx, err)
	}
	out.Live = *live
	values, err := a.shownFields(m, rec, row, out)
	if err != nil || len(in.RevealTo) == 0 {
		return out, err
	}
	if out.Sealed, err = run.Seal(values, in.RevealTo); err != nil {
		return nil, err
	}
	if err := run.LogReveal(ctx, a.o.Ledger, run.Execution(ctx), ledger.Operation{
		By: in.By, Flow: activities.FlowIngress, Table: in.Table, Detail: fmt.Sprintf("values of the refused record %s: %s", in.ID, strings.Join(fieldNames(out.Fields), ", ")),
	}); err != nil {
		return nil, err
	}
	activity.GetLogger(ctx).Info("values of a quarantined record were shown", "flow", activities.FlowIngress, "table", in.Table, "record_id", in.ID, "by", in.By)
	return out, nil
}

// fieldNames are the columns that a mapping reads.
func fieldNames(fields []activities.ShownField) []string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.From
	}
	return names
}

// ruleOf is the field mapping that writes a field of Campaign: lastname -> lastName.
func ruleOf(p *mapping.Plan, to string) string {
	for _, f := range p.Fields {
		if to != "" && f.To == to {
			return f.From + " -> " + f.To
		}
	}
	return ""
}

// shownFields describes the values of each field mapping, and returns the values
// themselves.
func (a *Activities) shownFields(m *tableMapper, rec *ledger.Record, row *liveRow, out *activities.ShowQuarantinedResult) ([]activities.RevealedField, error) {
	var source map[string]json.RawMessage
	var send, last *mapping.Payload
	if row != nil {
		send = row.send
		if err := json.Unmarshal(row.Raw, &source); err != nil {
			return nil, fmt.Errorf("record %s of %s is not a JSON object", row.Key, m.plan.Table.Name)
		}
	}
	if out.Held {
		var err error
		if last, err = m.mapper.Parse(rec.Payload); err != nil {
			return nil, fmt.Errorf("record %s of %s in the ledger: %w", rec.Key, m.plan.Table.Name, err)
		}
	}
	values := make([]activities.RevealedField, 0, len(m.plan.Fields))
	for _, f := range m.plan.Fields {
		v := activities.RevealedField{InDynamics: source[f.Property]}
		shown := activities.ShownField{From: f.From, To: f.To, InDynamics: "nothing", InCampaign: "nothing"}
		if v.InDynamics != nil {
			shown.InDynamics = mapping.ShapeOf(v.InDynamics)
		}
		if last != nil {
			v.InCampaign = last.Value(f.To)
			shown.InCampaign = last.Shape(f.To)
		}
		if send != nil && (out.Live.Decision == "create" || !bytes.Equal(send.Value(f.To), v.InCampaign)) {
			v.WouldSend = send.Value(f.To)
			shown.WouldSend = send.Shape(f.To)
		}
		values, out.Fields = append(values, v), append(out.Fields, shown)
	}
	return values, nil
}
