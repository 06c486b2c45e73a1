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

// QueuedRelease waits for its turn, as QueuedBackfill does.
type QueuedRelease struct {
	Run     string             `json:"run"`
	Release activities.Release `json:"release"`
	By      string             `json:"by,omitempty"`
}

// Release tries quarantined records again, each as Dynamics has it now. It is a
// run as any other: it balances, goes on after a crash, and can be rolled back.
func Release(ctx workflow.Context, in PassInput) (*PassResult, error) {
	p, err := newPass(ctx, in)
	if err != nil {
		return nil, err
	}
	return p.run(ctx, Release)
}

func (s *tableSync) setReleases(r []QueuedRelease) {
	s.state.Releases, s.Status.Releases = r, nil
	for _, one := range r {
		s.Status.Releases = append(s.Status.Releases, one.Run)
	}
}

// release grants the first release in the queue.
func (s *tableSync) release(ctx workflow.Context) error {
	next := s.state.Releases[0]
	s.setReleases(s.state.Releases[1:])
	result, err := s.runPass(ctx, Release, "trying quarantined records again", PassInput{
		Instance: s.id.Instance, Ref: s.ref(next.Run, activities.KindRelease), Release: &next.Release, Tuning: s.Tuning, Deltas: true,
	})
	if err != nil {
		return err
	}
	if result != nil && result.Summary.State == "STOPPED" && !next.Release.Due {
		// What was read is old by then: it is read anew, which is another run.
		next.Run = s.newRun(ctx)
		s.setReleases(append([]QueuedRelease{next}, s.state.Releases...))
	}
	return nil
}

// releaseDue tries a page of the records whose time has come.
func (s *tableSync) releaseDue(ctx workflow.Context) error {
	s.state.NextDue = workflow.Now(ctx).Add(releaseEvery)
	s.setReleases(append(s.state.Releases, QueuedRelease{Run: s.newRun(ctx), Release: activities.Release{Due: true}}))
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
	queued := slices.ContainsFunc(s.state.Releases, func(q QueuedRelease) bool { return afterStart(q) && (q.Release.Remodelled || !release.Remodelled) })
	if afterStart(QueuedRelease{Release: release}) && !queued {
		s.setReleases(append(s.state.Releases, QueuedRelease{Run: s.newRun(ctx), Release: release}))
	}
}

// afterStart says that a release was asked for by a start.
func afterStart(q QueuedRelease) bool { return q.Release.RefusedBefore || q.Release.Remodelled }

// releasedByBaseline drops what a baseline has done: it read every record.
func (s *tableSync) releasedByBaseline() {
	s.setReleases(slices.DeleteFunc(slices.Clone(s.state.Releases), afterStart))
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
	case len(s.state.Releases) >= 20:
		return s.refuse("20 releases are queued already")
	}
	return nil
}

func (s *tableSync) onRelease(ctx workflow.Context, req ReleaseRequest) (ReleaseAnswer, error) {
	run := s.newRun(ctx)
	s.note(ctx, activities.Operation{By: req.By, What: activities.OpRelease, Run: run, Detail: req.InWords()})
	answer := ReleaseAnswer{Run: run, WorkflowID: s.id.PassID(activities.KindRelease, run), Queued: len(s.state.Releases)}
	s.setReleases(append(s.state.Releases, QueuedRelease{Run: run, Release: activities.Release{Selection: req.Selection}, By: req.By}))
	s.wake()
	return answer, nil
}
