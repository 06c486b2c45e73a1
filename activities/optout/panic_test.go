package optout_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/run"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/ledger"
	rules "causeway.dev/internal/optout"
)

// trapped panics at one contact, as a fault of the program would.
type trapped struct {
	*campaign.Client
	at   string
	mend *atomic.Bool
}

func (t trapped) Get(ctx context.Context, r campaign.Resource, key string) (*campaign.Stored, error) {
	if key == t.at && !t.mend.Load() {
		panic("an index out of its range")
	}
	return t.Client.Get(ctx, r, key)
}

func (s *optOutWorld) openItems() []activities.QuarantinedRecord {
	s.T.Helper()
	return activitytest.Call[activities.QuarantineListResult](s.World, s.Operator.ListQuarantine, activities.QuarantineListInput{Table: activities.FlowOptOut}).Records
}

// A contact at which the program panics ends in quarantine, and the others go on.
// Its choice is kept: it lands when the program is mended.
func TestAContactAtWhichTheProgramPanicsIsSetAside(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 10, rules.Bidirectional, rules.SourceREST)
	mended := &atomic.Bool{}
	s.optOpts.Campaign = trapped{s.optOpts.Campaign.(*campaign.Client), s.keys[0], mended}
	s.rebuild()
	s.startOptOut()
	s.later()
	for _, id := range s.keys[:3] {
		s.inDynamics(id, "donotbulkemail", true)
	}
	counts := s.optRun(activities.KindDelta, activities.PhaseDelta).Counts
	require.Equal(t, activities.Counts{Read: 3, Updated: 2, Quarantined: 1}, counts)
	for _, id := range s.keys[1:3] {
		require.Equal(t, [2]bool{true, true}, s.both(id))
	}
	items := s.openItems()
	require.Len(t, items, 1)
	require.Equal(t, s.keys[0], items[0].ID)
	require.Equal(t, run.CodePanic, items[0].Code)
	require.NotContains(t, items[0].Message, "range", "what a panic says may hold values")
	require.Equal(t, [2]bool{true, false}, s.both(s.keys[0]))

	mended.Store(true)
	s.ClockBehind.Store(-int64(3 * time.Hour))
	s.Sandboxes.Clock.Advance(3 * time.Hour)
	s.settle()
	require.Equal(t, [2]bool{true, true}, s.both(s.keys[0]), "no opt-out is lost")
	require.Empty(t, s.openItems())
}

// A contact at which workers die, again and again, is set aside too.
func TestAContactAtWhichWorkersDieIsSetAside(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 10, rules.Bidirectional, rules.SourceREST)
	s.startOptOut()
	s.later()
	for _, id := range s.keys {
		s.inDynamics(id, "donotbulkemail", true)
	}
	ref := s.ref
	ref.Run, ref.Kind = "optout-deadly", activities.KindDelta
	page := activitytest.Call[activities.FetchResult](s.World, s.opt.FetchOptOuts, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseDelta, Lanes: 1, Now: true})
	require.Equal(t, 10, page.Read)
	id := ledger.LaneID{Run: ref.Run, Page: 1, Lane: 0}
	for range 6 { // attempts that end without a word: three at the lane, three with the entry in flight
		lane, err := s.Ledger.OpenLane(t.Context(), id)
		require.NoError(t, err)
		if lane.Crashes >= 3 {
			require.NoError(t, s.Ledger.MarkInFlight(t.Context(), id, lane.Token, 4))
		}
	}
	in := activities.LaneInput{RunRef: ref, Page: 1, Lane: 0}
	counts := activitytest.Call[activities.LaneResult](s.World, s.opt.WriteOptOuts, in).Counts
	require.Equal(t, activities.Counts{Read: 10, Updated: 9, Quarantined: 1}, counts)
	items := s.openItems()
	require.Len(t, items, 1)
	require.Equal(t, run.CodePoison, items[0].Code)
	require.Equal(t, [2]bool{true, false}, s.both(items[0].ID))
}
