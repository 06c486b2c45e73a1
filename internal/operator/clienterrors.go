package operator

import (
	"context"
	"errors"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"causeway.dev/activities"
	"causeway.dev/internal/access"
	"causeway.dev/internal/phrase"
	"causeway.dev/internal/temporalcodec"
	"causeway.dev/workflows"
)

// badInputType is the type of the failures with which activities refuse what they are given.
const badInputType = "BadInput"

// explain turns an error of the SDK into a failure that an operator can act on. It tells
// errors apart by their type. A refusal of a workflow keeps the workflow's words.
func (t *temporalClient) explain(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*temporalcodec.MissingKeyError](err); ok {
		return unopened(err)
	}
	if _, ok := errors.AsType[*serviceerror.NamespaceNotFound](err); ok {
		return unreachable("namespace %q does not exist at %s; run: causeway setup", t.space, t.address)
	}
	if _, ok := errors.AsType[*serviceerror.NotFound](err); ok {
		return ErrNotFound
	}
	if _, ok := errors.AsType[*serviceerror.QueryFailed](err); ok {
		return ErrCode
	}
	if app := innermost(err); app != nil && app.Message() == temporalcodec.SealedText {
		return failed("it was refused, and the reason is sealed with a key that this machine lacks: give %s the keys of the worker", temporalcodec.Setting)
	} else if app != nil {
		return &Error{Kind: BadInput, Text: phrase.OneLine(app.Message()), refused: app.Type() == access.CodeRefused || app.Type() == badInputType}
	}
	if reason := lockedOut(err); reason != "" {
		return denied("Temporal at %s does not let you in (%s); check the API key or certificate", t.address, reason)
	}
	if _, ok := errors.AsType[*serviceerror.Unimplemented](err); ok {
		return failed("the Temporal server at %s is too old for this (%s); it must be 1.28 or newer", t.address, phrase.OneLine(err.Error()))
	}
	if noAnswer(err) {
		return ErrNoWorker
	}
	if _, ok := errors.AsType[*serviceerror.Unavailable](err); ok {
		return unreachable("lost the Temporal server at %s (%s); try again", t.address, phrase.OneLine(err.Error()))
	}
	_, canceled := errors.AsType[*serviceerror.Canceled](err)
	if canceled || errors.Is(err, context.Canceled) {
		return failed("interrupted; what was asked for may still be carried out, see: causeway status")
	}
	return failed("Temporal answered: %s", phrase.OneLine(err.Error()))
}

// lockedOut is why Temporal answered and lets nobody in; "" when that is not so.
func lockedOut(err error) string {
	if refused, ok := errors.AsType[*serviceerror.PermissionDenied](err); ok {
		return phrase.OneLine(refused.Message)
	}
	if code := status.Code(err); code == codes.Unauthenticated || code == codes.PermissionDenied {
		return phrase.OneLine(err.Error())
	}
	return ""
}

// explainNamespace is explain where a missing namespace is an answer.
func (t *temporalClient) explainNamespace(err error) error {
	if _, ok := errors.AsType[*serviceerror.NamespaceNotFound](err); ok {
		return ErrNotFound
	}
	return t.explain(err)
}

// noAnswer says whether the server is there and nobody took the question: the time is
// over, or no worker has polled for minutes, or the workflow has not run yet.
func noAnswer(err error) bool {
	if _, ok := errors.AsType[*client.WorkflowUpdateServiceTimeoutOrCanceledError](err); ok {
		return !errors.Is(err, context.Canceled)
	}
	if _, ok := errors.AsType[*serviceerror.DeadlineExceeded](err); ok {
		return true
	}
	if _, ok := errors.AsType[*serviceerror.FailedPrecondition](err); ok {
		return true
	}
	if _, ok := errors.AsType[*serviceerror.WorkflowNotReady](err); ok {
		return true
	}
	if _, ok := errors.AsType[*temporal.TimeoutError](err); ok {
		return true
	}
	return errors.Is(err, context.DeadlineExceeded)
}

// innermost is the application error at the root. It says what happened; the errors around
// it only say through which calls it came.
func innermost(err error) *temporal.ApplicationError {
	var last *temporal.ApplicationError
	for err != nil {
		app, ok := errors.AsType[*temporal.ApplicationError](err)
		if !ok {
			break
		}
		last, err = app, app.Unwrap()
	}
	return last
}

// describe picks what status shows of a workflow.
func describe(answer *workflowservice.DescribeWorkflowExecutionResponse) *Description {
	info := answer.GetWorkflowExecutionInfo()
	d := &Description{Running: info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING}
	if !d.Running {
		d.Ended = info.GetStatus().String()
	}
	decode := func(name string, value any) {
		if p := info.GetSearchAttributes().GetIndexedFields()[name]; p != nil {
			_ = converter.GetDefaultDataConverter().FromPayload(p, value) // what cannot be read is left out
		}
	}
	decode(workflows.AttrState.GetName(), &d.State)
	decode(workflows.AttrRead.GetName(), &d.Read)
	decode(workflows.AttrWritten.GetName(), &d.Written)
	decode(workflows.AttrQuarantined.GetName(), &d.Quarantined)
	for _, a := range answer.GetPendingActivities() {
		p := Pending{
			Activity: a.GetActivityType().GetName(), Attempt: int(a.GetAttempt()), LastFailure: phrase.OneLine(a.GetLastFailure().GetMessage()),
		}
		if beats := a.GetHeartbeatDetails().GetPayloads(); len(beats) == 1 {
			// Each kind of work beats in a shape of its own; what cannot be read is left out.
			var lane activities.LaneBeat // of records, events or opt-outs
			_ = converter.GetDefaultDataConverter().FromPayload(beats[0], &lane)
			p.Waits = lane.Waits
			if p.Activity == activities.WriteLane { // it beats the Counts of its lane
				_ = converter.GetDefaultDataConverter().FromPayload(beats[0], &p.Lane)
			} else {
				var beat activities.PreBaselineBeat
				_ = converter.GetDefaultDataConverter().FromPayload(beats[0], &beat)
				p.IDs = beat.IDs
				var waiting activities.WaitingBeat
				_ = converter.GetDefaultDataConverter().FromPayload(beats[0], &waiting)
				p.Checked = waiting.Checked
				// What an earlier attempt has beaten is kept, too.
				p.Well = a.GetState() == enumspb.PENDING_ACTIVITY_STATE_STARTED && p.Checked.After(a.GetLastStartedTime().AsTime())
			}
		}
		budget := a.GetActivityOptions().GetScheduleToCloseTimeout()
		switch {
		case a.GetExpirationTime() != nil && budget != nil: // the budget runs from the first attempt
			p.Since = a.GetExpirationTime().AsTime().Add(-budget.AsDuration())
		case a.GetScheduledTime() != nil:
			p.Since = a.GetScheduledTime().AsTime()
		}
		if at := a.GetNextAttemptScheduleTime(); at != nil {
			p.NextTry = at.AsTime()
		}
		d.Pending = append(d.Pending, p)
	}
	return d
}
