package operator

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

// retention keeps closed runs long enough for support to replay one.
const retention = 30 * 24 * time.Hour

// SetupReport is what Setup found and did.
type SetupReport struct {
	Namespace     string   `json:"namespace"`
	Created       bool     `json:"created"`
	RetentionDays float64  `json:"retention_days"`
	Added         []string `json:"added"`
	Warnings      []string `json:"warnings"`
}

// Setup creates the namespace where it is missing, adds the search attributes that
// flows need, and checks both. What is there already is left alone.
func (i *Instance) Setup(ctx context.Context) (*SetupReport, error) {
	ctx, cancel := context.WithTimeout(ctx, i.Timeout)
	defer cancel()
	report := &SetupReport{Namespace: i.temporal.Namespace(), Added: []string{}, Warnings: []string{}}
	err := i.ensureNamespace(ctx, report)
	if err == nil {
		err = i.ensureAttributes(ctx, report)
	}
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrNoWorker) {
		err = unreachable("namespace %s is not usable within %s; run causeway setup again", report.Namespace, i.Timeout)
	}
	return report, asFailed(err)
}

func (i *Instance) ensureNamespace(ctx context.Context, report *SetupReport) error {
	kept, err := i.temporal.Retention(ctx)
	if errors.Is(err, ErrNotFound) {
		report.Created, kept = true, retention
		err = i.temporal.CreateNamespace(ctx, retention)
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
func (i *Instance) ensureAttributes(ctx context.Context, report *SetupReport) error {
	want := workflows.SearchAttributes()
	asked := false
	for {
		have, err := i.temporal.SearchAttributes(ctx)
		if err == nil {
			missing, wrong := compareAttributes(want, have)
			switch {
			case len(wrong) > 0:
				return failed("search attributes of namespace %s have the wrong type: %s; remove them there, or use another namespace",
					report.Namespace, strings.Join(wrong, ", "))
			case len(missing) == 0:
				return nil
			case !asked:
				if err = i.temporal.AddSearchAttributes(ctx, missing); err == nil {
					asked = true
					report.Added = slices.Sorted(maps.Keys(missing))
				}
			}
		}
		if err != nil && !(report.Created && errors.Is(err, ErrNotFound)) {
			return err
		}
		if i.Sleep(ctx, 200*time.Millisecond) != nil {
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
