package commands

import (
	"fmt"

	"github.com/spf13/cobra"

	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

func newApply(e *env) *cobra.Command {
	return flowArg(e, &cobra.Command{
		Use: "apply <table> | egress | optout", Short: "Put the mapping in the configuration file on file for the next start",
		Long: `Tell a flow about a changed mapping. A flow runs the revision it was started with,
so the change takes effect at the next stop and start; until then everybody's
"causeway status" shows that changes are pending. A mapping of a table that does not
fit both systems, so that a start would refuse it, is refused.

With -o json: the flow's status, as .tables[].status of causeway status.`,
		Example: "  causeway apply contacts\n  causeway stop contacts --wait && causeway start contacts",
		RunE: func(cmd *cobra.Command, args []string) error {
			flow := args[0]
			return tell(cmd.Context(), e, func(i *operator.Instance) (workflows.Status, error) {
				return i.ApplyConfig(cmd.Context(), flow)
			}, func(e *env, st workflows.Status) {
				pending := ""
				if st.ChangesPending() {
					pending = fmt.Sprintf(", %s is running; stop and start to apply", st.Revision)
				}
				fmt.Fprintf(e.out, "%s: revision %s is on file%s\n", flow, st.FiledRevision, pending)
			})
		},
	})
}
