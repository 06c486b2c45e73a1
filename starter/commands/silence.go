package commands

import (
	"context"
	"time"

	"causeway.dev/internal/operator"
	"causeway.dev/internal/phrase"
)

const (
	quietFor      = 5 * time.Second  // without an answer before it is said that one is waited for
	serverWithin  = 3 * time.Second  // for Temporal itself, which answers at once or not at all
	pollsAtLeast  = 75 * time.Second // a worker that lives asks for work more often: a poll lasts a minute
	requestStands = "the request may still be carried out: causeway status"
)

// workerSeen is how long ago a worker last asked for work; false when none has
// for longer than one that lives would let pass. It fails with Temporal itself.
func (e *env) workerSeen(ctx context.Context, api operator.Temporal) (time.Duration, bool, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), serverWithin)
	defer cancel()
	seen, err := api.WorkerSeen(ctx)
	if err != nil {
		return 0, false, err
	}
	ago := max(0, e.now().Sub(seen))
	return ago, ago < pollsAtLeast, nil
}

// silent says who it was that did not answer what was asked within a time: Temporal,
// the worker that is not there, or one that is there and has not come to it.
func (e *env) silent(ctx context.Context, g *global, api operator.Temporal, of, note string, within time.Duration) error {
	if note != "" {
		note = " (" + note + ")"
	}
	switch ago, lives, err := e.workerSeen(ctx, api); {
	case err != nil:
		return err
	case lives:
		return unreachable("no answer%s within %s, though a worker asked for work %s ago; it is busy with what is in hand, or has just died%s",
			of, within, phrase.Span(ago), note)
	}
	return unreachable("no worker answered%s within %s; start one with: worker --config %s%s", of, within, g.configPath, note)
}

// meanwhile says what is waited for when an answer is long in coming, so that no
// wait is taken for a hang. The caller calls stop when it has its answer.
func (e *env) meanwhile(ctx context.Context, g *global, api operator.Temporal, within time.Duration) (stop func()) {
	return e.after(ctx, quietFor, func(ctx context.Context) {
		_, lives, err := e.workerSeen(ctx, api)
		if ctx.Err() != nil {
			return
		}
		switch {
		case err != nil:
			e.say("Temporal does not answer; waiting for it for up to %s", within)
		case !lives:
			e.say("no worker asks for work; waiting for one for up to %s, start it with: worker --config %s", within, g.configPath)
		case within <= g.timeout:
			e.say("waiting for an answer for up to %s", within)
		}
	})
}

// after calls f when a time has passed, unless it is stopped before. Once stop
// has returned, f is not running.
func after(ctx context.Context, d time.Duration, f func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if sleep(ctx, d) == nil {
			f(ctx)
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// waitingTold tells of work that fails and is tried again, once for each reason.
type waitingTold map[string]bool

// tell says what is new among the work that a workflow waits for.
func (t waitingTold) tell(now time.Time, d *operator.Description, say func(string)) {
	for _, w := range d.Retried() {
		if why := w.Activity + ": " + w.LastFailure; !t[why] {
			t[why] = true
			say("waiting: " + w.Sentence(now))
		}
	}
}
