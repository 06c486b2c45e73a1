package commands

import (
	"context"
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

func newApprove(e *env) *cobra.Command {
	var list bool
	in := activities.DeleteListInput{}
	one := exactly("the run that causeway status names", 1)
	cmd := &cobra.Command{
		Use: "approve <run>", Short: "Let the deletes of a run go on that wait for an operator",
		Long: `Let deletes go on. A run that would delete more records in Campaign than
deletes.stop_ratio and deletes.stop_min of the configuration allow stops before
the first of them: everything else of the run is written, the deletes wait, and
"causeway status" names the run. What earlier runs deleted unasked within
deletes.window counts with it; an approval begins that count anew.

Look at why so many records are gone from Dynamics, or no longer match the
filter, before you approve; --list names them, of one run or of all. To refuse,
undo the cause: records that come back, or match again, are kept. Or drop the
deletes with: causeway reject <run>.

With -o json: the flow's status, as .tables[].status of causeway status. With
--list: {total, deletes: [{table, id, run, why, since}]}; why is gone, from
Dynamics, or filtered.`,
		Example:           "  causeway status contacts\n  causeway approve --list\n  causeway approve contacts-20260102T030405.000Z",
		ValidArgsFunction: first(completeRuns(e)),
		Args: func(cmd *cobra.Command, args []string) error {
			if list && len(args) == 0 {
				return nil
			}
			return one(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if list {
				if len(args) > 0 {
					in.Run = args[0]
				}
				return listDeletes(cmd.Context(), e, in)
			}
			return decideDeletes(cmd.Context(), e, args[0], (*operator.Instance).Approve, "%s: the deletes of run %s go on; causeway status %[1]s shows how far they are\n")
		},
	}
	cmd.Flags().BoolVar(&list, "list", false, "list the deletes that wait, and approve nothing")
	cmd.Flags().IntVar(&in.Limit, "limit", 100, "with --list: list at most `N` deletes, 1 to 10000")
	return cmd
}

func newReject(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "reject <run>", Short: "Drop the deletes of a run that wait for an operator",
		Long: `Drop the deletes of a run that wait: Campaign keeps the records as they are. What
waits is listed by: causeway approve --list.

A record that comes back in Dynamics, or matches the filter again, goes on as if
nothing had been. Until then nothing of it is written, and "causeway explain"
says that its delete was rejected. Its next change in Dynamics decides anew, and
so does every new baseline, such as that of "causeway audit --repair": what is
still gone from Dynamics is to be deleted then, and waits again if it is much. To
keep such records for good, set apply_deletes: false, or undo the cause.

With -o json: the flow's status, as .tables[].status of causeway status.`,
		Example:           "  causeway approve --list contacts-20260102T030405.000Z\n  causeway reject contacts-20260102T030405.000Z",
		Args:              exactly("the run that causeway status names", 1),
		ValidArgsFunction: first(completeRuns(e)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return decideDeletes(cmd.Context(), e, args[0], (*operator.Instance).Reject,
				"%s: the deletes of run %s are dropped, and Campaign keeps the records; their next change in Dynamics, or a new baseline, decides anew\n")
		},
	}
}

// decideDeletes carries out what an operator decided on the deletes of a run; done says it,
// with the table and the run.
func decideDeletes(ctx context.Context, e *env, run string, decide func(*operator.Instance, context.Context, string) (workflows.Status, error), done string) error {
	table := ""
	return tell(ctx, e, func(i *operator.Instance) (workflows.Status, error) {
		table = i.TableOf(run)
		return decide(i, ctx, run)
	}, func(e *env, _ workflows.Status) { fmt.Fprintf(e.out, done, table, run) })
}

func listDeletes(ctx context.Context, e *env, in activities.DeleteListInput) error {
	if in.Limit < 1 || in.Limit > 10_000 {
		return badInput("--limit: got %d, want 1 to 10000", in.Limit)
	}
	return tell(ctx, e, func(i *operator.Instance) (activities.DeleteListResult, error) {
		return i.ListDeletes(ctx, in)
	}, writeDeletes)
}

func writeDeletes(e *env, r activities.DeleteListResult) {
	if r.Total == 0 {
		fmt.Fprintln(e.out, "No deletes wait for an operator.")
		return
	}
	now := e.now()
	rows := [][]cell{header(nil, "TABLE", "RECORD", "WHY", "SINCE", "RUN")}
	for _, d := range r.Deletes {
		why := "gone from Dynamics"
		if d.Why == activities.DeleteFiltered {
			why = "left out by the filter"
		}
		rows = append(rows, []cell{text(d.Table), text(d.ID), text(why), text(phrase.Age(now, d.Since)), text(d.Run)})
	}
	writeTable(e.out, e.colours(), rows)
	fmt.Fprintf(e.out, "\n%s of %s", humanize.Comma(int64(len(r.Deletes))), phrase.Count(r.Total, "delete"))
	if r.Total > int64(len(r.Deletes)) {
		fmt.Fprint(e.out, "; --limit lists more")
	}
	fmt.Fprintln(e.out, "\nWhy: causeway explain <table> <id>; decide: causeway approve <run>, or causeway reject <run>")
}
