package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// control keeps what the owner asks of a pass.
type control struct {
	paused      bool
	wanted      Control // stop or cancel, once asked for
	takenBack   bool    // a pause was ended before the pages in hand had been put back
	onInterrupt func()
	signals     workflow.ReceiveChannel
}

// interrupted says that the pages in hand are to be put back.
func (c *control) interrupted() bool { return c.paused || c.takenBack || c.wanted != "" }

// listen receives control signals for the life of the workflow.
func listen(ctx workflow.Context, paused bool) *control {
	c := &control{paused: paused, signals: workflow.GetSignalChannel(ctx, SignalControl)}
	workflow.GoNamed(ctx, "control", func(ctx workflow.Context) {
		for {
			var asked Control
			if more := c.signals.Receive(ctx, &asked); !more {
				return
			}
			c.take(asked)
		}
	})
	return c
}

func (c *control) take(asked Control) {
	switch asked {
	case ControlPause:
		c.paused = true
	case ControlResume:
		// The pages in hand are being put back; they are opened again when that is done.
		if c.paused && c.onInterrupt != nil {
			c.takenBack = true
		}
		c.paused = false
	case ControlStop, ControlCancel:
		if c.wanted != ControlCancel { // a cancel is final: a stop behind it changes nothing
			c.wanted = asked
		}
	}
	if c.interrupted() && c.onInterrupt != nil {
		c.onInterrupt()
	}
}

// drainSignals takes what arrived in the task that continues as new.
func (c *control) drainSignals() {
	for {
		var asked Control
		if !c.signals.ReceiveAsync(&asked) {
			return
		}
		c.take(asked)
	}
}

// newRun names a run by its table and start; workflow time is the same in a replay.
func newRun(ctx workflow.Context, table string) string {
	return fmt.Sprintf("%s-%s", table, workflow.Now(ctx).UTC().Format("20060102T150405.000Z"))
}

// reasonOf is what an operator should read of a failure: the innermost sentence.
func reasonOf(err error) string {
	if app := innermost(err); app != nil {
		return app.Message()
	}
	if _, ok := errors.AsType[*temporal.TerminatedError](err); ok {
		return "its workflow was terminated, as the Temporal UI can"
	}
	if timeout, ok := errors.AsType[*temporal.TimeoutError](err); ok {
		return "gave up after " + waitBudget.Round(time.Hour).String() + ": " + timeout.Message()
	}
	return err.Error()
}

// failureType is the apierr reason carried by a failure, "" without one.
func failureType(err error) string {
	if app := innermost(err); app != nil {
		return app.Type()
	}
	return ""
}

// refusedRun is the run that was stopped for too many refusals, "" when the failure
// does not say.
func refusedRun(err error) (run string) {
	if app := innermost(err); app != nil && app.HasDetails() {
		_ = app.Details(&run) // unreadable is the same as missing
	}
	return run
}

// innermost is the failure at the root. Each activity, child and parent that a
// failure passes wraps it in another application error.
func innermost(err error) *temporal.ApplicationError {
	var last *temporal.ApplicationError
	for err != nil {
		app, ok := errors.AsType[*temporal.ApplicationError](err)
		if !ok {
			break
		}
		if err = app.Unwrap(); app.Type() != typeRunFailed {
			last = app
		}
	}
	return last
}
