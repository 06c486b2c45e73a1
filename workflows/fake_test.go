package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"causeway.dev/activities"
)

// newWorkflowEnv is an environment that waits for a slow machine: the SDK's takes
// a workflow that was given no processor for a second for one in a deadlock.
func newWorkflowEnv() *testsuite.TestWorkflowEnvironment {
	env := new(testsuite.WorkflowTestSuite).NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute})
	return env
}

// completed says that the workflow came to its end, and not by a fault of the program. After
// such a fault no callback is called any more, and whatever a test asks in them is not asked.
func completed(t *testing.T, env *testsuite.TestWorkflowEnvironment) {
	t.Helper()
	require.True(t, env.IsWorkflowCompleted())
	fault, ok := errors.AsType[*temporal.PanicError](env.GetWorkflowError())
	require.False(t, ok, "%v", fault)
}

// fakeIngress stands in for the activities and the ledger behind them: it keeps
// the position of each run, as the ledger does, so that a pass can be continued
// as new, stopped or resumed anywhere.
type fakeIngress struct {
	mu        sync.Mutex
	pages     map[activities.Phase]int // pages per phase of a baseline
	size      int                      // records per page
	known     int64                    // records the ledger knew before
	lanes     int
	runs      map[string]*fakeRun
	changes   []int // records of the delta pages to come; one pass each
	marked    time.Time
	order     []string // what was done, in order
	refuse    int64    // quarantined per lane
	unknown   bool     // they are events whose contact is unknown
	failOnce  map[string]error
	preflight error
	parents   []string              // of the mapping
	loading   int                   // looks at which they are still loading
	approvals []activities.Approval // that a completed run leaves behind
	notFound  []string              // ids that a backfill does not find
	onLane    func(in activities.LaneInput) error
	trail     []activities.Operation // the audit trail
	lost      int                    // attempts at it that still fail

	ledgerKnown []activities.LedgerKnown // what the flow asked the ledger for

	models        *activities.ModelChanges // what a wait for changes finds in the data models
	open          *int64                   // quarantined records, as the wait for changes finds them
	warnings      []string
	quarantined   int64
	refusedBefore int64 // open records refused under another revision
	due           int   // releases until no quarantined record is due
	dueFrom       []time.Time
	tried         []activities.Release
	knew          []activities.LedgerKnown // of the ledger, as runs are opened
	staged        []int                    // pages, as runs are saved
	restored      []bool                   // of each start: the flow takes the ledger for restored
	saysRestored  string                   // what the ledger says of it to a flow that does not know
}

type fakeRun struct {
	last    int
	phase   activities.Phase
	inPhase int
	lanes   map[activities.LaneRef]bool // written?
	counts  activities.Counts
	state   string
	dropped bool // its pages
}

func newFake() *fakeIngress {
	return &fakeIngress{
		pages: map[activities.Phase]int{activities.PhaseBaseline: 4, activities.PhaseCatchUp: 1, activities.PhaseSweep: 1, activities.PhaseScan: 3, activities.PhaseIDs: 1, activities.PhaseUndo: 2, activities.PhaseQuarantined: 2},
		size:  8, lanes: 2, runs: map[string]*fakeRun{}, failOnce: map[string]error{},
	}
}

func (f *fakeIngress) register(env *testsuite.TestWorkflowEnvironment) {
	for name, fn := range map[string]any{
		"Preflight": f.Preflight, "OpenRun": f.OpenRun, "FetchPage": f.FetchPage, "WriteLane": f.WriteLane,
		"SaveWatermark": f.SaveWatermark, "EndRun": f.EndRun, "ApproveDeletes": f.ApproveDeletes, "RejectDeletes": f.RejectDeletes, "AwaitParents": f.AwaitParents, "ApplyFindings": f.ApplyFindings, "DeleteStrays": f.DeleteStrays,
		"MayRollback": f.MayRollback, "FindUnrecordedWrites": f.FindUnrecordedWrites, "LogOperation": f.LogOperation,
	} {
		env.RegisterActivityWithOptions(fn, activity.RegisterOptions{Name: name})
	}
}

// inTime makes waiting for changes and writing take workflow time, as they do. It
// is minutes because a timer also fires when its time passes on the wall while an
// activity is at work.
func (f *fakeIngress) inTime(env *testsuite.TestWorkflowEnvironment) {
	idle := mock.MatchedBy(func(in activities.FetchInput) bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return in.Wait > 0 && len(f.changes) == 0 && f.due == 0 && f.failOnce["fetch delta"] == nil
	})
	env.OnActivity("FetchPage", mock.Anything, idle).Return(f.FetchPage).After(15 * time.Minute)
	env.OnActivity("FetchPage", mock.Anything, mock.Anything).Return(f.FetchPage).After(time.Minute)
	env.OnActivity("WriteLane", mock.Anything, mock.Anything).Return(f.WriteLane).After(time.Minute)
}

func (f *fakeIngress) log(format string, args ...any) {
	f.order = append(f.order, fmt.Sprintf(format, args...))
}

func (f *fakeIngress) fail(what string) error {
	err := f.failOnce[what]
	delete(f.failOnce, what)
	return err
}

func (f *fakeIngress) Preflight(_ context.Context, in activities.PreflightInput) (*activities.PreflightResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log("preflight")
	f.restored = append(f.restored, in.Restored != "")
	if f.preflight != nil {
		return nil, f.preflight
	}
	out := &activities.PreflightResult{Revision: in.Table.Revision(), RefusedBefore: f.refusedBefore, Quarantined: f.quarantined, Warnings: f.warnings, NeedsBaseline: f.marked.IsZero(), Watermark: f.marked, Parents: f.parents}
	if !in.Comparing {
		out.Restored = f.saysRestored
	}
	for id, r := range f.runs {
		if r.state == "STOPPED" {
			out.UnfinishedRun = id
		}
	}
	return out, nil
}

func (f *fakeIngress) AwaitParents(_ context.Context, in activities.AwaitParentsInput) (*activities.AwaitParentsResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log("await %v", in.Parents)
	if f.loading--; f.loading >= 0 {
		return &activities.AwaitParentsResult{Loading: in.Parents}, nil
	}
	return &activities.AwaitParentsResult{}, nil
}

func (f *fakeIngress) DeleteStrays(_ context.Context, in activities.DeleteStraysInput) (*activities.DeleteStraysResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log("delete strays %v", in.IDs)
	return &activities.DeleteStraysResult{Adopted: int64(len(in.IDs)), Strays: 2, Waiting: []activities.Approval{{Run: in.Run, Deletes: int64(len(in.IDs))}}}, nil
}

func (f *fakeIngress) ApproveDeletes(_ context.Context, in activities.ApproveInput) (*activities.ApproveResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log("approve %s", in.Run)
	f.approvals = nil
	return &activities.ApproveResult{Approved: 7}, nil
}

func (f *fakeIngress) RejectDeletes(_ context.Context, in activities.ApproveInput) (*activities.RejectResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log("reject %s", in.Run)
	f.approvals = nil
	return &activities.RejectResult{Rejected: 7}, nil
}

func (f *fakeIngress) ApplyFindings(_ context.Context, in activities.ApplyFindingsInput) (*activities.ApplyFindingsResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log("correct %s", in.Run)
	return &activities.ApplyFindingsResult{Corrected: 1}, nil
}

func (f *fakeIngress) MayRollback(_ context.Context, in activities.MayRollbackInput) (*activities.MayRollbackResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail("may rollback"); err != nil {
		return nil, err
	}
	return &activities.MayRollbackResult{Run: in.Run, Table: "contacts", Mapping: "m1"}, nil
}

func (f *fakeIngress) FindUnrecordedWrites(_ context.Context, in activities.UnrecordedWritesInput) (*activities.UnrecordedWritesResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log("find unrecorded writes")
	return &activities.UnrecordedWritesResult{}, nil
}

func (f *fakeIngress) LogOperation(_ context.Context, in activities.LogInput) (*activities.LogEnd, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lost > 0 {
		f.lost--
		return nil, errors.New("the ledger is down")
	}
	for _, o := range in.Operations {
		if !slices.ContainsFunc(f.trail, func(known activities.Operation) bool { return known.ID == o.ID }) {
			f.trail = append(f.trail, o)
		}
	}
	return f.logEnd(), nil
}

// logEnd is the last entry of the audit trail.
func (f *fakeIngress) logEnd() *activities.LogEnd {
	last := f.trail[len(f.trail)-1]
	return &activities.LogEnd{Seq: int64(len(f.trail)), At: last.At, Hash: []byte(last.ID)}
}

func (f *fakeIngress) run(id string) *fakeRun {
	r, ok := f.runs[id]
	if !ok {
		r = &fakeRun{lanes: map[activities.LaneRef]bool{}, state: "RUNNING"}
		f.runs[id] = r
	}
	return r
}

func (f *fakeIngress) OpenRun(_ context.Context, in activities.OpenRunInput) (*activities.OpenRunResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.run(in.Run)
	if r.state == "STOPPED" {
		r.state = "RUNNING"
	}
	if in.Undoes != "" {
		if undone := f.run(in.Undoes); undone.state == "STOPPED" || undone.state == "RUNNING" {
			undone.state = "CANCELLED"
		}
	}
	f.log("open %s", in.Kind)
	if in.Known != nil {
		f.knew = append(f.knew, *in.Known)
	}
	if err := f.fail("open " + string(in.Kind)); err != nil {
		return nil, err
	}
	out := &activities.OpenRunResult{LastPage: r.last, LastPhase: r.phase, Known: f.known, Counts: r.counts, Ended: r.state}
	out.More = r.last > 0 && r.inPhase < f.pages[r.phase]
	for ref, written := range r.lanes {
		if !written {
			out.Unfinished = append(out.Unfinished, ref)
		}
	}
	slices.SortFunc(out.Unfinished, func(a, b activities.LaneRef) int { return (a.Page-b.Page)*100 + a.Lane - b.Lane })
	return out, nil
}

func (f *fakeIngress) FetchPage(ctx context.Context, in activities.FetchInput) (*activities.FetchResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail("fetch " + string(in.Phase)); err != nil {
		return nil, err
	}
	if in.Known != nil {
		f.ledgerKnown = append(f.ledgerKnown, *in.Known)
	}
	size := f.size
	if in.Phase == activities.PhaseQuarantined && in.Page == 1 {
		f.tried = append(f.tried, *in.Release)
	}
	if in.Phase == activities.PhaseDelta && f.due > 0 && !in.DueFrom.IsZero() {
		f.due--
		f.dueFrom = append(f.dueFrom, in.DueFrom)
		return &activities.FetchResult{Phase: in.Phase, Nothing: true, Due: true}, nil
	}
	if in.Phase == activities.PhaseDelta {
		if len(f.changes) == 0 {
			return &activities.FetchResult{Phase: in.Phase, Nothing: true, Watermark: f.marked, Quarantined: f.open, Models: f.models, Ledger: "ledger-1"}, nil
		}
		size, f.changes = f.changes[0], f.changes[1:]
		f.pages[activities.PhaseDelta] = 1
	}
	r := f.run(in.Run)
	if r.phase != in.Phase {
		r.phase, r.inPhase = in.Phase, 0
	}
	r.last, r.inPhase = in.Page, r.inPhase+1
	out := &activities.FetchResult{Page: in.Page, Phase: in.Phase, Read: size, More: r.inPhase < f.pages[in.Phase]}
	for lane := range in.Lanes {
		n := size / in.Lanes
		if lane == 0 {
			n += size % in.Lanes
		}
		out.Lanes = append(out.Lanes, n)
		if n > 0 {
			r.lanes[activities.LaneRef{Page: in.Page, Lane: lane, Size: n}] = false
		}
	}
	f.log("fetch %d %s", in.Page, in.Phase)
	return out, nil
}

func (f *fakeIngress) WriteLane(ctx context.Context, in activities.LaneInput) (*activities.LaneResult, error) {
	if f.onLane != nil {
		if err := f.onLane(in); err != nil {
			return nil, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail(fmt.Sprintf("write %d/%d", in.Page, in.Lane)); err != nil {
		return nil, err
	}
	r := f.run(in.Run)
	for ref, written := range r.lanes {
		if ref.Page != in.Page || ref.Lane != in.Lane {
			continue
		}
		if written {
			return nil, temporal.NewNonRetryableApplicationError("lane written twice", "Test", nil)
		}
		r.lanes[ref] = true
		n := int64(ref.Size)
		refused := min(f.refuse, n)
		counts := activities.Counts{Read: n, Created: n - refused, Quarantined: refused}
		r.counts.Add(counts)
		f.log("write %d/%d", in.Page, in.Lane)
		result := &activities.LaneResult{Counts: counts}
		if f.unknown {
			result.Unknown = refused
		}
		return result, nil
	}
	return nil, temporal.NewNonRetryableApplicationError("lane not staged", "Test", nil)
}

func (f *fakeIngress) SaveWatermark(_ context.Context, in activities.SaveWatermarkInput) (*activities.SaveWatermarkResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.staged = append(f.staged, in.Pages)
	r := f.run(in.Run)
	for ref, written := range r.lanes {
		if !written {
			return &activities.SaveWatermarkResult{State: "RUNNING", Unfinished: []activities.LaneRef{ref}}, nil
		}
	}
	r.state = "COMPLETED"
	f.log("watermark %s", in.Kind)
	out := &activities.SaveWatermarkResult{State: r.state, Counts: r.counts, Approvals: f.approvals, NotFound: f.notFound}
	if in.Kind != activities.KindBackfill {
		f.marked = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		out.Watermark = f.marked
	}
	return out, nil
}

func (f *fakeIngress) EndRun(_ context.Context, in activities.EndRunInput) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.run(in.Run).state, f.run(in.Run).dropped = in.State, in.Drop
	f.log("end %s", in.State)
	return nil
}

func (f *fakeIngress) steps() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.order)
}
