package commands

import (
	"bufio"
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

type backfillOptions struct {
	table             string
	since, until, ids string
	where             []string
	wait, yes         bool
}

func newBackfill(e *env, g *global) *cobra.Command {
	var o backfillOptions
	cmd := tableArg(g, &cobra.Command{
		Use: "backfill <table>", Short: "Read records again: the whole table, a window, a filter, or named ids",
		Long: `Read records of Dynamics again and write what differs in Campaign. Records that are
as the flow last wrote them cost no call to Campaign. The flow must be running or
paused; changes made meanwhile are applied in between. Backfills of one table run
one after the other.

Without a window the whole table is read, which asks first unless --yes is given.

A time is an instant (2026-01-31T08:00:00Z), a day (2026-01-31, from 00:00 UTC) or
an age (36h). It is compared with modifiedon: since is included, until is not.

A condition of --where is a column, a comparison and a value, as in a mapping's
filter: "statecode equals Active", "new_price greater 100", "lastname empty". All of
several must hold. Values are kept in Temporal's history, so text columns, which may
be personal, can only be empty or not_empty. The window is read whole and compared
here; what does not meet the conditions costs no call to Campaign.

With -o json: {run, workflow_id, queued}; with --wait also {result}, which is
{run, kind, state, reason, counts, start, end}. State is COMPLETED, INCOMPLETE,
STOPPED, FAILED or CANCELLED; all but COMPLETED end with exit code 1.`,
		Example: `  causeway backfill contacts --since 24h --wait
  causeway backfill contacts --since 2026-01-01 --until 2026-02-01
  causeway backfill contacts --where "statecode equals Active" --where "address1_city not_empty"
  causeway backfill contacts --ids 6f0c1d2e-0000-4000-8000-000000000001
  causeway backfill contacts --ids @ids.txt      # one id per line; @- reads stdin
  causeway backfill contacts --yes --wait        # everything`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.table = args[0]
			return backfill(cmd.Context(), e, g, o)
		},
	})
	flags := cmd.Flags()
	flags.StringVar(&o.since, "since", "", "only records modified at or after this `time`")
	flags.StringVar(&o.until, "until", "", "only records modified before this `time`")
	flags.StringVar(&o.ids, "ids", "", "only these records: `a,b` or @file, at most 1,000")
	flags.StringArrayVar(&o.where, "where", nil, "only records that meet this `condition`; may be repeated")
	flags.BoolVarP(&o.wait, "wait", "w", false, "follow the backfill to its end, with progress")
	flags.BoolVarP(&o.yes, "yes", "y", false, "read the whole table without asking")
	return cmd
}

// backfillAnswer is what the command prints with -o json.
type backfillAnswer struct {
	workflows.BackfillAnswer
	Result *workflows.RunSummary `json:"result,omitempty"`
}

func backfill(ctx context.Context, e *env, g *global, o backfillOptions) error {
	window, err := e.window(o)
	if err != nil {
		return err
	}
	f, err := e.openFlow(ctx, g, o.table)
	if err != nil {
		return err
	}
	defer f.close()
	if err := f.checkFilter(ctx, window.Where); err != nil {
		return err
	}
	if err := f.confirmWhole(ctx, o, window); err != nil {
		return err
	}
	var answer backfillAnswer
	request := workflows.BackfillRequest{Window: window, By: e.by}
	if err := f.update(ctx, workflows.UpdateRequestBackfill, request, &answer.BackfillAnswer); err != nil {
		return err
	}
	return f.accepted(ctx, answer, o.wait)
}

// accepted says which run a request became and, with wait, follows it to its end.
func (f *flow) accepted(ctx context.Context, answer backfillAnswer, wait bool) error {
	if !wait {
		if f.g.json() {
			return writeJSON(f.env.out, answer)
		}
		after := ""
		if answer.Queued > 0 {
			after = " after " + phrase.Count(int64(answer.Queued), "other backfill")
		}
		fmt.Fprintf(f.env.out, "backfill of %s accepted%s: run %s; follow it with: causeway status %s --watch\n", f.table, after, answer.Run, f.table)
		return nil
	}
	var err error
	if answer.Result, err = f.followRun(ctx, answer.BackfillAnswer); err != nil {
		return err
	}
	return f.finished(answer, answer.Result)
}

// window reads the flags that narrow a backfill; what is odd in them is bad input.
func (e *env) window(o backfillOptions) (activities.Window, error) {
	var w activities.Window
	var err error
	if w.Since, err = e.instant("--since", o.since); err != nil {
		return w, err
	}
	if w.Until, err = e.instant("--until", o.until); err != nil {
		return w, err
	}
	if !w.Since.IsZero() && !w.Until.IsZero() && !w.Since.Before(w.Until) {
		return w, badInput("--since: got %s, want a time before --until %s", w.Since.Format(time.RFC3339), w.Until.Format(time.RFC3339))
	}
	if w.Where, err = conditions(o.where); err != nil {
		return w, err
	}
	if o.ids == "" {
		return w, nil
	}
	if len(w.Where) > 0 {
		return w, badInput("got both --ids and --where, want one of them")
	}
	if o.since != "" || o.until != "" {
		return w, badInput("got both --ids and a window of time, want one of them")
	}
	w.IDs, err = e.readIDs(o.ids)
	return w, err
}

// conditions reads --where: a column, a comparison, and all that follows is the value.
func conditions(where []string) ([]activities.Condition, error) {
	var out []activities.Condition
	for _, text := range where {
		words := strings.Fields(text)
		if len(words) < 2 {
			return nil, badInput("--where: got %q, want a column, a comparison and a value, such as \"statecode equals Active\"", text)
		}
		value := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(text), words[0])), words[1]))
		out = append(out, activities.Condition{Column: words[0], Is: words[1], Value: value})
	}
	return out, nil
}

// checkFilter asks a worker whether the conditions fit the table; first without
// their values, which must not reach Temporal where they may be personal.
func (f *flow) checkFilter(ctx context.Context, where []activities.Condition) error {
	if len(where) == 0 {
		return nil
	}
	mapped, ok := f.cfg.Ingress.Tables[f.table]
	if !ok {
		return unknownTable(f.g, f.cfg, f.table)
	}
	in := activities.CheckFilterInput{Table: mapped}
	valued := map[string]bool{}
	for _, c := range where {
		in.Columns = append(in.Columns, c.Column)
		valued[c.Column] = valued[c.Column] || c.Value != ""
	}
	var known activities.CheckFilterResult
	if err := ask(ctx, f.env, f.g, f.api, f.g.timeout, activities.CheckFilter, in, &known); err != nil {
		return err
	}
	for _, column := range known.Text {
		if valued[column] {
			return badInput("--where: %s is text, which may be personal, and conditions are kept in Temporal's history; ask whether it is empty or not_empty, or name records with --ids", column)
		}
	}
	return ask(ctx, f.env, f.g, f.api, f.g.timeout, activities.CheckFilter, activities.CheckFilterInput{Table: mapped, Where: where}, &known)
}

// instant reads an instant, a day or an age.
func (e *env) instant(flag, s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return e.now().UTC().Add(-d).Truncate(time.Second), nil
	}
	return time.Time{}, badInput("%s: got %q, want an instant like 2026-01-31T08:00:00Z, a day like 2026-01-31 or an age like 36h", flag, s)
}

// confirmWhole asks before the whole table is read.
func (f *flow) confirmWhole(ctx context.Context, o backfillOptions, w activities.Window) error {
	if o.yes || !w.Whole() {
		return nil
	}
	what := f.table
	if t, mapped := f.cfg.Ingress.Tables[f.table]; mapped {
		what = fmt.Sprintf("every record of the Dynamics table %s", t.Dynamics.Table)
	}
	if !f.env.inTerminal || !f.env.errTerminal {
		return badInput("this reads %s again; say --yes, or narrow it with --since, --until, --where or --ids", what)
	}
	f.env.say("This reads %s again (how many is not known beforehand) and writes\nto Campaign only what differs from what was written last. If much does, stop other\nprocesses in Campaign meanwhile.", what)
	fmt.Fprint(f.env.err, "Go on? [y/N] ")
	answer := f.env.readLine(ctx)
	if !slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(answer))) {
		return failed("nothing was done")
	}
	return nil
}

// readLine reads a line of stdin, "" when ctx ends before there is one. The
// reader it leaves behind then ends with the program.
func (e *env) readLine(ctx context.Context) string {
	line := make(chan string, 1)
	go func() {
		s, _ := bufio.NewReader(e.in).ReadString('\n')
		line <- s
	}()
	select {
	case s := <-line:
		return s
	case <-ctx.Done():
		fmt.Fprintln(e.err)
		return ""
	}
}

// waits says that a run is in the queue of its flow.
func waits(st workflows.Status, run string) bool {
	return slices.Contains(st.Queued(workflows.RequestBackfill), run) || slices.Contains(st.Queued(workflows.RequestRelease), run)
}

// followRun shows the progress of one backfill or release until it has ended or will not go on.
func (f *flow) followRun(ctx context.Context, run workflows.BackfillAnswer) (*workflows.RunSummary, error) {
	missed := 0
	st, err := f.follow(ctx, func(st workflows.Status) bool {
		if st.LastRun != nil && st.LastRun.Run == run.Run {
			return true
		}
		if st.Run == run.Run {
			missed = 0
			return false
		}
		if waits(st, run.Run) {
			missed = 0
			return st.State == workflows.StateStopped || st.State == workflows.StateFailed
		}
		missed++
		return missed >= notYetSeen
	})
	switch {
	case err != nil:
		return nil, err
	case st.LastRun != nil && st.LastRun.Run == run.Run:
		return st.LastRun, nil
	case waits(st, run.Run):
		return nil, failed("%s is %s; run %s is queued and goes on at the next start: causeway start %s", f.table, st.State, run.Run, f.table)
	}
	return f.result(ctx, run)
}

// result reads how a run ended that the owner no longer speaks of.
func (f *flow) result(ctx context.Context, run workflows.BackfillAnswer) (*workflows.RunSummary, error) {
	ctx, cancel := context.WithTimeout(ctx, f.g.timeout)
	defer cancel()
	var pass workflows.PassResult
	switch err := f.api.Result(ctx, run.WorkflowID, &pass); {
	case errors.Is(err, operator.ErrNotFound):
		return nil, failed("run %s was taken off the queue before it began", run.Run)
	case errors.Is(err, operator.ErrNoWorker):
		return nil, unreachable("run %s has not ended and %s does not say why; see: causeway status %s", run.Run, f.table, f.table)
	case err != nil:
		return nil, failed("run %s did not finish: %s", run.Run, phrase.OneLine(err.Error()))
	}
	return &pass.Summary, nil
}

// finished prints how the run ended, with -o json the whole answer.
func (f *flow) finished(answer any, r *workflows.RunSummary) error {
	if f.g.json() {
		if err := writeJSON(f.env.out, answer); err != nil {
			return err
		}
	} else {
		p := f.env.colours()
		reason := ""
		if r.Reason != "" {
			reason = ": " + phrase.OneLine(r.Reason)
		}
		fmt.Fprintf(f.env.out, "run %s of %s is %s after %s%s\n", r.Run, f.table,
			p.with(runColour(r.State), r.State), phrase.Span(r.End.Sub(r.Start)), reason)
		writeAccount(f.env.out, p, f.flowID().IsEvents(), r.Counts)
	}
	if r.State != "COMPLETED" {
		return quietly(exitFailed)
	}
	return nil
}
