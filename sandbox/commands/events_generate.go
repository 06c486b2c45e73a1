package commands

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"causeway.dev/sandbox/eventlog"
)

func newEventsGenerate() *cobra.Command {
	var a admin
	f := eventlog.DefaultFunnel()
	cmd := &cobra.Command{
		Use: "generate", Short: "Send mailings to the profiles, with all that comes of it; while there is no profile, to the contacts", Args: cobra.NoArgs,
		Example: `  sandbox events generate --profiles 1000
  sandbox events generate --events 50000 --duplicates 0.2 --disorder 0.1`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return generateEvents(cmd.Context(), cmd.OutOrStdout(), &a, f)
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&f.Profiles, "profiles", 0, "profiles to send to; 0 = all")
	flags.IntVar(&f.Deliveries, "deliveries", f.Deliveries, "mailings to each of them")
	flags.IntVar(&f.Events, "events", 0, "stop at so many events, and go on sending until then; 0 = no limit")
	flags.Uint64Var(&f.Seed, "seed", f.Seed, "the same seed makes up the same events")
	flags.DurationVar((*time.Duration)(&f.Ago), "ago", time.Duration(f.Ago), "when the first mailing went out")
	flags.DurationVar((*time.Duration)(&f.Span), "span", 0, "from the first mailing to the last event, 2h or more (default: until a minute ago)")
	flags.DurationVar((*time.Duration)(&f.Late), "late", 0, "so much after the span late bounces come in; 0 = within it")
	for _, share := range []struct {
		name, of string
		into     *float64
	}{
		{"opens", "the messages delivered that are opened", &f.Opens}, {"clicks", "the messages opened that are clicked", &f.Clicks},
		{"hard", "the messages refused at once", &f.Hard}, {"late-hard", "the messages sent that bounce later", &f.LateHard}, {"soft", "the messages that fail for now", &f.Soft},
		{"no-contact", "the messages to profiles without external id", &f.NoContact}, {"unknown", "the messages to profiles with an id no contact has", &f.Unknown},
		{"seed-share", "the messages to seed addresses", &f.SeedShare}, {"proof-share", "the messages that are proofs", &f.ProofShare},
		{"duplicates", "the events the journal publishes twice", &f.Duplicates}, {"disorder", "the events the journal publishes too late", &f.Disorder},
	} {
		flags.Float64Var(share.into, share.name, *share.into, "share of "+share.of+", 0 to 1")
	}
	a.flag(flags)
	return cmd
}

func generateEvents(ctx context.Context, out io.Writer, a *admin, f eventlog.Funnel) error {
	var made struct {
		Events int `json:"events"`
	}
	if err := a.call(ctx, http.MethodPost, eventsPath, f, &made); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%d events\n", made.Events)
	return err
}
