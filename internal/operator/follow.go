package operator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"causeway.dev/activities"
	"causeway.dev/internal/phrase"
	"causeway.dev/workflows"
)

const (
	lookEvery  = 500 * time.Millisecond
	patience   = 2 * time.Minute // without any answer before following is given up
	endedEvery = 20              // looks between checks that the workflow is still there
	failsEvery = 10              // looks between questions for work that fails and is tried again
	notYetSeen = 10              // looks that may miss a run between the queue and its start
	quietLooks = 4               // looks without a run in hand mean that no load is about to begin
)

// Watcher is called with what happens while somebody follows a flow.
type Watcher interface {
	At(now time.Time, st workflows.Status) // where the flow is, twice a second
	Say(sentence string)                   // why nothing moves, once for each reason
}

// FollowLoad follows a flow until it waits for changes, or cannot get there.
func (i *Instance) FollowLoad(ctx context.Context, name string, w Watcher) (workflows.Status, error) {
	quiet := 0
	return i.flow(name).follow(ctx, w, func(st workflows.Status) bool {
		switch st.State {
		case workflows.StateStarting, workflows.StatePaused:
			quiet = 0
			return false
		case workflows.StateRunning:
			if st.Watermark.IsZero() || st.Run != "" {
				quiet = 0
				return false
			}
			quiet++
			return quiet >= quietLooks
		}
		return true
	})
}

// FollowStop follows a flow until it has stopped.
func (i *Instance) FollowStop(ctx context.Context, name string, w Watcher) (workflows.Status, error) {
	return i.flow(name).follow(ctx, w, Stopped)
}

// Stopped says whether a flow does nothing until it is started.
func Stopped(st workflows.Status) bool {
	return st.State == workflows.StateStopped || st.State == workflows.StateFailed
}

// FollowRun follows a backfill or release until it has ended or will not go on.
func (i *Instance) FollowRun(ctx context.Context, name string, run workflows.BackfillAnswer, w Watcher) (*workflows.RunSummary, error) {
	missed := 0
	st, err := i.flow(name).follow(ctx, w, func(st workflows.Status) bool {
		switch {
		case st.LastRun != nil && st.LastRun.Run == run.Run:
			return true
		case st.Run == run.Run:
			missed = 0
			return false
		case isQueued(st, run.Run):
			missed = 0
			return Stopped(st)
		}
		missed++
		return missed >= notYetSeen
	})
	switch {
	case err != nil:
		return nil, err
	case st.LastRun != nil && st.LastRun.Run == run.Run:
		return st.LastRun, nil
	case isQueued(st, run.Run):
		return nil, failed("%s is %s; run %s is queued and goes on at the next start: causeway start %s", name, st.State, run.Run, name)
	}
	return i.result(ctx, name, run)
}

// isQueued says whether a run is in the queue of its flow.
func isQueued(st workflows.Status, run string) bool {
	return slices.Contains(st.Queued(workflows.RequestBackfill), run) || slices.Contains(st.Queued(workflows.RequestRelease), run)
}

// result reads how a run ended that is no longer in the owner's status.
func (i *Instance) result(ctx context.Context, name string, run workflows.BackfillAnswer) (*workflows.RunSummary, error) {
	ctx, cancel := context.WithTimeout(ctx, i.Timeout)
	defer cancel()
	var pass workflows.PassResult
	switch err := i.temporal.Result(ctx, run.WorkflowID, &pass); {
	case errors.Is(err, ErrNotFound):
		return nil, failed("run %s was taken off the queue before it began", run.Run)
	case errors.Is(err, ErrNoWorker):
		return nil, noWorker("run %s has not ended and %s does not say why; see: causeway status %s", run.Run, name, name)
	case err != nil:
		return nil, failed("run %s did not finish: %s", run.Run, phrase.OneLine(err.Error()))
	}
	return &pass.Summary, nil
}

// FollowRollback follows the rollback of a run to its end.
func (i *Instance) FollowRollback(ctx context.Context, run string, w Watcher) (*workflows.RunSummary, error) {
	st, err := i.flow(i.TableOf(run)).follow(ctx, w, func(st workflows.Status) bool {
		return !slices.Contains(st.Queued(workflows.RequestRollback), run) && st.RunKind != activities.KindRollback
	})
	switch {
	case err != nil:
		return nil, err
	case st.LastRun == nil || !strings.HasPrefix(st.LastRun.Run, activities.RollbackPrefix(run)):
		return nil, failed("run %s was not rolled back: %s", run, st.LastError)
	}
	return st.LastRun, nil
}

// follow watches a flow until done is true, and returns the last status. It waits for a
// worker that is restarted meanwhile.
func (f *flow) follow(ctx context.Context, w Watcher, done func(workflows.Status) bool) (workflows.Status, error) {
	liveness, known := f.newLiveness(w.Say), knownReasons{}
	for looks := 1; ; looks++ {
		if looks%endedEvery == 0 { // a workflow that was terminated still answers as before
			if d, err := f.describe(ctx, f.owner()); err == nil && !d.Running {
				return workflows.Status{}, failed("the workflow of %s has ended (%s); run: causeway start %s", f.name, d.Ended, f.name)
			}
		}
		st, err := f.status(ctx)
		switch {
		case ctx.Err() != nil:
			return st, f.interrupted()
		case err == nil:
			liveness.answered()
			if done(st) {
				return st, nil
			}
			if looks%failsEvery == 0 {
				f.sayRetries(ctx, st, known, w.Say)
			}
			w.At(liveness.since, st)
		case !liveness.keepAsking(err):
			return st, f.explain(ctx, err)
		}
		if f.Sleep(ctx, lookEvery) != nil {
			return st, f.interrupted()
		}
	}
}

// sayRetries says what the flow and its run try again and why, each reason once.
func (f *flow) sayRetries(ctx context.Context, st workflows.Status, known knownReasons, say func(string)) {
	for _, id := range []string{f.owner(), st.RunWorkflow} {
		if id == "" {
			continue
		}
		if d, err := f.describe(ctx, id); err == nil { // without a description it is left out, as in status
			known.sayNew(f.Now(), d, say)
		}
	}
}

func (f *flow) interrupted() error {
	return failed("no longer watching; %s goes on: causeway status %s", f.name, f.name)
}

// workerLiveness watches for how long questions that are asked again and again have had no
// answer.
type workerLiveness struct {
	*Instance
	since    time.Time
	reported bool // that there is no answer
	say      func(string)
}

func (i *Instance) newLiveness(say func(string)) *workerLiveness {
	return &workerLiveness{Instance: i, since: i.Now(), say: say}
}

func (s *workerLiveness) answered() { s.since, s.reported = s.Now(), false }

// keepAsking says whether to go on asking after an error. It reports once that nobody
// answers.
func (s *workerLiveness) keepAsking(err error) bool {
	quiet := s.Now().Sub(s.since)
	if !mayComeBack(err) || quiet >= patience {
		return false
	}
	if !s.reported && quiet >= quietFor {
		s.reported = true
		s.say(fmt.Sprintf("no answer for %s; waiting for up to %s for the worker and Temporal to come back", phrase.Span(quiet), phrase.Span(patience)))
	}
	return true
}

// knownReasons are the reasons for which work is tried again and which were said already.
type knownReasons map[string]bool

// sayNew says for which new reasons a workflow waits for work that is tried again.
func (t knownReasons) sayNew(now time.Time, d *Description, say func(string)) {
	for _, w := range d.Retried() {
		if why := w.Activity + ": " + w.LastFailure; !t[why] {
			t[why] = true
			say("waiting: " + w.Sentence(now))
		}
	}
}
