package commands

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

// shownDifferences bounds the list for people; -o json has all.
const shownDifferences = 20

// tellEvery is how often a command that reads a whole table says how far it is.
const tellEvery = 10 * time.Second

func newOptOutCheck(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "Compare the opt-outs that both systems hold now; nothing is written",
		Long: `Read the opt-outs of all profiles and of their contacts, as they are now, and list the
pairs that do not agree. While the flow runs, a choice that is on its way is one of
them; with mode campaign_to_dynamics so is one that was made in Dynamics by hand.
It costs one call to Campaign for 1,000 profiles.

Exit code 0 when both systems agree, 1 when they do not.

With -o json: {profiles, missing, different: [{contact, attribute, column}], waiting}.
missing counts profiles whose contact Dynamics does not have, waiting contacts whose
opt-out waits for a profile.`,
		Example: "  causeway optout check\n  causeway optout check -o json | jq -r '.different[].contact'",
		Args:    exactly("none", 0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return optOutCheck(cmd.Context(), e) },
	}
}

func optOutCheck(ctx context.Context, e *env) error {
	told := e.now()
	at := func(profiles int64) {
		if now := e.now(); now.Sub(told) >= tellEvery {
			told = now
			e.say("%s compared", phrase.Count(profiles, "profile"))
		}
	}
	return judge(ctx, e, func(i *operator.Instance) (activities.CheckOptOutsResult, error) { return i.CheckOptOuts(ctx, at) },
		writeDifferences, func(r activities.CheckOptOutsResult) int { return failedIf(len(r.Different) > 0) })
}

func writeDifferences(e *env, r activities.CheckOptOutsResult) {
	p := e.colours()
	verdict := p.with(good, "both systems agree")
	if n := int64(len(r.Different)); n > 0 {
		verdict = p.with(bad, phrase.Count(n, "choice")+" on which they do not agree")
	}
	fmt.Fprintf(e.out, "%s compared: %s\n", phrase.Count(r.Profiles, "profile"), verdict)
	if r.Missing > 0 {
		fmt.Fprintf(e.out, "%s in Campaign without their contact in Dynamics.\n", phrase.Count(r.Missing, "profile"))
	}
	if r.Waiting > 0 {
		fmt.Fprintf(e.out, "%s of contacts without a profile.\n", phrase.Count(r.Waiting, "opt-out"))
	}
	if len(r.Different) == 0 {
		return
	}
	fmt.Fprintln(e.out)
	rows := [][]cell{header(nil, "CONTACT", "ATTRIBUTE", "COLUMN")}
	for _, d := range r.Different[:min(shownDifferences, len(r.Different))] {
		rows = append(rows, []cell{text(d.Contact), text(d.Attribute), text(d.Column)})
	}
	losers := slices.ContainsFunc(r.Different, func(d activities.OptOutDifference) bool { return d.Loser != "" })
	if losers {
		rows[0] = append(rows[0], header(nil, "OPTED OUT AS")...)
		for i, d := range r.Different[:len(rows)-1] {
			rows[i+1] = append(rows[i+1], text(d.Loser))
		}
	}
	writeTable(e.out, p, rows)
	if more := len(r.Different) - shownDifferences; more > 0 {
		fmt.Fprintf(e.out, "and %s; all of them: -o json\n", phrase.Count(int64(more), "more"))
	}
	if losers {
		fmt.Fprintln(e.out, "\nOPTED OUT AS names a contact that was merged into this one and has opted out, which this one has not.")
	}
	fmt.Fprintln(e.out, "\nWhat was decided about one: causeway optout history <contact>")
}
