package commands

import "github.com/spf13/cobra"

func newFault() *cobra.Command {
	cmd := &cobra.Command{Use: "fault", Short: "Script faults of the sandboxes"}
	cmd.AddCommand(newFaultAdd(), newFaultList(), newFaultClear())
	return cmd
}
