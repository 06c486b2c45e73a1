package commands

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"causeway.dev/config"
	"causeway.dev/workflows"
)

func newApprove(e *env, g *global) *cobra.Command {
	return &cobra.Command{
		Use: "approve <run>", Short: "Let the deletes of a run go on that wait for an operator",
		Long: `Let deletes go on. A run that would delete more records in Campaign than
deletes.stop_ratio and deletes.stop_min of the configuration allow stops before
the first of them: everything else of the run is written, the deletes wait, and
"causeway status" names the run. Look at why so many records are gone from
Dynamics, or no longer match the filter, before you approve. To refuse, undo the
cause: records that come back, or match again, are kept.

With -o json: the flow's status, as .tables[].status of causeway status.`,
		Example: "  causeway status contacts\n  causeway approve contacts-20260102T030405.000Z",
		Args:    exactly("the run that causeway status names", 1),
		RunE:    func(cmd *cobra.Command, args []string) error { return approve(cmd.Context(), e, g, args[0]) },
	}
}

func approve(ctx context.Context, e *env, g *global, run string) error {
	cfg, err := g.load()
	if err != nil {
		return err
	}
	table := tableOf(cfg, run)
	if table == "" {
		return badInput("run: got %q, want a run of a table in %s, such as contacts-20260102T030405.000Z; causeway status names those that wait", run, g.configPath)
	}
	f, err := e.openFlow(ctx, g, table)
	if err != nil {
		return err
	}
	defer f.close()
	var st workflows.Status
	if err := f.update(ctx, workflows.UpdateApprove, workflows.ApproveRequest{Run: run, By: e.by}, &st); err != nil {
		return err
	}
	if g.json() {
		return writeJSON(e.out, st)
	}
	fmt.Fprintf(e.out, "%s: the deletes of run %s go on; causeway status %s shows how far they are\n", table, run, table)
	return nil
}

// tableOf is the mapping that a run belongs to: a run's name is its table's, and
// when it began.
func tableOf(cfg *config.Config, run string) string {
	for _, name := range tableNames(cfg) {
		if isRunOf(name, run) {
			return name
		}
	}
	return ""
}

func isRunOf(name, run string) bool {
	rest, ok := strings.CutPrefix(run, name+"-")
	return ok && len(rest) > 8 && rest[0] >= '0' && rest[0] <= '9' && rest[8] == 'T'
}
