package commands

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

func newOptOutHistory(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "history <contact>", Short: "Show every decision about a contact's opt-outs, and what it rests on",
		Long: `Show what was decided about the opt-outs of a contact: what each system had said and
when, the rule that applied, and what was written. Decisions are kept for
retention.evidence. The answer is encrypted on its way: Temporal keeps none of it.

With -o json: [{contact, at, run, attribute, column, dynamics: {known, opted_out, at},
campaign: {known, opted_out, at}, rule, opted_out, effect}], the newest first.`,
		Example: "  causeway optout history 6f0c1d2e-0000-4000-8000-000000000001",
		Args:    exactly("the id of one contact in Dynamics", 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return tell(cmd.Context(), e, func(i *operator.Instance) ([]activities.Evidence, error) {
				all, err := i.OptOutHistory(cmd.Context(), args[0])
				return newestFirst(all), err
			}, func(e *env, all []activities.Evidence) { writeHistory(e, args[0], all) })
		},
	}
}

func writeHistory(e *env, contact string, all []activities.Evidence) {
	if len(all) == 0 {
		fmt.Fprintln(e.out, "nothing was decided about "+strings.ToLower(contact))
		return
	}
	rows := [][]cell{header(nil, "TIME", "ATTRIBUTE", "DYNAMICS", "CAMPAIGN", "RULE", "DECIDED", "WRITTEN", "RUN")}
	for _, d := range all {
		rows = append(rows, []cell{
			text(phrase.Clock(e.now(), d.At)), text(d.Attribute + " = " + d.Column), text(said(e.now(), d.Dynamics)), text(said(e.now(), d.Campaign)),
			text(ruleInWords[d.Rule]), text(operator.Choice(d.OptedOut)), text(effectInWords[d.Effect]), text(d.Run),
		})
	}
	writeTable(e.out, e.colours(), rows)
}

// said is what one side had chosen.
func said(now time.Time, c activities.Choice) string {
	switch {
	case !c.Known:
		return "nothing"
	case c.At.IsZero():
		return operator.Choice(c.OptedOut) + ", time unknown"
	}
	return operator.Choice(c.OptedOut) + " " + phrase.Clock(now, c.At)
}

var ruleInWords = map[string]string{
	"campaign-newer": "Campaign is newer", "dynamics-newer": "Dynamics is newer or as old: an opt-out wins", "age-unknown": "an age is unknown: an opt-out wins",
	"only-dynamics": "only Dynamics has chosen", "only-campaign": "only Campaign has chosen", "campaign-changed": "Campaign overwrites", "kept": "Campaign has not changed", "merged": "a contact merged into it, or its own deleted profile, had opted out",
	"nothing-known": "nothing is known",
}

var effectInWords = map[string]string{
	"": "nothing", "dynamics": "Dynamics", "campaign": "Campaign", "both": "both", "waits": "nothing yet: there is no profile", "refused": "nothing: it was refused",
}
