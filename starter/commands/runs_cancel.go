package commands

import (
	"fmt"

	"github.com/spf13/cobra"

	"causeway.dev/internal/operator"
)

func newRunsCancel(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "cancel <run>", Short: "Give up a run that is at work or queued",
		Long: `Give up a load, backfill, rollback or audit that is at work, or a backfill that is
queued. Records being written are finished, and what was written is kept; to have it
undone as well: causeway cancel-backfill --rollback. A pass of changes is not given
up, because its changes would only be read again: causeway stop, or pause.

With -o json: {run, workflow_id, status}; status as .tables[].status of causeway
status, null for an audit.`,
		Example:           "  causeway runs list\n  causeway runs cancel contacts-20260102T030405.000Z",
		Args:              exactly("a run", 1),
		ValidArgsFunction: first(completeRuns(e)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return tell(cmd.Context(), e, func(i *operator.Instance) (*operator.Cancelled, error) {
				return i.CancelRun(cmd.Context(), args[0])
			}, func(e *env, r *operator.Cancelled) {
				fmt.Fprintf(e.out, "run %s is given up; what it wrote is kept\n", r.Run)
			})
		},
	}
}
