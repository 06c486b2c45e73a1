package commands

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

type runsListOptions struct {
	in                 activities.RunListInput
	since              string
	failed, incomplete bool
}

func newRunsList(e *env) *cobra.Command {
	var o runsListOptions
	cmd := &cobra.Command{
		Use: "list", Short: "List what ran, the newest first",
		Long: `List runs with their outcome, the newest first. A worker reads them from its
ledger, so they are there also when Temporal's history of them is gone. A run whose
workflow has ended without telling the ledger is shown as LOST: see causeway runs
show, and runs replay. Passes of changes that ended longer ago than retention.passes
are one row an hour; causeway runs show finds it by the name of each of them.

With -o json: {runs: [{run, flow, table, kind, state, reason, revision, workflow,
started, ended, expected, counts, passes}]}.`,
		Example: `  causeway runs list
  causeway runs list --failed --incomplete --since 168h
  causeway runs list --table contacts --kind backfill -o json | jq -r '.runs[].run'`,
		Args: exactly("none", 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.in.Limit < 1 || o.in.Limit > 1000 {
				return badInput("--limit: got %d, want 1 to 1000", o.in.Limit)
			}
			if o.in.Flow != "" && !slices.Contains(operator.RunFlows, o.in.Flow) {
				return badInput("--flow: got %q, want one of %s; --table selects a mapping", o.in.Flow, strings.Join(operator.RunFlows, ", "))
			}
			if o.in.Kind != "" && !slices.Contains(operator.RunKinds, o.in.Kind) {
				return badInput("--kind: got %q, want one of %s", o.in.Kind, strings.Join(operator.RunKinds, ", "))
			}
			return runsList(cmd.Context(), e, o)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.failed, "failed", false, "only runs that failed, or whose workflow was lost")
	flags.BoolVar(&o.incomplete, "incomplete", false, "only runs that did not account for every record; with --failed, either")
	flags.StringVar(&o.in.Table, "table", "", "only runs of this `table` mapping")
	flags.StringVar(&o.in.Flow, "flow", "", "only runs of this `flow`: "+strings.Join(operator.RunFlows, ", "))
	flags.StringVar(&o.in.Kind, "kind", "", "only runs of this `kind`: "+strings.Join(operator.RunKinds, ", "))
	flags.StringVar(&o.since, "since", "", "only runs begun from this `time` on: an instant, a day or an age like 36h")
	flags.IntVar(&o.in.Limit, "limit", 20, "list at most `N` runs, 1 to 1000")
	_ = cmd.RegisterFlagCompletionFunc("table", completeTables(e))
	_ = cmd.RegisterFlagCompletionFunc("flow", cobra.FixedCompletions(operator.RunFlows, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions(operator.RunKinds, cobra.ShellCompDirectiveNoFileComp))
	return named(cmd)
}

func runsList(ctx context.Context, e *env, o runsListOptions) error {
	var err error
	if o.in.Since, err = e.instant("--since", o.since); err != nil {
		return err
	}
	return tell(ctx, e, func(i *operator.Instance) (activities.RunListResult, error) {
		result, err := i.ListRuns(ctx, o.in, o.failed, o.incomplete)
		return result, cmp.Or(err, e.unlessKnown(i, o.in.Table, len(result.Runs)))
	}, func(e *env, r activities.RunListResult) { writeRuns(e, o.in, r.Runs) })
}

func writeRuns(e *env, in activities.RunListInput, runs []activities.RunInfo) {
	if len(runs) == 0 {
		fmt.Fprintln(e.out, "No run fits.")
		return
	}
	p := e.colours()
	rows := [][]cell{header([]int{4, 5, 6}, "RUN", "KIND", "STATE", "STARTED", "READ", "WRITTEN", "QUARANTINED", "TOOK", "REASON")}
	for _, r := range runs {
		took := e.now().Sub(r.Started)
		if !r.Ended.IsZero() {
			took = r.Ended.Sub(r.Started)
		}
		rows = append(rows, []cell{
			text(r.Run), text(string(r.Kind)), stateCell(r.State), text(phrase.Clock(e.now(), r.Started)),
			number(r.Counts.Read), number(r.Counts.Written()), number(r.Counts.Quarantined), text(phrase.Span(took)), text(phrase.OneLine(r.Reason)),
		})
	}
	writeTable(e.out, p, rows)
	if len(runs) == in.Limit {
		fmt.Fprintf(e.out, "\nthe newest %s; --limit shows more, --since, --failed and --kind narrow the list\n", phrase.Count(int64(in.Limit), "run"))
	}
}

func stateCell(state string) cell {
	if state == "RUNNING" {
		return text(state)
	}
	return cell{text: state, code: runColour(state)}
}
