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
	cmd.PersistentFlags().StringVarP(&path, "config", "c", path, "configuration file (CAUSEWAY_CONFIG)")
	cmd.AddCommand(migrateCommand(&path))
	return cmd
}

// migrateCommand brings the ledger to a schema, and ends. A worker does so by itself when it
// begins; this is for a large ledger, ahead of an upgrade.
func migrateCommand(path *string) *cobra.Command {
	var to int64
	cmd := &cobra.Command{
		Use: "migrate", Short: "Bring the ledger to this program's schema, and end",
		Long: `Bring the ledger to the schema of this program, or to an older one, and end. A
worker does so by itself when it begins. Ahead of an upgrade it takes the time that
a large ledger needs, while workers of the release before go on. With SQLite it
waits until no worker has the file.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load(*path)
			if err != nil {
				return err
			}
			logger, err := telemetry.NewLogger(os.Stderr, cfg.Telemetry.LogLevel, cfg.Telemetry.LogFormat)
			if err != nil {
				return err
			}
			schema, err := host.Migrate(cmd.Context(), cfg, to, logger)
			if err != nil {
				return err
			}
			fmt.Fprintf(readable.Screen(cmd.OutOrStdout()), "the ledger has schema %d\n", schema)
			return nil
		},
	}
	cmd.Flags().Int64Var(&to, "to", 0, "the `schema` to bring it to, at most; 0 is the newest that this program knows")
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
