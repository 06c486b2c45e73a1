package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

func newQuarantine(e *env, g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use: "quarantine", Short: "Look at the records Campaign refused",
		Long: `A record that cannot be written is set aside with its reason, and the rest goes on.`,
		Args: exactly("a subcommand such as list", 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newQuarantineList(e, g))
	return cmd
}

func newQuarantineList(e *env, g *global) *cobra.Command {
	var in activities.QuarantineListInput
	cmd := &cobra.Command{
		Use: "list", Short: "List records in quarantine with the reason of each",
		Long: `List open records in quarantine: ids and reasons, no values. A worker reads them
from its ledger.

With -o json: {total, records: [{table, id, run, class, code, field, message,
first_seen, last_seen, attempts}]}. total counts all open records of the table, or
of every table, whatever --run, --code and --limit select.`,
		Example: `  causeway quarantine list
  causeway quarantine list --table contacts --code TooLong
  causeway quarantine list -o json | jq -r '.records[].id'`,
		Args: exactly("none", 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if in.Limit < 1 || in.Limit > 1000 {
				return badInput("--limit: got %d, want 1 to 1000", in.Limit)
			}
			return quarantineList(cmd.Context(), e, g, in)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&in.Table, "table", "", "only records of this `table` mapping")
	flags.StringVar(&in.Run, "run", "", "only records refused in this `run`")
	flags.StringVar(&in.Code, "code", "", "only this `code`, such as TooLong or InvalidValue")
	flags.IntVar(&in.Limit, "limit", 100, "list at most `N` records, 1 to 1000")
	_ = cmd.RegisterFlagCompletionFunc("table", completeTables(g))
	return cmd
}

func quarantineList(ctx context.Context, e *env, g *global, in activities.QuarantineListInput) error {
	cfg, api, err := e.connect(ctx, g)
	if err != nil {
		return err
	}
	defer api.Close()
	var result activities.QuarantineListResult
	if err := ask(ctx, g, api, g.timeout, workflows.ActivityListQuarantine, in, &result); err != nil {
		return err
	}
	if g.json() {
		if result.Records == nil {
			result.Records = []activities.QuarantinedRecord{}
		}
		return writeJSON(e.out, result)
	}
	if _, mapped := cfg.Ingress.Tables[in.Table]; in.Table != "" && !mapped && len(result.Records) == 0 {
		return unknownTable(g, cfg, in.Table)
	}
	writeQuarantine(e, in, result)
	return nil
}

// ask has a worker run an activity by itself: only workers reach the ledger and
// the two systems.
func ask(ctx context.Context, g *global, api temporalAPI, within time.Duration, activity string, in, result any) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	switch err := api.Run(ctx, activity, in, result); {
	case errors.Is(err, errNoWorker):
		return unreachable("no worker answered within %s, and only a worker can answer this; start one with: worker --config %s", within, g.configPath)
	case err != nil:
		return asFailed(err)
	}
	return nil
}

// asFailed is for work that was accepted: what it reports is no refusal.
func asFailed(err error) error {
	if fail, ok := errors.AsType[*failure](err); ok && fail.code == exitBadInput {
		return failed("%s", fail.text)
	}
	return err
}

func writeQuarantine(e *env, in activities.QuarantineListInput, result activities.QuarantineListResult) {
	if len(result.Records) == 0 {
		fmt.Fprintln(e.out, "No record in quarantine fits.")
		return
	}
	now := e.now()
	rows := [][]cell{header([]int{4}, "TABLE", "RECORD", "CODE", "FIELD", "TRIED", "LAST SEEN", "MESSAGE")}
	for _, q := range result.Records {
		rows = append(rows, []cell{
			text(q.Table), text(q.ID), text(q.Code), text(cmp.Or(q.Field, "-")), number(int64(q.Attempts)), text(age(now, q.LastSeen)), text(oneLine(q.Message)),
		})
	}
	writeTable(e.out, e.colours(), rows)
	fmt.Fprintf(e.out, "\n%s of %s in quarantine", humanize.Comma(int64(len(result.Records))), humanize.Comma(result.Total))
	if len(result.Records) == in.Limit && result.Total > int64(in.Limit) {
		fmt.Fprint(e.out, "; --limit lists more, --run and --code narrow the list")
	}
	fmt.Fprintln(e.out)
}
