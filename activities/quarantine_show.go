package activities

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/sdk/activity"
	"golang.org/x/crypto/nacl/box"

	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
)

// ShowQuarantinedInput asks what is known of one quarantined record, and what
// would be sent of it now.
type ShowQuarantinedInput struct {
	Table string `json:"table"` // mapping
	ID    string `json:"id"`    // Dynamics record id
	// RevealTo is the X25519 public key of whoever asks, made for this question:
	// values come sealed to it, because results are kept in Temporal. None: no values.
	RevealTo []byte `json:"reveal_to,omitempty"`
	By       string `json:"by,omitempty"`
}

// ShowQuarantinedResult is a refused record: rules, states and names of fields,
// no values but in Sealed.
type ShowQuarantinedResult struct {
	Record  QuarantinedRecord `json:"record"`
	Rule    string            `json:"rule,omitempty"` // of the field that was refused: lastname -> lastName
	Held    bool              `json:"held"`           // Campaign keeps what was written before
	Parent  string            `json:"parent,omitempty"`
	Mapping string            `json:"mapping"` // revision that runs
	Live    ExplainLive       `json:"live"`    // both systems now, and what the mapping calls for
	Fields  []ShownField      `json:"fields"`  // as mapped now
	Sealed  []byte            `json:"sealed,omitempty"`
}

// ShownField is one pair of the mapping, in general terms: "text of 6". InCampaign
// is what was last written.
type ShownField struct {
	From       string `json:"from"`
	To         string `json:"to"`
	InDynamics string `json:"in_dynamics"`
	InCampaign string `json:"in_campaign"`
	WouldSend  string `json:"would_send,omitempty"` // "" = nothing of it
}

// RevealedField is what Sealed holds, as JSON, for each of Fields in its order.
type RevealedField struct {
	InDynamics json.RawMessage `json:"in_dynamics,omitempty"`
	InCampaign json.RawMessage `json:"in_campaign,omitempty"`
	WouldSend  json.RawMessage `json:"would_send,omitempty"`
}

// ShowQuarantined tells why a record was refused, and maps its newest version
// with the mapping that runs.
func (a *Ingress) ShowQuarantined(ctx context.Context, in ShowQuarantinedInput) (*ShowQuarantinedResult, error) {
	defer a.tell(ctx)
	if len(in.RevealTo) > 0 && a.o.HideValues {
		return nil, blocked("Hidden", "values are not shown, because quarantine.reveal is off in the worker's configuration; leave out --reveal")
	}
	in.ID = strings.ToLower(strings.Trim(in.ID, "{}"))
	items, err := a.o.Ledger.Quarantined(ctx, ledger.QuarantineFilter{Flow: FlowIngress, Table: in.Table, Key: in.ID, Limit: 1})
	if err != nil {
		return nil, err
	}
	m, err := a.lastPlan(ctx, in.Table)
	if err != nil {
		return nil, err
	}
	if len(items) == 0 || m == nil {
		return nil, blocked("BadInput", fmt.Sprintf("record %s of %s was never refused; causeway explain %s %s says what happened to it", in.ID, in.Table, in.Table, in.ID))
	}
	known, err := a.o.Ledger.Records(ctx, in.Table, []string{in.ID})
	if err != nil {
		return nil, err
	}
	rec := known[in.ID]
	out := &ShowQuarantinedResult{Record: quarantinedRecord(&items[0]), Mapping: m.plan.Revision(), Held: rec != nil && rec.Payload != nil, Fields: []ShownField{}}
	if p := items[0].Parent; p.Key != "" {
		out.Parent = p.Table + "/" + p.Key
	}
	out.Rule = ruleOf(m.plan, out.Record.Field)
	live, row, err := a.explainLive(ctx, m, in.ID, rec)
	if err != nil {
		return nil, toTemporal(ctx, err)
	}
	out.Live = *live
	values, err := a.shownFields(m, rec, row, out)
	if err != nil || len(in.RevealTo) == 0 {
		return out, err
	}
	if out.Sealed, err = seal(values, in.RevealTo); err != nil {
		return nil, err
	}
	activity.GetLogger(ctx).Info("values of a quarantined record were shown", "flow", FlowIngress, "table", in.Table, "record_id", in.ID, "by", in.By)
	return out, nil
}

// ruleOf is the pair of the mapping that writes a field of Campaign.
func ruleOf(p *mapping.Plan, to string) string {
	for _, f := range p.Fields {
		if to != "" && f.To == to {
			return f.From + " -> " + f.To
		}
	}
	return ""
}

// shownFields describes each pair of the mapping and returns the values meant.
func (a *Ingress) shownFields(m *tableMapper, rec *ledger.Record, row *ledger.Entry, out *ShowQuarantinedResult) ([]RevealedField, error) {
	var source map[string]json.RawMessage
	var send, last *mapping.Payload
	if row != nil {
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
	if row != nil && (out.Live.Decision == "create" || out.Live.Decision == "update") {
		writer := recordWriter{m: m, ledger: a.o.Ledger, table: m.plan.Table.Name}
		w, err := writer.want(rec, row)
		if err != nil {
			return nil, fmt.Errorf("mapping record %s of %s: %w", row.Key, m.plan.Table.Name, err)
		}
		if send = w.change; out.Live.Decision == "create" {
			send = w.whole
		}
	}
	values := make([]RevealedField, 0, len(m.plan.Fields))
	for _, f := range m.plan.Fields {
		v := RevealedField{InDynamics: source[f.Property]}
		shown := ShownField{From: f.From, To: f.To, InDynamics: "nothing", InCampaign: "nothing"}
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

// seal encrypts values so that only the holder of the private key reads them.
func seal(values any, to []byte) ([]byte, error) {
	var key [32]byte
	if copy(key[:], to) != len(key) || len(to) != len(key) {
		return nil, blocked("BadInput", fmt.Sprintf("reveal_to: got %d bytes, want an X25519 public key of 32", len(to)))
	}
	plain, err := json.Marshal(values)
	if err != nil {
		return nil, fmt.Errorf("preparing values to be sealed: %w", err)
	}
	return box.SealAnonymous(nil, plain, &key, rand.Reader)
}

// Reveal opens what ShowQuarantined sealed to a pair of keys.
func Reveal(sealed []byte, public, private *[32]byte) ([]RevealedField, error) {
	return reveal[[]RevealedField](sealed, public, private)
}

func reveal[T any](sealed []byte, public, private *[32]byte) (values T, err error) {
	plain, ok := box.OpenAnonymous(nil, sealed, public, private)
	if !ok {
		return values, errors.New("the values were not sealed to this key, or were changed on the way")
	}
	if err := json.Unmarshal(plain, &values); err != nil {
		return values, fmt.Errorf("reading revealed values: %w", err)
	}
	return values, nil
}
