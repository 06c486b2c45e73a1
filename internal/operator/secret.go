package operator

import (
	"context"

	"github.com/google/uuid"

	"causeway.dev/activities"
)

// LogSecret enters into the audit trail that a secret is about to be replaced. The entry
// names the setting, and holds nothing of the secret. It waits in Temporal for a worker.
func (i *Instance) LogSecret(ctx context.Context, setting, reason string) error {
	return i.enter(ctx, activities.Operation{What: activities.OpSecret, Flow: "configuration", Reason: reason, Detail: setting})
}

// enter adds to the audit trail what is about to be done.
func (i *Instance) enter(ctx context.Context, op activities.Operation) error {
	op.ID, op.At, op.By = op.What+"/"+uuid.NewString(), i.Now().UTC(), i.By
	ctx, cancel := context.WithTimeout(ctx, i.Timeout)
	defer cancel()
	return i.temporal.Later(ctx, activities.LogOperation, activities.LogInput{Operations: []activities.Operation{op}})
}
