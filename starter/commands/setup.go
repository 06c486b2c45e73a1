package commands

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

// askTemporalEvery is the pause between two tries while Temporal does not answer.
const askTemporalEvery = 2 * time.Second

func newSetup(e *env) *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use: "setup", Short: "Prepare the Temporal namespace: create it, add search attributes, check both",
		Long: `Prepare Temporal for this instance: create the namespace with a retention of 30
days, add the search attributes flows need, and check their types. What is there
already is left alone, so running it again does no harm. Run it once before the
first start and after an update of Causeway. Temporal Cloud creates namespaces and
search attributes by its own tools; there this command only checks them.

A Temporal server that has just been started answers after a while. This command
waits for it, for --wait at most, and says so.

With -o json: {namespace, created, retention_days, added: [name], warnings: [text]}.`,
		Example: "  causeway setup\n  causeway setup --address temporal.internal:7233 --namespace acme --wait 10m",
		Args:    exactly("none", 0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return setup(cmd.Context(), e, wait) },
	}
	cmd.Flags().DurationVar(&wait, "wait", 2*time.Minute, "how long to wait for a Temporal server that does not answer yet; 0 does not wait")
	return cmd
}

// setup tries until Temporal answers, or the wait is over. Every try begins from the
// beginning, because nothing that is done twice does harm.
func setup(ctx context.Context, e *env, wait time.Duration) error {
	if wait < 0 {
		return badInput("--wait: got %s, want 0 or more", wait)
	}
	began, said := e.now(), ""
	for {
		err := tell(ctx, e, func(i *operator.Instance) (*operator.SetupReport, error) { return i.Setup(ctx) }, writeSetup)
		waited := e.now().Sub(began)
		switch {
		case !operator.MayAnswerLater(err) || wait == 0:
			return err
		case waited >= wait:
			return &operator.Error{Kind: operator.Unreachable, Text: fmt.Sprintf("%s; waited %s for it", err.Error(), phrase.Span(waited))}
		}
		if reason := err.Error(); reason != said {
			e.say("waiting for Temporal, until %s have passed: %s", phrase.Span(wait), reason)
			said = reason
		}
		if e.pause(ctx, min(askTemporalEvery, wait-waited)) != nil {
			return failed("interrupted while Temporal did not answer; run causeway setup again")
		}
	}
}

// pause waits; ctx.Err() when it is cut short.
func (e *env) pause(ctx context.Context, d time.Duration) error {
	if e.sleep != nil {
		return e.sleep(ctx, d)
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
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
