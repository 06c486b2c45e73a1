package commands

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

func newRequests(e *env) *cobra.Command {
	all := false
	cmd := &cobra.Command{
		Use: "requests", Short: "Show what waits for a second person, and confirm or decline it",
		Long: `Show what waits for a second person. Operations that access.four_eyes of the
configuration names are not carried out when somebody asks for them: they are
recorded, until access.four_eyes_within has passed. Somebody else who is signed in,
and whose role allows the operation, confirms or declines it. Whoever asked then
runs their command again, which carries it out, once.

With -o json: {requests: [{id, operation, target, input, by, at, until, state,
decider}]}; state is asked, confirmed, declined, done or expired.`,
		Example: "  causeway requests\n  causeway requests confirm ask-k3j9x0a2bz",
		Args:    exactly("none", 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return tell(cmd.Context(), e, func(i *operator.Instance) (activities.RequestsResult, error) {
				return i.Requests(cmd.Context(), all)
			}, writeRequests)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "also those that are over")
	cmd.AddCommand(
		newDecide(e, "confirm", "Confirm what somebody else asked for", true, "confirmed: %s may run their command again now, once, until %s\n"),
		newDecide(e, "decline", "Decline what somebody asked for, or withdraw it", false, "declined: what %s asked for until %s is not done\n"),
	)
	return named(cmd)
}

func newDecide(e *env, use, short string, confirm bool, done string) *cobra.Command {
	return &cobra.Command{
		Use: use + " <request>", Short: short,
		Long:              short + ". causeway requests lists what waits.\n\nWith -o json: {request: {id, operation, target, input, by, at, until, state, decider}}.",
		Example:           "  causeway requests " + use + " ask-k3j9x0a2bz",
		Args:              exactly("the request that causeway requests lists", 1),
		ValidArgsFunction: first(completeRequests(e)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return decideRequest(cmd.Context(), e, args[0], confirm, done)
		},
	}
}

func decideRequest(ctx context.Context, e *env, id string, confirm bool, done string) error {
	return tell(ctx, e, func(i *operator.Instance) (activities.DecideResult, error) {
		return i.Decide(ctx, id, confirm)
	}, func(e *env, r activities.DecideResult) {
		fmt.Fprintf(e.out, done, operator.Somebody(r.Request.By), phrase.Clock(e.now(), r.Request.Until))
	})
}

func writeRequests(e *env, r activities.RequestsResult) {
	if len(r.Requests) == 0 {
		fmt.Fprintln(e.out, "Nothing waits for a second person.")
		return
	}
	rows := [][]cell{header(nil, "REQUEST", "STATE", "WHAT", "OF", "WITH", "BY", "UNTIL", "DECIDED BY")}
	for _, q := range r.Requests {
		rows = append(rows, []cell{
			text(q.ID), text(q.State), text(q.Operation), text(cmp.Or(q.Target, "-")), text(phrase.OneLine(string(q.Input))), text(operator.Who(q.By)),
			text(phrase.Clock(e.now(), q.Until)), text(cmp.Or(operator.Who(q.Decider), "-")),
		})
	}
	writeTable(e.out, e.colours(), rows)
	fmt.Fprintln(e.out, "\nto decide: causeway requests confirm <request>, or causeway requests decline <request>")
}
