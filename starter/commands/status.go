package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"causeway.dev/config"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

type statusOptions struct {
	table    string // "" for all
	watch    bool
	interval time.Duration
}

const statusLong = `Show what flows do: state, position, counters, the run in hand, what it waits for
and what to type next. Without a name, all mappings of the configuration file,
egress where a type of event is switched on, optout where its mode calls for it, and
flows that go on though their mapping was removed from the file.

Exit code 0 when all is well, 1 when a flow is FAILED, was ended from outside, or
its last run is INCOMPLETE, 3 when no worker answers; then what Temporal recorded
last is shown.

With -o json (one document; one per look with --watch):
  {instance, tables: [{
    table, workflow_id,
    known            false: the flow was never started
    answered         false: no worker answered, see recorded
    problem          the sentence that goes with it
    status           {instance, table, state, phase, reason, since, run, run_kind,
                      run_workflow, progress, last_run, watermark, totals, runs,
                      quarantined, parked, approvals: [{run, deletes}], warnings, revision,
                      filed_revision, queue: [{kind, run, by, begun}], last_error,
                      started_by,
                      events: of egress {enabled, source, newest, lagging,
                      lost: [{from, to}], bad_files},
                      opt_out: of optout {mode, source, pairs, waiting, bad_files,
                      export: {workflow, state, newest, alarm, looked, restarts}}};
                     null when there is none
    recorded         {running, ended, state, read, written, quarantined}: what
                     Temporal knows by itself when there is no status
    waiting          [{activity, attempt, last_failure, since}]: work that failed
                     and is tried again
    file_revision    of the mapping in the configuration file
    changes_pending  the mapping on file differs from the one that runs
    removed          the mapping is not on file any more, and its flow goes on
  }],
  engine_calls       {hour, changes, loads, budget} of the hour in hand}
state is STOPPED, STARTING, RUNNING, PAUSED or FAILED. Counters are {read, created,
updated, unchanged, filtered, deleted, parked, quarantined}, of egress also
{disabled, soft_bounce, seed_or_proof, no_contact, ignored}; unchanged is what
Dynamics had already. Times are UTC.`

func newStatus(e *env, g *global) *cobra.Command {
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
		ValidArgsFunction: completeFlows(g),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.table = args[0]
			}
			if o.interval < 200*time.Millisecond {
				return badInput("--interval: got %s, want at least 200ms", o.interval)
			}
			return status(cmd.Context(), e, g, o)
		},
	}
	cmd.Flags().BoolVarP(&o.watch, "watch", "w", false, "look again and again until interrupted")
	cmd.Flags().DurationVar(&o.interval, "interval", 2*time.Second, "pause between looks with --watch")
	return cmd
}

// statusReport is what status prints with -o json.
type statusReport struct {
	Instance string        `json:"instance"`
	Tables   []tableReport `json:"tables"`
	Meter    *meterReport  `json:"engine_calls,omitempty"` // when a worker answers
}

type tableReport struct {
	Table          string             `json:"table"`
	WorkflowID     string             `json:"workflow_id"`
	Known          bool               `json:"known"`
	Answered       bool               `json:"answered"`
	Problem        string             `json:"problem,omitempty"`
	Status         *workflows.Status  `json:"status"`
	Recorded       *recorded          `json:"recorded,omitempty"`
	Waiting        []operator.Pending `json:"waiting,omitempty"`
	FileRevision   string             `json:"file_revision,omitempty"`
	ChangesPending bool               `json:"changes_pending"`
	Removed        bool               `json:"removed,omitempty"`
}

// recorded is what the server knows without a worker; counters are those of
// finished runs.
type recorded struct {
	Running     bool   `json:"running"`
	Ended       string `json:"ended,omitempty"`
	State       string `json:"state,omitempty"`
	Read        int64  `json:"read"`
	Written     int64  `json:"written"`
	Quarantined int64  `json:"quarantined"`
}

func status(ctx context.Context, e *env, g *global, o statusOptions) error {
	cfg, api, err := e.connect(ctx, g)
	if err != nil {
		return err
	}
	defer api.Close()
	tables := flowNames(cfg)
	if o.table != "" {
		tables = []string{o.table}
	}
	rate, code := map[string]*progress{}, exitDone
	var meter *meterReport
	for looks := 0; ; looks++ {
		report, err := lookAll(ctx, e, g, cfg, api, tables)
		if o.watch && ctx.Err() != nil {
			return quietly(code)
		}
		if o.watch && mayReturn(err) {
			code = e.report(err)
			if e.sleep(ctx, o.interval) != nil {
				return quietly(code)
			}
			continue
		}
		if err != nil {
			return err
		}
		if o.table == "" {
			report.lookRemoved(ctx, e, g, cfg, api)
		}
		if looks%meterEvery == 0 && report.answered() {
			meter = readMeter(ctx, e, api)
		}
		report.Meter = meter
		code = report.exitCode()
		if o.watch && e.outTerminal && !g.json() {
			fmt.Fprint(e.out, "\x1b[H\x1b[2J")
		}
		if g.json() {
			err = writeJSON(e.out, report)
		} else {
			writeStatus(e, report, len(report.Tables) == 1, rate)
		}
		if err != nil {
			return err
		}
		if !o.watch || e.sleep(ctx, o.interval) != nil {
			return quietly(code)
		}
	}
}

func lookAll(ctx context.Context, e *env, g *global, cfg *config.Config, api operator.Temporal, tables []string) (statusReport, error) {
	report := statusReport{Instance: cfg.Instance, Tables: []tableReport{}}
	for _, table := range tables {
		f := &flow{env: e, g: g, cfg: cfg, api: api, table: table}
		one, err := f.look(ctx)
		if err != nil {
			return report, err
		}
		report.Tables = append(report.Tables, one)
	}
	return report, nil
}

// lookRemoved adds the flows that go on though their mapping is not on file any
// more (R9.7). Where the server cannot list them, they are left out.
func (r *statusReport) lookRemoved(ctx context.Context, e *env, g *global, cfg *config.Config, api operator.Temporal) {
	ctx, cancel := context.WithTimeout(ctx, min(g.timeout, questionTimeout))
	defer cancel()
	running, err := api.Flows(ctx, cfg.Instance)
	if err != nil {
		return
	}
	slices.Sort(running)
	for _, table := range running {
		if _, mapped := cfg.Ingress.Tables[table]; mapped {
			continue
		}
		f := &flow{env: e, g: g, cfg: cfg, api: api, table: table}
		one, err := f.look(ctx)
		if err != nil || one.Status == nil || one.Status.State == workflows.StateStopped {
			continue
		}
		one.Removed = true
		r.Tables = append(r.Tables, one)
	}
}

// look asks everything there is to know about one flow.
func (f *flow) look(ctx context.Context) (tableReport, error) {
	r := tableReport{Table: f.table, WorkflowID: f.id()}
	revision, mapped := f.configured()
	if mapped {
		r.FileRevision = revision
	}
	d, err := f.describe(ctx, r.WorkflowID)
	switch {
	case errors.Is(err, operator.ErrNotFound) && !mapped:
		return r, f.notConfigured()
	case errors.Is(err, operator.ErrNotFound):
		r.Answered = true
		return r, nil
	case err != nil:
		return r, f.explain(ctx, err)
	}
	r.Known = true
	r.Recorded = &recorded{Running: d.Running, Ended: d.Ended, State: d.State, Read: d.Read, Written: d.Written, Quarantined: d.Quarantined}
	if !d.Running { // it would still answer, with the state it had then
		r.Answered = true
		r.Problem = fmt.Sprintf("the workflow of %s has ended (%s), so nothing flows; run: causeway start %s", f.table, d.Ended, f.table)
		return r, nil
	}
	st, err := f.status(ctx)
	switch {
	case errors.Is(err, operator.ErrNoWorker):
		ago, lives, err := f.env.workerSeen(ctx, f.api)
		if err != nil {
			return r, err
		}
		r.Problem = fmt.Sprintf("no worker answers for %s, so this is what Temporal recorded last; start one with: worker --config %s", f.table, f.g.configPath)
		if lives {
			r.Problem = fmt.Sprintf("no answer for %s, so this is what Temporal recorded last; a worker asked for work %s ago, so it is busy, or has just died: look into its log", f.table, phrase.Span(ago))
		}
		return r, nil
	case err != nil:
		return r, f.explain(ctx, err)
	}
	r.Answered, r.Status, r.Recorded = true, &st, nil
	r.ChangesPending = st.ChangesPending() || st.Revision != "" && r.FileRevision != "" && st.Revision != r.FileRevision
	r.Waiting = d.Retried()
	if st.RunWorkflow != "" {
		// Like the progress of a run it is left out when it cannot be had.
		if run, err := f.describe(ctx, st.RunWorkflow); err == nil {
			r.Waiting = append(r.Waiting, run.Retried()...)
		}
	}
	return r, nil
}

// describe asks the server alone, which answers at once or not at all.
func (f *flow) describe(ctx context.Context, workflowID string) (*operator.Description, error) {
	ctx, cancel := context.WithTimeout(ctx, min(f.g.timeout, questionTimeout))
	defer cancel()
	return f.api.Describe(ctx, workflowID)
}

// retried is the work that failed and is tried again.
func retried(d *operator.Description) []operator.Pending {
	return slices.DeleteFunc(d.Pending, func(p operator.Pending) bool { return p.Attempt <= 1 })
}

func (r statusReport) exitCode() int {
	code := exitDone
	for _, t := range r.Tables {
		switch {
		case !t.Answered:
			return exitUnreachable
		case t.Recorded != nil && !t.Recorded.Running:
			code = exitFailed
		case t.Status == nil:
		case t.Status.State == workflows.StateFailed,
			t.Status.LastRun != nil && t.Status.LastRun.State == "INCOMPLETE":
			code = exitFailed
		}
	}
	return code
}
