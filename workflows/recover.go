package workflows

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
)

// passing are the failures of a service that end without a change of what the operator
// has written: it is down or in the wrong hands for a while, or somebody mends it there.
// What our own rules have found, such as too many refusals, is not among them.
var passing = map[string]bool{
	"Network": true, "ServiceFault": true, "Throttled": true, "Quota": true, "NoSpace": true,
	"Credentials": true, "Permission": true, "NotTracked": true, "Schema": true, "Config": true,
	"BadResponse": true, "ResponseTooLarge": true, "LinkRepeated": true, "ForeignLink": true,
	"HostUnknown": true, "HostKeyChanged": true,
}

// passes says whether a failed flow is to try again by itself.
func passes(err error) bool {
	if reason := failureType(err); reason != "" {
		return passing[reason]
	}
	_, late := errors.AsType[*temporal.TimeoutError](err)
	return late
}

// pauseBefore is how long a failed flow rests before it tries again for the nth time,
// counted from 0. It doubles each time. 0 leaves trying again to an operator.
func (t Tuning) pauseBefore(n int) time.Duration {
	pause, most := time.Duration(t.RetryAfter), time.Duration(t.RetryAtMost)
	for ; n > 0 && pause < most; n-- {
		pause *= 2
	}
	return min(pause, max(most, time.Duration(t.RetryAfter)))
}

// tryAgainLater has a flow that has just failed try again after a pause.
func (o *owner) tryAgainLater(ctx workflow.Context) {
	pause := o.Tuning.pauseBefore(o.Status.Retries)
	if o.Started == nil || pause <= 0 {
		return
	}
	o.Status.Retries++
	o.Status.RetryAt = workflow.Now(ctx).Add(pause)
	o.publish(ctx)
}

// begun keeps what a flow is started with, so that it can try again by itself.
// It returns the mark of the start.
func (o *owner) begun(ctx workflow.Context, req StartRequest) activities.StartMark {
	o.Started = &req
	mark := activities.StartMark{Start: workflow.Now(ctx).UTC().Format("2006-01-02T15:04:05.000Z") + " " + req.Revision}
	if o.itself {
		mark.After = o.Start
	}
	return mark
}

// well notes that the flow has done what it is there for: the next failure is a new one.
func (o *owner) well() { o.Status.Retries = 0 }

// leaveToOperator ends the tries: somebody has taken the flow in hand.
func (o *owner) leaveToOperator() { o.Status.RetryAt, o.Status.Retries = time.Time{}, 0 }

// rest waits until an operator wants something of a flow that does not run or, when it
// has failed for a reason that passes, until it tries again. It does so as a start does:
// the check of the start asks both systems and writes nothing. The flow is FAILED until
// that has gone well.
func (o *owner) rest(ctx workflow.Context, wanted func() bool) error {
	at := o.Status.RetryAt
	if at.IsZero() {
		return workflow.Await(ctx, wanted)
	}
	if left := at.Sub(workflow.Now(ctx)); left > 0 {
		waiting, cancel := workflow.WithCancel(ctx)
		defer cancel()
		_, err := workflow.AwaitWithOptions(waiting, workflow.AwaitOptions{
			Timeout: left, TimerOptions: workflow.TimerOptions{Summary: "until it tries again by itself"},
		}, func() bool { return wanted() || o.stopping || o.Status.RetryAt.IsZero() })
		return err // the loop looks at what is to be done
	}
	return o.tryAgain(ctx)
}

func (o *owner) tryAgain(ctx workflow.Context) error {
	req, filed, by, last := *o.Started, o.Status.FiledRevision, o.Status.StartedBy, o.Status.LastError
	o.Status.Phase = "trying again"
	o.publish(ctx)
	o.starting, o.itself = &req, true
	err := o.self.start(ctx)
	o.Status.FiledRevision, o.Status.StartedBy = filed, by // nobody has put a mapping on file
	if err != nil {
		return err
	}
	if o.Status.State == StateRunning {
		o.Status.LastError = last
		o.Status.Phase = "goes on by itself after a failure"
		o.publish(ctx)
	}
	return nil
}
