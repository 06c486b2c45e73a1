package run

import (
	"context"

	"go.temporal.io/sdk/activity"

	"causeway.dev/internal/ledger"
)

// InTurn has an activity that begins, stages or ends runs keep its place among those of
// its flow, see ledger.Turn.
func InTurn(ctx context.Context) context.Context {
	if !activity.IsActivity(ctx) {
		return ctx
	}
	info := activity.GetInfo(ctx)
	return ledger.WithTurn(ctx, ledger.Turn{Scheduled: info.ScheduledTime, Activity: info.ActivityID, Attempt: int(info.Attempt)})
}
