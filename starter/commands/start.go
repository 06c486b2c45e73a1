package commands

import (
	"cmp"
	"context"

	"github.com/spf13/cobra"

	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

func newStart(e *env) *cobra.Command {
	var all, wait, noRollback bool
	var by string
	cmd := &cobra.Command{
		Use: "start <table> | egress | optout | --all", Short: "Start a flow with what the configuration file says of it",
		Long: `Start a stopped, failed or new flow: a table's; egress, which brings e-mail events
to the contact's timeline in Dynamics; or optout, which keeps opt-outs in step. The
mapping, or the settings, and limits are taken from the configuration file and kept
until the flow is stopped and started again. They are checked against both systems
first; what does not fit stops the start with exit code 1, before anything is written.

The first start reads the whole table (the initial load), later ones go on where
the flow was stopped. The initial load of a table with links waits for those of
its parents. The first start of egress reads what the journal still has, up to 7
days. optout looks at everybody's choices first, and again when its pairs, its mode
or another rule of its has changed. --all starts every mapping of the file, parents
first, egress if a type of event is switched on, and optout if its mode is
campaign_to_dynamics or bidirectional.

With --by file, the initial load goes by file: an import workflow of Campaign writes all
but the first page and what a file cannot hold, see docs/first-load.md. Where Campaign
has records of the resource already, this needs --no-rollback: of those no before-images
are kept.

With -o json: the flow's status, as .tables[].status of causeway status.`,
		Example:           "  causeway start contacts\n  causeway start contacts --wait   # until the initial load is done\n  causeway start egress\n  causeway start --all",
		ValidArgsFunction: completeFlows(e),
		Args: func(cmd *cobra.Command, args []string) error {
			if all {
				return exactly("none with --all", 0)(cmd, args)
			}
			return exactly("one table, such as contacts, or egress or optout, or --all", 1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			load, err := byFile(by, noRollback)
			if err != nil {
				return err
			}
			if all && load.File {
				return badInput("got both --all and --by file, want one table")
			}
			if all {
				return startAll(cmd.Context(), e, wait)
			}
			return e.with(cmd.Context(), func(i *operator.Instance) error { return start(cmd.Context(), e, i, args[0], load, wait) })
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "start every flow of the configuration file, parents first")
	cmd.Flags().StringVar(&by, "by", "rest", "how the initial load writes: `rest` or file")
	cmd.Flags().BoolVar(&noRollback, "no-rollback", false, noRollbackUsage)
	cmd.Flags().BoolVarP(&wait, "wait", "w", false, "follow the initial load to its end, with progress")
	return named(cmd)
}

// startAll starts one flow after the other; one that cannot start, or runs
// already, does not keep the others from it. The exit code is that of the first.
func startAll(ctx context.Context, e *env, wait bool) error {
	return e.with(ctx, func(i *operator.Instance) error {
		var first error
		for _, flow := range i.ParentsFirst() {
			if err := start(ctx, e, i, flow, workflows.ByFile{}, wait); err != nil {
				first = cmp.Or(first, quietly(e.report(err)))
			}
		}
		return first
	})
}

func start(ctx context.Context, e *env, i *operator.Instance, flow string, load workflows.ByFile, wait bool) error {
	begin := i.Start
	if load.File {
		begin = func(ctx context.Context, flow string) (workflows.Status, error) {
			return i.StartByFile(ctx, flow, load)
		}
	}
	st, err := begin(ctx, flow)
	if err != nil {
		return err
	}
	if st.State != workflows.StateFailed && st.Watermark.IsZero() {
		e.say("the initial load of %s begins; if it is large, stop other processes in Campaign until it is done", flow)
	}
	if wait && st.State != workflows.StateFailed {
		bar := e.bar()
		st, err = i.FollowLoad(ctx, flow, bar)
		bar.end()
		if err != nil {
			return err
		}
	}
	if err := e.answer(flow, st); err != nil || !wait || e.output != outputTable || st.LastRun == nil {
		return err
	}
	writeAccount(e.out, e.colours(), flow, st.LastRun.Counts)
	return nil
}
