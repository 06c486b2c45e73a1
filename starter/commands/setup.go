package commands

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

func newSetup(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "setup", Short: "Prepare the Temporal namespace: create it, add search attributes, check both",
		Long: `Prepare Temporal for this instance: create the namespace with a retention of 30
days, add the search attributes flows need, and check their types. What is there
already is left alone, so running it again does no harm. Run it once before the
first start and after an update of Causeway. Temporal Cloud creates namespaces and
search attributes by its own tools; there this command only checks them.

With -o json: {namespace, created, retention_days, added: [name], warnings: [text]}.`,
		Example: "  causeway setup\n  causeway setup --address temporal.internal:7233 --namespace acme",
		Args:    exactly("none", 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return tell(cmd.Context(), e, func(i *operator.Instance) (*operator.SetupReport, error) { return i.Setup(cmd.Context()) }, writeSetup)
		},
	}
}

func writeSetup(e *env, report *operator.SetupReport) {
	done := "was there"
	if report.Created {
		done = "created"
	}
	attributes := "all there"
	if len(report.Added) > 0 {
		attributes = "added " + strings.Join(report.Added, ", ")
	}
	fmt.Fprintf(e.out, "namespace %s: %s, closed runs are kept for %s\nsearch attributes: %s\n",
		report.Namespace, done, phrase.Span(time.Duration(report.RetentionDays*24*float64(time.Hour))), attributes)
	for _, w := range report.Warnings {
		e.say("warning: %s", w)
	}
}
