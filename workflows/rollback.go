package workflows

import (
	"errors"
	"fmt"
	"slices"

	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
)

// Rollback undoes a run: what it created goes, what it changed or deleted comes
// back, and what was written since is left alone and reported. Like every run it
// balances, and goes on after a crash where it was.
func Rollback(ctx workflow.Context, in PassInput) (*PassResult, error) {
	p, err := newPass(ctx, in)
	if err != nil {
		return nil, err
	}
	return p.run(ctx, Rollback)
}

// rollback undoes the first run in the queue, whatever the state of the flow: who
// stopped it for a wrong mapping wants that before the next start.
func (s *tableSync) rollback(ctx workflow.Context) error {
	next := s.state.Rollbacks[0]
	phase, rolling := s.Status.Phase, "rolling back run "+next.Run
	s.Status.Phase = rolling
	s.publish(ctx)
	opts := activityOptions(QueueMain, activities.KindRollback, "what a rollback of "+next.Run+" touches")
	var may activities.MayRollbackResult
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, opts), activities.MayRollback, activities.MayRollbackInput{Run: next.Run}).Get(ctx, &may)
	if err == nil && may.Table != s.name {
		s.Status.LastError = fmt.Sprintf("run %s is one of %s, not of %s", next.Run, may.Table, s.name)
	} else if err == nil {
		ref := activities.RunRef{
			Run: activities.RollbackPrefix(next.Run) + workflow.Now(ctx).UTC().Format("20060102T150405.000Z"), Table: s.name,
			Revision: may.Mapping, Kind: activities.KindRollback, Undoes: next.Run,
		}
		if i := s.queued(next.Run); i >= 0 {
			s.setQueue(slices.Delete(slices.Clone(s.Queue), i, i+1)) // its other half is not wanted either
		}
		_, err = s.runPass(ctx, Rollback, rolling, PassInput{Instance: s.id.Instance, Ref: ref, Tuning: s.Tuning})
	} else if ctx.Err() == nil {
		s.Status.LastError, err = reasonOf(err), nil
	}
	if s.setRollbacks(s.state.Rollbacks[1:]); s.Status.Phase == rolling { // else it says what came of it, or what was asked for meanwhile
		s.Status.Phase = phase
	}
	s.publish(ctx)
	return err
}

// undoRefused has a run undone that was stopped for too many refusals.
func (s *tableSync) undoRefused(ctx workflow.Context, run string) {
	if slices.Contains(s.Status.Rollbacks, run) {
		return // an operator was quicker
	}
	s.setRollbacks(append(s.state.Rollbacks, RollbackRequest{Run: run, By: "quarantine.on_stop"}))
	s.note(ctx, activities.Operation{ID: "on-stop/" + run, By: "quarantine.on_stop", What: activities.OpRollback, Run: run})
}

func (s *tableSync) setRollbacks(r []RollbackRequest) {
	s.state.Rollbacks, s.Status.Rollbacks = r, nil
	for _, one := range r {
		s.Status.Rollbacks = append(s.Status.Rollbacks, one.Run)
	}
}

func (s *tableSync) mayRollback(_ workflow.Context, req RollbackRequest) error {
	switch {
	case req.Run == "":
		return errors.New("a rollback needs the run that it undoes")
	case slices.Contains(s.Status.Rollbacks, req.Run):
		return fmt.Errorf("run %s is to be rolled back already", req.Run)
	case req.Run == s.Status.Run && s.Status.RunKind == activities.KindDelta:
		return s.refuse("run %s applies changes and ends by itself; ask again when it has", req.Run)
	case s.Status.RunKind == activities.KindRollback:
		return s.refuse("run %s is at work; ask again when it is done", s.Status.Run)
	case len(s.state.Rollbacks) >= 20:
		return s.refuse("20 rollbacks are queued already")
	}
	return nil
}

func (s *tableSync) onRollback(ctx workflow.Context, req RollbackRequest) (Status, error) {
	s.setRollbacks(append(s.state.Rollbacks, req))
	s.note(ctx, activities.Operation{By: req.By, What: activities.OpRollback, Run: req.Run})
	if req.Run == s.Status.Run {
		s.steer(ctx, ControlCancel)
	}
	s.wake()
	return s.Status, nil
}
