package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

// operator asks a TableSync in the test environment for things, in virtual time.
type operator struct {
	t   *testing.T
	env *testsuite.TestWorkflowEnvironment
	f   *fakeIngress
}

func newOperator(t *testing.T) *operator {
	t.Helper()
	o := &operator{t: t, env: newWorkflowEnv(), f: newFake()}
	o.f.register(o.env)
	o.f.inTime(o.env)
	o.env.RegisterWorkflow(workflows.DeltaPass)
	o.env.RegisterWorkflow(workflows.Backfill)
	o.env.RegisterWorkflow(workflows.Release)
	o.env.RegisterWorkflow(workflows.Rollback)
	return o
}

// at runs f after d of workflow time.
func (o *operator) at(d time.Duration, f func()) { o.env.RegisterDelayedCallback(f, d) }

// asks sends an update and hands its answer, or the sentence of its refusal, on.
func (o *operator) asks(name string, answer func(any, error), arg any) {
	o.env.UpdateWorkflow(name, "", &testsuite.TestUpdateCallback{
		OnAccept: func() {}, OnReject: func(err error) { answer(nil, err) },
		OnComplete: func(v any, err error) { answer(v, err) },
	}, arg)
}

func (o *operator) accepted(any, error) {}

func (o *operator) mustAccept(_ any, err error) { require.NoError(o.t, err) }

func (o *operator) mustRefuse(sentence string) func(any, error) {
	return func(_ any, err error) { require.ErrorContains(o.t, err, sentence) }
}

func (o *operator) status() workflows.Status {
	value, err := o.env.QueryWorkflow(workflows.QueryStatus)
	require.NoError(o.t, err)
	var st workflows.Status
	require.NoError(o.t, value.Get(&st))
	return st
}

// run lets the flow live until end of workflow time, then cancels it.
func (o *operator) run(end time.Duration) {
	o.at(end, o.env.CancelWorkflow)
	o.env.ExecuteWorkflow(workflows.TableSync, workflows.TableSyncInput{Instance: "acme", Table: "contacts"})
	completed(o.t, o.env)
}

var start = workflows.StartRequest{
	Table: &activities.Table{Name: "contacts"}, Revision: activities.Table{Name: "contacts"}.Revision(),
	Tuning: workflows.Tuning{Lanes: 2, ReadAhead: 2, Poll: activities.Duration(3 * time.Second), StopRatio: 0.2, StopMin: 100}, By: "ada",
}

// R8.12, R8.13, R15.1, R15.2
func TestStartLoadsThenFollowsChanges(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.f.changes = []int{3}
	o.at(time.Second, func() {
		require.Equal(t, workflows.StateStopped, o.status().State)
		o.asks(workflows.UpdateStart, o.mustAccept, start)
	})
	o.at(time.Hour, func() {
		st := o.status()
		require.Equal(t, workflows.StateRunning, st.State)
		require.Equal(t, "waiting for changes", st.Phase)
		require.Equal(t, activities.Counts{Read: 43, Created: 43}, st.Totals)
		require.False(t, st.Watermark.IsZero())
		require.Equal(t, start.Table.Revision(), st.Revision)
		o.asks(workflows.UpdateStart, o.mustRefuse("only a stopped or failed flow can be started"), start)
	})
	o.run(2 * time.Hour)
	require.Contains(t, o.f.steps(), "watermark initial")
	require.Contains(t, o.f.steps(), "watermark delta")
}

// R11.14: a change of the data models that is found while the flow waits is told until
// the next start, and not forgotten by waits that did not look.
func TestChangesOfTheModelsAreTold(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
	o.at(time.Hour, func() {
		require.Empty(t, o.status().ModelChanges)
		o.f.models = &activities.ModelChanges{Changes: []string{"option 4 is new"}}
	})
	o.at(2*time.Hour, func() {
		require.Equal(t, []string{"option 4 is new"}, o.status().ModelChanges)
		require.Equal(t, workflows.StateRunning, o.status().State)
		o.f.models = nil
	})
	o.at(3*time.Hour, func() {
		require.Equal(t, []string{"option 4 is new"}, o.status().ModelChanges)
		o.asks(workflows.UpdateStop, o.mustAccept, workflows.StopRequest{By: "ada"})
	})
	o.at(4*time.Hour, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
	o.at(5*time.Hour, func() { require.Empty(t, o.status().ModelChanges) })
	o.run(6 * time.Hour)
}

// R11.14, R8.7: a mapping that does not fit is refused before anything is written.
func TestAMappingThatDoesNotFitFailsTheStart(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.f.preflight = temporal.NewNonRetryableApplicationError("ingress.tables.contacts.fields[1].to: got emial, want a field of profile", "Mapping", nil)
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.accepted, start) })
	o.at(time.Minute, func() {
		st := o.status()
		require.Equal(t, workflows.StateFailed, st.State)
		require.Contains(t, st.Reason, "got emial, want a field of profile")
		o.f.preflight = nil
		o.asks(workflows.UpdateStart, o.mustAccept, start)
	})
	o.at(time.Hour, func() { require.Equal(t, workflows.StateRunning, o.status().State) })
	o.run(2 * time.Hour)
	require.Equal(t, "preflight", o.f.steps()[0])
	require.Equal(t, "preflight", o.f.steps()[1])
}

// An expired delta link needs nobody: a new baseline runs by itself.
func TestAnExpiredLinkBecomesANewBaseline(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.f.failOnce["fetch delta"] = temporal.NewNonRetryableApplicationError("the link has expired", "LinkExpired", nil)
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.accepted, start) })
	o.at(time.Hour, func() {
		st := o.status()
		require.Equal(t, workflows.StateRunning, st.State)
		require.Equal(t, int64(2), st.Runs)
		require.Equal(t, "waiting for changes", st.Phase)
		require.Equal(t, "new baseline after an expired delta link", st.LastRun.Named())
	})
	o.run(2 * time.Hour)
}

func TestOperatorsAreRefusedWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.at(time.Second, func() {
		o.asks(workflows.UpdateStop, o.mustRefuse("there is nothing to stop"), workflows.StopRequest{})
		o.asks(workflows.UpdatePause, o.mustRefuse("only a running flow can be paused"), workflows.PauseRequest{Reason: "x"})
		o.asks(workflows.UpdateResume, o.mustRefuse("only a paused flow can be resumed"), workflows.ResumeRequest{})
		o.asks(workflows.UpdateRequestBackfill, o.mustRefuse("start it before asking for a backfill"), workflows.BackfillRequest{})
		o.asks(workflows.UpdateCancelBackfill, o.mustRefuse("no backfill is running"), workflows.CancelBackfillRequest{})
		o.asks(workflows.UpdateStart, o.mustRefuse(`the mapping is for "accounts"`), workflows.StartRequest{Table: &activities.Table{Name: "accounts"}})
		o.asks(workflows.UpdateStart, o.accepted, start)
	})
	o.at(time.Hour, func() {
		o.asks(workflows.UpdatePause, o.mustRefuse("a pause needs a reason"), workflows.PauseRequest{})
		late := workflows.BackfillRequest{Window: activities.Window{Since: time.Unix(10, 0), Until: time.Unix(5, 0)}}
		o.asks(workflows.UpdateRequestBackfill, o.mustRefuse("want a time before until"), late)
	})
	o.run(2 * time.Hour)
}

func TestPauseHoldsAndResumeGoesOn(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.accepted, start) })
	o.at(time.Hour, func() {
		o.asks(workflows.UpdatePause, o.accepted, workflows.PauseRequest{Reason: "release", By: "ada"})
	})
	o.at(2*time.Hour, func() {
		st := o.status()
		require.Equal(t, workflows.StatePaused, st.State)
		require.Equal(t, "release (ada)", st.Reason)
		o.f.mu.Lock()
		o.f.changes = []int{2}
		o.f.mu.Unlock()
	})
	o.at(3*time.Hour, func() {
		require.Equal(t, int64(40), o.status().Totals.Read) // nothing moved
		o.asks(workflows.UpdateResume, o.accepted, workflows.ResumeRequest{})
	})
	o.at(4*time.Hour, func() { require.Equal(t, int64(42), o.status().Totals.Read) })
	o.run(5 * time.Hour)
}

// R8.15, R8.14, R9.8: a saved mapping waits for stop and start.
func TestAMappingOnFileTakesEffectAtTheNextStart(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	changed := activities.Table{Name: "contacts", ApplyDeletes: true}
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.accepted, start) })
	o.at(time.Hour, func() {
		o.asks(workflows.UpdateApplyConfig, o.accepted, workflows.StartRequest{Table: &changed, Revision: changed.Revision()})
	})
	o.at(2*time.Hour, func() {
		require.True(t, o.status().ChangesPending())
		require.Equal(t, start.Table.Revision(), o.status().Revision)
		o.asks(workflows.UpdateStop, o.accepted, workflows.StopRequest{})
	})
	o.at(3*time.Hour, func() {
		require.Equal(t, workflows.StateStopped, o.status().State)
		o.asks(workflows.UpdateStart, o.accepted, workflows.StartRequest{Table: &changed, Revision: changed.Revision(), Tuning: start.Tuning})
	})
	o.at(4*time.Hour, func() {
		require.False(t, o.status().ChangesPending())
		require.Equal(t, changed.Revision(), o.status().Revision)
	})
	o.run(5 * time.Hour)
}

func TestBackfillsTakeTurns(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.accepted, start) })
	o.at(time.Hour, func() {
		o.asks(workflows.UpdateRequestBackfill, o.mustAccept, workflows.BackfillRequest{})
		o.asks(workflows.UpdateRequestBackfill, o.mustAccept, workflows.BackfillRequest{Window: activities.Window{IDs: []string{"a"}}})
	})
	o.at(2*time.Hour, func() {
		st := o.status()
		require.Empty(t, st.Queued(workflows.RequestBackfill))
		require.Equal(t, int64(3), st.Runs)
		require.Equal(t, int64(40+24+8), st.Totals.Read)
	})
	o.run(3 * time.Hour)
}

// A backfill by ids says which of them Dynamics does not have; it is complete all the same.
func TestABackfillNamesTheIDsThatWereNotFound(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.accepted, start) })
	o.at(time.Hour, func() {
		o.f.notFound = []string{"b", "c"}
		o.asks(workflows.UpdateRequestBackfill, o.mustAccept, workflows.BackfillRequest{Window: activities.Window{IDs: []string{"a", "b", "c"}}})
	})
	o.at(2*time.Hour, func() {
		last := o.status().LastRun
		require.Equal(t, "COMPLETED", last.State)
		require.Equal(t, "not found in Dynamics, and left alone: b, c", last.Reason)
	})
	o.run(3 * time.Hour)
}
