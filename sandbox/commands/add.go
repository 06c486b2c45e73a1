package commands

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"
)

func newAdd() *cobra.Command {
	var a admin
	var set []string
	contact := &cobra.Command{
		Use: "contact", Short: "Add a contact to Dynamics", Args: cobra.NoArgs,
		Example: `  sandbox add contact --set firstname=Ann --set lastname=Lee --set emailaddress1=ann@example.test`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return addContact(cmd.Context(), cmd.OutOrStdout(), &a, set)
		},
	}
	contact.Flags().StringArrayVar(&set, "set", []string{"firstname=Ann", "lastname=Lee", "emailaddress1=ann.lee@example.test"}, "column=value (repeatable)")
	a.flag(contact.Flags())
	cmd := &cobra.Command{Use: "add", Short: "Add a record as somebody at work in Dynamics would"}
	cmd.AddCommand(contact)
	return cmd
}

func addContact(ctx context.Context, out io.Writer, a *admin, set []string) error {
	values, err := parseSet(set)
	if err != nil {
		return err
	}
	var added struct {
		ID string `json:"id"`
	}
	if err := a.call(ctx, http.MethodPost, contacts, values, &added); err != nil {
		return err
	}
	fmt.Fprintf(out, "contact %s added\n", added.ID)
	return nil
}
