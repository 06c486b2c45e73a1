package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"causeway.dev/sandbox/exports"
)

const workflowsPath = "/campaign/workflows/"

// flowIDs are the workflows by the names of what they export.
var flowIDs = map[string]string{"optouts": exports.OptOuts, "logs": exports.Logs}

func newExport() *cobra.Command {
	var a admin
	var twists []string
	known := make([]string, 0, len(exports.Twists()))
	for _, t := range exports.Twists() {
		known = append(known, string(t))
	}
	cmd := &cobra.Command{
		Use: "export {optouts|logs}", Short: "Run a workflow of Campaign that writes files to the SFTP server, now", Args: cobra.ExactArgs(1),
		Example: `  sandbox export optouts
  sandbox export logs --twist gzip --twist labels
  sandbox export optouts --twist half_written && sandbox export complete`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return export(cmd.Context(), cmd.OutOrStdout(), &a, args[0], twists)
		},
	}
	cmd.Flags().StringArrayVar(&twists, "twist", nil, "how the files depart from the plain contract (repeatable): "+strings.Join(known, ", "))
	a.flag(cmd.PersistentFlags())
	cmd.AddCommand(&cobra.Command{
		Use: "complete", Short: "Transfer the rest of the files that are half there", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return printFiles(cmd.Context(), cmd.OutOrStdout(), &a, workflowsPath+"complete", nil, "no file is half there")
		},
	})
	return cmd
}

func export(ctx context.Context, out io.Writer, a *admin, what string, twists []string) error {
	id, ok := flowIDs[what]
	if !ok {
		return inputError("export: got %q, want optouts or logs", what)
	}
	return printFiles(ctx, out, a, workflowsPath+id+"/run", map[string][]string{"twists": twists}, "nothing changed since the last run, so there is no file")
}

func printFiles(ctx context.Context, out io.Writer, a *admin, path string, body any, none string) error {
	var done exports.Result
	if err := a.call(ctx, http.MethodPost, path, body, &done); err != nil {
		return err
	}
	for _, name := range done.Files {
		fmt.Fprintln(out, name)
	}
	if len(done.Files) == 0 {
		fmt.Fprintln(out, none)
	}
	return nil
}

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
