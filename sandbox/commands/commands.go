// Package commands is the command line of the sandboxes, one command per file.
// The root command runs the services; the others work on services that run,
// through their admin port. The sandbox program calls it, and tests run it in
// process.
package commands

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// Execute runs one command line, without the program name, and returns its exit
// code: 0 done, 1 failed, 2 bad input, 3 an admin port at which nobody answers.
// Results go to stdout, the error to stderr.
func Execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(stderr, "sandbox:", err)
	}
	return exitCode(err)
}

func exitCode(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errInput):
		return 2
	case errors.Is(err, errUnreachable):
		return 3
	}
	return 1
}

var errInput, errUnreachable = errors.New("bad input"), errors.New("unreachable")

// marked gives an error a kind without changing its text.
type marked struct {
	error
	kind error
}

func (m marked) Unwrap() []error { return []error{m.error, m.kind} }

func inputError(format string, args ...any) error {
	return marked{fmt.Errorf(format, args...), errInput}
}

// version is what this program was built as; its build gives it with -ldflags -X.
var version = "(devel)"

func newRoot() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Stand-ins for Dynamics 365 and Adobe Campaign Standard",
		Long: `Runs strict stand-ins for Dynamics 365 (with Entra ID) and Adobe Campaign Standard
(with IMS, the I/O Events journal and the SFTP server), and prints what a
configuration needs. They keep their records and files in --data between runs. The other commands work on sandboxes that run,
through their admin port.`,
		Example: `  sandbox --data sandbox-data --contacts 10000
  sandbox edit contact --set jobtitle=Captain
  sandbox events generate --profiles 1000
  sandbox fault add --service campaign --status 503 --probability 0.05`,
		Version: version,
		Args:    cobra.NoArgs, SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), cmd.OutOrStdout(), o) },
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return inputError("%w", err) })
	o.flags(cmd.Flags())
	cmd.AddCommand(newEdit(), newAdd(), newDelete(), newShow(), newEvents(), newExport(), newWorkflow(), newSFTP(), newWebhook(), newFault(), newClock())
	return cmd
}
