package ingress_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/budget"
	"causeway.dev/activities/ingress"
	"causeway.dev/internal/campaign"
)

// paused is a worker that the operating system stops in the middle of a write, for
// longer than it may trust what it knew, and lets go on when others have worked.
type paused struct {
	budget.Target
	at     atomic.Bool
	asleep chan struct{} // closed when it is stopped
	wake   chan struct{}
}

func (p *paused) stop() {
	if p.at.CompareAndSwap(false, true) {
		longer := time.After(1100 * time.Millisecond)
		close(p.asleep)
		<-p.wake
		<-longer
	}
}

func (p *paused) Create(ctx context.Context, r campaign.Resource, body []byte) error {
	p.stop()
	return p.Target.Create(ctx, r, body)
}

func (p *paused) Patch(ctx context.Context, r campaign.Resource, key string, body []byte) error {
	p.stop()
	return p.Target.Patch(ctx, r, key, body)
}

func (p *paused) Delete(ctx context.Context, r campaign.Resource, key string) error {
	p.stop()
	return p.Target.Delete(ctx, r, key)
}

// A worker that wakes after another one has taken its lane over, and written what
// came later, sends nothing old: not a value, not a delete, not a person who is gone.
func TestAWorkerThatWakesLateWritesNothingOld(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		before, after func(s *activitytest.World, key string)
		want          func(t *testing.T, s *activitytest.World, key string)
	}{
		"an old value over a new one": {
			before: func(s *activitytest.World, key string) { s.Edit(key, map[string]any{"lastname": "Old"}) },
			after:  func(s *activitytest.World, key string) { s.Edit(key, map[string]any{"lastname": "New"}) },
			want: func(t *testing.T, s *activitytest.World, key string) {
				require.Equal(t, "New", s.Sandboxes.Campaign.Profile(key)["lastName"])
			},
		},
		"an opt-out that is undone": {
			before: func(s *activitytest.World, key string) {
				s.Edit(key, map[string]any{"donotbulkemail": false, "lastname": "Old"})
			},
			after: func(s *activitytest.World, key string) { s.Edit(key, map[string]any{"donotbulkemail": true}) },
			want: func(t *testing.T, s *activitytest.World, key string) {
				require.Equal(t, true, s.Sandboxes.Campaign.Profile(key)["blackListEmail"])
			},
		},
		"a person who was deleted meanwhile": {
			before: func(s *activitytest.World, key string) { s.Edit(key, map[string]any{"lastname": "Old"}) },
			after: func(s *activitytest.World, key string) {
				require.True(s.T, s.Sandboxes.Dynamics.Delete("contacts", key))
			},
			want: func(t *testing.T, s *activitytest.World, key string) {
				require.Nil(t, s.Sandboxes.Campaign.Profile(key))
			},
		},
		"a delete of what came back": {
			before: func(s *activitytest.World, key string) {
				require.True(s.T, s.Sandboxes.Dynamics.Delete("contacts", key))
			},
			after: func(s *activitytest.World, key string) {
				require.NoError(s.T, s.Sandboxes.Campaign.Insert("profile", []byte(`{"externalId":"`+key+`","lastName":"Back"}`)))
			},
			want: func(t *testing.T, s *activitytest.World, key string) {
				require.Equal(t, "Back", s.Sandboxes.Campaign.Profile(key)["lastName"])
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := activitytest.NewWorld(t, 20)
			s.Load()
			key := s.Sandboxes.Dynamics.Keys("contacts")[0]
			test.before(s, key)
			ref, _ := s.StageFirstPage(activities.KindDelta, activities.PhaseDelta)

			opts := s.IngressOptions
			slow := &paused{Target: opts.Target, asleep: make(chan struct{}), wake: make(chan struct{})}
			opts.Target = slow
			old := ingress.New(opts)
			env := activitytest.NewEnv()
			old.Register(env)
			ended := make(chan error, 1)
			go func() {
				_, err := env.ExecuteActivity(old.WriteLane, activities.LaneInput{RunRef: ref, Page: 1})
				ended <- err
			}()
			<-slow.asleep

			activitytest.Call[activities.LaneResult](s, s.Ingress.WriteLane, activities.LaneInput{RunRef: ref, Page: 1})
			activitytest.Call[activities.SaveWatermarkResult](s, s.Ingress.SaveWatermark, activities.SaveWatermarkInput{RunRef: ref})
			test.after(s, key)
			s.Delta()
			close(slow.wake)
			err := <-ended
			test.want(t, s, key)
			require.ErrorContains(t, err, "another attempt has taken over this lane")
		})
	}
}
