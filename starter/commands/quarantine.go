package commands

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

func newQuarantine(e *env) *cobra.Command {
	cmd := group(&cobra.Command{
		Use: "quarantine", Short: "Look at the records Campaign refused, try them again, or let them be",
		Long: `A record that cannot be written is set aside with its reason, and the rest goes on.
What Campaign held of it stays as it was. It is tried again by itself when it
changes in Dynamics, when the flow is started with a changed mapping, when a parent
that was missing has come, and else after 1 h, 4 h, a day, 2, 4 and then every 7
days.`,
	})
	cmd.AddCommand(newQuarantineList(e), newQuarantineShow(e), newQuarantineRelease(e), newQuarantineDiscard(e))
	return cmd
}

// selection are the flags that narrow quarantined records.
type selection struct {
	ids, run, code, field, olderThan string
}

func (s *selection) flags(e *env, cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&s.ids, "ids", "", "only these records: `a,b` or @file, at most 1,000")
	flags.StringVar(&s.run, "run", "", "only records that this `run` was the last to refuse")
	flags.StringVar(&s.code, "code", "", "only this `code`, such as TooLong or InvalidValue")
	flags.StringVar(&s.field, "field", "", "only refusals of this `field` of Campaign")
	flags.StringVar(&s.olderThan, "older-than", "", "only records first refused before this `time`: an age (24h), a day or an instant")
	_ = cmd.RegisterFlagCompletionFunc("run", completeRuns(e))
	_ = cmd.RegisterFlagCompletionFunc("code", completeCodes(e))
	_ = cmd.RegisterFlagCompletionFunc("field", completeFields(e))
}

func (s *selection) read(e *env) (activities.Selection, error) {
	out := activities.Selection{Run: s.run, Code: s.code, Field: s.field}
	var err error
	if out.Before, err = e.instant("--older-than", s.olderThan); err != nil || s.ids == "" {
		return out, err
	}
	out.IDs, err = e.readIDs(s.ids)
	return out, err
}

// apart says that a name is that of a flow without table mappings, which keeps a
// quarantine of its own and does not try again by itself.
func apart(flow string) bool {
	return flow != "" && !workflows.FlowNamed("", flow).IsTable()
}

const nothingFits = "No record in quarantine fits."

func newQuarantineList(e *env) *cobra.Command {
	var in activities.QuarantineListInput
	var s selection
	cmd := &cobra.Command{
		Use: "list [table]", Short: "Count records in quarantine by reason, and list them",
		Long: `Count the records in quarantine by reason, most first, and list the first of them:
ids and reasons, no values. A worker reads them from its ledger. Without a table, these
are the records of all table mappings; events are those of "egress", opt-outs those of
"optout". What is in quarantine elsewhere is counted at the end.

Released records were applied after all; discarded ones somebody has given up, and
says why.

With -o json: {total, groups: [{table, code, field, message, records, first_seen,
last_seen, next_try}], records: [{table, id, state, run, class, code, field, message,
version, first_seen, last_seen, attempts, next_try, discarded: {by, reason, at}}],
elsewhere: [{table, records}]}.
total and groups count all that is selected, whatever --limit.`,
		Example: `  causeway quarantine list
  causeway quarantine list contacts --code TooLong --field lastName
  causeway quarantine list --older-than 24h
  causeway quarantine list --state discarded
  causeway quarantine list -o json | jq -r '.records[].id'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				if in.Table != "" && in.Table != args[0] {
					return badInput("got both %q and --table %q, want one table", args[0], in.Table)
				}
				in.Table = args[0]
			}
			if in.Limit < 1 || in.Limit > 1000 {
				return badInput("--limit: got %d, want 1 to 1000", in.Limit)
			}
			switch in.State {
			case "open", "released", "discarded", "all":
			default:
				return badInput("--state: got %q, want open, released, discarded or all", in.State)
			}
			var err error
			if in.Selection, err = s.read(e); err != nil {
				return err
			}
			return tell(cmd.Context(), e, func(i *operator.Instance) (activities.QuarantineListResult, error) {
				result, err := i.ListQuarantine(cmd.Context(), in)
				return result, cmp.Or(err, e.unlessKnown(i, in.Table, len(result.Records)))
			}, func(e *env, r activities.QuarantineListResult) { writeQuarantine(e, in, r) })
		},
	}
	cmd.Args = oneThenFlags(func(*cobra.Command, []string) error { return nil })
	cmd.ValidArgsFunction = completeFlows(e)
	cmd.Flags().StringVar(&in.Table, "table", "", "the same as the argument: only records of this `table` mapping; egress for events, optout for opt-outs")
	s.flags(e, cmd)
	cmd.Flags().StringVar(&in.State, "state", "open", "only records in this `state`: open, released, discarded or all")
	cmd.Flags().IntVar(&in.Limit, "limit", 100, "list at most `N` records, 1 to 1000")
	_ = cmd.RegisterFlagCompletionFunc("table", completeTables(e))
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions([]string{"open", "released", "discarded", "all"}, cobra.ShellCompDirectiveNoFileComp))
	return named(cmd)
}

func writeQuarantine(e *env, in activities.QuarantineListInput, result activities.QuarantineListResult) {
	if len(result.Records) == 0 {
		fmt.Fprintln(e.out, nothingFits)
		writeElsewhere(e, result.Elsewhere)
		return
	}
	now := e.now()
	groups := [][]cell{header([]int{0}, "RECORDS", "TABLE", "CODE", "FIELD", "SINCE", "NEXT TRY", "REASON")}
	for _, r := range result.Groups {
		groups = append(groups, []cell{
			number(r.Records), text(r.Table), text(r.Code), text(cmp.Or(r.Field, "-")), text(phrase.Age(now, r.FirstSeen)), text(phrase.Until(now, r.NextTry)), text(phrase.OneLine(r.Message)),
		})
	}
	writeTable(e.out, e.colours(), groups)
	fmt.Fprintln(e.out)
	rows := [][]cell{header([]int{5}, "TABLE", "RECORD", "STATE", "CODE", "FIELD", "TRIED", "LAST SEEN", "RUN")}
	for _, q := range result.Records {
		state := q.State
		if q.Discarded != nil && state == "discarded" {
			state = fmt.Sprintf("discarded by %s %s: %s", cmp.Or(operator.Somebody(q.Discarded.By), "somebody"), phrase.Age(now, q.Discarded.At), phrase.OneLine(q.Discarded.Reason))
		}
		rows = append(rows, []cell{
			text(q.Table), text(q.ID), text(state), text(q.Code), text(cmp.Or(q.Field, "-")), number(int64(q.Attempts)), text(phrase.Age(now, q.LastSeen)), text(q.Run),
		})
	}
	writeTable(e.out, e.colours(), rows)
	fmt.Fprintf(e.out, "\n%s of %s", humanize.Comma(int64(len(result.Records))), phrase.Count(result.Total, "record"))
	if result.Total > int64(len(result.Records)) {
		fmt.Fprint(e.out, "; --limit lists more, --ids, --run, --code, --field and --older-than narrow the list")
	}
	fmt.Fprintln(e.out)
	if in.State == "open" && !apart(in.Table) && !strings.HasPrefix(in.Run, "rollback-") {
		fmt.Fprintln(e.out, "Why: causeway quarantine show <table> <id>; again: causeway quarantine release <table> --ids <id>, or --all")
	}
	writeElsewhere(e, result.Elsewhere)
}

// writeElsewhere tells what the list does not hold, so that nobody takes it for all.
func writeElsewhere(e *env, elsewhere []activities.QuarantineElsewhere) {
	for _, other := range elsewhere {
		fmt.Fprintf(e.out, "%s holds %s that %s: causeway quarantine list %s\n",
			phrase.OneLine(other.Table), phrase.Count(other.Records, "record"), fits(other.Records), phrase.OneLine(other.Table))
	}
}

func fits(n int64) string {
	if n == 1 {
		return "fits"
	}
	return "fit"
}

// oneThenFlags says how records are named to who puts them behind the table, as
// quarantine show has them.
func oneThenFlags(one cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 {
			return badInput("%s: got %q behind %s, want records as --ids %s", cmd.CommandPath(), args[1], args[0], strings.Join(args[1:], ","))
		}
		return one(cmd, args)
	}
}
