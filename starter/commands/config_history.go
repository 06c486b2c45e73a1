package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

func newConfigHistory(e *env) *cobra.Command {
	var in activities.ListSavesInput
	cmd := &cobra.Command{
		Use: "history", Short: "Show who saved which change of the configuration",
		Long: `Show the changes of the configuration that were saved through Causeway: when, by
whom, which files, and what differs in words; the newest first. Edits that were made
with a text editor are not among them. They are kept for retention.config_saves.

With -o json: {saves: [{id, at, by, verified, reason, paths, differences: [{path,
kind, before, after, sentence}]}]}.`,
		Example: "  causeway config history\n  causeway config history --limit 5 -o json",
		Args:    exactly("none", 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if in.Limit < 1 || in.Limit > 1000 {
				return badInput("--limit: got %d, want 1 to 1000", in.Limit)
			}
			return tell(cmd.Context(), e, func(i *operator.Instance) (activities.ListSavesResult, error) {
				r, err := i.Saves(cmd.Context(), in)
				r.Saves = newestFirst(r.Saves)
				return r, err
			}, writeSaves)
		},
	}
	cmd.Flags().IntVar(&in.Limit, "limit", 20, "show the newest `N`, 1 to 1000")
	return named(cmd)
}

func writeSaves(e *env, r activities.ListSavesResult) {
	if len(r.Saves) == 0 {
		fmt.Fprintln(e.out, "No change was saved through Causeway yet.")
		return
	}
	for _, s := range r.Saves {
		by := cmp.Or(phrase.OneLine(s.By), "somebody")
		if !s.Verified {
			by += " (not signed in)"
		}
		fmt.Fprintf(e.out, "%s  %s  %s, in %s\n", s.ID, phrase.Clock(e.now(), s.At), by, strings.Join(s.Paths, ", "))
		if s.Reason != "" {
			fmt.Fprintln(e.out, "  Why: "+phrase.OneLine(s.Reason))
		}
		for _, d := range s.Differences {
			fmt.Fprintln(e.out, "  "+d.Sentence)
		}
	}
}

type restoreOptions struct {
	undo, yes bool
	reason    string
}

func newConfigRestore(e *env) *cobra.Command {
	var o restoreOptions
	cmd := &cobra.Command{
		Use: "restore <id>", Short: "Put the files of a saved change back to what they were",
		Long: `Put the files that a saved change was about back to what they held after it; with
--undo, to what they held before it. Other files stay as they are. What differs is
said first. The result is checked like any other edit, and is a saved change of its
own. It runs after stop and start.

With -o json: {id, files, differences: [{path, kind, before, after, sentence}],
warning}; id is that of the new change, and is left out when nothing differs.`,
		Example:           "  causeway config restore 20260302T120000Z-3f2a\n  causeway config restore 20260302T120000Z-3f2a --undo --yes --reason \"wrong column\"",
		Args:              exactly("the id of a saved change", 1),
		ValidArgsFunction: first(completeSaves(e)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.with(cmd.Context(), func(i *operator.Instance) error {
				return configRestore(cmd.Context(), e, i, args[0], o)
			})
		},
	}
	cmd.Flags().BoolVar(&o.undo, "undo", false, "to what they held before the change")
	cmd.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	cmd.Flags().StringVar(&o.reason, "reason", "", "`why`, for the history")
	return cmd
}

func configRestore(ctx context.Context, e *env, i *operator.Instance, id string, o restoreOptions) error {
	d, save, err := i.RestoreDraft(ctx, id, o.undo)
	if err != nil {
		return err
	}
	differences, err := d.Differences()
	if err != nil {
		return restoreFailed(err)
	}
	if len(d.Changes()) > 0 {
		e.say("this changes %s:", strings.Join(save.Paths, ", "))
		for _, one := range differences {
			e.say("  %s", one.Sentence)
		}
		if err := e.confirm(ctx, o.yes, "", "Save it?", "this changes files of the configuration; say --yes"); err != nil {
			return err
		}
	}
	why := "restores " + id
	if o.undo {
		why = "undoes " + id
	}
	result, err := i.SaveConfig(ctx, d, strings.TrimSuffix(why+": "+o.reason, ": "))
	if err != nil {
		return restoreFailed(err)
	}
	if result.Warning != "" {
		e.say("warning: %s", result.Warning)
	}
	return e.show(result, func() {
		if result.ID == "" {
			fmt.Fprintln(e.out, "The files hold that already; nothing was saved.")
			return
		}
		fmt.Fprintf(e.out, "Saved as %s: %s\n", result.ID, strings.Join(result.Files, ", "))
	})
}

// restoreFailed says what keeps the files from being saved; nothing was.
func restoreFailed(err error) error {
	if problems, ok := errors.AsType[*config.Problems](err); ok {
		return badInput("the configuration would have problems, so nothing was saved:\n%s", problems.Error())
	}
	return failed("%v", err)
}
