package commands

import (
	"net/url"

	"github.com/spf13/cobra"
)

func newShow() *cobra.Command {
	cmd := &cobra.Command{Use: "show", Short: "Print what a sandbox holds"}
	for _, c := range []struct{ use, short, path string }{
		{"profile key", "Print a profile of Campaign; the key is the contact's id", "/campaign/resources/profile/"},
		{"contact id", "Print a contact of Dynamics", contacts + "/"},
	} {
		var a admin
		sub := &cobra.Command{Use: c.use, Short: c.short, Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
			return printJSON(cmd.Context(), cmd.OutOrStdout(), &a, c.path+url.PathEscape(args[0]))
		}}
		a.flag(sub.Flags())
		cmd.AddCommand(sub)
	}
	var a admin
	meter := &cobra.Command{Use: "meter", Short: "Print Campaign's engine calls by kind", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return printJSON(cmd.Context(), cmd.OutOrStdout(), &a, "/campaign/meter")
	}}
	a.flag(meter.Flags())
	cmd.AddCommand(meter)
	return cmd
}
