package commands

import (
	"net/http"

	"github.com/spf13/cobra"
)

func newSFTP() *cobra.Command {
	var a admin
	cmd := &cobra.Command{Use: "sftp", Short: "See and disturb Campaign's SFTP server"}
	cmd.AddCommand(&cobra.Command{Use: "show", Short: "Print the use of its space, and what clients did", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return printJSON(cmd.Context(), cmd.OutOrStdout(), &a, "/sftp")
	}})
	cmd.AddCommand(newSFTPLimit(&a), newHostKey(&a), &cobra.Command{
		Use: "drop", Short: "End every session", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.call(cmd.Context(), http.MethodDelete, "/sftp/sessions", nil, nil)
		},
	})
	a.flag(cmd.PersistentFlags())
	return cmd
}
