package commands

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

func newForget(e *env) *cobra.Command {
	var table string
	var yes bool
	cmd := &cobra.Command{
		Use: "forget <contact>", Short: "Erase what is kept of a person",
		Long: `Erase what the ledger keeps of a person, by the id of the contact in Dynamics. Not one
value of the person stays in it. It shows first where the person is, in which system
and in which tables of the ledger, and asks unless --yes is given.

Dynamics and Campaign are not changed. While one of them has the person, nothing is
erased, because the next run would write it again. In this order:

  1. Set the opt-out, and wait until "causeway optout history <id>" shows it on both sides.
  2. Delete the contact in Dynamics.
  3. With apply_deletes the next run deletes the profile; otherwise delete it in Campaign.
  4. causeway forget <id>
  5. Make a privacy request in Campaign, for what it keeps besides profiles, such as logs
     of deliveries.

What a run has read, or a request without an answer may still write, is waited for.
The workers then go on by themselves, also after a restart; causeway status tells.

Kept are opt-outs that were chosen and their evidence, by id and without values, so
that they are honoured if the same contact comes back; and that somebody was erased,
as a keyed hash of the id. Another contact, also one with the same address, has
nothing of it attached. Backups of the ledger keep what they hold; a ledger that is
restored from one is searched for those who were erased since.

--table names another table than that of contacts, for records that belong to a person.

With -o json: {done, waits, erasure, left: [{where, rows, kept}]}.`,
		Example: "  causeway forget 6f0c1d2e-0000-4000-8000-000000000001\n  causeway forget --table orders 6f0c1d2e-0000-4000-8000-000000000002 --yes",
		Args:    exactly("the id of a contact", 1),
		RunE:    func(cmd *cobra.Command, args []string) error { return forget(cmd.Context(), e, table, args[0], yes) },
	}
	cmd.Flags().StringVar(&table, "table", "", "the table of the record, a `name` of the configuration; default is that of contacts")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

func forget(ctx context.Context, e *env, table, id string, yes bool) error {
	return tell(ctx, e, func(i *operator.Instance) (r activities.ForgetResult, err error) {
		found, err := i.Traces(ctx, table, id)
		if err != nil {
			return r, err
		}
		e.say("%s", tracesInWords(e.now(), found))
		if steps := stepsBefore(found); steps != "" {
			return r, failed("%s", steps)
		}
		if err := e.confirm(ctx, yes, "", "Erase it? It cannot be brought back.", "this erases what is kept of a person; say --yes"); err != nil {
			return r, err
		}
		return i.Forget(ctx, table, id)
	}, func(e *env, r activities.ForgetResult) {
		if !r.Done {
			fmt.Fprintf(e.out, "it waits for %s; the workers erase it then by themselves, causeway status tells\n", r.Waits)
		} else {
			fmt.Fprintf(e.out, "erased, as erasure %s%s\n", r.Erasure, leftInWords(r.Left))
		}
		fmt.Fprintln(e.out, "what remains: a privacy request in Campaign, for what it keeps besides profiles; exported files; and backups, until they are old enough")
	})
}

// tracesInWords says where a record is.
func tracesInWords(now time.Time, r activities.TracesResult) string {
	has := map[bool]string{true: "has it", false: "does not have it"}
	lines := []string{
		fmt.Sprintf("%s of %s: Dynamics %s, Campaign %s", r.ID, r.Table, has[r.InDynamics], has[r.InCampaign]),
		"in the ledger: " + rowsInWords(r.Ledger),
	}
	if r.Waits != "" {
		lines = append(lines, "it is to be forgotten already, and waits for "+r.Waits)
	}
	if !r.Forgotten.IsZero() {
		lines = append(lines, "it was forgotten on "+phrase.Clock(now, r.Forgotten))
	}
	return strings.Join(lines, "\n")
}

func rowsInWords(traces []activities.Trace) string {
	if len(traces) == 0 {
		return "nothing"
	}
	var parts []string
	for _, t := range traces {
		part := t.Where + " " + phrase.Count(t.Rows, "row")
		if t.Kept {
			part += " (ids and choices, which stay where an opt-out was chosen)"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

func leftInWords(left []activities.Trace) string {
	if len(left) == 0 {
		return "; nothing of it is left in the ledger"
	}
	var parts []string
	for _, t := range left {
		parts = append(parts, t.Where+" "+phrase.Count(t.Rows, "row"))
	}
	return "; left are ids and choices: " + strings.Join(parts, ", ")
}

// stepsBefore says what has to happen in the two systems first; "" when nothing has.
func stepsBefore(r activities.TracesResult) string {
	switch {
	case r.InDynamics:
		return "nothing is erased while Dynamics has it, because the next run would write it again; set its opt-out, wait until causeway optout history " + r.ID +
			" shows it on both sides, delete it in Dynamics, let a run delete it in Campaign (or delete it there), and run this again"
	case r.InCampaign:
		return "nothing is erased while Campaign has it; with apply_deletes the next run deletes it there (causeway explain " + r.Table + " " + r.ID + " --live says what it waits for), otherwise delete it there, and run this again"
	}
	return ""
}
