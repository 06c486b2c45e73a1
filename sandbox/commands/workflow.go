package commands

import (
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

func newWorkflow() *cobra.Command {
	var a admin
	cmd := &cobra.Command{Use: "workflow", Short: "See and disturb the workflows of Campaign that export files"}
	sub := func(use, short string, run func(cmd *cobra.Command, path string) error) *cobra.Command {
		return &cobra.Command{Use: use + " {optouts|logs}", Short: short, Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
			id, ok := flowIDs[args[0]]
			if !ok {
				return inputError("workflow %s: got %q, want optouts or logs", use, args[0])
			}
			return run(cmd, workflowsPath+url.PathEscape(id))
		}}
	}
	var reason string
	fail := sub("fail", "Make it end with an error; it must then be stopped before it is started", func(cmd *cobra.Command, path string) error {
		return a.call(cmd.Context(), http.MethodPost, path+"/fail", map[string]string{"reason": reason}, nil)
	})
	fail.Flags().StringVar(&reason, "reason", "", "what an operator is shown")
	cmd.AddCommand(fail, sub("show", "Print its state, and when it runs next", func(cmd *cobra.Command, path string) error {
		return printJSON(cmd.Context(), cmd.OutOrStdout(), &a, path)
	}))
	a.flag(cmd.PersistentFlags())
	return cmd
}
