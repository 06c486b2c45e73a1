package commands

import (
	"context"
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

type rollbackOptions struct {
	run       string
	wait, yes bool
}

func newRollback(e *env) *cobra.Command {
	var o rollbackOptions
	cmd := &cobra.Command{
		Use: "rollback <run>", Short: "Undo what a run has written to Campaign",
		Long: `Undo a run: an initial load, a backfill or a pass of changes. What it created is
deleted, what it changed is restored field by field, what it deleted comes back
with its key. A record that was written since, by a later run or by somebody in
Campaign, is left alone and reported: causeway quarantine list --run <rollback run>.

It says what it will touch and asks first unless --yes is given. The flow may be
stopped; stop it first when its mapping is wrong, for a running flow goes on with
the next change. A run that is at work is cancelled and then undone. Nothing is
undone in Dynamics, and the records are not written again until they change there,
or by causeway backfill.

Runs can be undone for retention.before_images after their end, and once; what a
rollback left alone may be tried by another. A rollback cannot be undone. It costs
two engine calls per record.

With -o json: {run, table, kind, state, ended, created, existed, since, bytes}; with
--wait also {result}, as causeway backfill. Exit code 1 when the rollback does not
complete.`,
		Example:           "  causeway rollback contacts-20260102T030405.000Z\n  causeway rollback contacts-20260102T030405.000Z --yes --wait",
		Args:              exactly("the run that causeway status names", 1),
		ValidArgsFunction: first(completeRuns(e)),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.run = args[0]
			return rollback(cmd.Context(), e, o)
		},
	}
	cmd.Flags().BoolVarP(&o.wait, "wait", "w", false, "follow the rollback to its end, with progress")
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	return cmd
}

// rollbackAnswer is what the command prints with -o json.
type rollbackAnswer struct {
	activities.MayRollbackResult
	Result *workflows.RunSummary `json:"result,omitempty"`
}

func rollback(ctx context.Context, e *env, o rollbackOptions) error {
	return e.with(ctx, func(i *operator.Instance) error {
		may, err := i.MayRollback(ctx, o.run)
		if err != nil {
			return err
		}
		e.say("Run %s (%s, %s) created %s and changed or deleted %s; %s of them written since, and left alone.\nIts before-images take %s.",
			may.Run, may.Kind, may.State, phrase.Count(may.Created, "record"), humanize.Comma(may.Existed), humanize.Comma(may.Since), size(may.Bytes))
		if err := e.confirm(ctx, o.yes, "", "Undo it?", "this deletes and restores records in Campaign; say --yes"); err != nil {
			return err
		}
		if _, err := i.Rollback(ctx, o.run); err != nil {
			return err
		}
		answer, table := rollbackAnswer{MayRollbackResult: may}, i.TableOf(o.run)
		if !o.wait {
			return e.show(answer, func() {
				fmt.Fprintf(e.out, "%s: run %s is being undone; causeway status %s shows how far it is\n", table, o.run, table)
			})
		}
		bar := e.bar()
		answer.Result, err = i.FollowRollback(ctx, o.run, bar)
		bar.end()
		if err != nil {
			return err
		}
		return e.undone(table, answer)
	})
}

// undone says how a rollback ended.
func (e *env) undone(table string, answer rollbackAnswer) error {
	r, c := answer.Result, answer.Result.Counts
	err := e.show(answer, func() {
		fmt.Fprintf(e.out, "%s: run %s is undone: %s deleted, %s restored, %s brought back, %s left alone\n", table, answer.Run,
			humanize.Comma(c.Deleted), humanize.Comma(c.Updated+c.Unchanged), humanize.Comma(c.Created), humanize.Comma(c.Quarantined))
		if c.Quarantined > 0 {
			fmt.Fprintf(e.out, "Why: causeway quarantine list --run %s\n", r.Run)
		}
	})
	if err == nil && r.State != "COMPLETED" {
		return failed("the rollback is %s: %s", r.State, r.Reason)
	}
	return err
}
