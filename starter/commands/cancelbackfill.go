package commands

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

func newCancelBackfill(e *env) *cobra.Command {
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
		ValidArgsFunction: completeFlows(e),
		RunE: func(cmd *cobra.Command, args []string) error {
			run := ""
			if len(args) == 2 {
				run = args[1]
			}
			return cancelBackfill(cmd.Context(), e, args[0], run, undo)
		},
	}
	cmd.Flags().BoolVar(&undo, "rollback", false, "undo what it has written, as causeway rollback does")
	return cmd
}

func cancelBackfill(ctx context.Context, e *env, flow, run string, undo bool) error {
	return tell(ctx, e, func(i *operator.Instance) (workflows.Status, error) {
		return i.CancelBackfill(ctx, flow, run, undo)
	}, func(e *env, st workflows.Status) {
		what := "what it wrote is kept"
		if undo {
			what = "what it wrote is undone: causeway status " + flow
		}
		if run != "" && run != st.Run {
			fmt.Fprintf(e.out, "%s: run %s is no longer queued\n", flow, run)
			return
		}
		fmt.Fprintf(e.out, "%s: run %s is being cancelled; %s\n", flow, cmp.Or(st.Run, run), what)
	})
}
