package commands

import (
	"context"
	"fmt"
	"io"
	"net/http"
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
