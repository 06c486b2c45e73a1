package ingress

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/mapping"
)

// ListModels lists the tables and resources that there are to map.
func (a *Activities) ListModels(ctx context.Context, in activities.ListModelsInput) (*activities.ListModelsResult, error) {
	tables, at, err := modelOf(&a.looked, "tables", in.Fresh, a.now, func() ([]dataverse.TableName, error) { return a.o.Source.Tables(ctx) })
	if err != nil {
		return nil, run.ToTemporal(ctx, fmt.Errorf("listing the tables of Dynamics: %w", err))
	}
	resources, atOther, err := modelOf(&a.looked, "resources", in.Fresh, a.now, func() ([]campaign.ResourceName, error) {
		return a.o.Target.Resources(ctx, mapping.DefaultAPI)
	})
	if err != nil {
		return nil, run.ToTemporal(ctx, fmt.Errorf("listing the resources of Campaign: %w", err))
	}
	out := &activities.ListModelsResult{Tables: []activities.ModelName{}, Resources: []activities.ModelName{}, At: older(at, atOther)}
	limit := within(in.Limit, 100, 500)
	for _, t := range tables {
		if !has(in.Find, t.LogicalName, t.DisplayName) {
			continue
		}
		if len(out.Tables) == limit {
			out.MoreTables++
			continue
		}
		out.Tables = append(out.Tables, activities.ModelName{Name: t.LogicalName, Label: t.DisplayName, Tracked: t.ChangeTrackingEnabled})
	}
	for _, r := range resources {
		if !has(in.Find, r.Name, r.Label) {
			continue
		}
		if len(out.Resources) == limit {
			out.MoreResources++
			continue
		}
		out.Resources = append(out.Resources, activities.ModelName{Name: r.Name, Label: r.Label})
	}
	return out, nil
}

// DescribeMapping describes both sides of a mapping, and says what of it does not fit them,
// in the words of a start.
func (a *Activities) DescribeMapping(ctx context.Context, in activities.DescribeMappingInput) (*activities.DescribeMappingResult, error) {
	t := in.Table
	out := &activities.DescribeMappingResult{Columns: []activities.ModelColumn{}, Fields: []activities.ModelField{}, Problems: []mapping.Problem{}, At: a.now()}
	entity, at, err := modelOf(&a.looked, "table "+t.Dynamics.Table, in.Fresh, a.now, func() (*dataverse.Entity, error) { return a.o.Source.Entity(ctx, t.Dynamics.Table) })
	switch {
	case unknownName(err):
		out.Problems = append(out.Problems, noSuchTable(t))
	case err != nil:
		return nil, run.ToTemporal(ctx, fmt.Errorf("reading the definition of %s: %w", t.Dynamics.Table, err))
	default:
		out.At, out.TableLabel, out.Key, out.Tracked = at, entity.DisplayName, entity.PrimaryIdAttribute, entity.ChangeTrackingEnabled
	}
	resource := resourceOf(t)
	metadata, at, errTarget := modelOf(&a.looked, "resource "+resource.API+"/"+resource.Name, in.Fresh, a.now, func() (*campaign.Metadata, error) { return a.o.Target.Metadata(ctx, resource) })
	switch {
	case unknownName(errTarget):
		out.Problems = append(out.Problems, noSuchResource(t))
	case errTarget != nil:
		return nil, run.ToTemporal(ctx, fmt.Errorf("reading the definition of %s: %w", resource.Name, errTarget))
	default:
		out.At = older(out.At, at)
	}
	if err == nil && errTarget == nil {
		_, err := mapping.Resolve(t, sourceSchema(entity), targetSchema(resource, metadata))
		if problems, ok := errors.AsType[mapping.Problems](err); ok {
			out.Problems = append(out.Problems, problems...)
		}
	} else {
		out.Problems = append(out.Problems, t.Check()...)
	}
	limit := within(in.Limit, 500, 1000)
	columns, fields := namedBy(t)
	if entity != nil && err == nil {
		columns[entity.PrimaryIdAttribute] = true
		for _, name := range slices.Sorted(maps.Keys(entity.Attributes)) {
			c := entity.Attributes[name]
			switch {
			case in.All && !has(in.Find, name, c.DisplayName), !in.All && !columns[name]:
			case len(out.Columns) == limit:
				out.MoreColumns++
			default:
				out.Columns = append(out.Columns, columnOf(c))
			}
		}
	}
	if metadata != nil && errTarget == nil {
		for _, name := range slices.Sorted(maps.Keys(metadata.Fields)) {
			switch {
			case in.All && !has(in.Find, name), !in.All && !fields[name]:
			case len(out.Fields) == limit:
				out.MoreFields++
			default:
				out.Fields = append(out.Fields, fieldOf(name, metadata.Fields[name]))
			}
		}
	}
	return out, nil
}

// namedBy are the columns and fields that a mapping names.
func namedBy(t activities.Table) (columns, fields map[string]bool) {
	columns, fields = map[string]bool{}, map[string]bool{t.Campaign.Key: true}
	for _, f := range t.Fields {
		columns[f.From], fields[f.To] = true, true
	}
	for _, c := range t.Filter.Where {
		columns[c.Column] = true
	}
	return columns, fields
}

func columnOf(c dataverse.Attribute) activities.ModelColumn {
	out := activities.ModelColumn{Name: c.LogicalName, Label: c.DisplayName, Type: c.Type, Length: c.MaxLength, Targets: c.Targets,
		Required: c.Required == "ApplicationRequired" || c.Required == "SystemRequired"}
	if kind, ok := mapping.KindOf(mapping.Column{Type: c.Type, DateTimeBehavior: c.DateTimeBehavior}); ok && c.Readable {
		out.Kind, out.Takes, out.Comparisons = kind, mapping.Takes(kind), mapping.Comparisons(kind)
	}
	for _, n := range slices.Sorted(maps.Keys(c.Options)) {
		out.Options = append(out.Options, activities.ModelOption{Value: strconv.Itoa(n), Label: c.Options[n]})
	}
	if c.TrueLabel != "" || c.FalseLabel != "" {
		out.Options = []activities.ModelOption{{Value: "true", Label: c.TrueLabel}, {Value: "false", Label: c.FalseLabel}}
	}
	return out
}

func fieldOf(name string, f campaign.Field) activities.ModelField {
	out := activities.ModelField{Name: name, Type: cmp.Or(f.ResType, f.Type), Length: f.Length, ReadOnly: f.ReadOnly, Mandatory: f.Mandatory, Policy: f.DataPolicy}
	if f.Type == "link" {
		out.Link = f.Target
	}
	if kind, ok := mapping.TargetKindOf(mapping.TargetField{Type: f.Type, ResType: f.ResType}); ok && !f.ReadOnly {
		out.Kind = kind
		out.Key = kind == mapping.ToText && (f.Length == 0 || f.Length >= idLength)
	}
	for _, v := range slices.Sorted(maps.Keys(f.Values)) {
		out.Options = append(out.Options, activities.ModelOption{Value: v, Label: f.Values[v].Label})
	}
	return out
}

// idLength is how many characters an id of Dynamics has.
const idLength = 36

// noSuchTable and noSuchResource are what is wrong with a mapping one side of which there is not.
func noSuchTable(t activities.Table) mapping.Problem {
	return mapping.Problem{Path: "ingress.tables." + t.Name + ".dynamics.table", Got: fmt.Sprintf("%q, which Dynamics does not have", t.Dynamics.Table), Want: "the logical name of a table, such as contact"}
}

func noSuchResource(t activities.Table) mapping.Problem {
	r := resourceOf(t)
	return mapping.Problem{Path: "ingress.tables." + t.Name + ".campaign.resource", Got: fmt.Sprintf("%q, which Campaign does not have under %s", r.Name, r.API), Want: "a resource whose API is published, such as profile"}
}

// has says whether one of some names holds a text, whatever the case; "" is in all.
func has(text string, names ...string) bool {
	text = strings.ToLower(strings.TrimSpace(text))
	return slices.ContainsFunc(names, func(name string) bool { return strings.Contains(strings.ToLower(name), text) })
}

// within is a limit that was asked for; 0 is the usual one.
func within(asked, usual, most int) int {
	if asked <= 0 {
		asked = usual
	}
	return min(asked, most)
}

func older(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// now is the time of the clock that this worker goes by.
func (a *Activities) now() time.Time {
	if a.o.Clock != nil {
		return a.o.Clock().UTC()
	}
	return time.Now().UTC()
}
