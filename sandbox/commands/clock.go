package commands

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"
)

func newClock() *cobra.Command {
	var a admin
	print := func(cmd *cobra.Command, method string, body any) error {
		var clock struct{ Now, Offset string }
		if err := a.call(cmd.Context(), method, "/clock", body, &clock); err != nil {
			return err
		}
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s (%s from real time)\n", clock.Now, clock.Offset)
		return err
	}
	cmd := &cobra.Command{Use: "clock", Short: "Print the sandboxes' time", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return print(cmd, http.MethodGet, nil)
	}}
	cmd.AddCommand(&cobra.Command{
		Use: "advance duration", Short: "Move the sandboxes' time, so that tokens and links expire", Args: cobra.ExactArgs(1),
		Example: "  sandbox clock advance 48h",
		RunE: func(cmd *cobra.Command, args []string) error {
			return print(cmd, http.MethodPost, map[string]string{"advance": args[0]})
		},
	})
	a.flag(cmd.PersistentFlags())
	return cmd
}
