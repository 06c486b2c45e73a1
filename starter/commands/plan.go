package commands

import (
	"context"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

// exitWouldWrite tells scripts that a plan is not empty.
const exitWouldWrite = 2

func newPlan(e *env) *cobra.Command {
	var in activities.PlanInput
	cmd := tableArg(e, &cobra.Command{
		Use: "plan <table>", Short: "Say what a run over the whole table would do, and do nothing",
		Long: `Predict a run with the mapping in the configuration file, running or not: how many
records would be created, updated (which fields, how often), left unchanged, left
out (by which rule), deleted and refused (why), with a few records of each; how
many engine calls that costs and how long it takes at campaign.rate. Nothing is
written, neither in Campaign nor here. Values are never shown: examples name
fields and say "text of 6 -> text of 9".

It predicts the initial load of a new table, a new baseline when columns or the
filter have changed, and otherwise a replay (causeway backfill). Records that no
run has met are looked up in Campaign, one engine call each, for they may be there
already; --all-new skips that. Before the first start the keys of records in
Campaign are compared, too, one call for each 1,000 up to
ingress.key_probe_records. What only Campaign can refuse is not foreseen.

Exit code 0 when the run would write nothing, 2 when it would. Bad input is 2 as
well; scripts tell it apart by standard output, which is empty then.

With -o json: {run, revision, sampled, counts, adopted, fields: [{what, records}],
rules, refusals, examples: [{id, outcome, changes, why}], engine_calls,
need_approval, short}.`,
		Example: "  causeway plan contacts\n  causeway plan contacts --sample 1000\n  causeway plan contacts -o json | jq .counts",
		RunE: func(cmd *cobra.Command, args []string) error {
			if in.Sample < 0 {
				return badInput("--sample: got %d, want 0 or more", in.Sample)
			}
			return plan(cmd.Context(), e, args[0], in)
		},
	})
	cmd.Flags().IntVar(&in.Sample, "sample", 0, "look at the first `N` records only; 0 = all")
	cmd.Flags().BoolVar(&in.AllNew, "all-new", false, "take it that Campaign holds none of the records that no run has met")
	return cmd
}

func plan(ctx context.Context, e *env, table string, in activities.PlanInput) error {
	rate := 0.0
	return judge(ctx, e, func(i *operator.Instance) (activities.PlanResult, error) {
		rate = i.Config.Campaign.Rate
		return i.Plan(ctx, table, in)
	}, func(e *env, r activities.PlanResult) { writePlan(e, rate, table, r) }, func(r activities.PlanResult) int {
		if r.WouldWrite() {
			return exitWouldWrite
		}
		return exitDone
	})
}

func writePlan(e *env, rate float64, table string, r activities.PlanResult) {
	p := e.colours()
	of := "all records"
	if r.Sampled {
		of = "the first " + humanize.Comma(r.Counts.Read) + " records only"
	}
	fmt.Fprintf(e.out, "%s: %s with revision %s, %s\n", table, r.Run, r.Revision, of)
	writeCounts(e.out, p, r.Counts)
	if r.Adopted > 0 {
		fmt.Fprintf(e.out, "%s in Campaign already would be taken over.\n", phrase.Count(r.Adopted, "record"))
	}
	writeRanked(e, "FIELD THAT CHANGES", r.Fields)
	writeRanked(e, "LEFT OUT BY", r.Rules)
	writeRanked(e, "REFUSED BECAUSE", r.Refusals)
	writeExamples(e, "WOULD BE", r.Examples)
	fmt.Fprintln(e.out)
	forecast := "without a limit in campaign.rate, as fast as Campaign answers"
	if rate > 0 {
		forecast = fmt.Sprintf("about %s at %s requests per second", phrase.Span(time.Duration(float64(r.EngineCalls)/rate*float64(time.Second))), humanize.Ftoa(rate))
	}
	fmt.Fprintf(e.out, "It would cost %s, %s.\n", phrase.Count(r.EngineCalls, "engine call"), forecast)
	writeShort(e, r.Short)
	if r.NeedApproval {
		fmt.Fprintln(e.out, p.with(bad, fmt.Sprintf("Its %s would wait for: causeway approve <run>", phrase.Count(r.Counts.Deleted, "delete"))))
	}
	if r.Run != "replay" && r.Counts.Written() >= 10_000 {
		fmt.Fprintln(e.out, "Stop other processes in Campaign during a load of this size.")
	}
}
