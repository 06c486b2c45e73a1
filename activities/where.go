package activities

import (
	"context"
	"fmt"
	"slices"

	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/mapping"
)

// CheckFilterInput asks whether conditions can narrow a backfill. Columns comes
// first, without values, because what is sent here stays in Temporal.
type CheckFilterInput struct {
	Table   Table       `json:"table"`
	Columns []string    `json:"columns,omitempty"`
	Where   []Condition `json:"where,omitempty"`
}

// CheckFilterResult names the columns whose values may be personal.
type CheckFilterResult struct {
	Text []string `json:"text,omitempty"`
}

// CheckFilter refuses conditions that do not fit the table.
func (a *Ingress) CheckFilter(ctx context.Context, in CheckFilterInput) (*CheckFilterResult, error) {
	where := in.Where
	for _, column := range in.Columns {
		where = append(where, Condition{Column: column, Is: "not_empty"})
	}
	m, err := a.selector(ctx, in.Table, where)
	if err != nil {
		return nil, err
	}
	out := &CheckFilterResult{}
	for i, c := range m.plan.Conditions {
		if c.Source == mapping.FromText {
			out.Text = append(out.Text, where[i].Column)
		}
	}
	return out, nil
}

// selector is the mapping of a table with the conditions of a backfill for its filter.
func (a *Ingress) selector(ctx context.Context, t Table, where []Condition) (*tableMapper, error) {
	t.Filter = mapping.Filter{Where: where}
	m, err := a.resolved(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("conditions of the backfill: %w", err)
	}
	return m, nil
}

// scan reads a page of a backfill with conditions: all rows of the window, of
// which those are kept that meet the conditions. They are compared here, so that
// they mean what they mean in a mapping's filter.
func (a *Ingress) scan(ctx context.Context, m *tableMapper, q dataverse.Query, where []Condition, link string) (*dataverse.Page, error) {
	if len(where) == 0 {
		return a.patiently(ctx, q, link)
	}
	chosen, err := a.selector(ctx, m.plan.Table, where)
	if err != nil {
		return nil, err
	}
	q.Select = append(slices.Clone(q.Select), chosen.query.Select...)
	slices.Sort(q.Select)
	q.Select = slices.Compact(q.Select)
	page, err := a.patiently(ctx, q, link)
	if err != nil {
		return nil, err
	}
	kept := page.Changes[:0]
	for _, c := range page.Changes {
		rule, err := chosen.mapper.Excluded(c.Raw)
		if err != nil {
			return nil, fmt.Errorf("comparing record %s of %s: %w", c.Key, m.plan.Table.Dynamics.Table, err)
		}
		if rule == "" {
			kept = append(kept, c)
		}
	}
	page.Changes = kept
	return page, nil
}
