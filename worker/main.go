// Command worker runs the workflows and activities of one Causeway instance. It
// is the only program that talks to Dynamics, Campaign and the ledger.
//
//	worker --config causeway.yaml
//
// It drains on SIGTERM and SIGINT: activities finish the writes that are in flight and
// commit them.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"causeway.dev/config"
	"causeway.dev/internal/buildinfo"
	"causeway.dev/internal/readable"
	"causeway.dev/internal/telemetry"
	"causeway.dev/worker/host"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(readable.Screen(os.Stderr), "worker: "+err.Error())
		os.Exit(1)
	}
}

func command() *cobra.Command {
	path := os.Getenv("CAUSEWAY_CONFIG")
	if path == "" {
		path = "causeway.yaml"
	}
	cmd := &cobra.Command{
		Use: "worker", Short: "Run the workflows and activities of one Causeway instance",
		Version: buildinfo.Current().String(),
		Args:    cobra.NoArgs, SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), path) },
	}
	cmd.Flags().StringVarP(&path, "config", "c", path, "configuration file (CAUSEWAY_CONFIG)")
	return cmd
}

func run(ctx context.Context, path string) error {
	cfg, err := config.Load(path)
	if err != nil {
		return err
	}
	logger, err := telemetry.NewLogger(os.Stderr, cfg.Telemetry.LogLevel, cfg.Telemetry.LogFormat)
	if err != nil {
		return err
	}
	logger.Info("worker begins", "version", buildinfo.Current().String(), "config", path)
	for _, warning := range cfg.Warnings() {
		logger.Warn("configuration", "warning", warning)
	}
	h, err := host.New(ctx, host.Options{Config: cfg, Logger: logger})
	if err != nil {
		return err
	}
	return h.Run(ctx)
}
