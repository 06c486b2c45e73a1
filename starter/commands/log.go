package commands

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

type logOptions struct {
	in    activities.OperationsInput
	since string
}

func newLog(e *env) *cobra.Command {
	var o logOptions
	cmd := &cobra.Command{
		Use: "log", Short: "Show who asked for what: starts, stops, backfills, rollbacks …",
		Long: `Show the audit trail: every start, stop, pause, resume, backfill, rollback, release,
approval, changed mapping and reveal of values, with who asked, when, and which
revision of the mapping it concerns, the newest first. A worker reads it from its
ledger; an entry is there a moment after the request was answered. SIGNED IN says whether the name
was verified; otherwise it is what the client said. "causeway log verify" checks
that nothing was changed or removed. Entries are kept for retention.operations.

With -o json: {operations: [{seq, id, at, by, verified, subject, what, flow, table,
run, revision, was, reason, detail}]}. was is the revision that another took the
place of.`,
		Example: `  causeway log
  causeway log --table contacts --since 168h
  causeway log --what rollback -o json | jq -r '.operations[].by'`,
		Args: exactly("none", 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.in.Limit < 1 || o.in.Limit > 1000 {
				return badInput("--limit: got %d, want 1 to 1000", o.in.Limit)
			}
			return showLog(cmd.Context(), e, o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.in.Table, "table", "", "only what concerns this `table` mapping")
	flags.StringVar(&o.since, "since", "", "only from this `time` on: an instant, a day or an age like 36h")
	flags.StringVar(&o.in.By, "by", "", "only what this `operator` asked for, by name or by subject")
	flags.StringVar(&o.in.What, "what", "", "only this `command`, such as start, stop, backfill or rollback")
	flags.StringVar(&o.in.Run, "run", "", "only what concerns this `run`")
	flags.IntVar(&o.in.Limit, "limit", 100, "show the newest `N`, 1 to 1000")
	_ = cmd.RegisterFlagCompletionFunc("table", completeTables(e))
	_ = cmd.RegisterFlagCompletionFunc("run", completeRuns(e))
	cmd.AddCommand(newLogVerify(e))
	return cmd
}

func showLog(ctx context.Context, e *env, o logOptions) error {
	var err error
	if o.in.Since, err = e.instant("--since", o.since); err != nil {
		return err
	}
	return tell(ctx, e, func(i *operator.Instance) (activities.OperationsResult, error) {
		result, err := i.Log(ctx, o.in)
		result.Operations = newestFirst(result.Operations)
		return result, cmp.Or(err, e.unlessKnown(i, o.in.Table, len(result.Operations)))
	}, func(e *env, r activities.OperationsResult) { writeLog(e, o.in, r.Operations) })
}

func signedIn(op activities.Operation) string {
	if op.Verified {
		return "yes"
	}
	return "no"
}

func writeLog(e *env, in activities.OperationsInput, operations []activities.Operation) {
	if len(operations) == 0 {
		fmt.Fprintln(e.out, "Nothing was asked for that fits.")
		return
	}
	now := e.now()
	rows := [][]cell{header(nil, "TIME", "BY", "SIGNED IN", "WHAT", "OF", "RUN", "REVISION", "WHY")}
	for _, op := range operations {
		revision := op.Revision
		if op.Was != "" {
			revision = op.Was + " -> " + op.Revision
		}
		rows = append(rows, []cell{
			text(phrase.Clock(now, op.At)), text(cmp.Or(phrase.OneLine(op.By), "-")), text(signedIn(op)), text(op.What), text(cmp.Or(op.Table, op.Flow)),
			text(cmp.Or(op.Run, "-")), text(cmp.Or(revision, "-")), text(phrase.OneLine(strings.Trim(op.Reason+"; "+op.Detail, "; "))),
		})
	}
	writeTable(e.out, e.colours(), rows)
	if len(operations) == in.Limit {
		fmt.Fprintf(e.out, "\nthe newest %s; --limit shows more, --since and --what narrow the list\n", phrase.Count(int64(in.Limit), "operation"))
	}
}
