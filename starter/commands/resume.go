package commands

import (
	"github.com/spf13/cobra"

	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

func newResume(e *env) *cobra.Command {
	return flowArg(e, &cobra.Command{
		Use: "resume <table> | egress | optout", Short: "Let a paused flow go on",
		Long: `Let a paused flow go on with what it had in hand.

With -o json: the flow's status, as .tables[].status of causeway status.`,
		Example: "  causeway resume contacts",
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.operate(cmd.Context(), args[0], func(i *operator.Instance) (workflows.Status, error) {
				return i.Resume(cmd.Context(), args[0])
			})
		},
	})
}
