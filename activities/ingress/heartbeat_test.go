package ingress_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/ingress"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
)

// Dynamics may take a minute for a page, longer than Temporal waits for a sign of
// life: an activity that gives none while it waits is given up, each time.
func TestIngressWaitsForASlowSystem(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 5)
	s.Load()
	_, err := s.Ledger.BeginRun(t.Context(), ledger.Run{ID: "ids", Flow: activities.FlowIngress, Table: "contacts", Kind: ledger.RunKind(activities.KindBackfill), Revision: s.Table.Revision()})
	require.NoError(t, err)
	slow := &activitytest.Slow{Beaten: make(chan struct{}, 100)}
	s.IngressOptions.Source = activitytest.SlowDynamics{Client: s.IngressOptions.Source.(*dataverse.Client), Slow: slow}
	ref := func(run string, kind activities.Kind) activities.RunRef {
		return activities.RunRef{Run: run, Table: "contacts", Revision: s.Table.Revision(), Kind: kind}
	}
	fetch := func(in activities.FetchInput) func() {
		return func() { activitytest.Call[activities.FetchResult](s, s.Ingress.FetchPage, in) }
	}
	for _, step := range []struct {
		name string
		do   func()
	}{
		{"preflight", func() {
			activitytest.Call[activities.PreflightResult](s, s.Ingress.Preflight, activities.PreflightInput{Table: s.Table})
		}},
		{"open", func() {
			activitytest.Call[activities.OpenRunResult](s, s.Ingress.OpenRun, activities.OpenRunInput{RunRef: ref("slow", activities.KindInitial)})
		}},
		{"baseline", fetch(activities.FetchInput{RunRef: ref("slow", activities.KindInitial), Page: 1, Phase: activities.PhaseBaseline, Lanes: 1})},
		{"ids", fetch(activities.FetchInput{RunRef: ref("ids", activities.KindBackfill), Page: 1, Phase: activities.PhaseIDs, Lanes: 1, Window: activities.Window{IDs: s.Sandboxes.Dynamics.Keys("contacts")[:1]}})},
		{"changes", fetch(activities.FetchInput{RunRef: ref("delta", activities.KindDelta), Page: 1, Phase: activities.PhaseDelta, Lanes: 1})},
	} {
		s.Ingress = ingress.New(s.IngressOptions)
		s.Env = activitytest.NewEnv()
		s.Register()
		s.Env.SetOnActivityHeartbeatListener(func(*activity.Info, converter.EncodedValues) { slow.Beaten <- struct{}{} })
		slow.Waited = false
		step.do()
		require.True(t, slow.Waited, step.name)
		for len(slow.Beaten) > 0 {
			<-slow.Beaten
		}
	}
}
