package operator

import (
	"context"
	"time"

	"go.temporal.io/sdk/client"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/internal/phrase"
	"causeway.dev/internal/temporalcodec"
)

// NotifyTest has a worker send a trial message to the webhook, with the settings that it
// runs with.
func (i *Instance) NotifyTest(ctx context.Context) (r activities.NotifyTestResult, err error) {
	if err := i.ask(ctx, i.Timeout, activities.NotifyTest, activities.NotifyTestInput{By: i.By}, &r); err != nil {
		return r, err
	}
	if r.Off {
		return r, badInput("the worker has no notify.webhook, so nobody is told; set it and start the worker again")
	}
	return r, nil
}

// logExport says that logs cannot be written to the file server. Flows go on.
func (n *notes) logExport(s *activities.LogExportState, now time.Time) {
	if s != nil && s.Problem != "" {
		n.because(config.CauseLogExport, Caution, "logs are not on the file server of Campaign, tried last %s: %s; it is tried again by itself, and no flow waits for it", phrase.Moment(now, s.At), phrase.OneLine(s.Problem))
	}
}

// Over is a Temporal on the connection of a worker, which closes it.
func Over(c client.Client, keys *temporalcodec.Keys, address, namespace string) Temporal {
	return &temporalClient{client: c, keys: keys, address: address, space: namespace}
}
