package ingress

import (
	"context"
	"errors"
	"strings"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/ledger"
)

// Explain says what happened to a record and why, and with Live what a run would do with
// it now.
func (a *Activities) Explain(ctx context.Context, in activities.ExplainInput) (*activities.ExplainResult, error) {
	defer a.reportEngineCalls(ctx)
	in.ID = strings.ToLower(strings.Trim(in.ID, "{}"))
	out := &activities.ExplainResult{Table: in.Table.Name, ID: in.ID, State: activities.NeverSeen, Meaning: "no run has met this record; it is new, or not among the records that were asked for"}
	known, err := a.known(ctx, in.Table.Name, &ledger.Lane{Entries: []ledger.Entry{{Key: in.ID}}, Outcomes: []ledger.Outcome{ledger.Pending}})
	if err != nil {
		return nil, err
	}
	rec := known[in.ID]
	if rec != nil {
		if err := a.explainKnown(ctx, in.Table, rec, out); err != nil {
			return nil, err
		}
	}
	if err := a.explainDoubt(ctx, out); err != nil {
		return nil, err
	}
	if in.Live {
		m, err := a.resolveMapping(ctx, in.Table)
		if err != nil {
			return nil, run.ToTemporal(ctx, err)
		}
		if out.Live, _, err = a.explainLive(ctx, m, in.ID, rec); err != nil {
			return nil, run.ToTemporal(ctx, err)
		}
	}
	return out, nil
}

// explainKnown says what the ledger has of a record.
func (a *Activities) explainKnown(ctx context.Context, table activities.Table, rec *ledger.Record, out *activities.ExplainResult) error {
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
		out.Meaning = "the filter of the mapping leaves it out, or Dynamics merged it into another record, and Campaign does not have it; --live says which"
		if out.Held {
			out.Meaning = "the filter of the mapping, or apply_deletes: false, leaves it out; Campaign keeps what was last written"
		}
	case ledger.Undone:
		out.Meaning = "it was written, and a rollback removed it; its next change in Dynamics, or a backfill, writes it again"
	case ledger.Kept:
		out.Meaning = "it was to be deleted in Campaign, and an operator rejected that; its next change in Dynamics, or a new baseline, decides about it anew"
	case ledger.Lost:
		out.Meaning = "it was written, and an audit found that Campaign does not hold it any more; the next baseline writes it again"
		if table.LeavesErased(false) {
			out.Meaning = "it was written, and somebody deleted it in Campaign; it stays deleted (erased in the mapping" + broughtBack(&table) + ")"
		}
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

// broughtBack says whether a backfill brings back what somebody deleted in Campaign.
func broughtBack(t *activities.Table) string {
	if t.LeavesErased(true) {
		return ""
	}
	return "; a backfill of it brings it back"
}

// explainRefusal adds why a record is in quarantine.
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

// explainDoubt adds that Campaign may come to hold something else of a record.
func (a *Activities) explainDoubt(ctx context.Context, out *activities.ExplainResult) error {
	carries, since, look, err := a.o.Ledger.DoubtOf(ctx, out.Table, out.ID)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil
	}
	out.Doubt = &activities.ExplainDoubt{Since: since, Look: look, Why: "a request of it had no answer, or a worker died at it"}
	if carries == ledger.CarriesNothing {
		out.Doubt.Why = "its parent was created anew"
	}
	return err
}

// explainWait adds what a parked record waits for.
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
		out.Waits.For = "an operator to approve or reject the deletes of its run: causeway approve " + p.Run + ", or causeway reject " + p.Run
	}
	if p.Ready {
		out.Waits.For = "the next pass; what it waited for has come"
	}
	return nil
}
