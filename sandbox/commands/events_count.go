package commands

import "github.com/spf13/cobra"

func newEventsCount() *cobra.Command {
	var a admin
	cmd := &cobra.Command{Use: "count", Short: "Print the sizes of the logs and what was read of the journal", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return printJSON(cmd.Context(), cmd.OutOrStdout(), &a, eventsPath)
	}}
	a.flag(cmd.Flags())
	return cmd
}
