package commands

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

func newRunsCancel(e *env, g *global) *cobra.Command {
	return &cobra.Command{
		Use: "cancel <run>", Short: "Give up a run that is at work or queued",
		Long: `Give up a load, backfill, rollback or audit that is at work, or a backfill that is
queued. Records being written are finished, and what was written is kept; to have it
undone as well: causeway cancel-backfill --rollback. A pass of changes is not given
up, because its changes would only be read again: causeway stop, or pause.

With -o json: {run, workflow_id, status}; status as .tables[].status of causeway
status, null for an audit.`,
		Example: "  causeway runs list\n  causeway runs cancel contacts-20260102T030405.000Z",
		Args:    exactly("a run", 1),
		RunE:    func(cmd *cobra.Command, args []string) error { return runsCancel(cmd.Context(), e, g, args[0]) },
	}
}

// cancelAnswer is what the command prints with -o json.
type cancelAnswer struct {
	Run        string            `json:"run"`
	WorkflowID string            `json:"workflow_id"`
	Status     *workflows.Status `json:"status"`
}

func runsCancel(ctx context.Context, e *env, g *global, name string) error {
	cfg, err := g.load()
	if err != nil {
		return err
	}
	if slices.Contains(flowNames(cfg), name) {
		return badInput("%s is a flow, which lives on; to end it: causeway stop %s", name, name)
	}
	s, err := e.findQueued(ctx, g, name)
	if err != nil {
		return err
	}
	defer s.close()
	if s.newest != nil && !s.newest.Running() {
		return badInput("run %s has ended already (%s)", name, s.newest.Status)
	}
	if s.newest == nil && s.ledger != nil && s.ledger.Info.State != "RUNNING" {
		return badInput("run %s has ended already (%s)", name, s.ledger.Info.State)
	}
	answer := cancelAnswer{Run: name, WorkflowID: s.id}
	switch {
	case s.newest != nil && s.newest.Type == workflows.TypeAudit:
		if err := s.api.Cancel(ctx, s.id); err != nil {
			return err
		}
	case s.table == "" || s.newest != nil && s.owner():
		return badInput("%s is no run that can be given up; see: causeway runs list", name)
	case s.kind == activities.KindDelta || s.newest != nil && strings.HasPrefix(s.id, s.flow().id()+"/delta/") || s.flow().flowID().IsEvents(), s.flow().flowID().IsOptOut() && s.kind != activities.KindInitial:
		return badInput("run %s applies changes and ends by itself; to hold them: causeway pause %s, or causeway stop %s", name, s.table, s.table)
	default:
		answer.Status = &workflows.Status{}
		request := workflows.CancelBackfillRequest{Run: name, By: e.by}
		if err := s.flow().update(ctx, workflows.UpdateCancelBackfill, request, answer.Status); err != nil {
			return err
		}
	}
	if g.json() {
		return writeJSON(e.out, answer)
	}
	fmt.Fprintf(e.out, "run %s is given up; what it wrote is kept\n", name)
	return nil
}

// findQueued is find, for a run that may be known to its owner alone: one that is
// queued is neither in the ledger nor in Temporal.
func (e *env) findQueued(ctx context.Context, g *global, name string) (*subject, error) {
	cfg, api, err := e.connect(ctx, g)
	if err != nil {
		return nil, err
	}
	s := &subject{env: e, g: g, cfg: cfg, api: api, name: name}
	err = s.locate(ctx)
	if err == nil || s.newest == nil && s.table != "" && s.ledger == nil && !s.silent {
		return s, nil
	}
	api.Close()
	return nil, err
}
