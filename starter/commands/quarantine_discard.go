package commands

import (
	"context"
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

type discardOptions struct {
	releaseOptions
	reason string
	yes    bool
}

func newQuarantineDiscard(e *env) *cobra.Command {
	var o discardOptions
	cmd := flowArg(e, &cobra.Command{
		Use: "discard <table>", Short: "Give up records in quarantine, with a reason",
		Long: `Close records in quarantine that nobody wants tried again. Who did so, when and why
is kept: causeway quarantine list --state discarded, and causeway log. What Campaign
holds of them stays as it is. A later change of such a record in Dynamics is tried as
any other.

Name records with --ids, or select them by --run, --code, --field and --older-than,
which must all hold; or say --all. It says how many they are and asks first unless
--yes is given. The flow need not run. Refused events are those of "egress".

With -o json: {discarded}.`,
		Example: `  causeway quarantine discard contacts --ids 6f0c1d2e-0000-4000-8000-000000000001 --reason "a test record"
  causeway quarantine discard contacts --code TooLong --older-than 720h --reason "left the company" --yes`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.table = args[0]
			return quarantineDiscard(cmd.Context(), e, o)
		},
	})
	cmd.Args = oneThenFlags(cmd.Args)
	o.selection.flags(e, cmd)
	cmd.Flags().BoolVar(&o.all, "all", false, "everything in quarantine of the table")
	cmd.Flags().StringVar(&o.reason, "reason", "", "why, for the next person who wonders: a `text` without personal data, as it is kept")
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	return cmd
}

func quarantineDiscard(ctx context.Context, e *env, o discardOptions) error {
	if strings.TrimSpace(o.reason) == "" {
		return badInput("--reason: got nothing, want why the records are given up")
	}
	chosen, err := o.chosen(e)
	if err != nil {
		return err
	}
	return e.with(ctx, func(i *operator.Instance) error {
		n, err := i.CountQuarantine(ctx, o.table, chosen)
		if err != nil {
			return err
		}
		if n == 0 {
			return e.show(activities.DiscardResult{}, func() { fmt.Fprintln(e.out, nothingFits) })
		}
		err = e.confirm(ctx, o.yes, fmt.Sprintf("This gives up %s in quarantine of %s: they are not tried again until they change in Dynamics.", humanize.Comma(n), o.table),
			"Discard them?", fmt.Sprintf("this gives up %s of %s; say --yes", phrase.Count(n, "record"), o.table))
		if err != nil {
			return err
		}
		result, err := i.Discard(ctx, o.table, chosen, o.reason)
		if err != nil {
			return err
		}
		return e.show(result, func() { fmt.Fprintf(e.out, "%s of %s discarded\n", phrase.Count(result.Discarded, "record"), o.table) })
	})
}
