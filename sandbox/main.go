// Command sandbox runs strict stand-ins for Dynamics 365 (Dataverse, Entra ID)
// and Adobe Campaign Standard (with IMS), and edits what they hold.
//
//	sandbox --contacts 10000
//	sandbox edit contact --set jobtitle=Captain
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

	"causeway.dev/sandbox/stack"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "sandbox: "+err.Error())
		os.Exit(1)
	}
}

func command() *cobra.Command {
	o := stack.Options{Seed: 1, SnapshotEvery: 5 * time.Second}
	cmd := &cobra.Command{
		Use: "sandbox", Short: "Run strict stand-ins for Dynamics 365 and Adobe Campaign, or edit what they hold",
		Args: cobra.NoArgs, SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.Dir, "data", "sandbox-data", "folder for the CA, the secrets and the state")
	f.StringVar(&o.Host, "host", "127.0.0.1", "address to listen on")
	f.IntVar(&o.Contacts, "contacts", 10_000, "contacts to seed when the folder is empty")
	f.Uint64Var(&o.Seed, "seed", o.Seed, "the same seed gives the same contacts")
	f.DurationVar(&o.Latency, "latency", 0, "answer time of Campaign")
	f.DurationVar(&o.DynamicsLatency, "dynamics-latency", 0, "answer time of Dynamics")
	f.Float64Var(&o.CampaignRate, "campaign-rate", 0, "requests a second Campaign takes before it throttles; 0 = any")
	f.IntVar(&o.DynamicsPort, "dynamics-port", 8443, "port of Dataverse and Entra ID")
	f.IntVar(&o.CampaignPort, "campaign-port", 8444, "port of Campaign and IMS")
	f.IntVar(&o.AdminPort, "admin-port", 8445, "port of the admin API, on loopback")
	cmd.AddCommand(editCommand(), addCommand(), deleteCommand(), showCommand(), faultCommand(), clockCommand())
	return cmd
}

func run(ctx context.Context, o stack.Options) error {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return fmt.Errorf("--data %s: %w", o.Dir, err)
	}
	o.Dir = dir
	s, err := stack.Start(ctx, o)
	if err != nil {
		return err
	}
	fmt.Printf(`Dynamics and Campaign stand-ins are up. In causeway.yaml:

dynamics:
  url: %s
  authority: %s
  tenant: %s
  client_id: %s
  client_secret: file:%s
  instance_discovery: false
  ca_file: %s
campaign:
  url: %s
  ims_url: %s
  client_id: %s
  client_secret: file:%s
  ca_file: %s

Admin API: %s (sandbox edit, add, delete, show, fault, clock). Ctrl-C stops and saves.
`, s.DynamicsURL, s.Authority, s.Tenant, s.DynamicsClientID, s.DynamicsSecretFile, s.CAPath,
		s.CampaignURL, s.IMSURL, s.CampaignClientID, s.CampaignSecretFile, s.CAPath, s.AdminURL)
	<-ctx.Done()
	closing, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return s.Close(closing)
}
