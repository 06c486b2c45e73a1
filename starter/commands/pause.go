package commands

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

func newPause(e *env) *cobra.Command {
	var reason string
	cmd := flowArg(e, &cobra.Command{
		Use: "pause {<table> | egress | optout | --all} --reason <why>", Short: "Hold a running flow until it is resumed",
		Long: `Hold a running flow. Records being written are finished; then the flow waits for
"causeway resume", with what it had in hand. The reason is shown by status, for
the next person who wonders.

--all holds every flow that runs. One that refuses does not keep the others from it.

With -o json: the flow's status, as .tables[].status of causeway status; with --all one
document for each.`,
		Example: `  causeway pause contacts --reason "Campaign release until 14:00"
  causeway pause --all --reason "Campaign release until 14:00"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.operate(cmd.Context(), args[0], func(i *operator.Instance) (workflows.Status, error) {
				return i.Pause(cmd.Context(), args[0], reason)
			})
		},
	})
	cmd.Flags().StringVarP(&reason, "reason", "r", "", "`why` the flow is held (required)")
	allFlows{
		none:     "no flow runs, so there is none to hold",
		concerns: func(st *workflows.Status) bool { return st.State == workflows.StateRunning },
		do: func(ctx context.Context, i *operator.Instance, flow string) (workflows.Status, error) {
			return i.Pause(ctx, flow, reason)
		},
	}.flag(e, cmd, "hold every flow that runs")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if strings.TrimSpace(reason) == "" {
			return badInput(`--reason: got nothing, want why the flow is held, such as --reason "Campaign release"`)
		}
		return nil
	}
	return named(cmd)
}
