package commands

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/workflows"
)

// Formats of a result.
const (
	outputTable = "table"
	outputJSON  = "json"
	outputName  = "name"
)

var outputs = []string{outputTable, outputJSON, outputName}

// prints is the annotation of a command that has names to print.
const prints = "prints names"

// named makes a command print names with -o name; namesOf knows those of its result.
func named(cmd *cobra.Command) *cobra.Command {
	cmd.Annotations = map[string]string{prints: "yes"}
	return cmd
}

// namesOf are the names in a result: what another command takes as its argument.
func namesOf(result any) []string {
	switch r := result.(type) {
	case operator.Report:
		return each(r.Flows, func(f operator.FlowReport) string { return f.Flow })
	case flowAnswer:
		return []string{r.flow}
	case activities.RunListResult:
		return each(r.Runs, func(run activities.RunInfo) string { return run.Run })
	case activities.QuarantineListResult:
		return each(r.Records, func(q activities.QuarantinedRecord) string { return q.ID })
	case activities.RequestsResult:
		return each(r.Requests, func(q activities.SecondPerson) string { return q.ID })
	case activities.ListSavesResult:
		return each(r.Saves, func(s activities.ConfigSave) string { return s.ID })
	case backfillAnswer:
		return []string{r.Run}
	case activities.ExplainResult:
		return []string{r.ID}
	case activities.ExplainEventResult:
		return each(r.Events, func(ev activities.ExplainedEvent) string { return ev.Key })
	case foundPeople:
		return each(r.Hits, func(h activities.FoundRecord) string { return h.ID })
	}
	return nil
}

// flowAnswer is what a flow answered that was asked for something.
type flowAnswer struct {
	workflows.Status
	flow string
}

// each are the names of things that have one.
func each[T any](things []T, name func(T) string) []string {
	var out []string
	for _, thing := range things {
		if n := name(thing); n != "" {
			out = append(out, n)
		}
	}
	return out
}

// asksForJSON says whether a command line asks for JSON, also where the rest of it makes
// no sense.
func asksForJSON(args []string) bool {
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	for i, arg := range args {
		if (arg == "-o" || arg == "--output") && i+1 < len(args) && args[i+1] == outputJSON {
			return true
		}
		if value, ok := strings.CutPrefix(arg, "--output="); ok && value == outputJSON || arg == "-ojson" || arg == "-o=json" {
			return true
		}
	}
	return false
}
