package egress_test

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/egress"
	"causeway.dev/internal/apierr"
	"causeway.dev/internal/dataverse"
	"causeway.dev/internal/ledger"
	"causeway.dev/sandbox/eventlog"
	"causeway.dev/sandbox/kit"
)

// fragile is Dynamics that fails a whole request because of one row in it.
type fragile struct {
	*dataverse.Client
	fail   apierr.Error
	poison [][]byte
	panics bool // instead
	alone  bool // it answers for the others, and fails at that row

	mu    sync.Mutex
	sizes []int
}

func (f *fragile) Batch(ctx context.Context, ops []dataverse.Operation, o dataverse.BatchOptions) ([]dataverse.Result, error) {
	f.mu.Lock()
	f.sizes = append(f.sizes, len(ops))
	f.mu.Unlock()
	for _, op := range ops {
		for _, poison := range f.poison {
			if !bytes.Contains(op.Body, poison) {
				continue
			}
			if f.panics {
				panic("index out of range")
			}
			if f.alone {
				return f.others(ctx, ops, poison, o)
			}
			results := make([]dataverse.Result, len(ops))
			for i := range results {
				own := f.fail
				results[i].Err = &own
			}
			fail := f.fail
			return results, &fail
		}
	}
	return f.Client.Batch(ctx, ops, o)
}

func (f *fragile) others(ctx context.Context, ops []dataverse.Operation, poison []byte, o dataverse.BatchOptions) ([]dataverse.Result, error) {
	good := slices.DeleteFunc(slices.Clone(ops), func(op dataverse.Operation) bool { return bytes.Contains(op.Body, poison) })
	answers, err := f.Client.Batch(ctx, good, o)
	results := make([]dataverse.Result, len(ops))
	for i, op := range ops {
		if own := f.fail; bytes.Contains(op.Body, poison) {
			results[i].Err = &own
		} else {
			results[i], answers = answers[0], answers[1:]
		}
	}
	return results, err
}

// A group that is refused as a whole is halved until the culprits stand alone:
// they are set aside, and everything else lands.
func TestAGroupIsHalvedUntilTheCulpritsStandAlone(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 60)
	box := &fragile{Client: s.o.Dynamics.(*dataverse.Client), poison: [][]byte{[]byte("poison-1"), []byte("poison-2")},
		fail: apierr.Error{Class: apierr.Rejected, Reason: apierr.ReasonRefused, Service: "dataverse", Op: "batch", Status: 413, Message: "refused with status 413"}}
	s.restart(func(o *egress.Options) { o.Dynamics = box })
	s.begin()
	for i, contact := range s.Sandboxes.Dynamics.Keys("contacts") {
		p := eventlog.Pushed{Kind: "click", ExternalID: contact}
		switch i {
		case 20:
			p.URL = "https://shop.example.test/poison-1"
		case 40:
			p.URL = "https://shop.example.test/poison-2"
		}
		s.push(p)
	}
	out := s.events(activities.KindDelta, activities.Window{})
	require.Equal(t, activities.Counts{Read: 60, Created: 58, Quarantined: 2}, out.Counts)
	require.Contains(t, box.sizes, 1)
	require.Greater(t, box.sizes[0], 1)
	require.Less(t, len(box.sizes), 40, "halves, not rows, are tried")
}

// A row at which the service fails by itself, again and again, is no reason to
// stop; a service that fails at everything is.
func TestARowThatTheServiceFailsAtIsSetAsideInTheEnd(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		down      bool
		hopeless  int
		wantError bool
		alone     bool
	}{
		"not at first":                                            {false, 10, true, false},
		"after minutes":                                           {false, 1, false, false},
		"never, if the service is at fault":                       {true, 1, true, false},
		"not at first, if it answers for the others":              {false, 10, true, true},
		"after minutes, if it answers for the others":             {false, 1, false, true},
		"never, if it answers for the others, but not any longer": {true, 1, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newEventWorld(t, 6)
			box := &fragile{Client: s.o.Dynamics.(*dataverse.Client), poison: [][]byte{[]byte("poison")}, alone: tt.alone,
				fail: apierr.Error{Class: apierr.Retryable, Reason: apierr.ReasonServiceFault, Service: "dataverse", Op: "batch", Status: 500, Message: "the service failed with status 500"}}
			s.restart(func(o *egress.Options) { o.Dynamics, o.HopelessAfter = box, tt.hopeless })
			s.begin()
			for i, contact := range s.Sandboxes.Dynamics.Keys("contacts") {
				p := eventlog.Pushed{Kind: "click", ExternalID: contact}
				if i == 3 {
					p.URL = "https://shop.example.test/poison"
				}
				s.push(p)
			}
			ref := s.ref(activities.KindDelta)
			activitytest.Call[activities.OpenRunResult](s.World, s.eg.OpenEventRun, activities.OpenRunInput{RunRef: ref})
			activitytest.Call[activities.FetchResult](s.World, s.eg.FetchEvents, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseJournal, Lanes: 1})
			if tt.down { // the contacts were looked up just before
				s.fault(kit.Rule{Service: "dataverse", Method: http.MethodGet, Path: `/contacts`, After: 1, Action: kit.Respond, Status: 503})
			}
			value, err := s.Env.ExecuteActivity(s.eg.WriteTimeline, activities.LaneInput{RunRef: ref, Page: 1})
			require.EqualValues(t, 5, s.Sandboxes.Dynamics.Count("adobe_emailurlclicks"), "the others are written")
			if tt.wantError {
				require.ErrorContains(t, err, "1 of 6 records of the lane are still to be written")
				return
			}
			require.NoError(t, err)
			var out activities.LaneResult
			require.NoError(t, value.Get(&out))
			require.Equal(t, activities.Counts{Read: 6, Created: 5, Quarantined: 1}, out.Counts)
		})
	}
}

// Rows that fail by themselves in company that is written are set aside at once.
func TestRowsThatFailInCompanyAreSetAside(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 6)
	box := &fragile{Client: s.o.Dynamics.(*dataverse.Client), poison: [][]byte{[]byte("poison")}, alone: true,
		fail: apierr.Error{Class: apierr.Retryable, Reason: apierr.ReasonServiceFault, Service: "dataverse", Op: "batch", Status: 500, Message: "the service failed with status 500"}}
	s.restart(func(o *egress.Options) { o.Dynamics = box })
	s.begin()
	for i, contact := range s.Sandboxes.Dynamics.Keys("contacts") {
		p := eventlog.Pushed{Kind: "click", ExternalID: contact}
		if i%3 == 0 {
			p.URL = "https://shop.example.test/poison"
		}
		s.push(p)
	}
	ref := s.ref(activities.KindDelta)
	activitytest.Call[activities.OpenRunResult](s.World, s.eg.OpenEventRun, activities.OpenRunInput{RunRef: ref})
	activitytest.Call[activities.FetchResult](s.World, s.eg.FetchEvents, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseJournal, Lanes: 1})
	out := activitytest.Call[activities.LaneResult](s.World, s.eg.WriteTimeline, activities.LaneInput{RunRef: ref, Page: 1})
	require.Equal(t, activities.Counts{Read: 6, Created: 4, Quarantined: 2}, out.Counts)
}

// A panic at one event is that event's, and neither the group's nor the worker's.
func TestAnEventAtWhichTheProgramFailsIsSetAside(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 30)
	box := &fragile{Client: s.o.Dynamics.(*dataverse.Client), poison: [][]byte{[]byte("poison")}, panics: true}
	s.restart(func(o *egress.Options) { o.Dynamics = box })
	s.begin()
	for i, contact := range s.Sandboxes.Dynamics.Keys("contacts") {
		p := eventlog.Pushed{Kind: "click", ExternalID: contact}
		if i == 7 {
			p.URL = "https://shop.example.test/poison"
		}
		s.push(p)
	}
	out := s.events(activities.KindDelta, activities.Window{})
	require.Equal(t, activities.Counts{Read: 30, Created: 29, Quarantined: 1}, out.Counts)
}

// An event at which workers die three times in a row is set aside; the others
// of its lane are written.
func TestAnEventAtWhichWorkersDieIsSetAside(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 8)
	s.begin()
	for _, contact := range s.Sandboxes.Dynamics.Keys("contacts") {
		s.push(eventlog.Pushed{Kind: "open", ExternalID: contact})
	}
	ref := s.ref(activities.KindDelta)
	activitytest.Call[activities.OpenRunResult](s.World, s.eg.OpenEventRun, activities.OpenRunInput{RunRef: ref})
	activitytest.Call[activities.FetchResult](s.World, s.eg.FetchEvents, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseJournal, Lanes: 1})
	id := ledger.LaneID{Run: ref.Run, Page: 1}
	for range 7 { // each opens the lane, begins with entry 3, and dies
		lane, err := s.Ledger.OpenLane(t.Context(), id)
		require.NoError(t, err)
		require.NoError(t, s.Ledger.MarkInFlight(t.Context(), id, lane.Token, 3))
	}
	out := activitytest.Call[activities.LaneResult](s.World, s.eg.WriteTimeline, activities.LaneInput{RunRef: ref, Page: 1})
	require.Equal(t, activities.Counts{Read: 8, Created: 7, Quarantined: 1}, out.Counts)
}

// A lane that was put down in good order goes with its page.
func TestAStoppedRunOfEventsLeavesNothing(t *testing.T) {
	t.Parallel()
	s := newEventWorld(t, 8)
	s.begin()
	for _, contact := range s.Sandboxes.Dynamics.Keys("contacts") {
		s.push(eventlog.Pushed{Kind: "open", ExternalID: contact})
	}
	s.fault(kit.Rule{Service: "dataverse", Method: http.MethodPost, Action: kit.Respond, Status: 403, Times: 1,
		Body: `{"error":{"code":"0x80040220","message":"missing a privilege"}}`})
	ref := s.ref(activities.KindDelta)
	activitytest.Call[activities.OpenRunResult](s.World, s.eg.OpenEventRun, activities.OpenRunInput{RunRef: ref})
	activitytest.Call[activities.FetchResult](s.World, s.eg.FetchEvents, activities.FetchInput{RunRef: ref, Page: 1, Phase: activities.PhaseJournal, Lanes: 1})
	_, err := s.Env.ExecuteActivity(s.eg.WriteTimeline, activities.LaneInput{RunRef: ref, Page: 1})
	require.ErrorContains(t, err, "Permission")
	_, err = s.Env.ExecuteActivity(s.eg.EndEventRun, activities.EndRunInput{RunRef: ref, State: "FAILED", Drop: true})
	require.NoError(t, err)
	at, err := s.Ledger.Resume(t.Context(), ref.Run)
	require.NoError(t, err)
	require.Nil(t, at.LastPage)
	out := s.events(activities.KindDelta, activities.Window{})
	require.EqualValues(t, 8, out.Counts.Created)
}
