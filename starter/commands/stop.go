package commands

import (
	"context"

	"github.com/spf13/cobra"

	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

func newStop(e *env) *cobra.Command {
	wait := false
	cmd := flowArg(e, &cobra.Command{
		Use: "stop {<table> | egress | optout | --all}", Short: "Stop a flow; nothing is lost",
		Long: `Stop a flow. Records being written are finished, pages not yet written are kept,
and the next start goes on from there. Stop and start to apply a changed mapping.

The command waits for up to half a minute; a flow with much in hand may take
longer and then goes on stopping by itself (--wait follows it to the end).

--all stops every flow that is not stopped, children before their parents, also those
whose mapping was removed from the file. One that cannot be stopped does not keep the
others from it.

With -o json: the flow's status, as .tables[].status of causeway status; with --all one
document for each.`,
		Example: "  causeway stop contacts --wait && causeway start contacts\n  causeway stop --all",
		RunE: func(cmd *cobra.Command, args []string) error {
			return stop(cmd.Context(), e, args[0], wait)
		},
	})
	cmd.Flags().BoolVarP(&wait, "wait", "w", false, "wait until the flow has stopped")
	allFlows{
		none: "every flow is stopped already", reversed: true,
		concerns: func(st *workflows.Status) bool {
			return st.State != workflows.StateStopped && (st.State != workflows.StateFailed || !st.RetryAt.IsZero())
		},
		do: func(ctx context.Context, i *operator.Instance, flow string) (workflows.Status, error) {
			return e.stopOne(ctx, i, flow, wait)
		},
	}.flag(e, cmd, "stop every flow, children before their parents")
	return named(cmd)
}

func stop(ctx context.Context, e *env, flow string, wait bool) error {
	return e.operate(ctx, flow, func(i *operator.Instance) (workflows.Status, error) { return e.stopOne(ctx, i, flow, wait) })
}

func (e *env) stopOne(ctx context.Context, i *operator.Instance, flow string, wait bool) (workflows.Status, error) {
	st, err := i.Stop(ctx, flow)
	if err != nil || !wait || operator.Stopped(st) {
		return st, err
	}
	bar := e.bar()
	defer bar.end()
	return i.FollowStop(ctx, flow, bar)
}
