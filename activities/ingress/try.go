package ingress

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
)

// TryMapping says what would be sent of one record by a mapping, field by field, and writes
// nothing.
func (a *Activities) TryMapping(ctx context.Context, in activities.TryMappingInput) (*activities.TryMappingResult, error) {
	defer a.reportEngineCalls(ctx)
	if len(in.RevealTo) > 0 && a.o.HideValues {
		return nil, run.Blocked("Hidden", "values are not shown, because quarantine.reveal is off in the worker's configuration")
	}
	m, err := a.resolveMapping(ctx, in.Table)
	if err != nil {
		return nil, run.ToTemporal(ctx, err)
	}
	known, err := a.o.Ledger.Records(ctx, in.Table.Name, []string{in.ID})
	if err != nil {
		return nil, err
	}
	live, row, held, err := a.explainBoth(ctx, m, in.ID, known[in.ID])
	if err != nil {
		return nil, run.ToTemporal(ctx, err)
	}
	out := &activities.TryMappingResult{ID: in.ID, Live: *live, Fields: []activities.TriedField{}, At: a.now()}
	if row == nil {
		return out, nil
	}
	values, err := tried(m, row.Raw, held, out)
	if err != nil || len(in.RevealTo) == 0 {
		return out, err
	}
	if out.Sealed, err = run.Seal(values, in.RevealTo); err != nil {
		return nil, err
	}
	return out, run.LogReveal(ctx, a.o.Ledger, run.Execution(ctx), ledger.Operation{
		By: in.By, Flow: activities.FlowIngress, Table: in.Table.Name, Reason: in.Reason, Revision: in.Table.Revision(),
		Detail: fmt.Sprintf("values of the record %s, to try a mapping", in.ID),
	})
}

// tried describes each field of a row as it would be sent, and returns the values. The key
// comes first, as it does wherever a mapping is shown (R10.5).
func tried(m *tableMapper, raw []byte, held *mapping.Payload, out *activities.TryMappingResult) ([]activities.TriedValues, error) {
	var source map[string]json.RawMessage
	if err := json.Unmarshal(raw, &source); err != nil {
		return nil, fmt.Errorf("a record of %s is not a JSON object", m.plan.Table.Name)
	}
	fields, err := m.mapper.Try(raw)
	if err != nil {
		return nil, err // names a rule, no value
	}
	key := m.plan.Table.Campaign.Key
	slices.SortStableFunc(fields, func(a, b mapping.Tried) int {
		switch {
		case a.To == key:
			return -1
		case b.To == key:
			return 1
		}
		return 0
	})
	values := make([]activities.TriedValues, 0, len(fields))
	for _, f := range fields {
		v := activities.TriedValues{InDynamics: source[f.Property], WouldSend: f.Send}
		one := activities.TriedField{From: f.From, To: f.To, InDynamics: "nothing", InCampaign: "nothing", Notes: f.Notes, Problem: f.Refusal}
		if v.InDynamics != nil {
			one.InDynamics = mapping.ShapeOf(v.InDynamics)
		}
		if f.Send != nil {
			one.WouldSend = mapping.ShapeOf(f.Send)
		}
		if held != nil {
			v.InCampaign, one.InCampaign = held.Value(f.To), held.Shape(f.To)
		}
		one.Differs = held != nil && f.Send != nil && !bytes.Equal(f.Send, v.InCampaign)
		_, changed := out.Live.Differences[f.To]
		one.Changes = out.Live.Decision == "create" || out.Live.Decision == "update" && changed
		values, out.Fields = append(values, v), append(out.Fields, one)
	}
	return values, nil
}
