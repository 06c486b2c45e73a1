package commands

import (
	"fmt"

	"github.com/spf13/cobra"

	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

func newApprove(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "approve <run>", Short: "Let the deletes of a run go on that wait for an operator",
		Long: `Let deletes go on. A run that would delete more records in Campaign than
deletes.stop_ratio and deletes.stop_min of the configuration allow stops before
the first of them: everything else of the run is written, the deletes wait, and
"causeway status" names the run. What earlier runs deleted unasked within
deletes.window counts with it; an approval begins that count anew.

Look at why so many records are gone from Dynamics, or no longer match the
filter, before you approve. To refuse, undo the cause: records that come back, or
match again, are kept.

With -o json: the flow's status, as .tables[].status of causeway status.`,
		Example: "  causeway status contacts\n  causeway approve contacts-20260102T030405.000Z",
		Args:    exactly("the run that causeway status names", 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			run, table := args[0], ""
			return tell(cmd.Context(), e, func(i *operator.Instance) (workflows.Status, error) {
				table = i.TableOf(run)
				return i.Approve(cmd.Context(), run)
			}, func(e *env, _ workflows.Status) {
				fmt.Fprintf(e.out, "%s: the deletes of run %s go on; causeway status %s shows how far they are\n", table, run, table)
			})
		},
	}
}
