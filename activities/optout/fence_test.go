package optout_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/optout"
	"causeway.dev/internal/campaign"
	rules "causeway.dev/internal/optout"
)

// paused is a worker that the operating system stops before it writes to Campaign, for
// longer than it may trust what it knew.
type paused struct {
	*campaign.Client
	at     atomic.Bool
	asleep chan struct{} // closed when it is stopped
	wake   chan struct{}
}

func (p *paused) Patch(ctx context.Context, r campaign.Resource, key string, body []byte) error {
	if p.at.CompareAndSwap(false, true) {
		longer := time.After(1100 * time.Millisecond)
		close(p.asleep)
		<-p.wake
		<-longer
	}
	return p.Client.Patch(ctx, r, key, body)
}

// A worker that wakes late does not opt out somebody who has opted in again since.
func TestAWorkerThatWakesLateCarriesNoOldChoice(t *testing.T) {
	t.Parallel()
	s := newOptOutWorld(t, 5, rules.Bidirectional, rules.SourceREST)
	s.startOptOut()
	s.later()
	key := s.keys[0]
	s.inDynamics(key, "donotbulkemail", true)
	ref := s.ref
	ref.Run, ref.Kind = "optout-late", activities.KindDelta
	page := activitytest.Call[activities.FetchResult](s.World, s.opt.FetchOptOuts, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseDelta, Lanes: 1, Now: true})
	require.Equal(t, 1, page.Read)

	slow := &paused{Client: s.optOpts.Campaign.(*campaign.Client), asleep: make(chan struct{}), wake: make(chan struct{})}
	o := s.optOpts
	o.Campaign = slow
	old, env := optout.New(o), activitytest.NewEnv()
	old.Register(env)
	lane := activities.LaneInput{RunRef: ref, Page: 1}
	ended := make(chan error, 1)
	go func() {
		_, err := env.ExecuteActivity(old.WriteOptOuts, lane)
		ended <- err
	}()
	<-slow.asleep

	activitytest.Call[activities.LaneResult](s.World, s.opt.WriteOptOuts, lane)
	activitytest.Call[activities.SaveWatermarkResult](s.World, s.opt.SaveOptOutPosition, activities.SaveWatermarkInput{RunRef: ref})
	require.Equal(t, [2]bool{true, true}, s.both(key))
	s.later()
	s.inCampaign(key, "blackListEmail", false)
	s.settle()
	require.Equal(t, [2]bool{false, false}, s.both(key))

	close(slow.wake)
	err := <-ended
	require.Equal(t, [2]bool{false, false}, s.both(key), "what the person chose last")
	require.ErrorContains(t, err, "another attempt has taken over this lane")
}
