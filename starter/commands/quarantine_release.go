package commands

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

type releaseOptions struct {
	table     string
	selection selection
	all, wait bool
}

func newQuarantineRelease(e *env) *cobra.Command {
	var o releaseOptions
	cmd := tableArg(e, &cobra.Command{
		Use: "release <table>", Short: "Try records in quarantine again, as Dynamics has them now",
		Long: `Try records in quarantine again. Each is read from Dynamics first, so that its
newest version is tried; one that is gone there is deleted in Campaign by the rules
of the mapping, and its item is closed. What is refused once more stays in
quarantine. The flow must be running or paused.

Name records with --ids, or select them by --run, --code, --field and --older-than,
which must all hold; or say --all.

A release is a run: it shows in causeway status and can be undone with causeway
rollback. After a start with a changed mapping no release is needed: everything an
earlier mapping refused is tried again by itself.

With -o json: {run, workflow_id, queued, records}; with --wait also {result}, as
causeway backfill. Exit code 1 when the release does not complete.`,
		Example: `  causeway quarantine release contacts --code TooLong --field lastName --wait
  causeway quarantine release contacts --ids 6f0c1d2e-0000-4000-8000-000000000001
  causeway quarantine release contacts --all`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.table = args[0]
			return quarantineRelease(cmd.Context(), e, o)
		},
	})
	cmd.Args = oneThenFlags(cmd.Args)
	o.selection.flags(e, cmd)
	cmd.Flags().BoolVar(&o.all, "all", false, "everything in quarantine of the table")
	cmd.Flags().BoolVarP(&o.wait, "wait", "w", false, "follow the release to its end, with progress")
	return cmd
}

// releaseAnswer is what the command prints with -o json.
type releaseAnswer struct {
	workflows.ReleaseAnswer
	Records int64                 `json:"records"`
	Result  *workflows.RunSummary `json:"result,omitempty"`
}

func quarantineRelease(ctx context.Context, e *env, o releaseOptions) error {
	chosen, err := o.chosen(e)
	if err != nil {
		return err
	}
	return e.with(ctx, func(i *operator.Instance) error {
		if err := i.Releasable(o.table); err != nil {
			return err
		}
		var answer releaseAnswer
		if answer.Records, err = i.CountQuarantine(ctx, o.table, chosen); err != nil {
			return err
		}
		if answer.Records == 0 {
			return e.show(answer, func() { fmt.Fprintln(e.out, nothingFits) })
		}
		if answer.ReleaseAnswer, err = i.Release(ctx, o.table, chosen, o.all); err != nil {
			return err
		}
		if !o.wait {
			return e.show(answer, func() {
				fmt.Fprintf(e.out, "%s of %s will be tried again: run %s; follow it with: causeway status %s --watch\n", phrase.Count(answer.Records, "record"), o.table, answer.Run, o.table)
			})
		}
		return e.followRun(ctx, i, o.table, answer.ReleaseAnswer, func(r *workflows.RunSummary) any {
			answer.Result = r
			return answer
		})
	})
}

func (o *releaseOptions) chosen(e *env) (activities.Selection, error) {
	chosen, err := o.selection.read(e)
	switch {
	case err != nil:
		return chosen, err
	case o.all && !chosen.All():
		return chosen, badInput("got both --all and a selection, want one of them")
	case !o.all && chosen.All():
		return chosen, badInput("got no selection, want --ids, --run, --code, --field or --older-than; or --all")
	}
	return chosen, nil
}
