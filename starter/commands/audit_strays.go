package commands

import (
	"context"
	"fmt"
	"strings"

	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

// deleteStrays lists what an audit found that nobody here remembers and that does not
// belong there, asks, and has it deleted.
func deleteStrays(ctx context.Context, e *env, i *operator.Instance, table string, yes bool, answer *auditAnswer) error {
	found, err := i.ListStrays(ctx, table)
	if err != nil {
		return err
	}
	answer.Strays = &found
	if len(found.Gone) == 0 {
		return nil
	}
	e.say("%s in Campaign that are not known here, and are gone from Dynamics or left out by the filter:\n  %s", phrase.Count(int64(len(found.Gone)), "record"), strings.Join(found.Gone, "\n  "))
	if !e.confirmed(ctx, yes, "Delete them in Campaign?") {
		return nil
	}
	if _, err := i.DeleteStrays(ctx, table, found.Gone); err != nil {
		return err
	}
	answer.Deleting = true
	return nil
}

func writeStrays(e *env, table string, r auditAnswer) {
	if r.Strays == nil {
		return
	}
	s := r.Strays
	if s.Left > 0 {
		fmt.Fprintf(e.out, "%s left alone: they belong there by what Dynamics says, or their key is none of ours.\n", phrase.Count(s.Left, "stray"))
	}
	switch {
	case len(s.Gone) == 0:
		fmt.Fprintln(e.out, "No stray is to be deleted.")
	case r.Deleting:
		fmt.Fprintf(e.out, "The flow deletes %s, as far as deletes.stop_ratio lets it; watch it with: causeway status %s\n", phrase.Count(int64(len(s.Gone)), "stray"), table)
	default:
		fmt.Fprintf(e.out, "%s kept.\n", phrase.Count(int64(len(s.Gone)), "stray"))
	}
	if s.More {
		fmt.Fprintf(e.out, "There are more; run causeway audit %s --repair --strays again.\n", table)
	}
}
