package commands

import (
	"context"

	"github.com/spf13/cobra"

	"causeway.dev/workflows"
)

type stopOptions struct {
	table string
	wait  bool
}

func newStop(e *env, g *global) *cobra.Command {
	var o stopOptions
	cmd := flowArg(g, &cobra.Command{
		Use: "stop <table> | egress | optout", Short: "Stop a flow; nothing is lost",
		Long: `Stop a flow. Records being written are finished, pages not yet written are kept,
and the next start goes on from there. Stop and start to apply a changed mapping.

The command waits for up to half a minute; a flow with much in hand may take
longer and then goes on stopping by itself (--wait follows it to the end).

With -o json: the flow's status, as .tables[].status of causeway status.`,
		Example: "  causeway stop contacts --wait && causeway start contacts",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.table = args[0]
			return stop(cmd.Context(), e, g, o)
		},
	})
	cmd.Flags().BoolVarP(&o.wait, "wait", "w", false, "wait until the flow has stopped")
	return cmd
}

func stop(ctx context.Context, e *env, g *global, o stopOptions) error {
	f, err := e.openFlow(ctx, g, o.table)
	if err != nil {
		return err
	}
	defer f.close()
	var st workflows.Status
	if err := f.update(ctx, workflows.UpdateStop, workflows.StopRequest{By: e.by}, &st); err != nil {
		return err
	}
	if o.wait && !untilStopped(st) {
		if st, err = f.follow(ctx, untilStopped); err != nil {
			return err
		}
	}
	return f.answer(st)
}

func untilStopped(st workflows.Status) bool {
	return st.State == workflows.StateStopped || st.State == workflows.StateFailed
}
