package workflows_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

// pages of the scan that were fetched.
func (o *operator) scans() (n int) {
	for _, s := range o.f.steps() {
		if strings.HasSuffix(s, " scan") {
			n++
		}
	}
	return n
}

// A backfill that was stopped, and then undone or given up, does not go on with the
// next start: half of it would be there and half not.
func TestAStoppedBackfillThatWasUndoneDoesNotGoOn(t *testing.T) {
	t.Parallel()
	for name, ask := range map[string]func(o *operator, run string){
		"rollback": func(o *operator, run string) { o.rollsBack(run, o.mustAccept) },
		"cancel-backfill": func(o *operator, run string) {
			o.asks(workflows.UpdateCancelBackfill, o.mustAccept, workflows.CancelBackfillRequest{Run: run})
		},
		"cancel-backfill --rollback": func(o *operator, run string) {
			o.asks(workflows.UpdateCancelBackfill, o.mustAccept, workflows.CancelBackfillRequest{Run: run, Rollback: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOperator(t)
			run, read := "", 0
			o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
			o.at(time.Hour, func() { o.asks(workflows.UpdateRequestBackfill, o.mustAccept, workflows.BackfillRequest{}) })
			o.at(time.Hour+90*time.Second, func() {
				run = o.status().Run
				o.asks(workflows.UpdateStop, o.mustAccept, workflows.StopRequest{})
			})
			o.at(2*time.Hour, func() {
				require.Equal(t, []string{run}, o.status().Queued(workflows.RequestBackfill))
				ask(o, run)
			})
			o.at(3*time.Hour, func() {
				require.Empty(t, o.status().Queued(workflows.RequestBackfill))
				require.Equal(t, workflows.StateStopped, o.status().State)
				read = o.scans()
				o.asks(workflows.UpdateStart, o.mustAccept, start)
			})
			o.at(4*time.Hour, func() {
				require.Equal(t, workflows.StateRunning, o.status().State)
				require.Equal(t, "waiting for changes", o.status().Phase)
				require.Equal(t, read, o.scans())
			})
			o.run(5 * time.Hour)
			require.Equal(t, name != "cancel-backfill", slices.Contains(o.f.steps(), "find unrecorded writes"))
			require.Equal(t, "CANCELLED", o.f.runs[run].state)
		})
	}
}

// What a run has counted when it is stopped is counted once, when it has ended; and
// a stop does not empty the quarantine of the status.
func TestAStopCountsNothingTwice(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	open := int64(7)
	o.f.open, o.f.quarantined = &open, open
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
	o.at(time.Hour, func() {
		require.Equal(t, open, o.status().Quarantined)
		o.asks(workflows.UpdateRequestBackfill, o.mustAccept, workflows.BackfillRequest{})
	})
	o.at(time.Hour+150*time.Second, func() { o.asks(workflows.UpdateStop, o.mustAccept, workflows.StopRequest{}) })
	o.at(2*time.Hour, func() {
		st := o.status()
		require.Equal(t, workflows.StateStopped, st.State)
		require.Equal(t, "STOPPED", st.LastRun.State)
		require.Positive(t, st.LastRun.Counts.Read)
		require.Equal(t, int64(40), st.Totals.Read)
		require.Equal(t, open, st.Quarantined)
		o.asks(workflows.UpdateStart, o.mustAccept, start)
	})
	o.at(3*time.Hour, func() { require.Equal(t, int64(40+24), o.status().Totals.Read) })
	o.run(4 * time.Hour)
}

// A release that is stopped leaves no pages behind: its records are read anew, under
// another name.
func TestAStoppedReleaseIsReadAnew(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	run := ""
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
	o.at(time.Hour, func() { o.releases(workflows.ReleaseRequest{All: true}, o.mustAccept) })
	o.at(time.Hour+90*time.Second, func() {
		run = o.status().Run
		require.Equal(t, activities.KindRelease, o.status().RunKind)
		o.asks(workflows.UpdateStop, o.mustAccept, workflows.StopRequest{})
	})
	o.at(2*time.Hour, func() {
		require.True(t, o.f.runs[run].dropped)
		require.Len(t, o.status().Queued(workflows.RequestRelease), 1)
		require.NotEqual(t, run, o.status().Queued(workflows.RequestRelease)[0])
		o.asks(workflows.UpdateStart, o.mustAccept, start)
	})
	o.at(3*time.Hour, func() {
		require.Empty(t, o.status().Queued(workflows.RequestRelease))
		require.Equal(t, "COMPLETED", o.status().LastRun.State)
	})
	o.run(4 * time.Hour)
	require.Len(t, o.f.tried, 2)
}

// Who stops a flow whose rollback is paused is told what that would leave half undone.
func TestAPausedRollbackIsNotStopped(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
	o.at(time.Hour, func() { o.rollsBack("contacts-1", o.mustAccept) })
	o.at(time.Hour+90*time.Second, func() {
		require.Equal(t, activities.KindRollback, o.status().RunKind)
		o.rollsBack("contacts-2", o.mustRefuse("is at work; ask again when it is done"))
		o.asks(workflows.UpdatePause, o.mustAccept, workflows.PauseRequest{Reason: "Campaign is being maintained"})
	})
	o.at(2*time.Hour, func() {
		o.asks(workflows.UpdateStop, o.mustRefuse("is half done and paused; resume it, and stop then"), workflows.StopRequest{})
		o.asks(workflows.UpdateCancelBackfill, o.mustRefuse("what a rollback did is not undone"), workflows.CancelBackfillRequest{Rollback: true})
		o.asks(workflows.UpdateResume, o.mustAccept, workflows.ResumeRequest{})
	})
	o.at(3*time.Hour, func() {
		require.Equal(t, "COMPLETED", o.status().LastRun.State)
		o.asks(workflows.UpdateStop, o.mustAccept, workflows.StopRequest{})
	})
	o.run(4 * time.Hour)
	require.Equal(t, []string{"find unrecorded writes", "fetch 1 undo", "fetch 2 undo", "open rollback", "watermark rollback"}, o.undone(), "opened again after the pause")
}

// quarantine.on_stop: rollback undoes the run that was refused, and with it the
// backfill that it ran inside, the newest first.
func TestTooManyRefusalsInsideABackfillAreUndoneToo(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	req := start
	req.Tuning.StopMin, req.Tuning.OnStop, req.Tuning.DeltaInterval = 4, workflows.OnStopRollback, 1
	refused, backfill := "", ""
	o.f.onLane = func(in activities.LaneInput) error {
		if in.Kind == activities.KindDelta {
			o.f.mu.Lock() // lanes are written side by side
			defer o.f.mu.Unlock()
			o.f.refuse, refused = 4, in.Run
		}
		return nil
	}
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, req) })
	o.at(time.Hour, func() {
		o.f.changes = []int{8}
		o.asks(workflows.UpdateRequestBackfill, func(v any, err error) {
			require.NoError(t, err)
			backfill = v.(workflows.BackfillAnswer).Run
		}, workflows.BackfillRequest{})
	})
	o.at(2*time.Hour, func() {
		require.Equal(t, workflows.StateFailed, o.status().State)
		require.Empty(t, o.status().Queued(workflows.RequestRollback))
	})
	o.run(3 * time.Hour)
	require.NotEmpty(t, refused)
	var undone []string
	for _, op := range o.f.trail {
		if op.What == activities.OpRollback {
			undone = append(undone, op.Run)
		}
	}
	require.Equal(t, []string{refused, backfill}, undone)
}

// A run that the ledger has ended otherwise is taken for that, and not tried for ever.
func TestAPassOfARunThatWasGivenUpEnds(t *testing.T) {
	t.Parallel()
	f := newFake()
	in := passInput(activities.KindInitial)
	f.run(in.Ref.Run).state = "CANCELLED"
	out, _, err := runPass(t, f, in)
	require.NoError(t, err)
	require.Equal(t, "CANCELLED", out.Summary.State)
	require.NotContains(t, f.steps(), "watermark initial")
}

// What is asked for while the mapping of a start is checked waits for the start.
func TestAWishDuringTheCheckOfAStartWaitsForIt(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		ask  func(o *operator)
		step string
	}{
		"rollback":           {func(o *operator) { o.rollsBack("contacts-1", o.mustAccept) }, "find unrecorded writes"},
		"repair of an audit": {func(o *operator) { o.env.SignalWorkflow(workflows.SignalRepair, workflows.Repair{Audit: "audit-1"}) }, "correct audit-1"},
		"approval of deletes": {func(o *operator) {
			o.asks(workflows.UpdateApprove, o.mustAccept, workflows.ApproveRequest{Run: "contacts-1"})
		}, "approve contacts-1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOperator(t)
			o.f.approvals = []activities.Approval{{Run: "contacts-1", Deletes: 7}}
			o.env.OnActivity("Preflight", mock.Anything, mock.Anything).Return(o.f.Preflight).After(time.Minute)
			o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
			o.at(time.Hour, func() { o.asks(workflows.UpdateStop, o.mustAccept, workflows.StopRequest{}) })
			o.at(2*time.Hour, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
			o.at(2*time.Hour+10*time.Second, func() {
				require.Equal(t, workflows.StateStarting, o.status().State)
				tt.ask(o)
			})
			var state workflows.State
			o.at(3*time.Hour, func() { state = o.status().State })
			o.run(4 * time.Hour)
			require.Equal(t, workflows.StateRunning, state)
			require.Contains(t, o.f.steps(), tt.step)
		})
	}
}

// Who stops a flow again before its start had its turn, behind a rollback, has the
// last word.
func TestAStopTakesBackAStartBehindARollback(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
	o.at(time.Hour, func() { o.asks(workflows.UpdateStop, o.mustAccept, workflows.StopRequest{}) })
	o.at(2*time.Hour, func() { o.rollsBack("contacts-1", o.mustAccept) })
	o.at(2*time.Hour+30*time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
	o.at(2*time.Hour+time.Minute, func() { o.asks(workflows.UpdateStop, o.mustAccept, workflows.StopRequest{}) })
	o.at(3*time.Hour, func() { require.Equal(t, workflows.StateStopped, o.status().State) })
	o.run(4 * time.Hour)
	require.Equal(t, wholeRollback, o.undone())
}

// What an operator asked for is carried out before a flow continues as new: it would
// be forgotten.
func TestAWishIsCarriedOutBeforeAFlowContinuesAsNew(t *testing.T) {
	t.Parallel()
	stop := func(o *operator) { o.asks(workflows.UpdateStop, o.mustAccept, workflows.StopRequest{}) }
	for name, tt := range map[string]struct {
		before, ask func(o *operator)
		want        workflows.State
	}{
		"start": {stop, func(o *operator) { o.asks(workflows.UpdateStart, o.mustAccept, start) }, workflows.StateRunning},
		"stop":  {func(*operator) {}, stop, workflows.StateStopped},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOperator(t)
			o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
			o.at(time.Hour, func() { tt.before(o) })
			o.at(2*time.Hour, func() {
				o.env.SetContinueAsNewSuggested(true)
				tt.ask(o)
			})
			o.env.ExecuteWorkflow(workflows.TableSync, workflows.TableSyncInput{Instance: "acme", Table: "contacts"})
			again, ok := errors.AsType[*workflow.ContinueAsNewError](o.env.GetWorkflowError())
			require.True(t, ok, o.env.GetWorkflowError())
			var in workflows.TableSyncInput
			require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(again.Input, &in))
			require.Equal(t, tt.want, in.State.Status.State)
		})
	}
}

// A run is undone once, however often that is asked for, and changes that are being
// applied are not given up: they would be read again at once.
func TestWhatIsCancelledTwiceIsUndoneOnce(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	undo := workflows.CancelBackfillRequest{Rollback: true}
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
	o.at(time.Hour, func() { o.asks(workflows.UpdateRequestBackfill, o.mustAccept, workflows.BackfillRequest{}) })
	o.at(time.Hour+90*time.Second, func() {
		o.asks(workflows.UpdateCancelBackfill, o.mustAccept, undo)
		o.asks(workflows.UpdateCancelBackfill, o.mustRefuse("is to be rolled back already"), undo)
	})
	o.at(2*time.Hour, func() {
		o.f.mu.Lock()
		o.f.changes = []int{3}
		o.f.mu.Unlock()
		o.asks(workflows.UpdateSyncNow, o.mustAccept, workflows.SyncNowRequest{})
	})
	o.at(2*time.Hour+90*time.Second, func() {
		require.Equal(t, activities.KindDelta, o.status().RunKind)
		o.asks(workflows.UpdateCancelBackfill, o.mustRefuse("is no backfill and ends by itself"), workflows.CancelBackfillRequest{Run: o.status().Run})
	})
	o.at(3*time.Hour, func() { require.Equal(t, int64(3), o.status().LastRun.Counts.Read) })
	o.run(4 * time.Hour)
	require.Equal(t, 1, len(slices.DeleteFunc(o.f.steps(), func(s string) bool { return s != "find unrecorded writes" })))
}

// A repair is through when a baseline has brought Campaign what it found, also when
// the flow was stopped, or failed, before.
func TestARepairGoesOnAfterTheNextStart(t *testing.T) {
	t.Parallel()
	stop := func(o *operator) { o.asks(workflows.UpdateStop, o.mustAccept, workflows.StopRequest{}) }
	for name, tt := range map[string]struct {
		when time.Duration // after it was asked for
		end  func(o *operator)
	}{
		"stopped before its baseline": {30 * time.Second, stop},
		"stopped in its baseline":     {3 * time.Minute, stop},
		"failed": {0, func(o *operator) {
			o.f.mu.Lock()
			defer o.f.mu.Unlock()
			o.f.failOnce["fetch baseline"] = temporal.NewNonRetryableApplicationError("no permission", "Forbidden", nil)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOperator(t)
			o.env.OnActivity("ApplyFindings", mock.Anything, mock.Anything).Return(o.f.ApplyFindings).After(time.Minute)
			o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
			o.at(time.Hour, func() { o.env.SignalWorkflow(workflows.SignalRepair, workflows.Repair{Audit: "audit-1"}) })
			o.at(time.Hour+tt.when, func() { tt.end(o) })
			o.at(2*time.Hour, func() {
				require.NotEqual(t, workflows.StateRunning, o.status().State)
				o.asks(workflows.UpdateStart, o.mustAccept, start)
			})
			o.at(3*time.Hour, func() {
				require.Equal(t, activities.KindInitial, o.status().LastRun.Kind)
				require.Equal(t, "COMPLETED", o.status().LastRun.State)
			})
			o.at(4*time.Hour, func() { o.asks(workflows.UpdateStop, o.mustAccept, workflows.StopRequest{}) })
			o.at(5*time.Hour, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
			o.run(6 * time.Hour)
			baselines := slices.DeleteFunc(o.f.steps(), func(s string) bool { return s != "watermark initial" })
			require.Len(t, baselines, 2)
		})
	}
}

// A backfill that goes on after a stop knows what it remembered.
func TestAStoppedBackfillGoesOnWithItsMemory(t *testing.T) {
	t.Parallel()
	o := newOperator(t)
	req := start
	req.Tuning.StopMin, req.Tuning.DeltaInterval = 4, 1
	o.at(time.Second, func() { o.asks(workflows.UpdateStart, o.mustAccept, start) })
	o.at(time.Hour, func() { o.asks(workflows.UpdateStop, o.mustAccept, workflows.StopRequest{}) })
	o.at(2*time.Hour, func() {
		o.f.mu.Lock()
		o.f.refuse, o.f.unknown = 4, true
		o.f.mu.Unlock()
		o.asks(workflows.UpdateStart, o.mustAccept, req)
	})
	o.at(3*time.Hour+5*time.Minute, func() { // between two waits
		o.f.mu.Lock()
		o.f.changes = []int{8}
		o.f.mu.Unlock()
		o.asks(workflows.UpdateRequestBackfill, o.mustAccept, workflows.BackfillRequest{})
	})
	o.at(3*time.Hour+9*time.Minute+30*time.Second, func() {
		require.Equal(t, activities.KindBackfill, o.status().RunKind)
		o.asks(workflows.UpdateStop, o.mustAccept, workflows.StopRequest{})
	})
	o.at(4*time.Hour, func() {
		st := o.status()
		require.Equal(t, "STOPPED", st.LastRun.State)
		require.Positive(t, st.LastRun.Counts.Quarantined)
		require.Equal(t, int64(40+8), st.Totals.Read, "with the changes that were applied in between")
		o.asks(workflows.UpdateStart, o.mustAccept, req)
	})
	o.at(5*time.Hour, func() {
		st := o.status()
		require.Equal(t, workflows.StateRunning, st.State, st.Reason)
		require.Equal(t, int64(40+8+24), st.Totals.Read)
	})
	o.run(6 * time.Hour)
}
