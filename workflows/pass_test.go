package workflows_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

func passInput(kind activities.Kind) workflows.PassInput {
	return workflows.PassInput{
		Instance: "acme", Tuning: workflows.Tuning{Lanes: 2, ReadAhead: 2, Poll: activities.Duration(3 * time.Second), StopRatio: 0.2, StopMin: 100},
		Ref: activities.RunRef{Run: "contacts-1", Table: "contacts", Revision: "r1", Kind: kind},
	}
}

// runPass runs a pass to its end, through every continue-as-new.
func runPass(t *testing.T, f *fakeIngress, in workflows.PassInput) (*workflows.PassResult, int, error) {
	t.Helper()
	for continued := 0; ; continued++ {
		require.Less(t, continued, 50, "the pass does not come to an end")
		env := newWorkflowEnv()
		f.register(env)
		f.inTime(env)
		env.RegisterWorkflow(workflows.DeltaPass)
		env.ExecuteWorkflow(workflows.Backfill, in)
		completed(t, env)
		err := env.GetWorkflowError()
		if next, ok := errors.AsType[*workflow.ContinueAsNewError](err); ok {
			require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(next.Input, &in))
			continue
		}
		if err != nil {
			return nil, continued, err
		}
		var out workflows.PassResult
		require.NoError(t, env.GetWorkflowResult(&out))
		return &out, continued, nil
	}
}

func TestInitialLoadEndsTheSameWhereverItContinuesAsNew(t *testing.T) {
	t.Parallel()
	for _, pages := range []int{0, 1, 2, 3} {
		t.Run(fmt.Sprintf("every %d pages", pages), func(t *testing.T) {
			t.Parallel()
			f := newFake()
			in := passInput(activities.KindInitial)
			in.Tuning.PagesPerRun = pages
			out, continued, err := runPass(t, f, in)
			require.NoError(t, err)
			require.Equal(t, "COMPLETED", out.Summary.State)
			require.Equal(t, activities.Counts{Read: 40, Created: 40}, out.Summary.Counts)
			require.Equal(t, pages > 0, continued > 0)
			fetched := slices.DeleteFunc(f.steps(), func(s string) bool { return !strings.HasPrefix(s, "fetch") })
			require.Equal(t, []string{"fetch 1 baseline", "fetch 2 baseline", "fetch 3 baseline", "fetch 4 baseline", "fetch 5 catch-up"}, fetched)
		})
	}
}

// A known table gets a sweep, and only after everything seen is written.
func TestSweepFollowsWhenTheLedgerKnowsRecords(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.known = 3
	out, _, err := runPass(t, f, passInput(activities.KindInitial))
	require.NoError(t, err)
	require.Equal(t, int64(48), out.Summary.Counts.Read)
	steps := f.steps()
	sweep := slices.Index(steps, "fetch 6 sweep")
	require.Positive(t, sweep)
	require.Contains(t, steps[:sweep], "write 5/0")
	require.Contains(t, steps[:sweep], "write 5/1")
}

// Lane k of a page is never written before lane k of an earlier page (I3).
func TestLanesKeepTheOrderOfPages(t *testing.T) {
	t.Parallel()
	f := newFake()
	_, _, err := runPass(t, f, passInput(activities.KindInitial))
	require.NoError(t, err)
	steps := f.steps()
	for lane := range 2 {
		last := -1
		for page := 1; page <= 5; page++ {
			at := slices.Index(steps, fmt.Sprintf("write %d/%d", page, lane))
			require.Greater(t, at, last)
			last = at
		}
	}
	// At most two pages are staged ahead of what is written.
	require.Greater(t, slices.Index(steps, "fetch 3 baseline"), min(slices.Index(steps, "write 1/0"), slices.Index(steps, "write 1/1")))
}

func TestARefusedMappingStopsTheRunBeforeHarm(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.refuse = 2 // of 4 per lane
	in := passInput(activities.KindInitial)
	in.Tuning.StopMin = 8
	_, _, err := runPass(t, f, in)
	require.ErrorContains(t, err, "records were refused, more than the 20 % allowed by quarantine.stop_ratio")
	require.Contains(t, f.steps(), "end FAILED")
	require.NotContains(t, f.steps(), "watermark initial")
}

func TestTheWatermarkWaitsForLanesTheLedgerLost(t *testing.T) {
	t.Parallel()
	f := newFake()
	out, _, err := runPass(t, f, passInput(activities.KindInitial))
	require.NoError(t, err)
	require.Equal(t, "COMPLETED", out.Summary.State)

	lost := newFake() // the ledger was restored: a lane Temporal saw written is open again
	var once bool
	lost.onLane = func(in activities.LaneInput) error {
		lost.mu.Lock()
		defer lost.mu.Unlock()
		if in.Page == 5 && !once {
			once = true
			lost.runs["contacts-1"].lanes[activities.LaneRef{Page: 1, Lane: 0, Size: 4}] = false
		}
		return nil
	}
	out, _, err = runPass(t, lost, passInput(activities.KindInitial))
	require.NoError(t, err)
	require.Equal(t, "COMPLETED", out.Summary.State)
	steps := lost.steps()
	require.Equal(t, "watermark initial", steps[len(steps)-1])
}

func TestAFailedFetchFailsTheRunAndSaysWhy(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.failOnce["fetch catch-up"] = temporal.NewNonRetryableApplicationError("the sentence an operator needs", "Permission", nil)
	_, _, err := runPass(t, f, passInput(activities.KindInitial))
	require.ErrorContains(t, err, "the sentence an operator needs")
	require.Contains(t, f.steps(), "end FAILED")
}

// What a pass noted beside the ledger is not forgotten when it continues as new: that
// contacts are unknown is no reason to stop, and what ran in between is counted.
func TestAPassKeepsWhatItNotedWhenItContinuesAsNew(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.refuse, f.unknown, f.changes = 4, true, []int{4}
	in := passInput(activities.KindBackfill)
	in.Deltas, in.Tuning.DeltaInterval, in.Tuning.PagesPerRun, in.Tuning.StopMin = true, 1, 2, 20
	out, continued, err := runPass(t, f, in)
	require.NoError(t, err)
	require.Positive(t, continued)
	require.Equal(t, "COMPLETED", out.Summary.State)
	require.Len(t, out.Deltas, 1)
	require.Equal(t, int64(1), out.Deltas[0].Runs)
}

func TestABackfillAppliesChangesInBetween(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.changes = []int{4}
	in := passInput(activities.KindBackfill)
	in.Deltas, in.Tuning.DeltaInterval = true, 1 // a nanosecond: at every page
	out, _, err := runPass(t, f, in)
	require.NoError(t, err)
	require.Len(t, out.Deltas, 1)
	require.Equal(t, int64(4), out.Deltas[0].Counts.Read)
	steps := f.steps()
	delta := slices.Index(steps, "fetch 1 delta")
	for i, s := range steps[:delta] { // what was staged before the change is written before it
		if page, ok := strings.CutPrefix(s, "fetch "); ok {
			n := strings.Fields(page)[0]
			require.Contains(t, steps[i:delta], "write "+n+"/0")
			require.Contains(t, steps[i:delta], "write "+n+"/1")
		}
	}
}
