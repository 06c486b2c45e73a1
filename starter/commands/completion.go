package commands

import (
	"cmp"
	"context"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

const (
	completeWithin = 3 * time.Second // whoever presses Tab waits for it
	completedRuns  = 50
)

// asked completes with what an instance knows. Whoever presses Tab is told nothing of what
// went wrong: the shell has no place for it.
func asked(e *env, ask func(context.Context, *operator.Instance) []cobra.Completion) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) (out []cobra.Completion, _ cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmdContext(cmd), completeWithin)
		defer cancel()
		quiet := *e
		quiet.err, quiet.timeout = io.Discard, completeWithin
		_ = quiet.with(ctx, func(i *operator.Instance) error {
			out = ask(ctx, i)
			return nil
		})
		return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

func cmdContext(cmd *cobra.Command) context.Context {
	if ctx := cmd.Context(); ctx != nil {
		return ctx
	}
	return context.Background()
}

// first completes the first argument alone.
func first(complete cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete(cmd, args, toComplete)
	}
}

// completeRuns completes the names of runs, the newest first, with what became of them.
func completeRuns(e *env) cobra.CompletionFunc {
	return asked(e, func(ctx context.Context, i *operator.Instance) (out []cobra.Completion) {
		r, _ := i.ListRuns(ctx, activities.RunListInput{Limit: completedRuns}, false, false)
		for _, run := range r.Runs {
			out = append(out, cobra.CompletionWithDesc(run.Run, string(run.Kind)+" of "+cmp.Or(run.Table, run.Flow)+", "+run.State+" "+phrase.Age(e.now(), run.Started)))
		}
		return out
	})
}

// completeCodes completes the codes of refusals that are in quarantine, and how many have
// each of them.
func completeCodes(e *env) cobra.CompletionFunc {
	return completeGroups(e, func(g activities.QuarantineGroup) string { return g.Code })
}

// completeFields completes the fields that records in quarantine were refused for.
func completeFields(e *env) cobra.CompletionFunc {
	return completeGroups(e, func(g activities.QuarantineGroup) string { return g.Field })
}

func completeGroups(e *env, of func(activities.QuarantineGroup) string) cobra.CompletionFunc {
	return asked(e, func(ctx context.Context, i *operator.Instance) (out []cobra.Completion) {
		r, _ := i.ListQuarantine(ctx, activities.QuarantineListInput{State: "open", Limit: 1})
		var words []string
		records := map[string]int64{}
		for _, g := range r.Groups {
			if word := of(g); word != "" {
				if !slices.Contains(words, word) {
					words = append(words, word)
				}
				records[word] += g.Records
			}
		}
		for _, word := range words {
			out = append(out, cobra.CompletionWithDesc(word, phrase.Count(records[word], "record")))
		}
		return out
	})
}

// completeRequests completes what waits for a second person.
func completeRequests(e *env) cobra.CompletionFunc {
	return asked(e, func(ctx context.Context, i *operator.Instance) (out []cobra.Completion) {
		r, _ := i.Requests(ctx, false)
		for _, q := range r.Requests {
			out = append(out, cobra.CompletionWithDesc(q.ID, q.Operation+" "+q.Target))
		}
		return out
	})
}

// completeSaves completes saved changes of the configuration, the newest first.
func completeSaves(e *env) cobra.CompletionFunc {
	return asked(e, func(ctx context.Context, i *operator.Instance) (out []cobra.Completion) {
		r, _ := i.Saves(ctx, activities.ListSavesInput{Limit: completedRuns})
		for _, s := range newestFirst(r.Saves) {
			out = append(out, cobra.CompletionWithDesc(s.ID, phrase.OneLine(s.By)+" "+phrase.Age(e.now(), s.At)))
		}
		return out
	})
}
