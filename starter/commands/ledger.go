package commands

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
)

func newLedger(e *env) *cobra.Command {
	cmd := &cobra.Command{Use: "ledger", Short: "Back the ledger up, and say what became of it", Long: "Back the ledger up, the database of Causeway's own state, and say what became of it."}
	cmd.AddCommand(newLedgerRestored(e), newLedgerRekey(e), newLedgerBackup(e))
	return cmd
}

func newLedgerRestored(e *env) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "restored", Short: "Say that the ledger, or Temporal, was restored from a backup",
		Long: `Say by hand that the ledger was restored from a backup, or Temporal, or both. A
flow that ran before and after notices a restored ledger by itself, and needs no
such word. It cannot where Temporal was restored or lost too.

Every flow of the configuration then compares everything anew. A table takes a
new baseline, is audited, and what differs is repaired; its deletes wait until
then. Opt-outs are looked at on both sides and count as of unknown age, so an
opt-out on either side wins. Events are read on from where the ledger stands; one
that comes again is recognised. Running flows begin at once, others at their next
start, also one that does not exist yet. "causeway status" shows how far they are.

What was created in Campaign since the backup, and deleted in Dynamics meanwhile, is
listed afterwards by: causeway audit <table> --repair --strays.

It says what it will do and asks first unless --yes is given.

With -o json: {flows}.`,
		Example: "  causeway ledger restored\n  causeway ledger restored --yes && causeway start --all",
		Args:    exactly("none", 0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return ledgerRestored(cmd.Context(), e, yes) },
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

func ledgerRestored(ctx context.Context, e *env, yes bool) error {
	return tell(ctx, e, func(i *operator.Instance) (r activities.MarkRestoredResult, err error) {
		what := restoredInWords(i.Restored())
		if what == "" {
			return r, badInput("%s has no flow", e.configPath)
		}
		e.say("%s", what)
		if err := e.confirm(ctx, yes, "", "Compare everything anew?", "this makes every flow read everything again; say --yes"); err != nil {
			return r, err
		}
		return i.MarkRestored(ctx)
	}, func(e *env, r activities.MarkRestoredResult) {
		fmt.Fprintf(e.out, "%s: running flows begin to compare everything anew, others do so at their start; causeway status shows how far they are\n", strings.Join(r.Flows, ", "))
	})
}

func restoredInWords(in activities.MarkRestoredInput) string {
	var lines []string
	if len(in.Tables) > 0 {
		lines = append(lines, strings.Join(in.Tables, ", ")+": a new baseline, an audit and its repair; deletes wait until then")
	}
	if in.OptOut {
		lines = append(lines, "optout: everybody's choices are looked at; an opt-out on either side wins")
	}
	if in.Egress {
		lines = append(lines, "egress: events are read on from where the ledger stands")
	}
	return strings.Join(lines, "\n")
}
