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

type rollbackOptions struct {
	run       string
	wait, yes bool
}

func newRollback(e *env, g *global) *cobra.Command {
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

Runs can be undone for ledger.keep_before_images after their end, and once; what a
rollback left alone may be tried by another. A rollback cannot be undone. It costs
two engine calls per record.

With -o json: {run, table, kind, state, ended, created, existed, since, bytes}; with
--wait also {result}, as causeway backfill. Exit code 1 when the rollback does not
complete.`,
		Example: "  causeway rollback contacts-20260102T030405.000Z\n  causeway rollback contacts-20260102T030405.000Z --yes --wait",
		Args:    exactly("the run that causeway status names", 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.run = args[0]
			return rollback(cmd.Context(), e, g, o)
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

func rollback(ctx context.Context, e *env, g *global, o rollbackOptions) error {
	cfg, err := g.load()
	if err != nil {
		return err
	}
	table := tableOf(cfg, o.run)
	if table == "" {
		return badInput("run: got %q, want a run of a table in %s, such as contacts-20260102T030405.000Z; causeway status names the last", o.run, g.configPath)
	}
	f, err := e.openFlow(ctx, g, table)
	if err != nil {
		return err
	}
	defer f.close()
	var answer rollbackAnswer
	if err := ask(ctx, e, g, f.api, g.timeout, activities.MayRollback, activities.MayRollbackInput{Run: o.run}, &answer.MayRollbackResult); err != nil {
		return err
	}
	if by := answer.UndoneBy; by != "" {
		return badInput("run %s is undone already, by %s; nothing of it is left to undo", o.run, by)
	}
	if err := f.confirmRollback(ctx, o, answer.MayRollbackResult); err != nil {
		return err
	}
	var st workflows.Status
	if err := f.update(ctx, workflows.UpdateRequestRollback, workflows.RollbackRequest{Run: o.run, By: e.by}, &st); err != nil {
		return err
	}
	if !o.wait {
		if g.json() {
			return writeJSON(e.out, answer)
		}
		fmt.Fprintf(e.out, "%s: run %s is being undone; causeway status %s shows how far it is\n", table, o.run, table)
		return nil
	}
	return f.undone(ctx, o.run, answer)
}

// confirmRollback says what a rollback touches, and asks.
func (f *flow) confirmRollback(ctx context.Context, o rollbackOptions, may activities.MayRollbackResult) error {
	f.env.say("Run %s (%s, %s) created %s and changed or deleted %s; %s of them written since, and left alone.\nIts before-images take %s.",
		may.Run, may.Kind, may.State, phrase.Count(may.Created, "record"), humanize.Comma(may.Existed), humanize.Comma(may.Since), humanize.Bytes(uint64(max(may.Bytes, 0)))) //nolint:gosec // not negative
	if o.yes {
		return nil
	}
	if !f.env.inTerminal || !f.env.errTerminal {
		return badInput("this deletes and restores records in Campaign; say --yes")
	}
	fmt.Fprint(f.env.err, "Undo it? [y/N] ")
	if answer := f.env.readLine(ctx); !slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(answer))) {
		return failed("nothing was done")
	}
	return nil
}

// undone follows a rollback to its end.
func (f *flow) undone(ctx context.Context, run string, answer rollbackAnswer) error {
	mine := func(st workflows.Status) bool {
		return st.LastRun != nil && strings.HasPrefix(st.LastRun.Run, activities.RollbackPrefix(run))
	}
	st, err := f.follow(ctx, func(st workflows.Status) bool {
		return !slices.Contains(st.Queued(workflows.RequestRollback), run) && st.RunKind != activities.KindRollback
	})
	switch {
	case err != nil:
		return err
	case !mine(st):
		return failed("run %s was not rolled back: %s", run, st.LastError)
	}
	answer.Result = st.LastRun
	if f.g.json() {
		if err := writeJSON(f.env.out, answer); err != nil {
			return err
		}
	} else {
		c := st.LastRun.Counts
		fmt.Fprintf(f.env.out, "%s: run %s is undone: %s deleted, %s restored, %s brought back, %s left alone\n", f.table, run,
			humanize.Comma(c.Deleted), humanize.Comma(c.Updated+c.Unchanged), humanize.Comma(c.Created), humanize.Comma(c.Quarantined))
		if c.Quarantined > 0 {
			fmt.Fprintf(f.env.out, "Why: causeway quarantine list --run %s\n", st.LastRun.Run)
		}
	}
	if st.LastRun.State != "COMPLETED" {
		return failed("the rollback is %s: %s", st.LastRun.State, st.LastRun.Reason)
	}
	return nil
}
