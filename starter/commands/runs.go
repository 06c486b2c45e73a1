package commands

import "github.com/spf13/cobra"

// runArgHelp says what a command about a run takes.
const runArgHelp = `<run> is a run's name as "causeway runs list" shows it; or the name of a flow, such
as contacts or egress, for the workflow that owns it; or the id of a workflow.`

func newRuns(e *env) *cobra.Command {
	cmd := group(&cobra.Command{
		Use: "runs", Short: "Find, understand and repeat what ran",
		Long: `Every load, backfill, pass of changes, rollback and audit is a run. The ledger
keeps what came of it; Temporal keeps its history, event by event, for as long as
the namespace retains it.`,
	})
	cmd.AddCommand(newRunsList(e), newRunsShow(e), newRunsReplay(e), newRunsCancel(e), newRunsExport(e), newRunsVerify(e))
	return cmd
}
