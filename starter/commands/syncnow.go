package commands

import (
	"github.com/spf13/cobra"

	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

func newSyncNow(e *env) *cobra.Command {
	return named(flowArg(e, &cobra.Command{
		Use: "sync-now <table> | egress | optout", Short: "Look for changes now instead of at the next poll",
		Long: `Make a running flow look for changes at once: a table's in Dynamics, egress in the
journal and on the file server, optout in Dynamics and in Campaign or on the file
server. Flows do so by themselves every few seconds (ingress.poll_every) or minutes
(opt_out.campaign_every), so this is for long intervals.

With -o json: the flow's status, as .tables[].status of causeway status.`,
		Example: "  causeway sync-now contacts",
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.operate(cmd.Context(), args[0], func(i *operator.Instance) (workflows.Status, error) {
				return i.SyncNow(cmd.Context(), args[0])
			})
		},
	}))
}
