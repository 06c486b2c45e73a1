package commands

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"causeway.dev/internal/operator"
)

type replayOptions struct {
	run         string
	yes, dryRun bool
}

func newRunsReplay(e *env) *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use: "replay <run>", Short: "Reset a failed run to its failed step, or run it again",
		Long: `Replay a run that failed, or whose workflow's own code fails. It says which of these
it is and why, and asks first unless --yes is given:

  reset      the workflow goes back to the step that failed and does it again, with
             the code that its workers run now. This is for the workflow that owns a
             table, for an audit, and for a run whose code fails while it is at work.
             Where this build does not do again what the history holds, the workflow
             goes back to that place. What was asked of it since is asked again.
  backfill   a backfill has ended and its owner has gone on: the same records are read
             again in a new run, and unchanged ones cost no call.
  start,     a load or a pass of changes has ended: its owner reads again from the
  sync-now   watermark, which did not move.
  rollback   a rollback has ended: the same run is undone again.

Deploy the code that works before you reset a workflow whose code fails.

` + runArgHelp + `

With -o json: {run, how, why, event, window, start_first, undoes, workflow_id, run_id,
new_run_id, new_run}.`,
		Example:           "  causeway runs list --failed\n  causeway runs replay contacts-20260102T030405.000Z --dry-run",
		Args:              exactly("a run", 1),
		ValidArgsFunction: first(completeRuns(e)),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.run = args[0]
			return runsReplay(cmd.Context(), e, o)
		},
	}
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVarP(&o.dryRun, "dry-run", "n", false, "only say what would be done, and why")
	return cmd
}

func runsReplay(ctx context.Context, e *env, o replayOptions) error {
	return e.with(ctx, func(i *operator.Instance) error {
		r, err := i.PlanReplay(ctx, o.run)
		if err != nil {
			return err
		}
		if !e.json() || !o.dryRun {
			e.say("%s", r.Sentence())
		}
		if o.dryRun {
			return e.show(r, func() { fmt.Fprintf(e.out, "%s: nothing was done; --dry-run was given\n", r.Run) })
		}
		if err := e.confirm(ctx, o.yes, "", "Go on?", "this goes on writing to Campaign; say --yes, or --dry-run"); err != nil {
			return err
		}
		if err := i.Replay(ctx, r); err != nil {
			return err
		}
		if r.Warning != "" {
			e.say("causeway: %s", r.Warning)
		}
		return e.show(r, func() { writeReplay(e, r, i.Link(r.WorkflowID, r.NewRunID)) })
	})
}

func writeReplay(e *env, r *operator.Replay, link string) {
	switch r.How {
	case operator.ByReset:
		fmt.Fprintf(e.out, "%s: workflow %s was reset; its new run id is %s\n", r.Run, r.WorkflowID, r.NewRunID)
		if link != "" {
			fmt.Fprintln(e.out, link)
		}
	case operator.ByBackfill:
		fmt.Fprintf(e.out, "%s: run %s reads it again; follow it with: causeway status %s --watch\n", r.Run, r.NewRun, r.Table)
	case operator.ByRollback:
		fmt.Fprintf(e.out, "%s: run %s is being undone; causeway status %s shows how far it is\n", r.Run, r.Undoes, r.Table)
	default:
		fmt.Fprintf(e.out, "%s: %s reads again; follow it with: causeway status %s --watch\n", r.Run, r.Table, r.Table)
	}
}
