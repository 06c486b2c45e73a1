package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

type runsListOptions struct {
	in                 activities.RunListInput
	since              string
	failed, incomplete bool
}

// runFlows and runKinds are what the ledger calls flows and kinds of runs.
var (
	runFlows = []string{activities.FlowIngress, activities.FlowEgress, "optout", activities.FlowRollback, activities.FlowAudit}
	runKinds = []string{
		string(activities.KindInitial), string(activities.KindBackfill), string(activities.KindDelta),
		string(activities.KindRollback), string(activities.KindRelease), string(activities.KindAudit),
	}
)

func newRunsList(e *env, g *global) *cobra.Command {
	var o runsListOptions
	cmd := &cobra.Command{
		Use: "list", Short: "List what ran, the newest first",
		Long: `List runs with their outcome, the newest first. A worker reads them from its
ledger, so they are there also when Temporal's history of them is gone. A run whose
workflow has ended without telling the ledger is shown as LOST: see causeway runs
show, and runs replay.

With -o json: {runs: [{run, flow, table, kind, state, reason, revision, workflow,
started, ended, expected, counts}]}.`,
		Example: `  causeway runs list
  causeway runs list --failed --incomplete --since 168h
  causeway runs list --table contacts --kind backfill -o json | jq -r '.runs[].run'`,
		Args: exactly("none", 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.in.Limit < 1 || o.in.Limit > 1000 {
				return badInput("--limit: got %d, want 1 to 1000", o.in.Limit)
			}
			if o.in.Flow != "" && !slices.Contains(runFlows, o.in.Flow) {
				return badInput("--flow: got %q, want one of %s; --table selects a mapping", o.in.Flow, strings.Join(runFlows, ", "))
			}
			if o.in.Kind != "" && !slices.Contains(runKinds, o.in.Kind) {
				return badInput("--kind: got %q, want one of %s", o.in.Kind, strings.Join(runKinds, ", "))
			}
			return runsList(cmd.Context(), e, g, o)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&o.failed, "failed", false, "only runs that failed, or whose workflow was lost")
	flags.BoolVar(&o.incomplete, "incomplete", false, "only runs that did not account for every record; with --failed, either")
	flags.StringVar(&o.in.Table, "table", "", "only runs of this `table` mapping")
	flags.StringVar(&o.in.Flow, "flow", "", "only runs of this `flow`: "+strings.Join(runFlows, ", "))
	flags.StringVar(&o.in.Kind, "kind", "", "only runs of this `kind`: "+strings.Join(runKinds, ", "))
	flags.StringVar(&o.since, "since", "", "only runs begun from this `time` on: an instant, a day or an age like 36h")
	flags.IntVar(&o.in.Limit, "limit", 20, "list at most `N` runs, 1 to 1000")
	_ = cmd.RegisterFlagCompletionFunc("table", completeTables(g))
	_ = cmd.RegisterFlagCompletionFunc("flow", cobra.FixedCompletions(runFlows, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions(runKinds, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// lost is the state of a run that the ledger holds for running while its workflow
// has ended.
const lost = "LOST"

func runsList(ctx context.Context, e *env, g *global, o runsListOptions) error {
	var err error
	if o.in.Since, err = e.instant("--since", o.since); err != nil {
		return err
	}
	if o.failed {
		o.in.States = append(o.in.States, "FAILED", "RUNNING") // which of them are lost, Temporal knows
	}
	if o.incomplete {
		o.in.States = append(o.in.States, "INCOMPLETE")
	}
	cfg, api, err := e.connect(ctx, g)
	if err != nil {
		return err
	}
	defer api.Close()
	var result activities.RunListResult
	if err := ask(ctx, e, g, api, g.timeout, activities.ListRuns, o.in, &result); err != nil {
		return err
	}
	if err := findLost(ctx, cfg.Instance, g, api, result.Runs); err != nil {
		return err
	}
	if o.failed {
		result.Runs = slices.DeleteFunc(result.Runs, func(r activities.RunInfo) bool { return r.State == "RUNNING" })
	}
	if g.json() {
		if result.Runs == nil {
			result.Runs = []activities.RunInfo{}
		}
		return writeJSON(e.out, result)
	}
	if _, mapped := cfg.Ingress.Tables[o.in.Table]; o.in.Table != "" && !mapped && len(result.Runs) == 0 {
		return unknownTable(g, cfg, o.in.Table)
	}
	writeRuns(e, o.in, result.Runs)
	return nil
}

// findLost tells the runs that go on from those whose workflow has ended, because
// somebody terminated it, say.
func findLost(ctx context.Context, instance string, g *global, api operator.Temporal, runs []activities.RunInfo) error {
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	for i := range runs {
		r := &runs[i]
		if r.State != "RUNNING" {
			continue
		}
		id := r.Workflow
		if r.Kind == activities.KindDelta { // it is begun by whoever finds the changes
			id = workflows.FlowNamed(instance, r.Table).PassID(r.Kind, r.Run)
		}
		switch x, err := api.Execution(ctx, id, ""); {
		case errors.Is(err, operator.ErrNotFound): // about to begin, or gone for long
			if r.Kind != activities.KindDelta {
				r.State = lost
			}
		case err != nil:
			return err
		case !x.Running() && x.Status != "ContinuedAsNew":
			r.State = lost
			r.Reason = cmp.Or(r.Reason, "its workflow is "+x.Status)
		}
	}
	return nil
}

func writeRuns(e *env, in activities.RunListInput, runs []activities.RunInfo) {
	if len(runs) == 0 {
		fmt.Fprintln(e.out, "No run fits.")
		return
	}
	p := e.colours()
	rows := [][]cell{header([]int{4, 5, 6}, "RUN", "KIND", "STATE", "STARTED (UTC)", "READ", "WRITTEN", "QUARANTINED", "TOOK", "REASON")}
	for _, r := range runs {
		took := e.now().Sub(r.Started)
		if !r.Ended.IsZero() {
			took = r.Ended.Sub(r.Started)
		}
		rows = append(rows, []cell{
			text(r.Run), text(string(r.Kind)), stateCell(r.State), text(r.Started.UTC().Format(time.DateTime)),
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
