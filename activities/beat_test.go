package activities_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"causeway.dev/activities"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
)

func (d slowDynamics) Query(ctx context.Context, q dataverse.Query) (*dataverse.Page, error) {
	d.wait(ctx)
	return d.Client.Query(ctx, q)
}

func (d slowDynamics) Follow(ctx context.Context, q dataverse.Query, link string) (*dataverse.Page, error) {
	d.wait(ctx)
	return d.Client.Follow(ctx, q, link)
}

func (d slowDynamics) ByIDs(ctx context.Context, q dataverse.Query, ids []string) (*dataverse.Page, error) {
	d.wait(ctx)
	return d.Client.ByIDs(ctx, q, ids)
}

func (d slowDynamics) Entity(ctx context.Context, name string) (*dataverse.Entity, error) {
	d.wait(ctx)
	return d.Client.Entity(ctx, name)
}

// Dynamics may take a minute for a page, longer than Temporal waits for a sign of
// life: an activity that gives none while it waits is given up, each time.
func TestIngressWaitsForASlowSystem(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 5)
	s.load()
	_, err := s.books.BeginRun(t.Context(), ledger.Run{ID: "ids", Flow: activities.FlowIngress, Table: "contacts", Kind: ledger.RunKind(activities.KindBackfill), Revision: s.table.Revision()})
	require.NoError(t, err)
	slow := &slow{beaten: make(chan struct{}, 100)}
	s.opts.Source = slowDynamics{s.opts.Source.(*dataverse.Client), slow}
	ref := func(run string, kind activities.Kind) activities.RunRef {
		return activities.RunRef{Run: run, Table: "contacts", Revision: s.table.Revision(), Kind: kind}
	}
	fetch := func(in activities.FetchInput) func() {
		return func() { call[activities.FetchResult](s, s.in.FetchPage, in) }
	}
	for _, step := range []struct {
		name string
		do   func()
	}{
		{"preflight", func() {
			call[activities.PreflightResult](s, s.in.Preflight, activities.PreflightInput{Table: s.table})
		}},
		{"open", func() {
			call[activities.OpenRunResult](s, s.in.OpenRun, activities.OpenRunInput{RunRef: ref("slow", activities.KindInitial)})
		}},
		{"baseline", fetch(activities.FetchInput{RunRef: ref("slow", activities.KindInitial), Page: 1, Phase: activities.PhaseBaseline, Lanes: 1})},
		{"ids", fetch(activities.FetchInput{RunRef: ref("ids", activities.KindBackfill), Page: 1, Phase: activities.PhaseIDs, Lanes: 1, Window: activities.Window{IDs: s.boxes.Dynamics.Keys("contacts")[:1]}})},
		{"changes", fetch(activities.FetchInput{RunRef: ref("delta", activities.KindDelta), Page: 1, Phase: activities.PhaseDelta, Lanes: 1})},
	} {
		s.in = activities.NewIngress(s.opts)
		s.env = newActivityEnv()
		s.register()
		s.env.SetOnActivityHeartbeatListener(func(*activity.Info, converter.EncodedValues) { slow.beaten <- struct{}{} })
		slow.waited = false
		step.do()
		require.True(t, slow.waited, step.name)
		for len(slow.beaten) > 0 {
			<-slow.beaten
		}
	}
}
