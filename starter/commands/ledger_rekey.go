package commands

import (
	"fmt"

	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
)

func newLedgerRekey(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "rekey", Short: "Seal the ledger anew with the first key",
		Long: `Have the workers seal every value in the ledger with the first key of
ledger.encryption_key: what is sealed with another one, and what is there from before
the ledger had a key. They do it in small steps while flows run, and go on where they
were after a restart.

Give all workers the new key first and restart them. "causeway status" shows how far
they are, and when the older key is needed no more. Backups from before need it still.

With -o json: {key, older_keys: [id], whole, rekey: {asked, ended, column, columns,
looked, sealed, problem}, remains}.`,
		Example: "  causeway ledger rekey\n  causeway status",
		Args:    exactly("none", 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return tell(cmd.Context(), e, func(i *operator.Instance) (r activities.LedgerSealing, err error) {
				if r, err = i.RekeyLedger(cmd.Context()); err == nil && r.Key == "" {
					err = failed("the worker has no key: set ledger.encryption_key and restart it")
				}
				return r, err
			}, func(e *env, r activities.LedgerSealing) {
				fmt.Fprintf(e.out, "the ledger is being sealed anew with key %s while flows run; causeway status shows how far that is\n", r.Key)
			})
		},
	}
}
