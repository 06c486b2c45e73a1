package workflows

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
)

// UpdateRelease of TableSync tries quarantined records again: ReleaseRequest ->
// ReleaseAnswer.
const UpdateRelease = "Release"

// releaseEvery is the least time between two releases that nobody asked for: with
// a page each, thousands of records that come due at once are spread.
const releaseEvery = time.Minute

// ReleaseRequest tries quarantined records again, those selected or All.
type ReleaseRequest struct {
	activities.Selection
	All bool   `json:"all,omitempty"`
	By  string `json:"by,omitempty"`
}

// ReleaseAnswer names the run a release request became.
type ReleaseAnswer = BackfillAnswer

// Release tries quarantined records again, each as Dynamics has it now. It is a
// run as any other: it balances, goes on after a crash, and can be rolled back.
func Release(ctx workflow.Context, in PassInput) (*PassResult, error) {
	p, err := newPass(ctx, in)
	if err != nil {
		return nil, err
	}
	return p.run(ctx, Release)
}

// release carries out the release whose turn it is.
func (s *tableSync) release(ctx workflow.Context) error {
	next, _ := s.first(RequestRelease)
	s.dequeue(RequestRelease, next.Run)
	result, err := s.runPass(ctx, Release, "trying quarantined records again", PassInput{
		Instance: s.id.Instance, Ref: s.ref(next.Run, activities.KindRelease), Release: next.Release, Tuning: s.Tuning, Deltas: true,
	})
	if err != nil {
		return err
	}
	if result != nil && result.Summary.State == "STOPPED" && !next.Release.Due {
		// When it goes on, what was read is old. It is read anew, as another run.
		next.Run = s.newRun(ctx)
		s.putBack(next)
	}
	return nil
}

// releaseDue tries a page of the records whose time has come.
func (s *tableSync) releaseDue(ctx workflow.Context) error {
	s.state.NextDue = workflow.Now(ctx).Add(releaseEvery)
	s.enqueue(Request{Kind: RequestRelease, Run: s.newRun(ctx), Release: &activities.Release{Due: true}})
	return s.release(ctx)
}

// dueFrom is when the next release that nobody asked for may run.
func (s *tableSync) dueFrom(ctx workflow.Context) time.Time {
	if now := workflow.Now(ctx); s.state.NextDue.Before(now) {
		return now
	}
	return s.state.NextDue
}

// releaseAfterStart tries again what was refused under another revision of the
// mapping, or before a data model changed: the cause may be gone with it.
func (s *tableSync) releaseAfterStart(ctx workflow.Context, checked activities.PreflightResult) {
	release := activities.Release{RefusedBefore: checked.RefusedBefore > 0}
	if len(checked.Warnings) > 0 && checked.Quarantined > 0 {
		release = activities.Release{Remodelled: true}
	}
	next := Request{Kind: RequestRelease, Release: &release}
	queued := slices.ContainsFunc(s.Queue, func(r Request) bool { return afterStart(r) && (r.Release.Remodelled || !release.Remodelled) })
	if afterStart(next) && !queued {
		next.Run = s.newRun(ctx)
		s.enqueue(next)
	}
}

// afterStart says that a request is a release that was asked for by a start.
func afterStart(r Request) bool {
	return r.Kind == RequestRelease && (r.Release.RefusedBefore || r.Release.Remodelled)
}

// releasedByBaseline drops what a baseline has done: it read every record.
func (s *tableSync) releasedByBaseline() {
	s.setQueue(slices.DeleteFunc(slices.Clone(s.Queue), afterStart))
}

func (s *tableSync) mayRelease(_ workflow.Context, req ReleaseRequest) error {
	switch {
	case s.Status.State != StateRunning && s.Status.State != StatePaused:
		return s.refuse("start it before asking for a release; a start with a changed mapping tries everything again by itself")
	case len(req.IDs) > 1000:
		return fmt.Errorf("got %d ids, want at most 1,000 per release", len(req.IDs))
	case req.All && !req.Selection.All():
		return errors.New("got both all and a selection, want one of them")
	case !req.All && req.Selection.All():
		return errors.New("got no selection, want ids, a run, a code, a field or an age; or all")
	case strings.HasPrefix(req.Run, "rollback-"):
		return fmt.Errorf("run %s left records alone and refused none; to have them as Dynamics says: causeway backfill %s --ids …", req.Run, s.name)
	case s.countQueued(RequestRelease) >= maxQueued:
		return s.refuse("%d releases are queued already", maxQueued)
	}
	return nil
}

func (s *tableSync) onRelease(ctx workflow.Context, req ReleaseRequest) (ReleaseAnswer, error) {
	run := s.newRun(ctx)
	s.logOperation(ctx, activities.Operation{By: req.By, What: activities.OpRelease, Run: run, Detail: req.InWords()})
	answer := ReleaseAnswer{Run: run, WorkflowID: s.id.PassID(activities.KindRelease, run), Queued: s.countQueued(RequestRelease)}
	s.enqueue(Request{Kind: RequestRelease, Run: run, Release: &activities.Release{Selection: req.Selection}, By: req.By})
	s.endWait()
	return answer, nil
}
