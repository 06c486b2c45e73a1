package commands

import (
	"context"

	"github.com/spf13/cobra"

	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

func newResume(e *env) *cobra.Command {
	cmd := flowArg(e, &cobra.Command{
		Use: "resume {<table> | egress | optout | --all}", Short: "Let a paused flow go on",
		Long: `Let a paused flow go on with what it had in hand.

--all lets every paused flow go on, parents first. One that refuses does not keep the
others from it.

With -o json: the flow's status, as .tables[].status of causeway status; with --all one
document for each.`,
		Example: "  causeway resume contacts\n  causeway resume --all",
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.operate(cmd.Context(), args[0], func(i *operator.Instance) (workflows.Status, error) {
				return i.Resume(cmd.Context(), args[0])
			})
		},
	})
	allFlows{
		none:     "no flow is paused",
		concerns: func(st *workflows.Status) bool { return st.State == workflows.StatePaused },
		do: func(ctx context.Context, i *operator.Instance, flow string) (workflows.Status, error) {
			return i.Resume(ctx, flow)
		},
	}.flag(e, cmd, "let every paused flow go on")
	return named(cmd)
}
