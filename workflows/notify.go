package workflows

import (
	"errors"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
)

// TypeNotify is the workflow that tells a webhook what needs somebody.
const TypeNotify = "Notify"

// NotifyID is its id: there is one of an instance.
func NotifyID(instance string) string { return instance + "/notify" }

const (
	notifySendWithin = 3 * time.Minute  // one message
	notifyFreshFor   = 5 * time.Minute  // that a message waits for a worker: then there is another look
	notifyTryAtMost  = 15 * time.Minute // longest pause before a message is tried again
)

// NotifyInput is what was seen and told so far.
type NotifyInput struct {
	Seen   []activities.SeenCause `json:"seen,omitempty"`
	Failed int                    `json:"failed,omitempty"` // messages in a row that were not taken
}

// Notify looks at what there is to tell, and sends it. A message that did not arrive is sent
// again as long as its cause lasts. One that may have arrived is not, until the time has
// passed in which a cause is told once. It ends when nobody is to be told any more.
func Notify(ctx workflow.Context, in NotifyInput) error {
	look := activityOptions(QueueMain, activities.KindDelta, "looks at what there is to tell")
	send := workflow.ActivityOptions{
		TaskQueue: QueueMain, StartToCloseTimeout: notifySendWithin, ScheduleToStartTimeout: notifyFreshFor, HeartbeatTimeout: heartbeatTimeout,
		RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1}, Summary: "tells the webhook",
	}
	for {
		var found activities.NotifyLookResult
		err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, look), activities.NotifyLook, activities.NotifyLookInput{Seen: in.Seen, Until: idleWait}).Get(ctx, &found)
		if ctx.Err() != nil || found.Off {
			return ctx.Err()
		}
		if err != nil {
			continue // it has failed for two weeks
		}
		in.Seen = found.Seen
		if len(found.Tell) > 0 {
			err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, send), activities.NotifySend, activities.NotifySendInput{Notices: found.Tell}).Get(ctx, nil)
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if notSent(err) {
				in.Failed++
				pause := min(found.Every<<min(in.Failed-1, 8), notifyTryAtMost)
				if err := workflow.Sleep(ctx, pause); err != nil {
					return err
				}
			} else {
				in.Failed = 0
				activities.MarkTold(in.Seen, found.Tell, workflow.Now(ctx), err != nil)
			}
		}
		if workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
			return workflow.NewContinueAsNewError(ctx, Notify, in)
		}
	}
}

// notSent says that a message did not arrive for sure.
func notSent(err error) bool {
	if failure, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		return failure.Type() == activities.NotSent
	}
	late, ok := errors.AsType[*temporal.TimeoutError](err)
	return ok && late.TimeoutType() == enumspb.TIMEOUT_TYPE_SCHEDULE_TO_START
}
