package operator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"causeway.dev/activities"
	"causeway.dev/internal/phrase"
)

const (
	quietFor      = 5 * time.Second  // without an answer, before the operator is told of the wait
	serverWithin  = 3 * time.Second  // for Temporal itself, which answers at once or not at all
	pollsAtLeast  = 75 * time.Second // a worker that lives asks for work more often: a poll lasts a minute
	requestStands = "the request may still be carried out: causeway status"
)

// ask has a worker carry out one activity, because only workers reach the ledger and the
// two systems.
func (i *Instance) ask(ctx context.Context, within time.Duration, activity string, in, result any) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	stop := i.sayWhileWaiting(ctx, within)
	err := i.temporal.Run(ctx, activity, in, result)
	stop()
	switch {
	case errors.Is(err, ErrNoWorker):
		return i.whoDidNotAnswer(ctx, "", "only a worker can answer this", within)
	case err != nil:
		return asFailed(err)
	}
	return nil
}

// checkWorker makes sure that there is a worker, before a question that may take hours.
func (i *Instance) checkWorker(ctx context.Context) error {
	return i.ask(ctx, i.Timeout, activities.ListQuarantine, activities.QuarantineListInput{Limit: 1}, &activities.QuarantineListResult{})
}

// workerSeen is how long ago a worker last asked for work, and whether one is alive by
// that. It fails when Temporal does not answer.
func (i *Instance) workerSeen(ctx context.Context) (time.Duration, bool, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), serverWithin)
	defer cancel()
	seen, err := i.temporal.WorkerSeen(ctx)
	if err != nil {
		return 0, false, err
	}
	ago := max(0, i.Now().Sub(seen))
	return ago, ago < pollsAtLeast, nil
}

// whoDidNotAnswer is the error of a question without an answer. It says who did not answer:
// Temporal, a worker that is not there, or one that is there and busy.
func (i *Instance) whoDidNotAnswer(ctx context.Context, of, note string, within time.Duration) error {
	if note != "" {
		note = " (" + note + ")"
	}
	switch ago, lives, err := i.workerSeen(ctx); {
	case err != nil:
		return err
	case lives:
		return noWorker("no answer%s within %s, though a worker asked for work %s ago; it is busy with what is in hand, or has just died%s",
			of, within, phrase.Span(ago), note)
	}
	return noWorker("no worker answered%s within %s; start one with: worker --config %s%s", of, within, i.File, note)
}

// sayWhileWaiting says what the wait is for when an answer takes long, so that it does not
// look like a hang. The caller calls stop when it has its answer.
func (i *Instance) sayWhileWaiting(ctx context.Context, within time.Duration) (stop func()) {
	return i.After(ctx, quietFor, func(ctx context.Context) {
		_, lives, err := i.workerSeen(ctx)
		if ctx.Err() != nil {
			return
		}
		switch {
		case err != nil:
			i.Say(fmt.Sprintf("Temporal does not answer; waiting for it for up to %s", within))
		case !lives:
			i.Say(fmt.Sprintf("no worker asks for work; waiting for one for up to %s, start it with: worker --config %s", within, i.File))
		case within <= i.Timeout:
			i.Say(fmt.Sprintf("waiting for an answer for up to %s", within))
		}
	})
}
