package commands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

const (
	lookEvery  = 500 * time.Millisecond
	patience   = 2 * time.Minute // without any answer before following is given up
	endedEvery = 20              // looks between checks that the workflow is still there
	failsEvery = 10              // looks between questions for work that fails and is tried again
	notYetSeen = 10              // looks that may miss a run between the queue and its start
)

// follow shows progress until done says so, and returns the status it saw last.
// A worker that is restarted meanwhile is waited for.
func (f *flow) follow(ctx context.Context, done func(workflows.Status) bool) (workflows.Status, error) {
	bar := &progress{w: f.env.err, terminal: f.env.errTerminal, columns: f.env.columns}
	defer bar.end()
	answered, told, missed := f.env.now(), waitingTold{}, false
	say := func(s string) {
		bar.end()
		f.env.say("%s", s)
	}
	for looks := 1; ; looks++ {
		if looks%endedEvery == 0 { // a workflow that was terminated still answers as before
			if d, err := f.describe(ctx, f.id()); err == nil && !d.Running {
				return workflows.Status{}, failed("the workflow of %s has ended (%s); run: causeway start %s", f.table, d.Ended, f.table)
			}
		}
		st, err := f.status(ctx)
		switch {
		case ctx.Err() != nil:
			return st, f.interrupted()
		case err == nil:
			answered, missed = f.env.now(), false
			if done(st) {
				return st, nil
			}
			if looks%failsEvery == 0 {
				f.tellWaiting(ctx, st, told, say)
			}
			bar.show(answered, st)
		case !mayReturn(err) || f.env.now().Sub(answered) >= patience:
			return st, f.explain(ctx, err)
		case !missed && f.env.now().Sub(answered) >= quietFor:
			missed = true
			say(fmt.Sprintf("no answer for %s; waiting for up to %s for the worker and Temporal to come back", phrase.Span(f.env.now().Sub(answered)), phrase.Span(patience)))
		}
		if f.env.sleep(ctx, lookEvery) != nil {
			return st, f.interrupted()
		}
	}
}

// tellWaiting says what the flow and its run try again, and why.
func (f *flow) tellWaiting(ctx context.Context, st workflows.Status, told waitingTold, say func(string)) {
	for _, id := range []string{f.id(), st.RunWorkflow} {
		if id == "" {
			continue
		}
		if d, err := f.describe(ctx, id); err == nil { // else it is left out, as in status
			told.tell(f.env.now(), d, say)
		}
	}
}

func (f *flow) interrupted() error {
	return failed("no longer watching; %s goes on: causeway status %s", f.table, f.table)
}

// mayReturn tells a worker or server that is away from an answer that stays.
func mayReturn(err error) bool {
	fail, ok := errors.AsType[*operator.Error](err)
	return errors.Is(err, operator.ErrNoWorker) || ok && exitCodes[fail.Kind] == exitUnreachable
}
