package commands

import (
	"github.com/spf13/cobra"

	"causeway.dev/workflows"
)

func newResume(e *env, g *global) *cobra.Command {
	return flowArg(g, &cobra.Command{
		Use: "resume <table> | egress | optout", Short: "Let a paused flow go on",
		Long: `Let a paused flow go on with what it had in hand.

With -o json: the flow's status, as .tables[].status of causeway status.`,
		Example: "  causeway resume contacts",
		RunE: func(cmd *cobra.Command, args []string) error {
			return operate(cmd.Context(), e, g, args[0], workflows.UpdateResume, workflows.ResumeRequest{By: e.by})
		},
	})
}
