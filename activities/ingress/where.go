package ingress

import (
	"context"
	"fmt"
	"slices"

	"causeway.dev/activities"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/mapping"
)

// CheckFilter refuses conditions that do not fit the table.
func (a *Activities) CheckFilter(ctx context.Context, in activities.CheckFilterInput) (*activities.CheckFilterResult, error) {
	where := in.Where
	for _, column := range in.Columns {
		where = append(where, activities.Condition{Column: column, Is: "not_empty"})
	}
	m, err := a.selector(ctx, in.Table, where)
	if err != nil {
		return nil, err
	}
	out := &activities.CheckFilterResult{}
	for i, c := range m.plan.Conditions {
		if c.Source == mapping.FromText {
			out.Text = append(out.Text, where[i].Column)
		}
	}
	return out, nil
}

// selector is the mapping of a table with the conditions of a backfill for its filter.
func (a *Activities) selector(ctx context.Context, t activities.Table, where []activities.Condition) (*tableMapper, error) {
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
func (a *Activities) scan(ctx context.Context, m *tableMapper, q dataverse.Query, where []activities.Condition, link string) (*dataverse.Page, error) {
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
