// Command sandbox runs stand-ins for Dynamics 365 and Adobe Campaign Standard,
// and edits, inspects and disturbs those that run. Any client of the real
// services can use them, given the host names and the certificate authority.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cmd := newRoot()
	if err := cmd.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		stop()
		os.Exit(exitCode(err))
	}
}

// exitCode is 2 for bad input, 3 for an admin port nobody answers at, else 1.
func exitCode(err error) int {
	switch {
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
		Args: cobra.NoArgs, SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), cmd.OutOrStdout(), o) },
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return inputError("%w", err) })
	o.flags(cmd.Flags())
	cmd.AddCommand(newEdit(), newAdd(), newDelete(), newShow(), newEvents(), newExport(), newWorkflow(), newSFTP(), newFault(), newClock())
	return cmd
}
