package ingress_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/budget"
	"causeway.dev/activities/ingress"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/ledger"
)

// heldUp is a network that loses the answers to requests and delivers the requests late.
type heldUp struct {
	budget.Target
	mu   sync.Mutex
	next int                         // how many requests are held up from now on
	late []func(ctx context.Context) // what delivers them
	gets int
	key  string // of the last change that was held up
}

func (h *heldUp) hold(n int) { h.next = n }

// keep says that a request is held up, and fails it as the client does when no answer
// comes in time.
func (h *heldUp) keep(deliver func(context.Context)) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.next == 0 {
		return nil
	}
	h.next--
	h.late = append(h.late, deliver)
	return &apierr.Error{Class: apierr.Retryable, Reason: apierr.ReasonNetwork, Ambiguous: true, Message: "no answer"}
}

func (h *heldUp) deliver() {
	for _, deliver := range h.late {
		deliver(context.Background())
	}
	h.late = nil
}

func (h *heldUp) Create(ctx context.Context, r campaign.Resource, body []byte) error {
	if err := h.keep(func(ctx context.Context) { _ = h.Target.Create(ctx, r, body) }); err != nil {
		return err
	}
	return h.Target.Create(ctx, r, body)
}

func (h *heldUp) Patch(ctx context.Context, r campaign.Resource, key string, body []byte) error {
	if err := h.keep(func(ctx context.Context) { _ = h.Target.Patch(ctx, r, key, body) }); err != nil {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.key = key
		return err
	}
	return h.Target.Patch(ctx, r, key, body)
}

func (h *heldUp) Delete(ctx context.Context, r campaign.Resource, key string) error {
	if err := h.keep(func(ctx context.Context) { _ = h.Target.Delete(ctx, r, key) }); err != nil {
		return err
	}
	return h.Target.Delete(ctx, r, key)
}

func (h *heldUp) Get(ctx context.Context, r campaign.Resource, key string) (*campaign.Stored, error) {
	h.mu.Lock()
	h.gets++
	h.mu.Unlock()
	return h.Target.Get(ctx, r, key)
}

// heldUpWorld is a loaded world in which requests can be held up.
func heldUpWorld(t *testing.T, contacts int) (*activitytest.World, *heldUp) {
	t.Helper()
	s := activitytest.NewWorld(t, contacts)
	net := &heldUp{Target: s.IngressOptions.Target}
	o := s.IngressOptions
	o.Target = net
	s.Ingress, s.Env = ingress.New(o), activitytest.NewEnv()
	s.Register()
	s.Load()
	return s, net
}

// later lets time pass by the ledger's clock.
func later(s *activitytest.World, d time.Duration) { s.ClockBehind.Add(-int64(d)) }

// A request whose answer was lost, and that is carried out after newer ones, is put right
// by itself: a value, an opt-out in either direction, a person who is gone, and one who
// came back.
func TestARequestThatComesLateIsPutRight(t *testing.T) {
	t.Parallel()
	edit := func(values map[string]any) func(*activitytest.World, string) {
		return func(s *activitytest.World, key string) { s.Edit(key, values) }
	}
	drop := func(s *activitytest.World, key string) {
		require.True(s.T, s.Sandboxes.Dynamics.Delete("contacts", key))
	}
	tests := map[string]struct {
		old, newer func(*activitytest.World, string)
	}{
		"an old value":                        {edit(map[string]any{"lastname": "Old"}), edit(map[string]any{"lastname": "New"})},
		"an opt-out that was chosen since":    {edit(map[string]any{"donotbulkemail": false, "lastname": "Old"}), edit(map[string]any{"donotbulkemail": true, "lastname": "New"})},
		"an opt-out that was taken back":      {edit(map[string]any{"donotbulkemail": true, "lastname": "Old"}), edit(map[string]any{"donotbulkemail": false, "lastname": "New"})},
		"a change of a person who is deleted": {edit(map[string]any{"lastname": "Old"}), drop},
		"a delete of a person who came back": {drop, func(s *activitytest.World, key string) {
			s.InsertRow("contacts", map[string]any{"contactid": key, "lastname": "Back", "donotbulkemail": true})
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, net := heldUpWorld(t, 10)
			key := s.Sandboxes.Dynamics.Keys("contacts")[0]
			s.Edit(key, map[string]any{"donotbulkemail": false})
			s.Delta()
			test.old(s, key)
			net.hold(1)
			s.Delta() // it is sent again, with success
			told := activitytest.Call[activities.ExplainResult](s, s.Ingress.Explain, activities.ExplainInput{Table: s.Table, ID: key})
			require.NotNil(t, told.Doubt)
			require.True(t, told.Doubt.Look.After(told.Doubt.Since))
			test.newer(s, key)
			s.Delta()
			require.Empty(t, s.Differences())
			net.deliver()
			if name != "a change of a person who is deleted" { // a change finds nobody
				require.NotEmpty(t, s.Differences(), "the late request did harm")
			}
			s.Delta()
			later(s, 3*time.Minute)
			s.Delta()
			require.Empty(t, s.Differences())
			n, err := s.Ledger.DoubtCount(t.Context(), "contacts")
			require.NoError(t, err)
			require.Zero(t, n)
		})
	}
}

// Of two requests without an answer the older one may come last. The opt-out that it carried
// is ours, and no person's choice.
func TestTheOlderOfTwoLateRequestsIsPutRight(t *testing.T) {
	t.Parallel()
	s, net := heldUpWorld(t, 10)
	key := s.Sandboxes.Dynamics.Keys("contacts")[0]
	s.Edit(key, map[string]any{"donotbulkemail": false})
	s.Delta()
	s.Edit(key, map[string]any{"donotbulkemail": true})
	net.hold(1)
	s.Delta() // it is sent again, with success
	s.Edit(key, map[string]any{"donotbulkemail": false})
	net.hold(1)
	s.Delta()
	require.Empty(t, s.Differences())
	net.late = net.late[:1]
	net.deliver()
	require.Equal(t, true, s.Sandboxes.Campaign.Profile(key)["blackListEmail"], "the late request did harm")
	later(s, 3*time.Minute)
	s.Delta()
	require.Empty(t, s.Differences())
}

// A create without an answer whose run is given up is known to nobody but the doubt. When
// the contact is deleted before the request is carried out, its profile goes, too.
func TestALateCreateOfAGivenUpRunLeavesNobody(t *testing.T) {
	t.Parallel()
	s, net := heldUpWorld(t, 5)
	key := s.InsertRow("contacts", map[string]any{"lastname": "New"})
	ref, _ := s.StageFirstPage(activities.KindDelta, activities.PhaseDelta)
	net.hold(100)
	_, err := s.Env.ExecuteActivity(s.Ingress.WriteLane, activities.LaneInput{RunRef: ref, Page: 1})
	require.Error(t, err)
	_, err = s.Env.ExecuteActivity(s.Ingress.EndRun, activities.EndRunInput{RunRef: ref, State: "CANCELLED", Drop: true})
	require.NoError(t, err)
	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", key))
	net.hold(0)
	s.Delta()
	net.deliver()
	require.NotNil(t, s.Sandboxes.Campaign.Profile(key), "nobody knows of it")
	later(s, 3*time.Minute)
	s.Delta()
	require.Nil(t, s.Sandboxes.Campaign.Profile(key))
	require.Empty(t, s.Differences())
}

// The same for a custom resource, of which Campaign says no time.
func TestALateCreateOfACustomRecordLeavesNothing(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 1)
	net := &heldUp{Target: f.IngressOptions.Target}
	o := f.IngressOptions
	o.Target = net
	f.vehicles.Ingress, f.vehicles.Env = ingress.New(o), activitytest.NewEnv()
	f.vehicles.Register()
	f.vehicles.Load()
	key := f.vehicle("")
	ref, _ := f.vehicles.StageFirstPage(activities.KindDelta, activities.PhaseDelta)
	net.hold(100)
	_, err := f.vehicles.Env.ExecuteActivity(f.vehicles.Ingress.WriteLane, activities.LaneInput{RunRef: ref, Page: 1})
	require.Error(t, err)
	_, err = f.vehicles.Env.ExecuteActivity(f.vehicles.Ingress.EndRun, activities.EndRunInput{RunRef: ref, State: "CANCELLED", Drop: true})
	require.NoError(t, err)
	require.True(t, f.Sandboxes.Dynamics.Delete("new_vehicles", key))
	net.hold(0)
	f.vehicles.Delta()
	net.deliver()
	require.NotNil(t, f.Sandboxes.Campaign.Record("cusVehicle", key), "nobody knows of it")
	later(f.World, 3*time.Minute)
	f.vehicles.Delta()
	require.Nil(t, f.Sandboxes.Campaign.Record("cusVehicle", key))
}

// A rollback brings a custom record back twice, because the answer to the first request was
// lost. Dynamics creates it, and deletes it again. Then the first request arrives.
func TestALateCreateOfARollbackLeavesNothing(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 1)
	net := &heldUp{Target: f.IngressOptions.Target}
	o := f.IngressOptions
	o.Target = net
	f.vehicles.Ingress, f.vehicles.Env = ingress.New(o), activitytest.NewEnv()
	f.vehicles.Register()
	key := f.vehicle("")
	f.vehicles.Load()
	require.True(t, f.Sandboxes.Dynamics.Delete("new_vehicles", key))
	require.Equal(t, int64(1), f.vehicles.Delta().Deleted)

	net.hold(1)
	f.vehicles.LaneAttempts = 2
	require.Equal(t, activities.Counts{Read: 1, Created: 1}, f.vehicles.Rollback(f.vehicles.LastRun()).Counts)
	_, err := f.Sandboxes.Dynamics.Insert("new_vehicles", map[string]any{"new_vehicleid": key, "new_name": "Landau"})
	require.NoError(t, err)
	require.Equal(t, int64(1), f.vehicles.Delta().Updated)
	require.True(t, f.Sandboxes.Dynamics.Delete("new_vehicles", key))
	require.Equal(t, int64(1), f.vehicles.Delta().Deleted)
	net.deliver()
	require.NotNil(t, f.Sandboxes.Campaign.Record("cusVehicle", key), "nobody knows of it")
	later(f.World, 3*time.Minute)
	f.vehicles.Delta()
	require.Nil(t, f.Sandboxes.Campaign.Record("cusVehicle", key))
}

// What somebody made in Campaign is not taken for a late request of ours.
func TestWhatAPersonMadeInCampaignIsNoLateRequest(t *testing.T) {
	t.Parallel()
	s, net := heldUpWorld(t, 5)
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	gone, opted := keys[0], keys[1]
	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", gone))
	s.Edit(opted, map[string]any{"donotbulkemail": false, "lastname": "Old"})
	net.hold(2)
	s.Delta()
	s.Edit(opted, map[string]any{"lastname": "New"})
	s.Delta()
	s.InsertProfile(map[string]any{"externalId": gone, "lastName": "Back"})
	s.EditProfile(opted, `{"blackListEmail":true}`)
	later(s, 3*time.Minute)
	s.Delta()
	require.NotNil(t, s.Sandboxes.Campaign.Profile(gone), "a delete creates nobody")
	require.Equal(t, true, s.Sandboxes.Campaign.Profile(opted)["blackListEmail"], "no request carried an opt-out, so a person has chosen it")
}

// Looking costs calls only where a late request could do harm.
func TestARequestThatCanDoNoHarmCostsNoLook(t *testing.T) {
	t.Parallel()
	s, net := heldUpWorld(t, 30)
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	for i, key := range keys {
		if i == 0 {
			require.True(t, s.Sandboxes.Dynamics.Delete("contacts", key))
			continue
		}
		s.Edit(key, map[string]any{"lastname": "Old"})
	}
	net.hold(30)
	s.Delta()
	s.Edit(net.key, map[string]any{"lastname": "New"})
	s.Delta()
	net.deliver()
	later(s, 3*time.Minute)
	before := net.gets
	s.Delta()
	require.Equal(t, before+1, net.gets, "one record was written since")
	require.Empty(t, s.Differences())
	n, err := s.Ledger.DoubtCount(t.Context(), "contacts")
	require.NoError(t, err)
	require.Zero(t, n)
}

// A late request does not undo a rollback, and neither does the look at it.
func TestALateRequestDoesNotUndoARollback(t *testing.T) {
	t.Parallel()
	s, net := heldUpWorld(t, 5)
	key := s.Sandboxes.Dynamics.Keys("contacts")[0]
	before := s.Sandboxes.Campaign.Profile(key)["lastName"]
	s.Edit(key, map[string]any{"lastname": "Wrong"})
	net.hold(1)
	s.Delta()
	s.Rollback(s.LastRun())
	require.Equal(t, before, s.Sandboxes.Campaign.Profile(key)["lastName"])
	net.deliver()
	require.Equal(t, "Wrong", s.Sandboxes.Campaign.Profile(key)["lastName"])
	later(s, 3*time.Minute)
	s.Delta()
	require.Equal(t, before, s.Sandboxes.Campaign.Profile(key)["lastName"])
	s.Edit(key, map[string]any{"lastname": "Right"})
	s.Delta()
	require.Equal(t, "Right", s.Sandboxes.Campaign.Profile(key)["lastName"])
}

// A machine that stood still has not seen any time pass: its fence trusts what it knew, and
// the old request leaves. The attempt learns at its commit that the lane is another's,
// reports what it has sent, and the record is put right.
func TestAMachineThatStoodStillDoesNoLastingHarm(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 20)
	s.Load()
	key := s.Sandboxes.Dynamics.Keys("contacts")[0]
	s.Edit(key, map[string]any{"donotbulkemail": false, "lastname": "Old"})
	ref, _ := s.StageFirstPage(activities.KindDelta, activities.PhaseDelta)
	stood := time.Now()
	o := s.IngressOptions
	slow := &paused{Target: o.Target, asleep: make(chan struct{}), wake: make(chan struct{})}
	o.Target, o.Clock = slow, func() time.Time { return stood }
	old, env := ingress.New(o), activitytest.NewEnv()
	old.Register(env)
	ended := make(chan error, 1)
	go func() {
		_, err := env.ExecuteActivity(old.WriteLane, activities.LaneInput{RunRef: ref, Page: 1})
		ended <- err
	}()
	<-slow.asleep
	activitytest.Call[activities.LaneResult](s, s.Ingress.WriteLane, activities.LaneInput{RunRef: ref, Page: 1})
	activitytest.Call[activities.SaveWatermarkResult](s, s.Ingress.SaveWatermark, activities.SaveWatermarkInput{RunRef: ref})
	s.Edit(key, map[string]any{"donotbulkemail": true, "lastname": "New"})
	s.Delta()
	later(s, time.Hour) // for which a look at what the dead may do is not final
	s.Delta()
	close(slow.wake)
	require.ErrorContains(t, <-ended, "another attempt has taken over this lane")
	require.Equal(t, "Old", s.Sandboxes.Campaign.Profile(key)["lastName"], "nothing held it up")
	later(s, 3*time.Minute)
	s.Delta()
	require.Empty(t, s.Differences())
	n, err := s.Ledger.DoubtCount(t.Context(), "contacts")
	require.NoError(t, err)
	require.Zero(t, n)
}

// One that dies before it can report does none either, for a day.
func TestAMachineThatDiesAfterItWokeDoesNoLastingHarm(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 20)
	s.Load()
	key := s.Sandboxes.Dynamics.Keys("contacts")[0]
	s.Edit(key, map[string]any{"lastname": "Old"})
	ref, _ := s.StageFirstPage(activities.KindDelta, activities.PhaseDelta)
	_, err := s.Ledger.OpenLane(t.Context(), ledger.LaneID{Run: ref.Run, Page: 1}) // who does this is not heard of again
	require.NoError(t, err)
	activitytest.Call[activities.LaneResult](s, s.Ingress.WriteLane, activities.LaneInput{RunRef: ref, Page: 1})
	activitytest.Call[activities.SaveWatermarkResult](s, s.Ingress.SaveWatermark, activities.SaveWatermarkInput{RunRef: ref})
	s.Edit(key, map[string]any{"lastname": "New"})
	s.Delta()
	for range 10 { // looks at growing intervals, none of which is the last
		later(s, 2*time.Hour)
		s.Delta()
	}
	s.EditProfile(key, `{"lastName":"Old"}`) // its request
	later(s, 5*time.Hour)
	s.Delta()
	require.Empty(t, s.Differences())
	n, err := s.Ledger.DoubtCount(t.Context(), "contacts")
	require.NoError(t, err)
	require.Zero(t, n)
}
