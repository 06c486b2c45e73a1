package workflows

import (
	"errors"
	"fmt"

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

// rollback undoes the run whose turn it is, in a stopped flow too: after a wrong
// mapping an operator stops the flow, undoes the run, and only then starts again.
func (s *tableSync) rollback(ctx workflow.Context) error {
	next, _ := s.first(RequestRollback)
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
		s.dequeue(RequestBackfill, next.Run) // the rest of it is not wanted either
		_, err = s.runPass(ctx, Rollback, rolling, PassInput{Instance: s.id.Instance, Ref: ref, Tuning: s.Tuning})
	} else if ctx.Err() == nil {
		s.Status.LastError, err = reasonOf(err), nil
	}
	if s.dequeue(RequestRollback, next.Run); s.Status.Phase == rolling { // else the phase says already what came of it
		s.Status.Phase = phase
	}
	s.publish(ctx)
	return err
}

// undoRefused has a run undone that was stopped for too many refusals.
func (s *tableSync) undoRefused(ctx workflow.Context, run string) {
	if s.find(RequestRollback, run) >= 0 {
		return // an operator has asked for it already
	}
	s.enqueue(Request{Kind: RequestRollback, Run: run, By: "quarantine.on_stop"})
	s.logOperation(ctx, activities.Operation{ID: "on-stop/" + run, By: "quarantine.on_stop", What: activities.OpRollback, Run: run})
}

func (s *tableSync) mayRollback(_ workflow.Context, req RollbackRequest) error {
	switch {
	case req.Run == "":
		return errors.New("a rollback needs the run that it undoes")
	case s.find(RequestRollback, req.Run) >= 0:
		return fmt.Errorf("run %s is to be rolled back already", req.Run)
	case req.Run == s.Status.Run && s.Status.RunKind == activities.KindDelta:
		return s.refuse("run %s applies changes and ends by itself; ask again when it has", req.Run)
	case s.Status.RunKind == activities.KindRollback:
		return s.refuse("run %s is at work; ask again when it is done", s.Status.Run)
	case s.countQueued(RequestRollback) >= maxQueued:
		return s.refuse("%d rollbacks are queued already", maxQueued)
	}
	return nil
}

func (s *tableSync) onRollback(ctx workflow.Context, req RollbackRequest) (Status, error) {
	s.enqueue(Request{Kind: RequestRollback, Run: req.Run, By: req.By})
	s.logOperation(ctx, activities.Operation{By: req.By, What: activities.OpRollback, Run: req.Run})
	s.leaveToOperator() // else a failed flow would write again what is undone here
	if req.Run == s.Status.Run {
		s.steer(ctx, ControlCancel)
	}
	s.endWait()
	return s.Status, nil
}
