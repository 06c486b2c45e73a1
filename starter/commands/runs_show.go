package commands

import (
	"cmp"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/internal/histories"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

func newRunsShow(e *env) *cobra.Command {
	lanes := false
	cmd := &cobra.Command{
		Use: "show <run>", Short: "Show what a run did, step by step, and what it left behind",
		Long: `Show a run: its account of every record, the steps of its workflow with attempts and
failures, the size of its before-images and until when it can be rolled back, who
asked for it, and where its history is. Without a worker, what the ledger knows is
left out; when Temporal's history is gone, its steps are. With --lanes its pages and
lanes are listed one by one instead.

` + runArgHelp + `

With -o json: {run, table, ledger: {info, window, not_found, quarantined, rollback, until,
no_rollback, asked, undone_by, undone_state}, executions: [{workflow_id, run_id, type,
status, started, closed, events, bytes, task_attempt, pending}], history: {type,
executions, events, steps: [{name, child, times, attempts, done, failed, cancelled,
last_failure, first, last}], failure, task_failures, task_failure}, ui, problem}. With
--lanes: {run, lanes: [{page, lane, records, counts, state, attempts, failure, began,
written}], problem}.`,
		Example:           "  causeway runs show contacts-20260102T030405.000Z\n  causeway runs show contacts      # the workflow that owns the table",
		Args:              exactly("a run", 1),
		ValidArgsFunction: first(completeRuns(e)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if lanes {
				return tell(cmd.Context(), e, func(i *operator.Instance) (*operator.Lanes, error) {
					return i.RunLanes(cmd.Context(), args[0])
				}, writeLanes)
			}
			return tell(cmd.Context(), e, func(i *operator.Instance) (*operator.RunReport, error) {
				return i.ShowRun(cmd.Context(), args[0])
			}, writeRun)
		},
	}
	cmd.Flags().BoolVar(&lanes, "lanes", false, "list its pages and lanes one by one")
	return cmd
}

func writeLanes(e *env, l *operator.Lanes) {
	if len(l.Lanes) == 0 {
		fmt.Fprintln(e.out, l.Problem)
		return
	}
	rows := [][]cell{header([]int{0, 1, 3, 4}, "PAGE", "LANE", "STATE", "RECORDS", "ATTEMPTS", "WRITTEN", "LAST FAILURE")}
	for _, one := range l.Lanes {
		written := "–"
		if !one.Written.IsZero() {
			written = phrase.Clock(e.now(), one.Written)
		}
		rows = append(rows, []cell{number(int64(one.Page)), number(int64(one.Lane)), {text: cmp.Or(one.State, "at work")}, number(one.Records), number(int64(one.Attempts)), {text: written}, {text: phrase.OneLine(one.Failure)}})
	}
	writeTable(e.out, e.colours(), rows)
}

func writeRun(e *env, r *operator.RunReport) {
	p := e.colours()
	var f facts
	f.add("Run", r.Run)
	if r.Ledger != nil {
		f.ledger(e.now(), r.Ledger)
	}
	for _, x := range r.Executions[max(len(r.Executions)-1, 0):] {
		f.add("Workflow", x.WorkflowID)
		f.add("Run id", x.RunID)
		f.add("Type", x.Type+", "+x.Status+" in Temporal, begun "+phrase.Moment(e.now(), x.Started))
		f.add("History", fmt.Sprintf("%s in %s", phrase.Count(r.History.Events, "event"), phrase.Count(int64(r.History.Executions), "execution")))
		f.add("Web UI", r.UI)
		f.add("Failure", phrase.OneLine(r.History.Failure))
		if r.History.TaskFailures > 0 {
			f.add("Code", fmt.Sprintf("failed in %s, last: %s", phrase.Count(int64(r.History.TaskFailures), "task"), phrase.OneLine(r.History.TaskFailure)))
		}
	}
	f.add("Note", r.Problem)
	writeFacts(e.out, p, f)
	if r.Ledger != nil {
		fmt.Fprintln(e.out)
		writeAccount(e.out, p, r.Ledger.Info.Table, r.Ledger.Info.Counts)
	}
	if r.History != nil && len(r.History.Steps) > 0 {
		fmt.Fprintln(e.out)
		writeSteps(e, p, r.History)
	}
}

func writeSteps(e *env, p paint, h *histories.Summary) {
	rows := [][]cell{header([]int{1, 2, 3, 4, 5}, "STEP", "TIMES", "DONE", "FAILED", "AT WORK", "ATTEMPTS", "LAST FAILURE")}
	for _, s := range h.Steps {
		failed := number(int64(s.Failed))
		if s.Failed > 0 {
			failed.code = bad
		}
		rows = append(rows, []cell{
			text(s.Name), number(int64(s.Times)), number(int64(s.Done)), failed, number(int64(s.Open())), number(int64(s.Attempts)), text(cmp.Or(phrase.OneLine(s.LastFailure), "-")),
		})
	}
	writeTable(e.out, p, rows)
}

// ledger adds what the ledger says of a run.
func (f *facts) ledger(now time.Time, l *activities.ShowRunResult) {
	r := l.Info
	f.add("Kind", string(r.Kind)+" of "+cmp.Or(r.Table, r.Flow))
	f.put("State", stateCell(r.State))
	f.add("Reason", phrase.OneLine(r.Reason))
	f.add("Started", phrase.Moment(now, r.Started))
	if !r.Ended.IsZero() {
		f.add("Ended", phrase.Moment(now, r.Ended)+", took "+phrase.Span(r.Ended.Sub(r.Started)))
	}
	f.add("Revision", cmp.Or(r.Revision, "-"))
	for i, op := range l.Asked {
		label := ""
		if i == 0 {
			label = "Asked"
		}
		f.add(label, fmt.Sprintf("%s by %s, %s", op.What, cmp.Or(operator.Somebody(op.By), "somebody"), phrase.Moment(now, op.At)))
	}
	for i, id := range l.NotFound {
		label := ""
		if i == 0 {
			label = "Not found"
		}
		f.add(label, id+" is not in Dynamics; nothing was done about it")
	}
	if l.Quarantined > 0 {
		f.add("Quarantine", fmt.Sprintf("%s: causeway quarantine list --run %s", phrase.Count(l.Quarantined, "record"), r.Run))
	}
	switch undo := l.Rollback; {
	case l.UndoneBy != "":
		f.add("Rollback", "undone by "+l.UndoneBy+", "+l.UndoneState)
	case undo == nil:
		f.add("Rollback", l.NoRollback)
	case undo.Created+undo.Existed == 0:
		f.add("Rollback", "it changed nothing")
	default:
		f.add("Before-images", size(undo.Bytes))
		until := ""
		if !l.Until.IsZero() {
			until = "until " + phrase.Clock(now, l.Until)
		}
		f.add("Rollback", fmt.Sprintf("%s created, %s changed or deleted, %s of them touched since; %s: causeway rollback %s", humanize.Comma(undo.Created),
			humanize.Comma(undo.Existed), humanize.Comma(undo.Since), cmp.Or(until, "any time"), r.Run))
	}
}
