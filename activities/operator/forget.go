package operator

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"causeway.dev/activities"
	"causeway.dev/activities/run"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/optout"
)

// FindTraces says where a record is: in which system, and in which tables of the ledger.
func (a *Activities) FindTraces(ctx context.Context, in activities.TracesInput) (*activities.TracesResult, error) {
	live, err := a.live(ctx, in.Table, in.ID)
	if err != nil {
		return nil, err
	}
	out := &activities.TracesResult{Table: in.Table.Name, ID: live.ID, InDynamics: live.Live.InDynamics, InCampaign: live.Live.InCampaign}
	if out.Ledger, err = a.traces(ctx, in.Table.Name, live.ID); err != nil {
		return nil, err
	}
	asked, err := a.ledger.ToForget(ctx, live.ID)
	if err != nil {
		return nil, err
	}
	if asked != nil {
		out.Asked, out.Waits = asked.At, asked.Waits
	}
	out.Forgotten, err = a.ledger.Forgotten(ctx, live.ID)
	return out, err
}

func (a *Activities) live(ctx context.Context, table activities.Table, id string) (*activities.ExplainResult, error) {
	return a.ingress.Explain(ctx, activities.ExplainInput{Table: table, ID: id, Live: true})
}

func (a *Activities) traces(ctx context.Context, table, id string) ([]activities.Trace, error) {
	found, err := a.ledger.Traces(ctx, table, id)
	out := make([]activities.Trace, 0, len(found))
	for _, t := range found {
		out = append(out, activities.Trace(t))
	}
	return out, err
}

// Forget has a record forgotten that neither system has any more: at once, or when nothing
// holds it. One that is still there would be written again by the next run.
func (a *Activities) Forget(ctx context.Context, in activities.ForgetInput) (*activities.ForgetResult, error) {
	live, err := a.live(ctx, in.Table, in.ID)
	if err != nil {
		return nil, err
	}
	var still []string
	if live.Live.InDynamics {
		still = append(still, "Dynamics still has it, and the next run would write it again")
	}
	if live.Live.InCampaign {
		still = append(still, "Campaign still has it")
	}
	if len(still) > 0 {
		return nil, run.Blocked("StillThere", fmt.Sprintf("%s of %s is not forgotten: %s; the steps are in docs/data-protection.md", live.ID, in.Table.Name, strings.Join(still, ", and ")))
	}
	if err := a.ledger.AskForget(ctx, in.Table.Name, live.ID); err != nil {
		return nil, err
	}
	out := &activities.ForgetResult{Erasure: a.ledger.Erasure(live.ID)}
	asked, err := a.ledger.ToForget(ctx, live.ID)
	if err != nil {
		return nil, err
	}
	if asked != nil { // else a worker was faster, after an attempt that logged it or did not end
		// The log is kept for years and chained, so it has the hash and not the id.
		_, err = run.Log(ctx, a.ledger, ledger.Operation{ID: fmt.Sprintf("forget/%s/%d", out.Erasure, asked.At.UnixMilli()), At: asked.At, By: in.By,
			What: activities.OpForget, Flow: activities.FlowIngress, Table: in.Table.Name, Detail: "erasure " + out.Erasure})
		if err != nil {
			return nil, err
		}
	}
	_, err = a.ledger.ForgetStep(ctx, optout.Chosen, nil)
	if errors.Is(err, ledger.ErrErasures) { // the request is kept
		why := err.Error()
		out.Waits = why[strings.Index(why, ledger.ErrErasures.Error()):]
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	if asked, err = a.ledger.ToForget(ctx, live.ID); err != nil {
		return nil, err
	}
	if out.Done = asked == nil; !out.Done {
		out.Waits = asked.Waits
		return out, nil
	}
	if out.Left, err = a.traces(ctx, in.Table.Name, live.ID); err != nil {
		return nil, err
	}
	return out, a.ingress.RefreshGauges(ctx, in.Table.Name)
}

func erasuresOf(e ledger.Erasures) *activities.ErasuresState {
	out := &activities.ErasuresState{Done: e.Done, Waiting: int64(len(e.Waiting)), Searching: e.Searching, File: e.File, Damaged: e.Damaged, Problem: e.Problem}
	if len(e.Waiting) > 0 {
		out.Since, out.Waits = e.Waiting[0].At, e.Waiting[0].Waits
	}
	return out
}
