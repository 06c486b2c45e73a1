package activities

import (
	"context"
	"fmt"
	"strings"
	"time"

	"causeway.dev/internal/ledger"
)

// QuarantineListInput selects quarantined records.
type QuarantineListInput struct {
	Table string `json:"table,omitempty"` // "" = all tables
	Selection
	State string `json:"state,omitempty"` // open, released, discarded or all; default open
	Limit int    `json:"limit,omitempty"` // 1 to 1,000; default 100
}

// QuarantinedRecord is one refused record: ids and reasons, no values.
type QuarantinedRecord struct {
	Table     string    `json:"table"`
	ID        string    `json:"id"` // Dynamics record id
	State     string    `json:"state"`
	Run       string    `json:"run"`
	Class     string    `json:"class"`
	Code      string    `json:"code"`
	Field     string    `json:"field,omitempty"`
	Message   string    `json:"message"`
	Version   string    `json:"version,omitempty"` // of the Dynamics record, that was refused
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
	Attempts  int       `json:"attempts"`
	NextTry   time.Time `json:"next_try,omitzero"` // tried again by itself; open records only
	Discarded *Discard  `json:"discarded,omitempty"`
}

// Discard is an operator's decision to leave a refused record alone. The record
// may have been refused again since, in another version.
type Discard struct {
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
}

// QuarantineGroup counts the records refused for one reason.
type QuarantineGroup struct {
	Table     string    `json:"table"`
	Code      string    `json:"code"`
	Field     string    `json:"field,omitempty"`
	Message   string    `json:"message"`
	Records   int64     `json:"records"`
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
	NextTry   time.Time `json:"next_try,omitzero"` // the earliest
}

// QuarantineListResult is what a selection holds: how many records, by reason,
// and the first of them.
type QuarantineListResult struct {
	Total   int64               `json:"total"`
	Groups  []QuarantineGroup   `json:"groups"`
	Records []QuarantinedRecord `json:"records"`
}

// maxGroups bounds the reasons that are listed.
const maxGroups = 100

// ListQuarantine returns refused records: ids and reasons, no values. The
// operators' tool runs it by itself, so that only workers need the ledger.
func (a *Operator) ListQuarantine(ctx context.Context, in QuarantineListInput) (*QuarantineListResult, error) {
	if in.Limit == 0 {
		in.Limit = 100
	}
	if in.Limit < 1 || in.Limit > 1000 {
		return nil, blocked("BadInput", fmt.Sprintf("limit: got %d, want 1 to 1000", in.Limit))
	}
	f := filterOf(in.Selection, quarantineOf(in.Table, in.Run), in.Table)
	switch ledger.QuarantineState(in.State) {
	case "":
		f.State = ledger.QuarantineOpen
	case ledger.QuarantineOpen, ledger.QuarantineReleased, ledger.QuarantineDiscarded:
		f.State = ledger.QuarantineState(in.State)
	case "all":
	default:
		return nil, blocked("BadInput", fmt.Sprintf("state: got %q, want open, released, discarded or all", in.State))
	}
	out := &QuarantineListResult{Groups: []QuarantineGroup{}, Records: []QuarantinedRecord{}}
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
		if f.Flow != FlowIngress {
			g.NextTry = time.Time{}
		}
		out.Groups = append(out.Groups, QuarantineGroup(g))
	}
	f.Limit = in.Limit
	items, err := a.ledger.Quarantined(ctx, f)
	if err != nil {
		return nil, err
	}
	for i := range items {
		out.Records = append(out.Records, quarantinedRecord(&items[i]))
	}
	return out, nil
}

// quarantineOf is the flow whose quarantine is meant by a table and a run; that of
// events, and what a rollback left alone, are kept apart.
func quarantineOf(table, run string) string {
	switch {
	case table == FlowEgress:
		return FlowEgress
	case table == FlowOptOut:
		return FlowOptOut
	case strings.HasPrefix(run, "rollback-"):
		return FlowRollback
	}
	return FlowIngress
}

func quarantinedRecord(q *ledger.QuarantineItem) QuarantinedRecord {
	out := QuarantinedRecord{
		Table: q.Table, ID: q.Key, State: string(q.State), Run: q.Run, Class: q.Class, Code: q.Code, Field: q.Field, Message: q.Message,
		Version: q.Version, FirstSeen: q.FirstSeen, LastSeen: q.LastSeen, Attempts: q.Attempts, NextTry: q.NextTry,
	}
	if !q.Discarded.At.IsZero() {
		d := Discard(q.Discarded)
		out.Discarded = &d
	}
	if q.Flow != FlowIngress { // only ingress tries again by itself
		out.NextTry = time.Time{}
	}
	return out
}

// InWords says what is selected, for the audit trail.
func (s Selection) InWords() string {
	var parts []string
	switch n := len(s.IDs); n {
	case 0:
	case 1:
		parts = append(parts, "1 record by id")
	default:
		parts = append(parts, fmt.Sprintf("%d records by id", n))
	}
	for _, c := range []struct{ name, value string }{{"run", s.Run}, {"code", s.Code}, {"field", s.Field}} {
		if c.value != "" {
			parts = append(parts, c.name+" "+c.value)
		}
	}
	if !s.Before.IsZero() {
		parts = append(parts, "refused before "+s.Before.UTC().Format(time.RFC3339))
	}
	if len(parts) == 0 {
		return "everything"
	}
	return strings.Join(parts, ", ")
}

// DiscardInput closes quarantined records that nobody wants tried again. At is
// the command's clock and tells one discard from another.
type DiscardInput struct {
	Table string `json:"table"`
	Selection
	Discard
}

// DiscardResult says how many records were discarded.
type DiscardResult struct {
	Discarded int64 `json:"discarded"`
}

// DiscardQuarantined closes records with who, when and why. A later change of one
// in Dynamics is tried as any other. It may run twice.
func (a *Operator) DiscardQuarantined(ctx context.Context, in DiscardInput) (*DiscardResult, error) {
	switch {
	case in.Table == "":
		return nil, blocked("BadInput", "a discard needs the table whose records it closes")
	case strings.TrimSpace(in.Reason) == "":
		return nil, blocked("BadInput", "a discard needs a reason, for the next person who wonders")
	case in.At.IsZero():
		return nil, blocked("BadInput", "a discard needs the time at which it was decided")
	}
	flow := quarantineOf(in.Table, in.Run)
	n, err := a.ledger.Discard(ctx, filterOf(in.Selection, flow, in.Table), ledger.Discard(in.Discard))
	if err != nil {
		return nil, err
	}
	err = a.LogOperation(ctx, LogInput{Operations: []Operation{{
		ID: fmt.Sprintf("discard/%s/%s/%d", in.Table, in.By, in.At.UnixNano()), At: in.At, By: in.By, What: OpDiscard, Flow: flow, Table: in.Table, Run: in.Run,
		Reason: in.Reason, Detail: fmt.Sprintf("%d discarded: %s", n, in.InWords()),
	}}})
	if err != nil {
		return nil, err
	}
	if flow != FlowIngress {
		return &DiscardResult{Discarded: n}, nil
	}
	return &DiscardResult{Discarded: n}, a.ingress.RefreshGauges(ctx, in.Table)
}
