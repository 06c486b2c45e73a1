package commands

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

func newCancelBackfill(e *env, g *global) *cobra.Command {
	undo := false
	cmd := &cobra.Command{
		Use: "cancel-backfill {<table> | egress | optout} [run]", Short: "Give up the running backfill, or a queued one",
		Long: `Give up a backfill: the one that is running, or the one named. Records already
written are kept, unless --rollback is given; the rest is not read. Cancelling an
initial load stops the flow, because there is nothing yet that changes could be
added to.

With -o json: the flow's status, as .tables[].status of causeway status.`,
		Example: "  causeway cancel-backfill contacts\n  causeway cancel-backfill contacts contacts-20260102T030405.000Z",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return badInput("causeway cancel-backfill: got %s, want a table, or egress or optout, and perhaps a run", phrase.Count(int64(len(args)), "argument"))
			}
			return nil
		},
		ValidArgsFunction: completeFlows(g),
		RunE: func(cmd *cobra.Command, args []string) error {
			req := workflows.CancelBackfillRequest{By: e.by, Rollback: undo}
			if len(args) == 2 {
				req.Run = args[1]
			}
			return cancelBackfill(cmd.Context(), e, g, args[0], req)
		},
	}
	cmd.Flags().BoolVar(&undo, "rollback", false, "undo what it has written, as causeway rollback does")
	return cmd
}

func cancelBackfill(ctx context.Context, e *env, g *global, table string, req workflows.CancelBackfillRequest) error {
	f, err := e.openFlow(ctx, g, table)
	if err != nil {
		return err
	}
	defer f.close()
	var st workflows.Status
	if err := f.update(ctx, workflows.UpdateCancelBackfill, req, &st); err != nil {
		return err
	}
	if g.json() {
		return writeJSON(e.out, st)
	}
	switch {
	case req.Run == "" || req.Run == st.Run:
		what := "what it wrote is kept"
		if req.Rollback {
			what = "what it wrote is undone: causeway status " + table
		}
		fmt.Fprintf(e.out, "%s: run %s is being cancelled; %s\n", table, cmp.Or(st.Run, req.Run), what)
	default:
		fmt.Fprintf(e.out, "%s: run %s is no longer queued\n", table, req.Run)
	}
	return nil
}
