package ingress

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"go.temporal.io/sdk/activity"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
)

// Preflight checks a mapping against both systems before anything is written. It keeps
// what the mapping resolved to under the mapping's revision. A mapping that does not fit
// fails with every problem at once (R11.14).
func (a *Activities) Preflight(ctx context.Context, in activities.PreflightInput) (_ *activities.PreflightResult, err error) {
	defer func() { err = run.AtStart(err) }()
	ctx = run.InTurn(ctx)
	defer run.KeepBeating(ctx, nil)()
	if err := run.CheckInstance(a.o.Instance, activity.GetInfo(ctx).WorkflowExecution.ID); err != nil {
		return nil, err
	}
	if err := run.NotBefore(ctx, a.o.Ledger, activities.FlowIngress, in.Table.Name, in.StartMark); err != nil {
		return nil, err
	}
	m, before, err := a.fittingMapping(ctx, in.Table)
	if err != nil {
		return nil, err
	}
	if before == nil {
		if err := a.probeKey(ctx, m); err != nil {
			return nil, err
		}
	}
	doc, err := json.Marshal(m.plan)
	if err != nil {
		return nil, fmt.Errorf("keeping the mapping of %s: %w", in.Table.Name, err)
	}
	out := &activities.PreflightResult{Revision: in.Table.Revision(), Parents: parentsOf(in.Table)}
	sum := sha256.Sum256(doc)
	out.Plan = hex.EncodeToString(sum[:4]) // the same mapping may resolve differently tomorrow
	if before != nil {
		out.Warnings = mapping.Drift(before.plan, m.plan)
	}
	for _, key := range []string{out.Revision, activities.RunRef{Revision: out.Revision, Plan: out.Plan}.PlanKey()} {
		if err := a.o.Ledger.SaveRevision(ctx, key, doc); err != nil {
			return nil, fmt.Errorf("keeping the mapping of %s: %w", in.Table.Name, err)
		}
	}
	a.models.Checked(ctx, in.Table.Name, activities.RunRef{Revision: out.Revision, Plan: out.Plan}.PlanKey())
	if out.Restored, err = run.StartRestored(ctx, a.o.Ledger, activities.FlowIngress, in.Table.Name, in.Restored); err != nil {
		return nil, err
	}
	if in.Comparing {
		out.Restored = ""
	}
	if err := a.findPosition(ctx, in.Table.Name, m, out, in.Restored != "" || out.Restored != ""); err != nil {
		return nil, err
	}
	return out, run.KeepStart(ctx, a.o.Ledger, activities.FlowIngress, in.Table.Name, in.StartMark)
}

// fittingMapping is resolveMapping, and refuses a mapping of another pair than the one that
// ran last under its name; before is that, nil when none ran.
func (a *Activities) fittingMapping(ctx context.Context, t activities.Table) (m, before *tableMapper, err error) {
	if m, err = a.resolveMapping(ctx, t); err != nil {
		return nil, nil, err
	}
	if before, err = a.lastPlan(ctx, t.Name); err != nil || before == nil {
		return m, nil, err
	}
	if was, is := pairOf(before.plan.Table), pairOf(t); was != is {
		return nil, nil, run.Blocked("Mapping", fmt.Sprintf(
			"the mapping does not fit: ingress.tables.%s: got %s, want %s, as it was when it first ran; give the new pair a name of its own", t.Name, is, was)) // R9.5, R10.4
	}
	return m, before, nil
}

// CheckMapping refuses a mapping that a start would refuse, and changes nothing.
func (a *Activities) CheckMapping(ctx context.Context, in activities.PreflightInput) (*activities.CheckMappingResult, error) {
	m, before, err := a.fittingMapping(ctx, in.Table)
	if err != nil {
		return nil, err
	}
	if before == nil {
		if err := a.probeKey(ctx, m); err != nil {
			return nil, err
		}
	}
	return &activities.CheckMappingResult{Revision: in.Table.Revision()}, nil
}

// lastPlan is the mapping as it ran last under a name; nil when it never ran. Its tables
// and key may not change, because what the ledger holds belongs to them.
func (a *Activities) lastPlan(ctx context.Context, table string) (*tableMapper, error) {
	runs, err := a.o.Ledger.Runs(ctx, ledger.RunFilter{Flow: activities.FlowIngress, Table: table, Limit: 1})
	if err != nil || len(runs) == 0 {
		return nil, err
	}
	return a.storedMapping(ctx, runs[0].Revision)
}

// pairOf is what must stay the same as long as a mapping keeps its name.
func pairOf(t activities.Table) string {
	r := resourceOf(t)
	return fmt.Sprintf("%s -> %s with key %s", t.Dynamics.Table, r.Name, t.Campaign.Key)
}

// parentsOf lists the mappings that a mapping links to, each once.
func parentsOf(t activities.Table) []string {
	var out []string
	for _, f := range t.Fields {
		if f.Parent != "" && !slices.Contains(out, f.Parent) {
			out = append(out, f.Parent)
		}
	}
	return out
}

// resolveMapping reads both data models and checks a mapping against them.
func (a *Activities) resolveMapping(ctx context.Context, t activities.Table) (*tableMapper, error) {
	plan, sortable, err := a.resolvePlan(ctx, t)
	if problems, ok := errors.AsType[mapping.Problems](err); ok {
		return nil, run.Blocked("Mapping", "the mapping does not fit: "+problems.Error())
	}
	if err != nil {
		return nil, err
	}
	doc, err := json.Marshal(plan) // a run reads it back from the ledger, so this is what it will see
	if err != nil {
		return nil, fmt.Errorf("preparing the mapping of %s: %w", t.Name, err)
	}
	m, err := newTableMapper(doc)
	if err != nil {
		return nil, fmt.Errorf("preparing the mapping of %s: %w", t.Name, err)
	}
	m.relisted, m.keySortable = a.relistingOf(doc), sortable
	return m, nil
}

// resolvePlan compares a mapping with what both systems have. What does not fit is
// mapping.Problems. sortable says that Campaign lists the resource by its key.
func (a *Activities) resolvePlan(ctx context.Context, t activities.Table) (plan *mapping.Plan, sortable bool, err error) {
	entity, err := a.o.Source.Entity(ctx, t.Dynamics.Table)
	if unknownName(err) {
		return nil, false, run.Blocked("Mapping", "the mapping does not fit: "+noSuchTable(t).String())
	}
	if err != nil {
		return nil, false, run.ToTemporal(ctx, fmt.Errorf("reading the definition of %s: %w", t.Dynamics.Table, err))
	}
	resource := resourceOf(t)
	metadata, err := a.o.Target.Metadata(ctx, resource)
	if unknownName(err) {
		return nil, false, run.Blocked("Mapping", "the mapping does not fit: "+noSuchResource(t).String())
	}
	if err != nil {
		return nil, false, run.ToTemporal(ctx, fmt.Errorf("reading the definition of %s: %w", resource.Name, err))
	}
	plan, err = mapping.Resolve(t, sourceSchema(entity), targetSchema(resource, metadata))
	return plan, metadata.Fields[t.Campaign.Key].Sortable, err
}

// unknownName tells a table or resource that does not exist from other failures. One
// answer that nobody explains does not say so yet.
func unknownName(err error) bool {
	if apierr.ClassOf(err) == apierr.Retryable {
		return false
	}
	return apierr.ReasonOf(err) == apierr.ReasonSchema || apierr.ReasonOf(err) == apierr.ReasonNotFound
}

// resolveOnce is resolveMapping, once per process and revision.
func (a *Activities) resolveOnce(ctx context.Context, t activities.Table) (*tableMapper, error) {
	key := "resolved " + t.Revision()
	a.mu.Lock()
	m, ok := a.mappers[key]
	a.mu.Unlock()
	if ok {
		return m, nil
	}
	m, err := a.resolveMapping(ctx, t)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mappers[key] = m
	return m, nil
}

// findPosition says where the flow goes on: at the delta link if it shows the same
// columns, with a stopped load of the same revision, or with a new baseline. Other
// stopped loads are given up. With anew none goes on: what is staged is as old as the
// backup that the ledger was restored from.
func (a *Activities) findPosition(ctx context.Context, table string, m *tableMapper, out *activities.PreflightResult, anew bool) error {
	if err := a.readState(ctx, table, m, out); err != nil {
		return err
	}
	var err error
	if out.RefusedBefore, err = a.o.Ledger.CountQuarantined(ctx, ledger.QuarantineFilter{
		Flow: activities.FlowIngress, Table: table, State: ledger.QuarantineOpen, OtherRevision: out.Revision}); err != nil {
		return err
	}
	out.NeedsBaseline = out.NeedsBaseline || anew
	return a.findUnfinished(ctx, table, out, anew)
}

// readState says what is in quarantine or waits for approval, and whether the delta link
// shows the columns that m needs.
func (a *Activities) readState(ctx context.Context, table string, m *tableMapper, out *activities.PreflightResult) error {
	var err error
	if out.Quarantined, err = a.o.Ledger.QuarantineCount(ctx, activities.FlowIngress, table); err != nil {
		return err
	}
	if out.Approvals, err = a.approvals(ctx, table); err != nil {
		return err
	}
	if out.Returned, err = a.returned(ctx, table); err != nil {
		return err
	}
	if out.Erased, err = a.erased(ctx, table, func() (*tableMapper, error) { return m, nil }); err != nil {
		return err
	}
	if out.Strays, err = a.o.Ledger.Strays(ctx, table); err != nil {
		return err
	}
	mark, err := a.o.Ledger.Watermark(ctx, activities.FlowIngress, table)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		out.NeedsBaseline = true
	case err != nil:
		return err
	default:
		out.Watermark = mark.ObtainedAt
		out.NeedsBaseline = mark.Link == "" || !a.sameColumns(ctx, mark.Revision, m)
	}
	return nil
}

// findUnfinished finds the load that goes on, and gives up the others. A stopped load
// that is younger than the delta link is a new baseline that is still called for.
// Nothing is at work before a start. So a run that is open all the same has lost its
// workflow, for instance because that was terminated together with its owner.
func (a *Activities) findUnfinished(ctx context.Context, table string, out *activities.PreflightResult, anew bool) error {
	stopped, err := a.o.Ledger.Runs(ctx, ledger.RunFilter{Flow: activities.FlowIngress, Table: table, States: []ledger.RunState{ledger.RunStopped, ledger.RunRunning}, Limit: 100})
	if err != nil {
		return err
	}
	for _, current := range stopped {
		if activities.Kind(current.Kind) != activities.KindInitial {
			continue
		}
		if !anew && out.UnfinishedRun == "" && current.Revision == out.Revision && (out.NeedsBaseline || current.Started.After(out.Watermark)) {
			out.NeedsBaseline, out.UnfinishedRun = true, current.ID
			continue
		}
		if err := a.abandon(ctx, current.ID); err != nil {
			return err
		}
	}
	return errors.Join(
		run.CloseLost(ctx, a.o.Ledger, ledger.RunFilter{Flow: activities.FlowIngress, Table: table}, out.UnfinishedRun, a.o.Ledger.DropPages),
		run.CloseLost(ctx, a.o.Ledger, ledger.RunFilter{Flow: activities.FlowRollback, Table: table}, "", a.o.Ledger.DropPages))
}

// sameColumns says whether a delta link that was obtained for another revision shows the
// columns that m needs, and was used with the same filter: what another filter left out
// may be wanted now (R15.3).
func (a *Activities) sameColumns(ctx context.Context, revision string, m *tableMapper) bool {
	before, err := a.storedMapping(ctx, revision)
	return err == nil && before.query.EntitySet == m.query.EntitySet && slices.Equal(before.query.Select, m.query.Select) &&
		reflect.DeepEqual(before.plan.Table.Filter, m.plan.Table.Filter)
}

// abandon gives a stopped run up.
func (a *Activities) abandon(ctx context.Context, run string) error {
	if err := a.o.Ledger.SetRunState(ctx, run, "CANCELLED", "given up for a newer run"); err != nil {
		return err
	}
	return a.o.Ledger.DropPages(ctx, run)
}

func newTableMapper(doc []byte) (*tableMapper, error) {
	var plan mapping.Plan
	if err := json.Unmarshal(doc, &plan); err != nil {
		return nil, fmt.Errorf("reading the stored mapping: %w", err)
	}
	mapper, err := plan.Mapper()
	if err != nil {
		return nil, err
	}
	return &tableMapper{
		plan: &plan, mapper: mapper,
		query:    dataverse.Query{EntitySet: plan.EntitySet, KeyColumn: plan.Key, Select: mapper.Select()},
		resource: resourceOf(plan.Table),
	}, nil
}

func resourceOf(t activities.Table) campaign.Resource {
	return campaign.Resource{API: cmp.Or(t.Campaign.API, mapping.DefaultAPI), Name: t.Campaign.Resource, Key: t.Campaign.Key}
}

func sourceSchema(e *dataverse.Entity) mapping.SourceSchema {
	s := mapping.SourceSchema{
		Table: e.LogicalName, EntitySet: e.EntitySetName, Key: e.PrimaryIdAttribute, Tracked: e.ChangeTrackingEnabled,
		Columns: make(map[string]mapping.Column, len(e.Attributes)),
	}
	for name, a := range e.Attributes {
		s.Columns[name] = mapping.Column{
			Type: a.Type, MaxLength: a.MaxLength, Targets: a.Targets, DateTimeBehavior: a.DateTimeBehavior,
			Options: a.Options, TrueLabel: a.TrueLabel, FalseLabel: a.FalseLabel,
		}
	}
	return s
}

func targetSchema(r campaign.Resource, m *campaign.Metadata) mapping.TargetSchema {
	s := mapping.TargetSchema{API: r.API, Resource: r.Name, Fields: make(map[string]mapping.TargetField, len(m.Fields))}
	for name, f := range m.Fields {
		field := mapping.TargetField{
			Type: f.Type, ResType: f.ResType, Length: f.Length, ReadOnly: f.ReadOnly, Mandatory: f.Mandatory, DataPolicy: f.DataPolicy,
		}
		if len(f.Values) > 0 {
			field.Values = make(map[string]mapping.EnumValue, len(f.Values))
			for v, e := range f.Values {
				field.Values[v] = mapping.EnumValue{Label: e.Label, Value: e.Value}
			}
		}
		s.Fields[name] = field
	}
	return s
}
