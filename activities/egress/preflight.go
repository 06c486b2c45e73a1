package egress

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"
	"go.temporal.io/sdk/activity"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/timeline"
)

// PreflightEvents checks settings against Dynamics and the sources before anything is
// read, and keeps what they resolved to. Settings that do not fit fail with every problem
// at once.
func (a *Activities) PreflightEvents(ctx context.Context, in activities.PreflightEventsInput) (_ *activities.PreflightEventsResult, err error) {
	defer func() { err = run.AtStart(err) }()
	ctx = run.InTurn(ctx)
	defer run.KeepBeating(ctx, nil)()
	if err := run.CheckInstance(a.o.Instance, activity.GetInfo(ctx).WorkflowExecution.ID); err != nil {
		return nil, err
	}
	if err := run.NotBefore(ctx, a.o.Ledger, activities.FlowEgress, activities.FlowEgress, in.StartMark); err != nil {
		return nil, err
	}
	s := in.Settings
	if !s.Enabled() { // R8.16
		return nil, run.Blocked("Settings", "no type of event is switched on; set egress.sends, opens, clicks or bounces to true")
	}
	if err := a.checkConfigured(s); err != nil {
		return nil, err
	}
	me, err := a.o.Dynamics.WhoAmI(ctx)
	if err != nil {
		return nil, run.ToTemporal(ctx, fmt.Errorf("asking Dynamics who we are: %w", err))
	}
	if err := run.SameOrganization(ctx, a.o.Ledger, me.OrganizationID); err != nil {
		return nil, err
	}
	plan, err := a.resolvePlan(ctx, s, me.UserID)
	if err != nil {
		return nil, err
	}
	out := &activities.PreflightEventsResult{Revision: s.Revision(), Warnings: a.checkProcesses(ctx, s, me.UserID)}
	if err := a.reachSources(ctx, s); err != nil {
		return nil, err
	}
	doc, err := json.Marshal(plan)
	if err != nil {
		return nil, fmt.Errorf("keeping the settings: %w", err)
	}
	sum := sha256.Sum256(doc)
	out.Plan = hex.EncodeToString(sum[:4])
	if err := a.o.Ledger.SaveRevision(ctx, planKey(out.Revision, out.Plan), doc); err != nil {
		return nil, fmt.Errorf("keeping the settings: %w", err)
	}
	a.models.Checked(ctx, activities.FlowEgress, activities.RunRef{Revision: out.Revision, Plan: out.Plan}.PlanKey())
	if out.Quarantined, err = a.o.Ledger.QuarantineCount(ctx, activities.FlowEgress, ""); err != nil {
		return nil, err
	}
	mark, err := a.o.Ledger.Watermark(ctx, activities.FlowEgress, activities.FlowEgress)
	if err == nil {
		out.Watermark = mark.ObtainedAt
	} else if !errors.Is(err, ledger.ErrNotFound) {
		return nil, err
	}
	// Events are created once, under fixed ids: after the ledger was restored nothing is to
	// be done but to read on.
	if err := run.Trust(ctx, a.o.Ledger, activities.FlowEgress, activities.FlowEgress); err != nil {
		return nil, err
	}
	if err := run.CloseLost(ctx, a.o.Ledger, ledger.RunFilter{Flow: activities.FlowEgress}, "", a.o.Ledger.ForgetPages); err != nil {
		return nil, err
	}
	return out, run.KeepStart(ctx, a.o.Ledger, activities.FlowEgress, activities.FlowEgress, in.StartMark)
}

// checkConfigured fails when the worker's configuration lacks a source that the settings
// name.
func (a *Activities) checkConfigured(s activities.EgressSettings) error {
	switch {
	case s.Journal() && a.o.Journal == nil:
		return run.Blocked(apierr.ReasonConfig, "the worker's configuration has no campaign.journal.url; add it and start the worker again")
	case s.SFTP() && a.o.Files == nil:
		return run.Blocked(apierr.ReasonConfig, "the worker's configuration has no campaign.sftp; add it and start the worker again")
	}
	return nil
}

// resolvePlan fits settings to the tables of Dynamics.
func (a *Activities) resolvePlan(ctx context.Context, s activities.EgressSettings, owner string) (*timeline.Plan, error) {
	schemas, err := a.readTables(ctx, s)
	if err != nil {
		return nil, run.ToTemporal(ctx, err)
	}
	plan, err := a.fit(s, owner, schemas)
	if err != nil {
		return nil, run.Blocked("Settings", err.Error())
	}
	return plan, nil
}

// readTables reads the definitions of the tables that settings need, as far as they exist.
func (a *Activities) readTables(ctx context.Context, s activities.EgressSettings) (map[string]*timeline.Schema, error) {
	schemas := map[string]*timeline.Schema{}
	for _, name := range s.Needed() {
		entity, err := a.o.Dynamics.Entity(ctx, name)
		if reason := apierr.ReasonOf(err); reason == apierr.ReasonNotFound || reason == apierr.ReasonSchema {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading the definition of %s: %w", name, err)
		}
		schemas[name] = activitySchema(entity)
	}
	return schemas, nil
}

// fit fits settings to tables. What does not fit is told in one line.
func (a *Activities) fit(s activities.EgressSettings, owner string, schemas map[string]*timeline.Schema) (*timeline.Plan, error) {
	plan, err := timeline.Resolve(s, a.o.Instance, owner, schemas)
	if err != nil {
		return nil, errors.New("the settings do not fit Dynamics: " + strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return plan, nil
}

func activitySchema(e *dataverse.Entity) *timeline.Schema {
	s := &timeline.Schema{EntitySet: e.EntitySetName, IsActivity: e.IsActivity, Columns: make(map[string]timeline.Column, len(e.Attributes))}
	s.Regarding, _ = e.Navigation("regardingobjectid", "contact")
	for name, c := range e.Attributes {
		s.Columns[name] = timeline.Column{Type: c.Type, MaxLength: c.MaxLength, Creatable: c.Creatable}
	}
	return s
}

// Fit fits settings to the tables of Dynamics that exist, by their logical names.
func (a *Activities) Fit(s activities.EgressSettings, owner string, tables map[string]*dataverse.Entity) error {
	schemas := map[string]*timeline.Schema{}
	for name, entity := range tables {
		schemas[name] = activitySchema(entity)
	}
	_, err := a.fit(s, owner, schemas)
	return err
}

// Processes are warnings about the processes in Dynamics that create follow-up tasks.
func (a *Activities) Processes(ctx context.Context, s activities.EgressSettings, owner string) []string {
	return a.checkProcesses(ctx, s, owner)
}

// solutionProcesses are processes in Dynamics that create a follow-up task for a click or
// a bounce (R3.8). Adobe's solution brings them.
var solutionProcesses = []struct {
	name string
	on   func(activities.EgressSettings) bool
}{
	{"Adobe Campaign Email Click", func(s activities.EgressSettings) bool { return s.Clicks }},
	{"Adobe Campaign Email Bounce", func(s activities.EgressSettings) bool { return s.Bounces }},
}

// checkProcesses warns when the processes will create no tasks. It is no more than a
// warning, because a customer may want that (R3.9).
func (a *Activities) checkProcesses(ctx context.Context, s activities.EgressSettings, owner string) []string {
	var out []string
	for _, p := range solutionProcesses {
		if !p.on(s) {
			continue
		}
		page, err := a.o.Dynamics.Query(ctx, dataverse.Query{
			EntitySet: "workflows", KeyColumn: "workflowid", Select: []string{"name", "statecode", "_ownerid_value"}, Filter: "name eq '" + p.name + "'",
		})
		if err != nil {
			out = append(out, fmt.Sprintf("whether the process %q is active could not be found out (%s); without it no follow-up task is created", p.name, apierr.ReasonOf(err)))
			continue
		}
		active, ours := false, false
		for _, row := range page.Changes {
			doc := gjson.ParseBytes(row.Raw)
			if doc.Get("statecode").Int() == 1 {
				active = true
				ours = ours || strings.EqualFold(doc.Get("_ownerid_value").String(), owner)
			}
		}
		switch {
		case len(page.Changes) == 0:
			out = append(out, fmt.Sprintf("Dynamics has no process %q, so no follow-up task is created; it comes with the solution %q", p.name, timeline.Solution))
		case !active:
			out = append(out, fmt.Sprintf("the process %q is not active, so no follow-up task is created; activate it in Dynamics, unless that is intended", p.name))
		case !ours:
			out = append(out, fmt.Sprintf("the process %q is owned by another user than ours; assign it to the application user and activate it again", p.name)) // R3.8
		}
	}
	return out
}

// unexplained says whether a failure may be a wrong address, or may pass. Asking again
// for a few minutes shows which.
func unexplained(err error) bool {
	fail, ok := errors.AsType[*apierr.Error](err)
	return ok && fail.Odd()
}

// reachSources asks each source for something, so that a wrong address or key shows at the
// start. A source that is only down for now does not fail the start.
func (a *Activities) reachSources(ctx context.Context, s activities.EgressSettings) error {
	if s.Journal() {
		if _, err := a.o.Journal.Page(ctx, "", 1); apierr.ClassOf(err) == apierr.Blocked || unexplained(err) {
			return run.ToTemporal(ctx, fmt.Errorf("reading the journal: %w", err))
		}
	}
	if s.SFTP() {
		if err := a.o.Files.Reach(ctx); apierr.ClassOf(err) == apierr.Blocked || apierr.ReasonOf(err) == apierr.ReasonCredentials {
			return run.ToTemporal(ctx, err)
		}
	}
	return nil
}
