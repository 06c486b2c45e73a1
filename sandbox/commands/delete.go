package commands

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

func newDelete() *cobra.Command {
	var a admin
	contact := &cobra.Command{
		Use: "contact id", Short: "Delete a contact from Dynamics", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.call(cmd.Context(), http.MethodDelete, contacts+"/"+url.PathEscape(args[0]), nil, nil); err != nil {
				return fmt.Errorf("contact %s: %w", args[0], err)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "contact %s deleted\n", args[0])
			return err
		},
	}
	a.flag(contact.Flags())
	cmd := &cobra.Command{Use: "delete", Short: "Delete a record as somebody at work in Dynamics would"}
	cmd.AddCommand(contact)
	return cmd
}
