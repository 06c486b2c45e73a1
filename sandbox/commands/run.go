package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"causeway.dev/sandbox/campaign"
	"causeway.dev/sandbox/stack"
)

type runOptions struct {
	stack.Options
	settings string // file that gets the settings; "" = none
}

func (o *runOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.Dir, "data", "sandbox-data", "folder for records, secrets and the certificate authority")
	f.StringVar(&o.settings, "settings", "", "also write the settings to this `file`, unless it is there")
	f.StringVar(&o.Host, "host", "127.0.0.1", "address to listen on; 0.0.0.0 for all")
	f.StringVar(&o.Name, "name", "", "host name that clients use, for URLs and the certificate (default: --host)")
	f.StringVar(&o.AdminHost, "admin-host", "127.0.0.1", "address of the admin port, which asks for no credentials")
	f.IntVar(&o.DynamicsPort, "dynamics-port", 8443, "port of Dataverse and Entra ID; 0 = any free one")
	f.IntVar(&o.CampaignPort, "campaign-port", 8444, "port of Campaign and IMS; 0 = any free one")
	f.IntVar(&o.AdminPort, "admin-port", 8445, "port of the admin interface; 0 = any free one")
	f.IntVar(&o.SFTPPort, "sftp-port", 8446, "port of Campaign's SFTP server; 0 = any free one")
	f.BoolVar(&o.NoSFTP, "no-sftp", false, "without an SFTP server, as some instances are")
	f.IntVar(&o.Contacts, "contacts", 10_000, "contacts to make up when --data holds none yet")
	f.StringVar(&o.SeedFile, "seed-file", "", "YAML `file` that declares custom tables and resources, and rows of them")
	f.Uint64Var(&o.Seed, "seed", 1, "the same seed makes up the same contacts")
	f.DurationVar(&o.Latency, "latency", 0, "answer time of Campaign")
	f.DurationVar(&o.DynamicsLatency, "dynamics-latency", 0, "answer time of Dataverse")
	f.Float64Var(&o.CampaignRate, "rate", 0, "requests per second Campaign takes before it answers 429; 0 = any number")
	f.IntVar(&o.CampaignBurst, "burst", 0, "requests Campaign takes at once above --rate (default: a tenth of it)")
	f.IntVar(&o.EngineBudgetPerHour, "engine-budget", 0, "Campaign engine calls per hour before it answers 429; 0 = any number")
	f.StringVar(&o.ErrorBody, "error-body", "text", "form of Campaign's errors: "+strings.Join(campaign.ErrorBodies, ", "))
	f.IntVar(&o.SFTPSessions, "sftp-sessions", 20, "sessions that the SFTP server keeps open at once")
	f.DurationVar(&o.TokenLife, "token-life", 0, "life of access tokens (default: 59m59s at Entra ID, 23h59m59s at IMS)")
	f.DurationVar(&o.SnapshotEvery, "save-every", 10*time.Second, "how often records are saved; 0 = only at the end")
}

func (o *runOptions) check() error {
	switch {
	case o.Contacts < 0:
		return inputError("--contacts: got %d, want 0 or more", o.Contacts)
	case !slices.Contains(campaign.ErrorBodies, o.ErrorBody):
		return inputError("--error-body: got %q, want one of %s", o.ErrorBody, strings.Join(campaign.ErrorBodies, ", "))
	case o.SFTPSessions < 1:
		return inputError("--sftp-sessions: got %d, want 1 or more", o.SFTPSessions)
	case o.CampaignRate < 0:
		return inputError("--rate: got %g, want 0 or more", o.CampaignRate)
	case o.Latency < 0 || o.DynamicsLatency < 0 || o.SnapshotEvery < 0 || o.TokenLife < 0:
		return inputError("durations: want 0 or more")
	}
	return nil
}

// run runs the services until ctx ends, then saves their state.
func run(ctx context.Context, out io.Writer, o runOptions) error {
	if err := o.check(); err != nil {
		return err
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return err
	}
	o.Dir = dir
	s, err := stack.Start(ctx, o.Options)
	if err != nil {
		return err
	}
	text := settings(s)
	fmt.Fprintf(out, `# %d contacts, %d profiles; records are in %s
%s# Admin port: %s
# Try: go run ./sandbox edit contact --set jobtitle=Captain%s
# Ctrl-C saves and stops.
`, s.Dynamics.Count("contacts"), s.Campaign.Count("profile"), o.Dir, text, s.AdminURL, adminHint(s.AdminURL))
	if err := writeSettings(out, o.settings, text); err != nil {
		return errors.Join(err, s.Close(context.WithoutCancel(ctx)))
	}
	<-ctx.Done()
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if err := s.Close(closing); err != nil {
		return err
	}
	fmt.Fprintln(out, "# saved")
	return nil
}

func adminHint(url string) string {
	if url == defaultAdmin {
		return ""
	}
	return " --admin " + url
}
