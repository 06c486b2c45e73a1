package commands

import (
	"fmt"

	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

func newOptOutCheckSource(e *env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "check-source", Short: "Find out where Campaign's opt-outs can be read",
		Long: `Look at what the Campaign instance offers: over REST opt-outs are read every few
minutes, if the instance publishes when each attribute last changed and has the filter
of opt_out.modified_since; from the daily export they are read once a day.

Exit code 0 when there is a way, 1 when there is none.

With -o json: {source, rest, sftp, fields: [{attribute, field, stamp}]}. source is
what a start would use; rest and sftp are empty when possible, else they say why not.`,
		Example: "  causeway optout check-source",
		Args:    exactly("none", 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return judge(cmd.Context(), e, func(i *operator.Instance) (activities.CheckSourceResult, error) {
				return i.CheckOptOutSource(cmd.Context())
			}, writeSource, func(r activities.CheckSourceResult) int { return failedIf(r.Source == "") })
		},
	}
	return cmd
}

func writeSource(e *env, r activities.CheckSourceResult) {
	p := e.colours()
	rows := [][]cell{header(nil, "ATTRIBUTE", "IN CAMPAIGN", "LAST CHANGED")}
	for _, f := range r.Fields {
		field, stamp := cell{text: f.Field}, cell{text: f.Stamp}
		if f.Field == "" {
			field = cell{code: bad, text: "missing"}
		}
		if f.Stamp == "" {
			stamp = cell{code: caution, text: "not published"}
		}
		rows = append(rows, []cell{text(f.Attribute), field, stamp})
	}
	writeTable(e.out, p, rows)
	fmt.Fprintln(e.out)
	for _, way := range []struct{ name, why string }{{"over REST, every few minutes", r.REST}, {"from the daily export", r.SFTP}} {
		if way.why == "" {
			fmt.Fprintln(e.out, p.with(good, "possible")+" "+way.name)
		} else {
			fmt.Fprintln(e.out, p.with(caution, "not possible")+" "+way.name+": "+phrase.OneLine(way.why))
		}
	}
	switch r.Source {
	case "":
		fmt.Fprintln(e.out, p.with(bad, "Campaign's opt-outs cannot be read."))
	default:
		fmt.Fprintln(e.out, "A start reads Campaign "+optOutSource[r.Source]+".")
	}
}

var optOutSource = map[string]string{"rest": "over REST", "sftp": "from the daily export"}
