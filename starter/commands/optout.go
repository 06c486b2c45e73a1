package commands

import (
	"github.com/spf13/cobra"
)

func newOptOut(e *env) *cobra.Command {
	cmd := group(&cobra.Command{
		Use: "optout", Short: "See what was decided about opt-outs, and whether both systems agree",
		Long: `Commands about the flow of opt-outs, which keeps "no longer contact by …" in step. The
flow itself is operated like any other: causeway start optout, status optout, and so on.`,
	})
	cmd.AddCommand(newOptOutHistory(e), newOptOutExport(e), newOptOutCheck(e), newOptOutCheckSource(e))
	return cmd
}
