package ingress

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
)

// Explain tells what happened to a record and why, and with Live what would
// happen now.
func (a *Activities) Explain(ctx context.Context, in activities.ExplainInput) (*activities.ExplainResult, error) {
	defer a.tell(ctx)
	in.ID = strings.ToLower(strings.Trim(in.ID, "{}"))
	out := &activities.ExplainResult{Table: in.Table.Name, ID: in.ID, State: "never seen", Meaning: "no run has met this record; it is new, or not among the records that were asked for"}
	known, err := a.known(ctx, in.Table.Name, &ledger.Lane{Entries: []ledger.Entry{{Key: in.ID}}, Outcomes: []ledger.Outcome{ledger.Pending}})
	if err != nil {
		return nil, err
	}
	rec := known[in.ID]
	if rec != nil {
		if err := a.explainKnown(ctx, rec, out); err != nil {
			return nil, err
		}
	}
	if in.Live {
		m, err := a.resolve(ctx, in.Table)
		if err != nil {
			return nil, run.ToTemporal(ctx, err)
		}
		if out.Live, _, err = a.explainLive(ctx, m, in.ID, rec); err != nil {
			return nil, run.ToTemporal(ctx, err)
		}
	}
	return out, nil
}

func (a *Activities) explainKnown(ctx context.Context, rec *ledger.Record, out *activities.ExplainResult) error {
	out.State, out.Version, out.CampaignKey, out.Held = string(rec.State), rec.Version, rec.TargetKey, rec.Payload != nil
	out.LastRun, out.Created = rec.Run, rec.CreatedRun
	rolledBack := false
	if run, err := a.o.Ledger.Run(ctx, rec.Run); err == nil {
		out.LastRunAt, rolledBack = run.Started, run.Flow == activities.FlowRollback
	} else if !errors.Is(err, ledger.ErrNotFound) {
		return err
	}
	switch rec.State {
	case ledger.Written:
		out.Meaning = "Campaign holds what Dynamics said when it was last read"
		if rolledBack {
			out.Meaning = "a rollback put back what Campaign held before; its next change in Dynamics, or a backfill, brings what Dynamics says again"
		} else if rec.CreatedRun == "" {
			out.Meaning += "; the record was there before and was adopted"
		}
	case ledger.Filtered:
		out.Meaning = "the filter of the mapping leaves it out, and Campaign does not have it"
		if out.Held {
			out.Meaning = "the filter of the mapping, or apply_deletes: false, leaves it out; Campaign keeps what was last written"
		}
	case ledger.Undone:
		out.Meaning = "it was written, and a rollback removed it; its next change in Dynamics, or a backfill, writes it again"
	case ledger.Lost:
		out.Meaning = "it was written, and an audit found that Campaign does not hold it any more; the next baseline writes it again"
	case ledger.Deleted:
		out.Meaning = "it was deleted in Dynamics, and by us in Campaign"
	case ledger.Quarantined:
		out.Meaning = "it was refused; Campaign has nothing of it from us"
		if out.Held {
			out.Meaning = "its last change was refused; Campaign keeps what was written before"
		}
		return a.explainRefusal(ctx, rec, out)
	case ledger.Parked:
		return a.explainWait(ctx, rec, out)
	}
	return nil
}

func (a *Activities) explainRefusal(ctx context.Context, rec *ledger.Record, out *activities.ExplainResult) error {
	items, err := a.o.Ledger.Quarantined(ctx, ledger.QuarantineFilter{Flow: activities.FlowIngress, Table: out.Table, Key: rec.Key, Limit: 1})
	if err != nil || len(items) == 0 {
		return err
	}
	q := run.QuarantinedRecord(&items[0])
	out.Quarantine = &q
	if items[0].State == ledger.QuarantineDiscarded {
		out.Meaning += "; an operator discarded it, so only its next change in Dynamics, or a backfill, tries it again"
	}
	return nil
}

func (a *Activities) explainWait(ctx context.Context, rec *ledger.Record, out *activities.ExplainResult) error {
	out.Meaning = "a change of it waits"
	found, err := a.o.Ledger.Parked(ctx, out.Table, []string{rec.Key})
	p := found[rec.Key]
	if err != nil || p == nil {
		return err
	}
	out.Waits = &activities.ExplainWait{Run: p.Run, Since: p.Since, Ready: p.Ready}
	switch p.Waits {
	case ledger.WaitsForParent:
		out.Waits.For, out.Waits.Parent = "its parent, which Campaign does not hold yet", p.Parent.Table+"/"+p.Parent.Key
	case ledger.WaitsForChildren:
		out.Waits.For = "the deletes of records that name it"
	case ledger.WaitsForDeleteGuard:
		out.Waits.For = "an operator to approve the deletes of its run: causeway approve " + p.Run
	}
	if p.Ready {
		out.Waits.For = "the next pass; what it waited for has come"
	}
	return nil
}

// explainLive asks both systems, and returns the row as Dynamics has it; nil when
// it does not.
func (a *Activities) explainLive(ctx context.Context, m *tableMapper, id string, rec *ledger.Record) (*activities.ExplainLive, *ledger.Entry, error) {
	table := m.plan.Table
	out := &activities.ExplainLive{Decision: "nothing"}
	row, err := a.o.Source.Get(ctx, m.query, id)
	switch {
	case apierr.ReasonOf(err) == apierr.ReasonNotFound:
	case err != nil:
		return nil, nil, fmt.Errorf("reading %s of %s from Dynamics: %w", id, table.Dynamics.Table, err)
	default:
		out.InDynamics, out.Version = true, row.Version
	}
	stored, err := a.o.Target.Get(ctx, m.resource, m.mapper.MapKey(id))
	switch {
	case apierr.ReasonOf(err) == apierr.ReasonNotFound:
	case err != nil:
		return nil, nil, fmt.Errorf("reading %s of %s from Campaign: %w", id, m.resource.Name, err)
	default:
		out.InCampaign = true
	}
	if !out.InDynamics {
		link, hidden, err := a.hiddenBy(ctx, m, rec)
		if err != nil {
			return nil, nil, err
		}
		switch {
		case !out.InCampaign && hidden && table.ApplyDeletes:
			out.Decision, out.Why = "wait", "Dynamics does not have it any more; Campaign hides it until its parent is there, and it is deleted then: "+link.Table+"/"+link.Key
		case !out.InCampaign:
			out.Why = "neither system has it"
		case rec == nil || rec.Payload == nil:
			out.Why = "Dynamics does not have it, and what Campaign has is not ours"
		case !table.ApplyDeletes:
			out.Why = "deletes are not applied (apply_deletes)"
		default:
			out.Decision, out.Why = "delete", "Dynamics does not have it any more"
			children, err := a.o.Ledger.Children(ctx, table.Name, []string{id})
			if err != nil {
				return nil, nil, err
			}
			if children[id] {
				out.Decision, out.Why = "wait", "Dynamics does not have it any more; records that name it are deleted first"
			}
		}
		return out, nil, nil
	}
	e := &ledger.Entry{Key: id, Version: row.Version, Raw: row.Raw}
	return out, e, a.explainRow(ctx, m, rec, e, stored, out)
}

// explainRow says what the mapping calls for, and where Campaign differs from it.
func (a *Activities) explainRow(ctx context.Context, m *tableMapper, rec *ledger.Record, e *ledger.Entry, stored *campaign.Stored, out *activities.ExplainLive) error {
	held := rec != nil && rec.Payload != nil
	rule, err := m.mapper.Excluded(e.Raw)
	if err == nil && rule != "" {
		out.Decision, out.Why = "leave out", rule
		if held && m.plan.Table.Filter.DeleteUnmatched {
			out.Decision = "delete"
		}
		return nil
	}
	writer := recordWriter{m: m, ledger: a.o.Ledger, table: m.plan.Table.Name}
	var w wanted
	if err == nil {
		w, err = writer.want(rec, e)
	}
	if bad, ok := errors.AsType[*mapping.FieldError](err); ok {
		out.Decision, out.Why = "refuse", bad.Reason+": "+bad.Error()
		return nil
	}
	if err != nil {
		return err
	}
	same := held && bytes.Equal(rec.Fingerprint, w.change.Fingerprint())
	switch {
	case same && !out.InCampaign:
		out.Why = "what Dynamics says was written, and somebody deleted it in Campaign since; its next change in Dynamics creates it again, or causeway audit --repair"
	case !out.InCampaign && held:
		out.Decision, out.Why = "create", "Campaign does not have it, though it was written; somebody deleted it there, or its parent is missing"
	case !out.InCampaign:
		out.Decision, out.Why = "create", "Campaign does not have it"
	case same && rec.Version != e.Version:
		out.Why = "what Dynamics says has been written; what changed in Dynamics since version " + rec.Version + " is not mapped"
	case same:
		out.Why = "what Dynamics says has been written"
	case held && rec.State == ledger.Written && rec.Version == e.Version:
		out.Decision, out.Why = "update", "Dynamics has not changed since it was last read: the mapping has, or a rollback put back what was there before"
	case held:
		out.Decision, out.Why = "update", "Dynamics has changed since the last write"
	default:
		out.Decision, out.Why = "update", "Campaign has a record with this key, which would be adopted"
	}
	if err := a.explainParents(ctx, m, rec, w, out); err != nil || !out.InCampaign {
		return err
	}
	there, err := m.mapper.FromTarget(stored.Raw)
	if err != nil {
		return fmt.Errorf("reading record %s from Campaign: %w", e.Key, err)
	}
	_, changed := w.change.Diff(there)
	out.Differences = mapping.Describe(there, w.change, changed)
	if len(changed) > 0 && out.Decision == "nothing" {
		out.Why = "what Dynamics says has been written, and Campaign was changed since; the next change of such a field in Dynamics overwrites it" // R2.3
	}
	return nil
}
