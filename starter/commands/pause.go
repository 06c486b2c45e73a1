package commands

import (
	"strings"

	"github.com/spf13/cobra"

	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

func newPause(e *env) *cobra.Command {
	var reason string
	cmd := flowArg(e, &cobra.Command{
		Use: "pause <table> | egress | optout --reason <why>", Short: "Hold a running flow until it is resumed",
		Long: `Hold a running flow. Records being written are finished; then the flow waits for
"causeway resume", with what it had in hand. The reason is shown by status, for
the next person who wonders.

With -o json: the flow's status, as .tables[].status of causeway status.`,
		Example: `  causeway pause contacts --reason "Campaign release until 14:00"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(reason) == "" {
				return badInput(`--reason: got nothing, want why the flow is held, such as --reason "Campaign release"`)
			}
			return e.operate(cmd.Context(), args[0], func(i *operator.Instance) (workflows.Status, error) {
				return i.Pause(cmd.Context(), args[0], reason)
			})
		},
	})
	cmd.Flags().StringVarP(&reason, "reason", "r", "", "`why` the flow is held (required)")
	return cmd
}
