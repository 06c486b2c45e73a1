// Command temporal runs a Temporal server with its Web UI on a SQLite file, and nothing
// else: for trying the other programs by themselves. It is not a server for production.
//
//	go run -C devstack ./temporal --data ../temporal-data
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"causeway.dev/devstack/temporalserver"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "temporal: "+err.Error())
		os.Exit(1)
	}
}

func command() *cobra.Command {
	// causeway setup prepares the namespace, or another.
	o := temporalserver.Options{Namespace: "default", Retention: 30 * 24 * time.Hour}
	cmd := &cobra.Command{
		Use: "temporal", Short: "Run a Temporal server for trying things", Args: cobra.NoArgs, SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := temporalserver.Start(cmd.Context(), o)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "Temporal %s, Web UI %s; Ctrl-C stops it\n", s.Address(), s.UIURL())
			<-cmd.Context().Done()
			s.Stop()
			return nil
		},
	}
	cmd.Flags().StringVar(&o.Dir, "data", "../temporal-data", "folder of its database")
	cmd.Flags().IntVar(&o.FrontendPort, "port", 7233, "port of the server")
	cmd.Flags().IntVar(&o.UIPort, "ui-port", 8233, "port of the Web UI; -1 for none")
	return cmd
}
