package workflows_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"causeway.dev/activities"
	"causeway.dev/workflows"
)

// fakeEgress stands in for the activities, the journal and the file server.
type fakeEgress struct {
	mu        sync.Mutex
	journal   []int // events of the pages to come
	files     []int // rows of the pages to come
	lanes     map[string]map[activities.LaneRef]bool
	counts    map[string]activities.Counts
	marked    time.Time
	order     []string
	failOnce  map[string]error
	preflight error
	refuse    int64
	unknown   int64
	now       func() time.Time
	archive   []int // rows of the pages of a folder
	operation []activities.Operation

	held           bool // the journal holds the position of the flow
	duringBackfill int  // events that come while a backfill reads
	pages          map[string]activities.FetchResult
}

func (f *fakeEgress) log(format string, args ...any) {
	f.order = append(f.order, fmt.Sprintf(format, args...))
}

func (f *fakeEgress) steps() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.order)
}

func (f *fakeEgress) LogOperation(_ context.Context, in activities.LogInput) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.operation = append(f.operation, in.Operations...)
	return nil
}

func (f *fakeEgress) PreflightEvents(_ context.Context, in activities.PreflightEventsInput) (*activities.PreflightEventsResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log("preflight")
	if f.preflight != nil {
		return nil, f.preflight
	}
	return &activities.PreflightEventsResult{Revision: in.Settings.Revision(), Plan: "p1", Watermark: f.marked, Warnings: []string{"a process is not active"}}, nil
}

func (f *fakeEgress) OpenEventRun(_ context.Context, in activities.OpenRunInput) (*activities.OpenRunResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	last := f.pages[in.Run]
	out := &activities.OpenRunResult{Ended: "RUNNING", LastPage: last.Page, LastPhase: last.Phase, More: last.More, Counts: f.counts[in.Run]}
	for ref, written := range f.lanes[in.Run] {
		if !written {
			out.Unfinished = append(out.Unfinished, ref)
		}
	}
	f.log("open %s", in.Kind)
	return out, nil
}

func (f *fakeEgress) FetchEvents(_ context.Context, in activities.FetchInput) (*activities.FetchResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.failOnce["fetch "+string(in.Phase)]; err != nil {
		delete(f.failOnce, "fetch "+string(in.Phase))
		return nil, err
	}
	// Not at the first page: the environment still carries out the wait that the
	// backfill has just cancelled.
	if in.Window.Folder != "" && in.Page == 2 && f.duringBackfill > 0 {
		f.journal, f.duringBackfill = append(f.journal, f.duringBackfill), 0
	}
	phase, from := in.Phase, &f.journal
	switch {
	case in.Window.Folder != "":
		from = &f.archive
	case in.Phase == activities.PhaseEvents && len(f.journal) > 0:
		phase = activities.PhaseJournal
	case in.Phase == activities.PhaseEvents, in.Phase == activities.PhaseFiles:
		phase, from = activities.PhaseFiles, &f.files
	}
	if len(*from) == 0 {
		if in.Phase == activities.PhaseEvents {
			f.marked = f.now()
		}
		return &activities.FetchResult{Phase: in.Phase, Nothing: true, Watermark: f.marked}, nil
	}
	n := (*from)[0]
	*from = (*from)[1:]
	if f.lanes[in.Run] == nil {
		f.lanes[in.Run] = map[activities.LaneRef]bool{}
	}
	f.lanes[in.Run][activities.LaneRef{Page: in.Page, Lane: 0, Size: n}] = false
	f.log("fetch %d %s", in.Page, phase)
	out := activities.FetchResult{Page: in.Page, Phase: phase, Read: n, Lanes: []int{n}, More: len(*from) > 0, Newest: f.now()}
	if f.pages == nil {
		f.pages = map[string]activities.FetchResult{}
	}
	f.pages[in.Run] = out
	return &out, nil
}

func (f *fakeEgress) WriteTimeline(_ context.Context, in activities.LaneInput) (*activities.LaneResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for ref := range f.lanes[in.Run] {
		if ref.Page == in.Page {
			f.lanes[in.Run][ref] = true
			n := int64(ref.Size)
			c := activities.Counts{Read: n, Created: n - f.refuse - f.unknown, Quarantined: f.refuse + f.unknown}
			total := f.counts[in.Run]
			total.Add(c)
			f.counts[in.Run] = total
			f.log("write %d", in.Page)
			return &activities.LaneResult{Counts: c, Unknown: f.unknown}, nil
		}
	}
	return nil, temporal.NewNonRetryableApplicationError("lane not staged", "Test", nil)
}

func (f *fakeEgress) SaveEventPosition(_ context.Context, in activities.SaveWatermarkInput) (*activities.SaveWatermarkResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log("mark %s", in.Kind)
	out := &activities.SaveWatermarkResult{State: "COMPLETED", Counts: f.counts[in.Run]}
	if in.Kind == activities.KindDelta {
		f.marked = f.now()
		out.Watermark = f.marked
	}
	return out, nil
}

func (f *fakeEgress) EndEventRun(_ context.Context, in activities.EndRunInput) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log("end %s", in.State)
	return nil
}

func (f *fakeEgress) RestartJournal(context.Context, activities.RestartJournalInput) (*activities.RestartJournalResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log("restart journal")
	if f.held {
		return &activities.RestartJournalResult{Held: true}, nil
	}
	return &activities.RestartJournalResult{Lost: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}, nil
}

func (f *fakeEgress) RaiseLag(context.Context, activities.RaiseLagInput) (*activities.RaiseLagResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log("raise lag")
	return &activities.RaiseLagResult{Watermark: f.marked, Raised: true}, nil
}

func newFakeEgress() *fakeEgress {
	return &fakeEgress{lanes: map[string]map[activities.LaneRef]bool{}, counts: map[string]activities.Counts{}, failOnce: map[string]error{}}
}

func (f *fakeEgress) register(env *testsuite.TestWorkflowEnvironment) {
	for name, fn := range map[string]any{
		"PreflightEvents": f.PreflightEvents, "OpenEventRun": f.OpenEventRun, "FetchEvents": f.FetchEvents, "WriteTimeline": f.WriteTimeline,
		"SaveEventPosition": f.SaveEventPosition, "EndEventRun": f.EndEventRun, "RestartJournal": f.RestartJournal, "RaiseLag": f.RaiseLag, "LogOperation": f.LogOperation,
	} {
		env.RegisterActivityWithOptions(fn, activity.RegisterOptions{Name: name})
	}
}

// eventWorld is an operator of EventSync in virtual time.
type eventWorld struct {
	operator
	eg *fakeEgress
}

func newEventWorld(t *testing.T) *eventWorld {
	t.Helper()
	env := newWorkflowEnv()
	f := newFakeEgress()
	f.now = env.Now
	f.register(env)
	idle := mock.MatchedBy(func(in activities.FetchInput) bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return in.Wait > activities.Duration(time.Minute) && len(f.journal) == 0 && len(f.files) == 0 && f.failOnce["fetch events"] == nil
	})
	env.OnActivity("FetchEvents", mock.Anything, idle).Return(f.FetchEvents).After(15 * time.Minute)
	env.OnActivity("FetchEvents", mock.Anything, mock.Anything).Return(f.FetchEvents).After(time.Minute)
	env.OnActivity("WriteTimeline", mock.Anything, mock.Anything).Return(f.WriteTimeline).After(time.Minute)
	env.RegisterWorkflow(workflows.EventPass)
	return &eventWorld{operator: operator{t: t, env: env}, eg: f}
}

func (w *eventWorld) run(end time.Duration) {
	w.at(end, w.env.CancelWorkflow)
	w.env.ExecuteWorkflow(workflows.EventSync, workflows.EventSyncInput{Instance: "acme"})
	completed(w.t, w.env)
}

func startEvents() workflows.StartRequest {
	s := activities.EgressSettings{Source: "both", Clicks: true}
	return workflows.StartRequest{Egress: &s, Revision: s.Revision(), LagAlarm: activities.Duration(5 * 24 * time.Hour), Tuning: workflows.Tuning{Lanes: 1, ReadAhead: 2, Poll: activities.Duration(3 * time.Second), StopRatio: 0.2, StopMin: 100}, By: "ada"}
}
