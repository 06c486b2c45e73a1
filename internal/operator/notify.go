package operator

import (
	"context"

	"go.temporal.io/sdk/client"

	"causeway.dev/activities"
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

// Over is a Temporal on the connection of a worker, which closes it.
func Over(c client.Client, keys *temporalcodec.Keys, address, namespace string) Temporal {
	return &temporalClient{client: c, keys: keys, address: address, space: namespace}
}
