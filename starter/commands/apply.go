package commands

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"causeway.dev/workflows"
)

func newApply(e *env, g *global) *cobra.Command {
	return flowArg(g, &cobra.Command{
		Use: "apply <table> | egress | optout", Short: "Put the mapping in the configuration file on file for the next start",
		Long: `Tell a flow about a changed mapping. A flow runs the revision it was started with,
so the change takes effect at the next stop and start; until then everybody's
"causeway status" shows that changes are pending.

With -o json: the flow's status, as .tables[].status of causeway status.`,
		Example: "  causeway apply contacts\n  causeway stop contacts --wait && causeway start contacts",
		RunE: func(cmd *cobra.Command, args []string) error {
			return apply(cmd.Context(), e, g, args[0])
		},
	})
}

func apply(ctx context.Context, e *env, g *global, name string) error {
	f, err := e.openFlow(ctx, g, name)
	if err != nil {
		return err
	}
	defer f.close()
	if _, ok := f.configured(); !ok {
		return f.notConfigured()
	}
	request := StartRequest(f.cfg, name, e.by)
	var st workflows.Status
	if err := f.update(ctx, workflows.UpdateApplyConfig, request, &st); err != nil {
		return err
	}
	if g.json() {
		return writeJSON(e.out, st)
	}
	if st.ChangesPending() {
		fmt.Fprintf(e.out, "%s: revision %s is on file, %s is running; stop and start to apply\n", name, st.FiledRevision, st.Revision)
		return nil
	}
	fmt.Fprintf(e.out, "%s: revision %s is on file\n", name, st.FiledRevision)
	return nil
}
