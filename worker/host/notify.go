package host

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/uber-go/tally/v4"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"causeway.dev/activities"
	"causeway.dev/activities/notify"
	permits "causeway.dev/activities/operator"
	"causeway.dev/config"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/transport"
	"causeway.dev/workflows"
)

// notifyOptions are what this worker tells a webhook, and how.
func notifyOptions(cfg *config.Config, t operator.Temporal, answers *permits.Activities, l *ledger.Ledger, scope tally.Scope) (notify.Options, error) {
	n := cfg.Notify
	out := notify.Options{
		Instance: cfg.Instance, Ledger: l, Format: n.Format, Every: n.Every, LeaveOut: n.LeaveOut, Metrics: scope,
		Rule: notify.Rule{After: n.After, Quiet: n.Quiet, Remind: n.Remind}, Causes: causesOf(cfg, t, answers),
	}
	roots, err := extraRoots("notify.ca_file", n.CAFile)
	if err != nil {
		return out, err
	}
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	out.Client = notify.NewClient(base, n.Timeout)
	if n.Webhook.IsSet() {
		out.Address = n.Address
	}
	return out, nil
}

// causesOf asks as status does. What status asks a worker, this one answers itself: so it
// asks nobody for a permit, and Temporal keeps no trace of each look.
func causesOf(cfg *config.Config, t operator.Temporal, answers *permits.Activities) func(context.Context) (activities.CausesNow, error) {
	own := *cfg
	own.Access = config.Access{}
	return func(ctx context.Context) (activities.CausesNow, error) {
		asked := &ownAnswers{Temporal: t, answers: answers}
		i := operator.New(&own, asked, operator.Options{Timeout: causesWithin})
		report, err := i.Status(ctx, "")
		if err == nil {
			report.WithMeter(i.Meter(ctx))
			err = errors.Join(asked.failed...)
		}
		if err != nil {
			return activities.CausesNow{}, err
		}
		return report.Causes(time.Now()), nil
	}
}

// causesWithin bounds each answer that a look waits for.
const causesWithin = 20 * time.Second

// ownAnswers is a Temporal of which a worker answers itself what status asks one.
type ownAnswers struct {
	operator.Temporal
	answers *permits.Activities
	failed  []error // a status goes on without an answer; whoever tells people must not
}

func (o *ownAnswers) WorkerSeen(context.Context) (time.Time, error) { return time.Now(), nil }

func (o *ownAnswers) Run(ctx context.Context, activity string, _, result any) error {
	var answer any
	var err error
	switch activity {
	case activities.Totals:
		answer, err = o.answers.Totals(ctx, activities.TotalsInput{})
	case activities.Meter:
		answer, err = o.answers.Meter(ctx, activities.MeterInput{})
	default:
		return fmt.Errorf("a worker does not answer %s to itself", activity)
	}
	var doc []byte
	if err == nil {
		if doc, err = json.Marshal(answer); err == nil {
			err = json.Unmarshal(doc, result)
		}
	}
	if err != nil {
		o.failed = append(o.failed, err)
	}
	return err
}

// oddAnswers are the services that answer this worker as nobody expects.
func oddAnswers(watch *transport.Watch) (out []activities.OddAnswers) {
	odd := watch.Odd()
	for _, service := range slices.Sorted(maps.Keys(odd)) {
		out = append(out, activities.OddAnswers{Service: service, Since: odd[service]})
	}
	return out
}

// lastNotified is how the last message went, where somebody is told.
func lastNotified(cfg *config.Config, l *ledger.Ledger) func(context.Context) (*activities.NotifyState, error) {
	if !cfg.Notify.Webhook.IsSet() {
		return nil
	}
	return func(ctx context.Context) (*activities.NotifyState, error) { return notify.Last(ctx, l) }
}

// keepNotify begins the workflow that tells people, where they are to be told. It ends by
// itself when they are not any more.
func keepNotify(ctx context.Context, c client.Client, cfg *config.Config) error {
	if !cfg.Notify.Webhook.IsSet() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, nightlyKeptWithin)
	defer cancel()
	_, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: workflows.NotifyID(cfg.Instance), TaskQueue: workflows.QueueMain, StaticSummary: "tells a webhook what needs somebody",
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING, WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
	}, workflows.TypeNotify, workflows.NotifyInput{})
	return err
}
