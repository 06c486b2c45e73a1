package ingress

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
)

// ShowPerson asks both systems for a record, compares them, and says what happened to it.
func (a *Activities) ShowPerson(ctx context.Context, in activities.ShowPersonInput) (*activities.ShowPersonResult, error) {
	defer a.reportEngineCalls(ctx)
	if len(in.RevealTo) > 0 && a.o.HideValues {
		return nil, run.Blocked("Hidden", "values are not shown, because quarantine.reveal is off in the worker's configuration")
	}
	record, err := a.Explain(ctx, activities.ExplainInput{Table: in.Table, ID: in.ID})
	if err != nil {
		return nil, err
	}
	m, err := a.resolveMapping(ctx, in.Table)
	if err != nil {
		return nil, run.ToTemporal(ctx, err)
	}
	known, err := a.o.Ledger.Records(ctx, in.Table.Name, []string{record.ID})
	if err != nil {
		return nil, err
	}
	live, row, held, err := a.explainBoth(ctx, m, record.ID, known[record.ID])
	if err != nil {
		return nil, run.ToTemporal(ctx, err)
	}
	record.Live = live
	out := &activities.ShowPersonResult{Record: *record, Fields: []activities.SideField{}, At: time.Now().UTC()}
	if out.History, out.More, err = a.history(ctx, in.Table, record.ID, known[record.ID]); err != nil {
		return nil, err
	}
	values, err := sideBySide(m, row, held, out)
	if err != nil || len(in.RevealTo) == 0 {
		return out, err
	}
	if out.Sealed, err = run.Seal(values, in.RevealTo); err != nil {
		return nil, err
	}
	names := make([]string, len(out.Fields))
	for n, f := range out.Fields {
		names[n] = f.From
	}
	if err := run.LogReveal(ctx, a.o.Ledger, run.Execution(ctx), ledger.Operation{
		By: in.By, Flow: activities.FlowIngress, Table: in.Table.Name, Reason: in.Reason, Detail: fmt.Sprintf("values of the record %s in both systems: %s", record.ID, strings.Join(names, ", ")),
	}); err != nil {
		return nil, err
	}
	return out, nil
}

// sideBySide describes each field mapping in both systems, and returns the values.
func sideBySide(m *tableMapper, row *liveRow, held *mapping.Payload, out *activities.ShowPersonResult) ([]activities.SideValues, error) {
	var source map[string]json.RawMessage
	var mapped *mapping.Payload
	if row != nil {
		if err := json.Unmarshal(row.Raw, &source); err != nil {
			return nil, fmt.Errorf("record %s of %s is not a JSON object", row.Key, m.plan.Table.Name)
		}
		mapped, _ = m.mapper.Map(row.Raw) // what cannot be mapped is not compared; Live says why
	}
	values := make([]activities.SideValues, 0, len(m.plan.Fields))
	for _, f := range m.plan.Fields {
		v := activities.SideValues{InDynamics: source[f.Property]}
		shown := activities.SideField{From: f.From, To: f.To, InDynamics: "nothing", InCampaign: "nothing"}
		if v.InDynamics != nil {
			shown.InDynamics = mapping.ShapeOf(v.InDynamics)
		}
		if held != nil {
			v.InCampaign, shown.InCampaign = held.Value(f.To), held.Shape(f.To)
		}
		if held != nil && mapped != nil {
			shown.Compared, shown.Differs = true, !bytes.Equal(mapped.Value(f.To), v.InCampaign)
		}
		values, out.Fields = append(values, v), append(out.Fields, shown)
	}
	return values, nil
}
