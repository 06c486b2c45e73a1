// Command devstack runs all of Causeway in one process, with nothing to install or
// configure: an embedded Temporal server with its Web UI, the Dataverse and Campaign
// sandboxes with seeded contacts, the ledger, and a worker. It is for people who want
// to see or try Causeway.
//
// It starts the flow of contacts and shows its progress, then the flows of opt-outs and
// of e-mail events. It runs until Ctrl-C. Started again on the same folder, it goes on
// where it was.
//
//	go run -C devstack .
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "devstack: "+err.Error())
		os.Exit(1)
	}
}

func command() *cobra.Command {
	o := options{out: os.Stdout}
	cmd := &cobra.Command{
		Use: "devstack", Short: "Run all of Causeway in one process and load the seeded contacts",
		Args: cobra.NoArgs, SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := filepath.Abs(o.data)
			if err != nil {
				return fmt.Errorf("--data %s: %w", o.data, err)
			}
			o.data = dir
			return run(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.contacts, "contacts", 10_000, "contacts to seed into an empty Dynamics sandbox")
	f.StringVar(&o.data, "data", "../causeway-data", "folder for all state; delete it to start afresh")
	f.DurationVar(&o.latency, "latency", 0, "answer time of the Campaign sandbox, such as 20ms")
	f.IntVar(&o.concurrency, "concurrency", 64, "requests in flight to Campaign, 1 to 256")
	f.IntVar(&o.temporalPort, "temporal-port", 7233, "port of the Temporal server")
	f.IntVar(&o.uiPort, "ui-port", 8233, "port of the Temporal Web UI")
	f.IntVar(&o.consolePort, "console-port", 8280, "port of the web console")
	f.IntVar(&o.dynamicsPort, "dynamics-port", 8443, "port of the Dynamics sandbox")
	f.IntVar(&o.campaignPort, "campaign-port", 8444, "port of the Campaign sandbox")
	f.IntVar(&o.adminPort, "admin-port", 8445, "port of the sandboxes' admin API")
	f.IntVar(&o.metricsPort, "metrics-port", 9464, "port of the worker's metrics and health")
	f.BoolVar(&o.encrypt, "encrypt", false, "seal what goes into Temporal, with a key in the data folder, and open it for the Web UI; a folder that was begun so stays so")
	f.IntVar(&o.codecPort, "codec-port", 8234, "port of what opens sealed payloads for the Web UI, with --encrypt")
	f.BoolVar(&o.access, "access", false, "ask people who they are: they sign in at the Entra sandbox, and start the flows themselves")
	f.BoolVar(&o.exitWhenLoaded, "exit-when-loaded", false, "end after the initial load instead of staying up")
	cmd.MarkFlagsMutuallyExclusive("access", "exit-when-loaded") // nothing is loaded until somebody starts it
	return cmd
}

// options of the devstack. Ports are fixed, so that the addresses it prints stay the
// same.
type options struct {
	contacts, concurrency                                                    int
	data                                                                     string
	latency                                                                  time.Duration
	temporalPort, uiPort, dynamicsPort, campaignPort, adminPort, metricsPort int
	codecPort, consolePort                                                   int
	exitWhenLoaded, encrypt, access                                          bool
	out                                                                      *os.File
}
