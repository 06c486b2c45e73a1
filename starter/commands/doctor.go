package commands

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

func newDoctor(e *env) *cobra.Command {
	var areas []string
	cmd := &cobra.Command{
		Use: "doctor", Short: "Check everything outside, and say what to do about what is wrong",
		Long: `Check the configuration and Temporal from here, and have a worker check the
ledger, both systems with their token services, the data models, the journal, the
file server, credentials, certificates and clocks. Nothing is changed. A check that
needs one that failed is skipped, all others are made. docs/doctor.md lists them.

Exit code 0 when nothing fails, 1 when a check fails, 2 when the configuration
cannot be used, 3 when Temporal or every worker is away.

With -o json: {at, checks: [{area, what, state, found, wanted, remedy, took_ms}],
requests: {host: number}, engine_calls, unreachable}. state is ok, warn, fail or
skipped.`,
		Example: "  causeway doctor\n  causeway doctor --area dynamics --area campaign\n  causeway doctor -o json --timeout 3m",
		Args:    exactly("none", 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return judge(cmd.Context(), e, func(i *operator.Instance) (*operator.DoctorReport, error) {
				return i.Doctor(cmd.Context(), areas...)
			}, writeDoctor, func(r *operator.DoctorReport) int {
				if r.Unreachable {
					return exitUnreachable
				}
				return failedIf(r.Count(activities.CheckFail) > 0)
			})
		},
	}
	cmd.Flags().StringSliceVar(&areas, "area", nil, "only this `area` (repeatable): "+strings.Join(activities.Areas(), ", "))
	_ = cmd.RegisterFlagCompletionFunc("area", cobra.FixedCompletions(activities.Areas(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

var checkColour = map[activities.CheckState]string{activities.CheckOK: good, activities.CheckWarn: caution, activities.CheckFail: bad, activities.CheckSkipped: faint}

// doctorColumns is the width of the table where nobody says another.
const doctorColumns = 80

// writeDoctor prints a line for each check, and below them what to do about each that is not
// well.
func writeDoctor(e *env, r *operator.DoctorReport) {
	p := e.colours()
	if p.columns == 0 {
		p.columns = doctorColumns
	}
	rows := [][]cell{header(nil, "AREA", "CHECK", "STATE", "FOUND")}
	for _, c := range r.Checks {
		rows = append(rows, []cell{text(c.Area), text(c.What), {text: string(c.State), code: checkColour[c.State]}, text(phrase.OneLine(c.Found))})
	}
	writeTable(e.out, p, rows)
	for _, c := range r.Checks {
		if c.Remedy == "" {
			continue
		}
		fmt.Fprintln(e.out)
		writeSentence(e.out, p, cell{text: c.Area + ": " + c.What, code: checkColour[c.State]})
		if c.Wanted != "" {
			writeFacts(e.out, p, facts{{text(""), text("want: " + phrase.OneLine(c.Wanted))}})
		}
		writeFacts(e.out, p, facts{{text(""), text("do:   " + phrase.OneLine(c.Remedy))}})
	}
	requests := 0
	for _, n := range r.Requests {
		requests += n
	}
	fmt.Fprintf(e.out, "\n%d ok, %d to look at, %d failed, %d skipped; %d requests, %d of them engine calls\n", r.Count(activities.CheckOK), r.Count(activities.CheckWarn),
		r.Count(activities.CheckFail), r.Count(activities.CheckSkipped), requests, r.EngineCalls)
}
