package commands

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

type statusOptions struct {
	flow     string // "" for all
	watch    bool
	interval time.Duration
}

const statusLong = `Show what flows do: state, position, counters, the run in hand, what it waits for
and what to type next. Without a name, all mappings of the configuration file,
egress where a type of event is switched on, optout where its mode calls for it, and
flows that go on though their mapping was removed from the file.

Exit code 0 when all is well, 1 when a flow is FAILED (also while it tries again by
itself: nothing flows until that has gone well), was ended from outside, or its last
run is INCOMPLETE or FAILED, or when the workflow code of a worker fails; 3 when no
worker answers. In the last two cases what Temporal recorded last is shown.

With -o json (one document; one per look with --watch):
  {instance, tables: [{
    table, workflow_id,
    known            false: the flow was never started
    answered         false: no worker answered, see recorded
    problem          the sentence that goes with it
    status           {instance, table, state, phase, reason, since, run, run_kind,
                      run_workflow, progress, last_run, watermark, totals, runs,
                      quarantined, parked, approvals: [{run, deletes, before, short}], warnings, revision,
                      filed_revision, queue: [{kind, run, by, begun}], last_error,
                      started_by,
                      events: of egress {enabled, source, newest, lagging,
                      lost: [{from, to}], bad_files},
                      opt_out: of optout {mode, source, pairs, waiting, bad_files,
                      export: {workflow, state, newest, alarm, looked, restarts}}};
                     null when there is none
    recorded         {running, ended, state, read, written, quarantined}: what
                     Temporal knows by itself when there is no status; the figures
                     are the ledger's when a worker answers
    stuck            {workflow_id, non_deterministic, attempt, since}: the workflow
                     code of a worker fails; null when it does not
    waiting          [{activity, attempt, last_failure, since, next_try, waits:
                     {for, since, until}}]: work that failed and is tried again, or
                     that waits by itself because a service asked for it
    file_revision    of the mapping in the configuration file
    changes_pending  the mapping on file differs from the one that runs
    differences      [{path, kind, before, after, sentence}]: what the mapping on
                     file says and the one that runs does not, when one flow is
                     asked about
    removed          the mapping is not on file any more, and its flow goes on
  }],
  engine_calls       {hour, changes, loads, budget} of the hour in hand,
  unsealed_text      [table]: their mapping holds text that Temporal has unsealed,
  config_differs     [section]: the worker runs with other settings than this file,
  ledger             {key, older_keys, whole, rekey}: how the ledger is sealed,
  workers            [{name, since, lanes, shares: {setting: n}}]: those that live, with
                     what each may use of the limits that all keep together}
state is STOPPED, STARTING, RUNNING, PAUSED or FAILED. Counters are {read, created,
updated, unchanged, filtered, deleted, parked, quarantined}, of egress also
{disabled, soft_bounce, seed_or_proof, no_contact, ignored}; unchanged is what
Dynamics had already. Totals, runs and quarantined are those of the ledger when a worker
answers: of all runs that have ended, however they ended; rollbacks count nothing. Times
here are UTC.`

func newStatus(e *env) *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use: "status [table | egress | optout]", Short: "Show what flows do, how far they are, and what to type next",
		Long: statusLong,
		Example: `  causeway status
  causeway status contacts --watch
  causeway status -o json | jq -r '.tables[] | [.table, .status.state] | @tsv'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return badInput("causeway status: got %s, want one table, egress, optout or none", phrase.Count(int64(len(args)), "argument"))
			}
			return nil
		},
		ValidArgsFunction: completeFlows(e),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.flow = args[0]
			}
			if o.interval < 200*time.Millisecond {
				return badInput("--interval: got %s, want at least 200ms", o.interval)
			}
			return status(cmd.Context(), e, o)
		},
	}
	cmd.Flags().BoolVarP(&o.watch, "watch", "w", false, "look again and again until interrupted")
	cmd.Flags().DurationVar(&o.interval, "interval", 2*time.Second, "pause between looks with --watch")
	return named(cmd)
}

// meterEvery is how many looks of --watch one reading of the meter serves.
const meterEvery = 15

func status(ctx context.Context, e *env, o statusOptions) error {
	return e.with(ctx, func(i *operator.Instance) error {
		rates, code := map[string]*progress{}, exitDone
		var meter *operator.Meter
		clears := o.watch && e.outTerminal && e.output == outputTable && !e.plain()
		for looks := 0; ; looks++ {
			report, err := i.Status(ctx, o.flow)
			switch {
			case o.watch && ctx.Err() != nil:
				return quietly(code)
			case o.watch && exitCode(err) == exitUnreachable:
				code = e.report(err)
			case err != nil:
				return err
			default:
				if looks%meterEvery == 0 && report.Answered() {
					meter = i.Meter(ctx)
				}
				report.WithMeter(meter)
				code = verdict(report)
				if clears {
					fmt.Fprint(e.out, "\x1b[H\x1b[2J")
				}
				if err := e.show(report, func() { writeStatus(e, report, rates) }); err != nil {
					return err
				}
				if o.watch && (looks == 0 || clears) {
					e.say("Looking every %s until Ctrl-C.", o.interval)
				}
			}
			if !o.watch || i.Sleep(ctx, o.interval) != nil {
				return quietly(code)
			}
		}
	})
}

// verdict is the exit code that a report calls for.
func verdict(r operator.Report) int {
	code := exitDone
	for _, f := range r.Flows {
		switch {
		case f.Stuck != nil: // somebody answers, with code that does not fit
			code = exitFailed
		case !f.Answered:
			return exitUnreachable
		case f.Recorded != nil && !f.Recorded.Running:
			code = exitFailed
		case f.Status == nil:
		case f.Status.State == workflows.StateFailed, f.Status.LastRun != nil && (f.Status.LastRun.State == "INCOMPLETE" || f.Status.LastRun.State == "FAILED"):
			code = exitFailed
		}
	}
	return code
}
