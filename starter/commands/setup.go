package commands

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/spf13/cobra"

	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

// retention keeps closed runs long enough for support to replay one.
const retention = 30 * 24 * time.Hour

func newSetup(e *env, g *global) *cobra.Command {
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
			return setup(cmd.Context(), e, g)
		},
	}
}

// setupReport is what setup prints with -o json.
type setupReport struct {
	Namespace     string   `json:"namespace"`
	Created       bool     `json:"created"`
	RetentionDays float64  `json:"retention_days"`
	Added         []string `json:"added"`
	Warnings      []string `json:"warnings"`
}

func setup(ctx context.Context, e *env, g *global) error {
	_, api, err := e.connect(ctx, g)
	if err != nil {
		return err
	}
	defer api.Close()
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	report := setupReport{Namespace: api.Namespace(), Added: []string{}, Warnings: []string{}}
	if err := ensureNamespace(ctx, api, &report); err != nil {
		return setupFailure(err, report.Namespace, g)
	}
	if err := ensureAttributes(ctx, e, api, &report); err != nil {
		return setupFailure(err, report.Namespace, g)
	}
	if g.json() {
		return writeJSON(e.out, report)
	}
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
	return nil
}

func setupFailure(err error, namespace string, g *global) error {
	if errors.Is(err, operator.ErrNotFound) || errors.Is(err, operator.ErrNoWorker) {
		return unreachable("namespace %s is not usable within %s; run causeway setup again", namespace, g.timeout)
	}
	return asFailed(err)
}

func ensureNamespace(ctx context.Context, api operator.Namespaces, report *setupReport) error {
	kept, err := api.Retention(ctx)
	if errors.Is(err, operator.ErrNotFound) {
		report.Created, kept = true, retention
		err = api.CreateNamespace(ctx, retention)
	}
	if err != nil {
		return err
	}
	report.RetentionDays = kept.Hours() / 24
	if kept < retention {
		report.Warnings = append(report.Warnings, fmt.Sprintf(
			"namespace %s keeps closed runs for %s; raise its retention to 30 days, or support cannot replay older ones", report.Namespace, phrase.Span(kept)))
	}
	return nil
}

// ensureAttributes adds what is missing and waits until the server shows it. An
// attribute of another type would block every flow, so it is an error.
func ensureAttributes(ctx context.Context, e *env, api operator.Namespaces, report *setupReport) error {
	want := workflows.SearchAttributes()
	asked := false
	for {
		have, err := api.SearchAttributes(ctx)
		if err == nil {
			missing, wrong := compareAttributes(want, have)
			switch {
			case len(wrong) > 0:
				return failed("search attributes of namespace %s have the wrong type: %s; remove them there, or use another namespace",
					report.Namespace, strings.Join(wrong, ", "))
			case len(missing) == 0:
				return nil
			case !asked:
				if err = api.AddSearchAttributes(ctx, missing); err == nil {
					asked = true
					report.Added = slices.Sorted(maps.Keys(missing))
				}
			}
		}
		if err != nil && !(report.Created && errors.Is(err, operator.ErrNotFound)) {
			return err
		}
		if e.sleep(ctx, 200*time.Millisecond) != nil {
			return unreachable("namespace %s does not show its search attributes yet; run causeway setup again", report.Namespace)
		}
	}
}

func compareAttributes(want, have map[string]enumspb.IndexedValueType) (missing map[string]enumspb.IndexedValueType, wrong []string) {
	missing = map[string]enumspb.IndexedValueType{}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		switch kind, there := have[name]; {
		case !there:
			missing[name] = want[name]
		case kind != want[name]:
			wrong = append(wrong, fmt.Sprintf("%s is %s, want %s", name, kind, want[name]))
		}
	}
	return missing, wrong
}
