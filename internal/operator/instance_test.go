package operator_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/config"
	"causeway.dev/internal/operator"
	"causeway.dev/internal/operator/operatortest"
	"causeway.dev/workflows"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

const contactsFlow = "acme/ingress/contacts"

// instance is acme with two tables and events, over a Temporal that answers by
// script; said collects what it says meanwhile.
func instance(t *testing.T, temporal operator.Temporal) (i *operator.Instance, said *[]string) {
	t.Helper()
	cfg := &config.Config{Instance: "acme", Ingress: config.Ingress{Tables: map[string]activities.Table{"contacts": {Name: "contacts"}, "accounts": {Name: "accounts"}}}}
	cfg.Egress.Clicks = true
	said = &[]string{}
	return operator.New(cfg, temporal, operator.Options{
		File: "causeway.yaml", By: "ada", Timeout: time.Minute, Now: func() time.Time { return noon },
		Say:   func(s string) { *said = append(*said, s) },
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		After: func(context.Context, time.Duration, func(context.Context)) func() { return func() {} },
	}), said
}

func TestFlowsOfAConfiguration(t *testing.T) {
	t.Parallel()
	i, _ := instance(t, operatortest.New())
	require.Equal(t, []string{"accounts", "contacts", "egress"}, i.Flows())
	require.Equal(t, "egress", i.ParentsFirst()[2])
	require.NoError(t, i.Known("optout"), "a flow, though it is switched off")
	require.EqualError(t, i.Known("contact"), `there is no table mapping "contact"; causeway.yaml has accounts, contacts`)
	require.Equal(t, "contacts", i.TableOf("contacts-20260102T030405.000Z"))
	require.Empty(t, i.TableOf("contacts-r1"))
}

// A face tells apart who has to act by the kind of an error.
func TestKindsOfErrors(t *testing.T) {
	t.Parallel()
	refusal := &operator.Error{Kind: operator.BadInput, Text: "contacts is STOPPED: start it"}
	for name, tc := range map[string]struct {
		answer any // to Stop; nil: there is no such workflow
		seen   time.Time
		flow   string
		kind   operator.Kind
		says   string
	}{
		"never started":       {nil, noon, "contacts", operator.NotStarted, "contacts was never started; run: causeway start contacts"},
		"no such flow":        {nil, noon, "contact", operator.BadInput, `there is no table mapping "contact"; causeway.yaml has accounts, contacts`},
		"switched off":        {nil, noon, "optout", operator.BadInput, "there is no flow of opt-outs in causeway.yaml"},
		"refused by the flow": {refusal, noon, "contacts", operator.BadInput, refusal.Text},
		"no worker":           {operator.ErrNoWorker, time.Time{}, "contacts", operator.NoWorker, "no worker answered for contacts within 1m0s; start one with: worker --config causeway.yaml"},
		"a busy worker":       {operator.ErrNoWorker, noon.Add(-time.Second), "contacts", operator.NoWorker, "though a worker asked for work 1 s ago"},
		"no server":           {&operator.Error{Kind: operator.Unreachable, Text: "lost the server"}, noon, "contacts", operator.Unreachable, "lost the server"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			temporal := operatortest.New()
			temporal.Seen = tc.seen
			if tc.answer != nil {
				temporal.On("Update "+contactsFlow+" Stop", tc.answer)
			}
			i, _ := instance(t, temporal)
			_, err := i.Stop(t.Context(), tc.flow)
			require.ErrorContains(t, err, tc.says)
			require.Equal(t, tc.kind, operator.KindOf(err))
		})
	}
	require.Equal(t, operator.Failed, operator.KindOf(errors.New("any other")))
}

// What is wrong with one input names it, so that a face can say it beside the input.
func TestErrorsNameTheInput(t *testing.T) {
	t.Parallel()
	temporal := operatortest.New()
	temporal.On("Run "+activities.CheckFilter, activities.CheckFilterResult{Text: []string{"lastname"}})
	i, _ := instance(t, temporal)
	field := func(err error) string {
		fail, ok := errors.AsType[*operator.Error](err)
		require.True(t, ok)
		require.Equal(t, operator.BadInput, fail.Kind)
		return fail.Field
	}
	_, err := i.Backfill(t.Context(), "contacts", activities.Window{Where: []activities.Condition{{Column: "lastname", Is: "equals", Value: "Quibblethorn"}}})
	require.Equal(t, "where", field(err))
	require.NotContains(t, err.Error(), "Quibblethorn")
	_, err = i.BackfillEvents(t.Context(), activities.Window{Since: noon.Add(-time.Hour)})
	require.Equal(t, "since", field(err), "there is no journal")
	_, err = i.BackfillEvents(t.Context(), activities.Window{Folder: "sftp:archive"})
	require.Equal(t, "from", field(err), "there is no file server")
	i.Config.Campaign.Journal.URL = "https://journal"
	_, err = i.BackfillEvents(t.Context(), activities.Window{Since: noon.Add(-8 * 24 * time.Hour)})
	require.Equal(t, "since", field(err), "the journal forgets")
}

// A page takes long where Campaign is slow, so what its lanes have settled counts
// before they are finished.
func TestStatusCountsLanesInHand(t *testing.T) {
	t.Parallel()
	const run = contactsFlow + "/backfill/r1"
	temporal := operatortest.New()
	temporal.On("Query "+contactsFlow+" Status", workflows.Status{State: workflows.StateRunning, Run: "r1", RunWorkflow: run})
	temporal.On("Query "+run+" Progress", workflows.Progress{Run: "r1", Phase: activities.PhaseBaseline, Pages: 2, Read: 10_000, Backlog: 10_000})
	i, _ := instance(t, laneBeats{temporal, run})
	report, err := i.Status(t.Context(), "contacts")
	require.NoError(t, err)
	got := report.Flows[0].Status.Progress
	require.Equal(t, activities.Counts{Read: 300, Created: 290, Quarantined: 10}, got.Counts)
	require.Equal(t, int64(9_700), got.Backlog)
}

// laneBeats is a run with two lanes in hand and a page that is being read.
type laneBeats struct {
	*operatortest.Temporal
	run string
}

func (b laneBeats) Describe(ctx context.Context, id string) (*operator.Description, error) {
	if id != b.run {
		return b.Temporal.Describe(ctx, id)
	}
	return &operator.Description{Running: true, Pending: []operator.Pending{
		{Activity: "WriteLane", Attempt: 1, Lane: activities.Counts{Read: 200, Created: 190, Quarantined: 10}},
		{Activity: "WriteLane", Attempt: 1, Lane: activities.Counts{Read: 100, Created: 100}},
		{Activity: "FetchPage", Attempt: 1},
	}}, nil
}

// watcher notes what a follower is told.
type watcher struct{ looks, sentences int }

func (w *watcher) At(time.Time, workflows.Status) { w.looks++ }
func (w *watcher) Say(string)                     { w.sentences++ }

// A console may follow what it has not asked for itself.
func TestFollowingALoad(t *testing.T) {
	t.Parallel()
	temporal := operatortest.New()
	loading := workflows.Status{State: workflows.StateRunning, Run: "r1"}
	temporal.On("Query "+contactsFlow+" Status", loading, loading, workflows.Status{State: workflows.StateRunning, Watermark: noon})
	i, _ := instance(t, temporal)
	w := &watcher{}
	st, err := i.FollowLoad(t.Context(), "contacts", w)
	require.NoError(t, err)
	require.Equal(t, noon, st.Watermark)
	require.Equal(t, 2+3, w.looks, "two while it loads, and some until it is sure that no other load begins")
	require.Zero(t, w.sentences)
}

// Without a worker a run is told of as far as Temporal knows it, and that is said.
func TestRunsWithoutAWorker(t *testing.T) {
	t.Parallel()
	temporal := operatortest.New()
	temporal.On("Run "+activities.ShowRun, operator.ErrNoWorker)
	i, said := instance(t, temporal)
	_, err := i.ShowRun(t.Context(), "contacts-20260102T030405.000Z")
	require.Equal(t, operator.NoWorker, operator.KindOf(err))
	require.Equal(t, []string{"No worker answers, so what the ledger knows of contacts-20260102T030405.000Z is left out."}, *said)
}

// Options that are left out are the real clock.
func TestAnInstanceWaitsByItself(t *testing.T) {
	t.Parallel()
	i := operator.New(&config.Config{}, operatortest.New(), operator.Options{})
	require.Equal(t, time.Minute, i.Timeout)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, i.Sleep(ctx, time.Hour), context.Canceled)
	called := make(chan struct{})
	stop := i.After(t.Context(), 0, func(context.Context) { close(called) })
	<-called
	stop()
	i.After(t.Context(), time.Hour, func(context.Context) { t.Error("it was stopped before") })()
	require.WithinDuration(t, time.Now(), i.Now(), time.Minute)
}
