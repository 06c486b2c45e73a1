package commands

import (
	"context"
	"fmt"

	"causeway.dev/internal/operator"
	"github.com/spf13/cobra"
)

func newApprove(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "approve <run>", Short: "Let the deletes of a run go on that wait for an operator",
		Long: `Let deletes go on. A run that would delete more records in Campaign than
deletes.stop_ratio and deletes.stop_min of the configuration allow stops before
the first of them: everything else of the run is written, the deletes wait, and
"causeway status" names the run. Look at why so many records are gone from
Dynamics, or no longer match the filter, before you approve. To refuse, undo the
cause: records that come back, or match again, are kept.

With -o json: the flow's status, as .tables[].status of causeway status.`,
		Example: "  causeway status contacts\n  causeway approve contacts-20260102T030405.000Z",
		Args:    exactly("the run that causeway status names", 1),
		RunE:    func(cmd *cobra.Command, args []string) error { return approve(cmd.Context(), e, args[0]) },
	}
}

func approve(ctx context.Context, e *env, run string) error {
	return e.with(ctx, func(i *operator.Instance) error {
		st, err := i.Approve(ctx, run)
		if err != nil {
			return err
		}
		return e.show(st, func() {
			table := i.TableOf(run)
			fmt.Fprintf(e.out, "%s: the deletes of run %s go on; causeway status %s shows how far they are\n", table, run, table)
		})
	})
}
