package commands

import (
	"net/http"

	"github.com/spf13/cobra"
)

func newHostKey(a *admin) *cobra.Command {
	var publish bool
	cmd := &cobra.Command{
		Use: "host-key", Short: "Give it another host key, and print its use", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var doc any
			if err := a.call(cmd.Context(), http.MethodPost, "/sftp/host-key", map[string]bool{"publish": publish}, &doc); err != nil {
				return err
			}
			return printDoc(cmd.OutOrStdout(), doc)
		},
	}
	cmd.Flags().BoolVar(&publish, "publish", false, "name the new key in known_hosts")
	return cmd
}
