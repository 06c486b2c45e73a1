package activities_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/worker"

	"causeway.dev/activities"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
	"causeway.dev/sandbox/kit"
)

// A load that was stopped and then undone is not gone on with: what it had written
// before would be missing for ever.
func TestALoadThatWasUndoneIsNotResumed(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 250)
	s.start()
	ref, page := s.staged(activities.KindInitial, activities.PhaseBaseline)
	require.True(t, page.More)
	call[activities.LaneResult](s, s.in.WriteLane, activities.LaneInput{RunRef: ref, Page: 1})
	require.NoError(t, s.in.EndRun(t.Context(), activities.EndRunInput{RunRef: ref, State: string(ledger.RunStopped)}))
	require.Equal(t, ref.Run, s.start().UnfinishedRun)
	require.Equal(t, int64(100), s.rollback(ref.Run).Counts.Deleted)
	require.Empty(t, s.campaign())

	checked := s.start()
	require.True(t, checked.NeedsBaseline)
	require.Empty(t, checked.UnfinishedRun)
	open := call[activities.OpenRunResult](s, s.in.OpenRun, activities.OpenRunInput{RunRef: ref})
	require.Equal(t, string(ledger.RunCancelled), open.Ended, "nor by its name")
	s.pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp)
	require.Empty(t, s.differences())
}

// A record that a run wrote and then refused is in quarantine also after the run was
// undone, and leaves it with the next release that finds nothing to refuse.
func TestWhatARunRefusedStaysRefusedWhenItIsUndone(t *testing.T) {
	t.Parallel()
	for name, then := range map[string]func(s *spine, key string){
		"equal to what Campaign holds": func(s *spine, key string) { s.edit(key, map[string]any{"emailaddress1": nil, "lastname": "Before"}) },
		"written anew":                 func(s *spine, key string) { s.edit(key, map[string]any{"emailaddress1": nil, "lastname": "Then"}) },
		"deleted":                      func(s *spine, key string) { require.True(s.t, s.boxes.Dynamics.Delete("contacts", key)) },
		"deleted, and deletes are not applied": func(s *spine, key string) {
			require.True(s.t, s.boxes.Dynamics.Delete("contacts", key))
			s.table.ApplyDeletes = false
			s.start()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSpine(t, 5)
			key := s.boxes.Dynamics.Keys("contacts")[0]
			s.edit(key, map[string]any{"lastname": "Before", "emailaddress1": nil})
			s.load()
			s.edit(key, map[string]any{"lastname": "After"})
			ref, _ := s.staged(activities.KindInitial, activities.PhaseBaseline)
			call[activities.LaneResult](s, s.in.WriteLane, activities.LaneInput{RunRef: ref, Page: 1})
			s.edit(key, map[string]any{"emailaddress1": "not-an-address"})
			call[activities.FetchResult](s, s.in.FetchPage, activities.FetchInput{RunRef: ref, Page: 2, Phase: activities.PhaseCatchUp, Lanes: 1})
			call[activities.LaneResult](s, s.in.WriteLane, activities.LaneInput{RunRef: ref, Page: 2})
			done := call[activities.SaveWatermarkResult](s, s.in.SaveWatermark, activities.SaveWatermarkInput{RunRef: ref})
			require.Equal(t, int64(1), done.Quarantined)

			s.rollback(ref.Run)
			require.Equal(t, "Before", s.boxes.Campaign.Profile(key)["lastName"])
			require.Equal(t, "quarantined", s.explain(key).State)
			require.Equal(t, []string{key}, ids(s.quarantine(activities.QuarantineListInput{})))

			then(s, key)
			s.release(activities.Release{Selection: activities.Selection{IDs: []string{key}}})
			require.Zero(t, s.quarantine(activities.QuarantineListInput{}).Total, "else it is tried again for ever")
		})
	}
}

// A record that one run both created and deleted, because it waited for its parent
// and was deleted meanwhile, was not there before the run.
func TestWhatARunCreatedAndDeletedDoesNotComeBack(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 3)
	f.load()
	warranties := f.warranty()
	warranties.load()
	f.vehicles.load()
	vehicle := f.vehicle(f.boxes.Dynamics.Keys("contacts")[0])
	service := f.service(vehicle)
	require.Equal(t, activities.Counts{Read: 1, Parked: 1}, warranties.delta())
	require.Equal(t, activities.Counts{Read: 1, Created: 1}, f.vehicles.delta())
	require.True(t, f.boxes.Dynamics.Delete("new_services", service))
	require.Equal(t, activities.Counts{Read: 2, Created: 1, Deleted: 1}, warranties.delta())
	require.Nil(t, f.boxes.Campaign.Record(warranties.table.Campaign.Resource, service))
	require.Equal(t, activities.Counts{Read: 1, Deleted: 1}, warranties.rollback(warranties.lastRun()).Counts)
	require.Nil(t, f.boxes.Campaign.Record(warranties.table.Campaign.Resource, service))
}

// A write whose answer was lost, in an attempt that then ended in good order, is
// found as one of a worker that died is; also when yet another attempt came to nothing.
func TestAWriteWithoutAnswerIsFoundByARollback(t *testing.T) {
	t.Parallel()
	for name, tries := range map[string]int{"one attempt": 1, "and another that does nothing": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSpine(t, 1)
			s.start()
			ref, _ := s.staged(activities.KindInitial, activities.PhaseBaseline)
			for _, rule := range []kit.Rule{
				{Service: "campaign", Method: http.MethodPost, Action: kit.ResetAfter, Times: 1, Path: "/profile"},
				{Service: "campaign", Action: kit.Respond, Status: 503, Body: `{"error_code":"503010","message":"Could not validate the oauth token"}`, Path: "/profile"},
			} {
				_, err := s.boxes.Faults.Add(rule)
				require.NoError(t, err)
			}
			for range tries {
				_, err := s.env.ExecuteActivity(s.in.WriteLane, activities.LaneInput{RunRef: ref, Page: 1})
				require.ErrorContains(t, err, "still to be written")
			}
			s.boxes.Faults.Clear("")
			require.Len(t, s.campaign(), 1)
			require.NoError(t, s.in.EndRun(t.Context(), activities.EndRunInput{RunRef: ref, State: string(ledger.RunCancelled), Drop: true}))
			done := s.rollback(ref.Run)
			require.Equal(t, activities.UnrecordedWritesResult{Looked: 1, Found: 1}, s.looked)
			require.Equal(t, activities.Counts{Read: 1, Deleted: 1}, done.Counts)
			require.Empty(t, s.campaign())
		})
	}
}

// What keeps an opt-out is recognised as its own write when its answer is lost.
func TestARollbackThatKeepsOptOutsKnowsItsOwnWrite(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 5)
	key := s.boxes.Dynamics.Keys("contacts")[0]
	s.edit(key, map[string]any{"donotbulkemail": false, "lastname": "Before"})
	s.load()
	s.edit(key, map[string]any{"donotbulkemail": true, "lastname": "After"})
	s.delta()
	run := s.lastRun()
	_, err := s.boxes.Faults.Add(kit.Rule{Service: "campaign", Method: http.MethodPatch, Action: kit.ResetAfter, Times: 1, Path: "/profile"})
	require.NoError(t, err)
	require.Equal(t, activities.Counts{Read: 1, Updated: 1}, s.rollback(run).Counts)
	require.Equal(t, "Before", s.boxes.Campaign.Profile(key)["lastName"])
	require.Equal(t, true, s.boxes.Campaign.Profile(key)["blackListEmail"])

	// The ledger knows what Campaign holds: what changes next is written as a whole.
	s.edit(key, map[string]any{"address1_city": "Nebelheim"})
	require.Equal(t, activities.Counts{Read: 1, Updated: 1}, s.delta())
	require.Empty(t, s.differences())
}

// Before-images that expire while they are used are kept until they are not.
func TestARollbackAtWorkKeepsItsBeforeImages(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 5)
	key := s.boxes.Dynamics.Keys("contacts")[0]
	s.load()
	s.edit(key, map[string]any{"lastname": "After"})
	s.delta()
	run := s.lastRun()
	s.runs++
	ref := activities.RunRef{Run: activities.RollbackPrefix(run) + "20260102T030405.000Z", Table: s.table.Name, Revision: s.table.Revision(), Kind: activities.KindRollback, Undoes: run}
	call[activities.OpenRunResult](s, s.in.OpenRun, activities.OpenRunInput{RunRef: ref})
	s.opts.KeepBefores = time.Nanosecond
	s.in = activities.NewIngress(s.opts)
	s.register()
	s.edit(s.boxes.Dynamics.Keys("contacts")[1], map[string]any{"lastname": "Else"})
	s.delta()
	kept, err := s.books.BeforeImages(t.Context(), run, s.table.Name, "", 0)
	require.NoError(t, err)
	require.Len(t, kept, 1)
	require.Equal(t, activities.Counts{Read: 1, Updated: 1}, s.through(ref, activities.PhaseUndo).Counts)

	s.in = activities.NewIngress(s.opts)
	s.register()
	s.edit(key, map[string]any{"lastname": "Then"})
	s.delta()
	kept, err = s.books.BeforeImages(t.Context(), run, s.table.Name, "", 0)
	require.NoError(t, err)
	require.Empty(t, kept)
}

// A profile that a run created and that somebody has worked on since, in fields of
// which the mapping knows nothing, is not deleted.
func TestARollbackKeepsWhatSomebodyWorkedOn(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 3)
	key := s.boxes.Dynamics.Keys("contacts")[0]
	s.load()
	s.boxes.Advance(time.Hour)
	s.editProfile(key, `{"salutation":"a note"}`)
	require.Equal(t, activities.Counts{Read: 3, Deleted: 2, Quarantined: 1}, s.rollback(s.lastRun()).Counts)
	require.Equal(t, "a note", s.boxes.Campaign.Profile(key)["salutation"])
	left := s.quarantine(activities.QuarantineListInput{Selection: activities.Selection{Run: activities.RollbackPrefix("contacts-1") + "2"}})
	require.Len(t, left.Records, 1)
	require.Contains(t, left.Records[0].Message, "in fields that the mapping does not know")
}

// What was in Campaign before a run, just as the run would have it, is not taken for
// the run's own, though its worker died with it in hand.
func TestWhatWasThereBeforeIsNotADeadWorkersOwn(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 5)
	s.load()
	before := s.campaign()
	again := s.table
	again.Name = "again"
	other := s.with(again)
	other.start()
	_, err := s.books.BeginRun(t.Context(), ledger.Run{ID: "again-1", Flow: activities.FlowIngress, Table: "again", Kind: ledger.RunKind(activities.KindBackfill),
		Revision: again.Revision(), Started: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	ref, _ := other.staged(activities.KindBackfill, activities.PhaseScan)
	_, err = s.books.OpenLane(t.Context(), ledger.LaneID{Run: ref.Run, Page: 1})
	require.NoError(t, err)
	require.NoError(t, s.in.EndRun(t.Context(), activities.EndRunInput{RunRef: ref, State: string(ledger.RunCancelled), Drop: true}))
	require.Zero(t, other.rollback(ref.Run).Counts)
	require.Equal(t, activities.UnrecordedWritesResult{Looked: 5, Found: 5}, other.looked)
	require.Equal(t, before, s.campaign())
}

// What Campaign hides is not taken for gone.
func TestARollbackLeavesAloneWhatIsHidden(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 1)
	service := f.service(f.vehicle(f.boxes.Dynamics.Keys("contacts")[0]))
	f.services.load()
	require.True(t, f.boxes.Campaign.Hidden("cusService", service))
	run := f.services.lastRun()
	require.Equal(t, activities.Counts{Read: 1, Quarantined: 1}, f.services.rollback(run).Counts)
	require.Equal(t, "Hidden", f.services.left(run)[0].Code)
	f.vehicles.load()
	require.Equal(t, activities.Counts{Read: 1, Deleted: 1}, f.services.rollback(run).Counts)
	require.Nil(t, f.boxes.Campaign.Record("cusService", service))
}

// cutOff is Campaign at which the activity is cancelled with the answer on its way.
type cutOff struct {
	*campaign.Client
	cancel context.CancelFunc
}

func (c cutOff) Create(ctx context.Context, r campaign.Resource, body []byte) error {
	err := c.Client.Create(context.WithoutCancel(ctx), r, body)
	c.cancel()
	return errors.Join(err, ctx.Err())
}

// A cancel that comes while a request is in flight does not know what became of it.
func TestAWriteThatWasCancelledInFlightIsFoundByARollback(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 1)
	s.start()
	ref, _ := s.staged(activities.KindInitial, activities.PhaseBaseline)
	ctx, cancel := context.WithCancel(t.Context())
	opts := s.opts
	opts.Target = cutOff{s.opts.Target.(*campaign.Client), cancel}
	doomed := activities.NewIngress(opts)
	env := newActivityEnv()
	env.SetWorkerOptions(worker.Options{BackgroundActivityContext: ctx})
	doomed.Register(env)
	_, err := env.ExecuteActivity(doomed.WriteLane, activities.LaneInput{RunRef: ref, Page: 1})
	require.Error(t, err)
	require.Len(t, s.campaign(), 1)
	require.NoError(t, s.in.EndRun(t.Context(), activities.EndRunInput{RunRef: ref, State: string(ledger.RunCancelled), Drop: true}))
	s.rollback(ref.Run)
	require.Equal(t, 1, s.looked.Found)
	require.Empty(t, s.campaign())
}

// What a run wrote to a field that was not mapped before is undone with the rest.
func TestARollbackUndoesFieldsThatAreNew(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 4)
	s.load()
	keys := s.boxes.Dynamics.Keys("contacts")
	s.editProfile(keys[0], `{"fax":"1234"}`)
	fax := func() (out []any) {
		for _, key := range keys {
			out = append(out, s.boxes.Campaign.Profile(key)["fax"])
		}
		return out
	}
	before := fax()
	s.table.Fields = append(s.table.Fields, mapping.Field{From: "jobtitle", To: "fax", OnTooLong: "truncate"})
	for _, key := range keys[:2] {
		s.edit(key, map[string]any{"jobtitle": "captain"})
	}
	s.start()
	s.pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep)
	require.Equal(t, "captain", fax()[0])
	s.rollback(s.lastRun())
	require.Equal(t, before, fax())
}

// An opt-out that was made in Campaign before its field was mapped stays, until
// somebody ends it in Dynamics.
func TestANewFieldEndsNoOptOut(t *testing.T) {
	t.Parallel()
	for _, clears := range []bool{false, true} {
		s := newSpine(t, 3)
		s.table.ClearOptOuts = clears
		optOut := s.table.Fields[5]
		require.Equal(t, "blackListEmail", optOut.To)
		s.table.Fields = s.table.Fields[:5]
		key := s.boxes.Dynamics.Keys("contacts")[0]
		s.edit(key, map[string]any{"donotbulkemail": false})
		s.load()
		s.editProfile(key, `{"blackListEmail":true}`)
		s.table.Fields = append(s.table.Fields, optOut)
		s.start()
		planned, calls := s.plan(activities.PlanInput{}), s.engineCalls()
		require.Equal(t, int64(3), planned.Counts.Updated)
		s.pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep)
		require.Equal(t, planned.EngineCalls, s.engineCalls()-calls)
		require.Equal(t, !clears, s.boxes.Campaign.Profile(key)["blackListEmail"])
		s.edit(key, map[string]any{"donotbulkemail": true})
		s.delta()
		s.edit(key, map[string]any{"donotbulkemail": false})
		s.delta()
		require.Equal(t, false, s.boxes.Campaign.Profile(key)["blackListEmail"])
	}
}
