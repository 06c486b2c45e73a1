package commands

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

type discardOptions struct {
	releaseOptions
	reason string
	yes    bool
}

func newQuarantineDiscard(e *env, g *global) *cobra.Command {
	var o discardOptions
	cmd := flowArg(g, &cobra.Command{
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
			return quarantineDiscard(cmd.Context(), e, g, o)
		},
	})
	cmd.Args = oneThenFlags(cmd.Args)
	o.selection.flags(cmd)
	cmd.Flags().BoolVar(&o.all, "all", false, "everything in quarantine of the table")
	cmd.Flags().StringVar(&o.reason, "reason", "", "why, for the next person who wonders: a `text` without personal data, as it is kept")
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	return cmd
}

func quarantineDiscard(ctx context.Context, e *env, g *global, o discardOptions) error {
	if strings.TrimSpace(o.reason) == "" {
		return badInput("--reason: got nothing, want why the records are given up")
	}
	chosen, err := o.chosen(e)
	if err != nil {
		return err
	}
	f, err := e.openFlow(ctx, g, o.table)
	if err != nil {
		return err
	}
	defer f.close()
	n, err := f.selected(ctx, chosen)
	if err != nil {
		return err
	}
	var result activities.DiscardResult
	if n > 0 {
		if err := f.confirmDiscard(ctx, o, n); err != nil {
			return err
		}
		in := activities.DiscardInput{Table: o.table, Selection: chosen, Discard: activities.Discard{By: e.by, Reason: o.reason, At: e.now().UTC()}}
		if err := ask(ctx, e, g, f.api, g.timeout, activities.DiscardQuarantined, in, &result); err != nil {
			return err
		}
		if !apart(o.table) { // a flow that waits counts anew; one that does not will
			_ = f.update(ctx, workflows.UpdateSyncNow, workflows.SyncNowRequest{By: e.by}, &workflows.Status{})
		}
	}
	switch {
	case g.json():
		return writeJSON(e.out, result)
	case n == 0:
		fmt.Fprintln(e.out, nothingFits)
	default:
		fmt.Fprintf(e.out, "%s of %s discarded\n", phrase.Count(result.Discarded, "record"), o.table)
	}
	return nil
}

func (f *flow) confirmDiscard(ctx context.Context, o discardOptions, n int64) error {
	if o.yes {
		return nil
	}
	if !f.env.inTerminal || !f.env.errTerminal {
		return badInput("this gives up %s of %s; say --yes", phrase.Count(n, "record"), f.table)
	}
	f.env.say("This gives up %s of %s: they are not tried again until they change in Dynamics.", humanize.Comma(n)+" in quarantine", f.table)
	fmt.Fprint(f.env.err, "Discard them? [y/N] ")
	if answer := f.env.readLine(ctx); !slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(answer))) {
		return failed("nothing was done")
	}
	return nil
}
