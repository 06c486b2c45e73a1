package ingress

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"causeway.dev/activities"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/mapping"
)

// CheckFilter refuses conditions of a backfill that do not fit the table, and names the
// columns whose values may be personal.
func (a *Activities) CheckFilter(ctx context.Context, in activities.CheckFilterInput) (*activities.CheckFilterResult, error) {
	where := in.Where
	for _, column := range in.Columns {
		where = append(where, activities.Condition{Column: column, Is: "not_empty"})
	}
	table := in.Table
	table.Filter = mapping.Filter{Where: where}
	plan, _, err := a.resolvePlan(ctx, table)
	if problems, ok := errors.AsType[mapping.Problems](err); ok {
		return &activities.CheckFilterResult{Misfit: misfitOf(problems, where)}, nil
	}
	if err != nil {
		return nil, err
	}
	out := &activities.CheckFilterResult{}
	for i, c := range plan.Conditions {
		if c.Source == mapping.FromText {
			out.Text = append(out.Text, where[i].Column)
		}
	}
	return out, nil
}

// conditionPath is the path of a problem of one condition, as a mapping names it.
var conditionPath = regexp.MustCompile(`\.filter\.where\[(\d+)\](?:\.\w+)?$`)

// misfitOf says what is wrong in the words that the operator has typed: a condition of a
// backfill is in no file. Its value may be personal, so it is left out.
func misfitOf(problems mapping.Problems, where []activities.Condition) string {
	lines := make([]string, len(problems))
	for i, p := range problems {
		if at := conditionPath.FindStringSubmatch(p.Path); at != nil {
			if n, err := strconv.Atoi(at[1]); err == nil && n < len(where) {
				p.Path = strconv.Quote(strings.TrimSpace(where[n].Column + " " + where[n].Is))
			}
		}
		lines[i] = p.String()
	}
	return strings.Join(lines, "; ")
}

// withConditions is the mapping of a table with the conditions of a backfill in place of
// its filter.
func (a *Activities) withConditions(ctx context.Context, t activities.Table, where []activities.Condition) (*tableMapper, error) {
	t.Filter = mapping.Filter{Where: where}
	m, err := a.resolveOnce(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("conditions of the backfill: %w", err)
	}
	return m, nil
}

// fetchScan reads a page of a backfill. It reads all rows of the window and keeps those
// that meet the conditions. They are compared here and not by Dynamics, so that they mean
// what they mean in a mapping's filter.
func (a *Activities) fetchScan(ctx context.Context, m *tableMapper, q dataverse.Query, where []activities.Condition, link string) (*dataverse.Page, error) {
	if len(where) == 0 {
		return a.readPage(ctx, q, link)
	}
	chosen, err := a.withConditions(ctx, m.plan.Table, where)
	if err != nil {
		return nil, err
	}
	q.Select = append(slices.Clone(q.Select), chosen.query.Select...)
	slices.Sort(q.Select)
	q.Select = slices.Compact(q.Select)
	page, err := a.readPage(ctx, q, link)
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
