package ingress

import (
	"context"
	"fmt"
	"strings"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
	"causeway.dev/internal/reconcile"
)

// liveRow is a row as Dynamics has it now.
type liveRow struct {
	*ledger.Entry
	send *mapping.Payload // what a run would write of it; nil: nothing
}

// StillThere says which systems have a record, by the mapping that its table ran with last;
// "" when none has.
func (a *Activities) StillThere(ctx context.Context, table, id string) (string, error) {
	m, err := a.lastPlan(ctx, table)
	if err != nil || m == nil { // of a table that never ran nothing was read
		return "", err
	}
	var has []string
	switch _, err := a.o.Source.Get(ctx, m.query, id); {
	case err == nil:
		has = append(has, "Dynamics, which has it again")
	case apierr.ReasonOf(err) != apierr.ReasonNotFound:
		return "", err
	}
	there, err := (&recordWriter{target: a.o.Target, m: m, table: table}).readTarget(ctx, id)
	if err != nil {
		return "", err
	}
	if there.Payload != nil {
		has = append(has, "Campaign, which has it again")
	}
	return strings.Join(has, ", and "), nil
}

// explainLive reads a record in both systems, and says what a run would do with it. The
// row is nil when Dynamics does not have it.
func (a *Activities) explainLive(ctx context.Context, m *tableMapper, id string, rec *ledger.Record) (*activities.ExplainLive, *liveRow, error) {
	out, row, _, err := a.explainBoth(ctx, m, id, rec)
	return out, row, err
}

// explainBoth is explainLive, with what Campaign holds; nil when Campaign does not have it.
func (a *Activities) explainBoth(ctx context.Context, m *tableMapper, id string, rec *ledger.Record) (*activities.ExplainLive, *liveRow, *mapping.Payload, error) {
	table := m.plan.Table.Name
	row, err := a.o.Source.Get(ctx, m.query, id)
	e := &ledger.Entry{Key: id, Deleted: apierr.ReasonOf(err) == apierr.ReasonNotFound}
	if !e.Deleted {
		if err != nil {
			return nil, nil, nil, fmt.Errorf("reading %s of %s from Dynamics: %w", id, m.plan.Table.Dynamics.Table, err)
		}
		e.Version, e.Raw = row.Version, row.Raw
	}
	ctx = run.About(ctx, e.Raw)
	if rec != nil {
		ctx = run.About(ctx, rec.Payload)
	}
	writer := &recordWriter{target: a.o.Target, ledger: a.o.Ledger, m: m, listed: a.listed, table: table}
	there, err := writer.readTarget(ctx, id)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("reading %s of %s from Campaign: %w", id, m.resource.Name, err)
	}
	lane := &ledger.Lane{Entries: []ledger.Entry{*e}, Outcomes: []ledger.Outcome{ledger.Pending}}
	if writer.parents, writer.children, err = a.parentsAndChildren(ctx, m, table, lane); err != nil {
		return nil, nil, nil, err
	}
	d, err := writer.beginDecision(ctx, rec, e)
	if err != nil {
		return nil, nil, nil, err
	}
	d.facts.Target, d.facts.Guard = there, reconcile.GuardAllows
	act, err := d.resolveFacts(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	out := &activities.ExplainLive{Decision: decisions[act.Kind], InDynamics: !e.Deleted, InCampaign: there.Payload != nil, Version: e.Version}
	if e.Deleted {
		d.explainDeleted(&act, out)
		out.Why += d.rejectedBefore(&act)
		return out, nil, there.Payload, nil
	}
	if err := d.explainRow(ctx, &act, out); err != nil {
		return nil, nil, nil, err
	}
	out.Why += d.rejectedBefore(&act)
	live := &liveRow{Entry: e}
	if out.Decision == "create" || out.Decision == "update" {
		live.send = act.Payload
	}
	return out, live, there.Payload, nil
}

// decisions are the words for what a run would do.
var decisions = map[reconcile.Kind]string{
	reconcile.Nothing: "nothing", reconcile.Unchanged: "nothing", reconcile.LeaveOut: "leave out", reconcile.Refuse: "refuse",
	reconcile.Create: "create", reconcile.Update: "update", reconcile.Adopt: "update", reconcile.Delete: "delete",
	reconcile.HoldBack: "wait", reconcile.Park: "wait",
}

// explainDeleted gives the reason for what becomes of a record that Dynamics does not
// have.
func (d *decision) explainDeleted(act *reconcile.Action, out *activities.ExplainLive) {
	switch {
	case act.Kind == reconcile.Park:
		out.Why = "Dynamics does not have it any more; Campaign hides it until its parent is there, and it is deleted then: " + nameOf(act.Link)
	case !out.InCampaign:
		out.Decision, out.Why = "nothing", "neither system has it"
	case !d.known.Held():
		out.Decision, out.Why = "nothing", "Dynamics does not have it, and what Campaign has is not ours"
	case act.Kind == reconcile.LeaveOut:
		out.Decision, out.Why = "nothing", "deletes are not applied (apply_deletes)"
	case act.Kind == reconcile.HoldBack:
		out.Why = "Dynamics does not have it any more; records that name it are deleted first"
	default:
		out.Why = "Dynamics does not have it any more"
	}
}

// explainRow gives the reason for what the mapping calls for, and says in which fields
// Campaign differs from it.
func (d *decision) explainRow(ctx context.Context, act *reconcile.Action, out *activities.ExplainLive) error {
	switch rule := d.ruleOf(); {
	case rule != "" && act.Kind == reconcile.Park:
		out.Why = rule + "; Campaign hides it until its parent is there, and it is deleted then: " + nameOf(act.Link)
		return nil
	case rule != "":
		out.Why = rule
		return nil
	case act.Kind == reconcile.Refuse:
		out.Why = act.Refusal.Reason + ": " + act.Refusal.Message
		return nil
	case act.Kind == reconcile.Park:
		out.Why = "Campaign does not hold its parent yet; it goes on by itself when that is there: " + nameOf(act.Link)
	default:
		out.Why = d.whyRow(act, out.InCampaign)
	}
	if !out.InCampaign {
		return d.explainHidden(ctx, act, out)
	}
	there := d.facts.Target.Payload
	_, changed := d.entry.Change.Diff(there)
	out.Differences = mapping.Describe(there, d.entry.Change, changed)
	if len(changed) > 0 && out.Decision == "nothing" {
		out.Why = "what Dynamics says has been written, and Campaign was changed since; the next change of such a field in Dynamics overwrites it" // R2.3
	}
	return nil
}

// whyRow gives the reason for an action on a row that passes the filter.
func (d *decision) whyRow(act *reconcile.Action, inCampaign bool) string {
	same := act.Kind == reconcile.Unchanged
	switch {
	case same && !inCampaign && d.rules.LeaveErased, act.Why == reconcile.Erased:
		return "somebody deleted it in Campaign, and it stays deleted (erased in the mapping" + broughtBack(&d.m.plan.Table) + ")"
	case same && !inCampaign:
		return "what Dynamics says was written, and somebody deleted it in Campaign since; its next change in Dynamics creates it again, or causeway audit --repair"
	case same && d.rec.Version != d.e.Version:
		return "what Dynamics says has been written; what changed in Dynamics since version " + d.rec.Version + " is not mapped"
	case same:
		return "what Dynamics says has been written"
	case !inCampaign && d.known.Held():
		return "Campaign does not have it, though it was written; somebody deleted it there, or its parent is missing"
	case !inCampaign:
		return "Campaign does not have it"
	case act.Kind == reconcile.Adopt:
		return "Campaign has a record with this key, which would be adopted"
	case d.rec.State == ledger.Written && d.rec.Version == d.e.Version:
		return "Dynamics has not changed since it was last read: the mapping has, or a rollback put back what was there before"
	}
	return "Dynamics has changed since the last write"
}

// explainHidden corrects the reason for a record that Campaign does not show: it may be
// there, and hidden for want of a parent.
func (d *decision) explainHidden(ctx context.Context, act *reconcile.Action, out *activities.ExplainLive) error {
	if act.Kind == reconcile.Park || !d.m.mapper.HasLinks() {
		return nil
	}
	if err := d.lookUp(ctx, reconcile.WantedParents); err != nil {
		return err
	}
	switch parents := &d.facts.Wanted; {
	case parents.Missing && act.Kind == reconcile.Unchanged:
		out.Why = "what Dynamics says has been written; Campaign hides it until its parent is there: " + nameOf(parents.Link)
		return nil
	case parents.Missing && d.known.Held():
		out.Decision, out.Why = "wait", "Campaign does not hold its parent yet; it goes on by itself when that is there: "+nameOf(parents.Link)
		return nil
	case parents.Missing:
		out.Why += "; until its parent is there Campaign may hide it: " + nameOf(parents.Link)
		return nil
	case act.Kind == reconcile.Unchanged:
		return nil
	}
	link, hides, err := d.hiddenByTarget(ctx)
	if hides {
		out.Decision, out.Why = "wait", "Campaign hides it until the parent that it has there comes; it goes on by itself then: "+nameOf(link)
	}
	return err
}

func nameOf(link mapping.Link) string { return link.Table + "/" + link.Key }

// ruleOf is why a row is left out, with the record that it was merged into; "" when it is
// not left out.
func (d *decision) ruleOf() string {
	if d.entry.Winner != "" {
		return "Dynamics merged it into " + d.entry.Winner
	}
	return d.entry.Rule
}

// rejectedBefore tells of a delete that was decided on before, and that an operator
// rejected; "" of any other action.
func (d *decision) rejectedBefore(act *reconcile.Action) string {
	if act.Kind != reconcile.Delete || d.rec == nil || d.rec.State != ledger.Kept {
		return ""
	}
	return "; an operator rejected its delete, so Campaign keeps it until it changes in Dynamics, or a new baseline asks again"
}
