package ingress_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/uber-go/tally/v4"
	"go.temporal.io/sdk/worker"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/ingress"
	"causeway.dev/activities/run"
	"causeway.dev/internal/campaign"
	"causeway.dev/internal/ledger"
	"causeway.dev/internal/mapping"
	"causeway.dev/sandbox/kit"
)

// A load that was stopped and then undone is not gone on with: what it had written
// before would be missing for ever.
func TestALoadThatWasUndoneIsNotResumed(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 250)
	s.Preflight()
	ref, page := s.StageFirstPage(activities.KindInitial, activities.PhaseBaseline)
	require.True(t, page.More)
	activitytest.Call[activities.LaneResult](s, s.Ingress.WriteLane, activities.LaneInput{RunRef: ref, Page: 1})
	require.NoError(t, s.Ingress.EndRun(t.Context(), activities.EndRunInput{RunRef: ref, State: string(ledger.RunStopped)}))
	require.Equal(t, ref.Run, s.Preflight().UnfinishedRun)
	require.Equal(t, int64(100), s.Rollback(ref.Run).Counts.Deleted)
	require.Empty(t, s.Profiles())

	checked := s.Preflight()
	require.True(t, checked.NeedsBaseline)
	require.Empty(t, checked.UnfinishedRun)
	open := activitytest.Call[activities.OpenRunResult](s, s.Ingress.OpenRun, activities.OpenRunInput{RunRef: ref})
	require.Equal(t, string(ledger.RunCancelled), open.Ended, "nor by its name")
	s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp)
	require.Empty(t, s.Differences())
}

// A record that a run wrote and then refused is in quarantine also after the run was
// undone, and leaves it with the next release that finds nothing to refuse.
func TestWhatARunRefusedStaysRefusedWhenItIsUndone(t *testing.T) {
	t.Parallel()
	for name, then := range map[string]func(s *activitytest.World, key string){
		"equal to what Campaign holds": func(s *activitytest.World, key string) {
			s.Edit(key, map[string]any{"emailaddress1": nil, "lastname": "Before"})
		},
		"written anew": func(s *activitytest.World, key string) {
			s.Edit(key, map[string]any{"emailaddress1": nil, "lastname": "Then"})
		},
		"deleted": func(s *activitytest.World, key string) {
			require.True(s.T, s.Sandboxes.Dynamics.Delete("contacts", key))
		},
		"deleted, and deletes are not applied": func(s *activitytest.World, key string) {
			require.True(s.T, s.Sandboxes.Dynamics.Delete("contacts", key))
			s.Table.ApplyDeletes = false
			s.Preflight()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := activitytest.NewWorld(t, 5)
			key := s.Sandboxes.Dynamics.Keys("contacts")[0]
			s.Edit(key, map[string]any{"lastname": "Before", "emailaddress1": nil})
			s.Load()
			s.Edit(key, map[string]any{"lastname": "After"})
			ref, _ := s.StageFirstPage(activities.KindInitial, activities.PhaseBaseline)
			activitytest.Call[activities.LaneResult](s, s.Ingress.WriteLane, activities.LaneInput{RunRef: ref, Page: 1})
			s.Edit(key, map[string]any{"emailaddress1": "not-an-address"})
			activitytest.Call[activities.FetchResult](s, s.Ingress.FetchPage, activities.FetchInput{RunRef: ref, Page: 2, Phase: activities.PhaseCatchUp, Lanes: 1})
			activitytest.Call[activities.LaneResult](s, s.Ingress.WriteLane, activities.LaneInput{RunRef: ref, Page: 2})
			done := activitytest.Call[activities.SaveWatermarkResult](s, s.Ingress.SaveWatermark, activities.SaveWatermarkInput{RunRef: ref})
			require.Equal(t, int64(1), done.Quarantined)

			s.Rollback(ref.Run)
			require.Equal(t, "Before", s.Sandboxes.Campaign.Profile(key)["lastName"])
			require.Equal(t, "quarantined", s.Explain(key).State)
			require.Equal(t, []string{key}, ids(s.ListQuarantine(activities.QuarantineListInput{})))

			then(s, key)
			s.ReleaseQuarantined(activities.Release{Selection: activities.Selection{IDs: []string{key}}})
			require.Zero(t, s.ListQuarantine(activities.QuarantineListInput{}).Total, "else it is tried again for ever")
		})
	}
}

// A record that one run both created and deleted, because it waited for its parent
// and was deleted meanwhile, was not there before the run.
func TestWhatARunCreatedAndDeletedDoesNotComeBack(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 3)
	f.Load()
	warranties := f.warranty()
	warranties.Load()
	f.vehicles.Load()
	vehicle := f.vehicle(f.Sandboxes.Dynamics.Keys("contacts")[0])
	service := f.service(vehicle)
	require.Equal(t, activities.Counts{Read: 1, Parked: 1}, warranties.Delta())
	require.Equal(t, activities.Counts{Read: 1, Created: 1}, f.vehicles.Delta())
	require.True(t, f.Sandboxes.Dynamics.Delete("new_services", service))
	require.Equal(t, activities.Counts{Read: 2, Created: 1, Deleted: 1}, warranties.Delta())
	require.Nil(t, f.Sandboxes.Campaign.Record(warranties.Table.Campaign.Resource, service))
	require.Equal(t, activities.Counts{Read: 1, Deleted: 1}, warranties.Rollback(warranties.LastRun()).Counts)
	require.Nil(t, f.Sandboxes.Campaign.Record(warranties.Table.Campaign.Resource, service))
}

// A write whose answer was lost, in an attempt that then ended in good order, is
// found as one of a worker that died is; also when yet another attempt came to nothing.
func TestAWriteWithoutAnswerIsFoundByARollback(t *testing.T) {
	t.Parallel()
	for name, tries := range map[string]int{"one attempt": 1, "and another that does nothing": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := activitytest.NewWorld(t, 1)
			s.Preflight()
			ref, _ := s.StageFirstPage(activities.KindInitial, activities.PhaseBaseline)
			for _, rule := range []kit.Rule{
				{Service: "campaign", Method: http.MethodPost, Action: kit.ResetAfter, Times: 1, Path: "/profile"},
				{Service: "campaign", Action: kit.Respond, Status: 503, Body: `{"error_code":"503010","message":"Could not validate the oauth token"}`, Path: "/profile"},
			} {
				_, err := s.Sandboxes.Faults.Add(rule)
				require.NoError(t, err)
			}
			for range tries {
				_, err := s.Env.ExecuteActivity(s.Ingress.WriteLane, activities.LaneInput{RunRef: ref, Page: 1})
				require.ErrorContains(t, err, "still to be written")
			}
			s.Sandboxes.Faults.Clear("")
			require.Len(t, s.Profiles(), 1)
			require.NoError(t, s.Ingress.EndRun(t.Context(), activities.EndRunInput{RunRef: ref, State: string(ledger.RunCancelled), Drop: true}))
			done := s.Rollback(ref.Run)
			require.Equal(t, activities.UnrecordedWritesResult{Looked: 1, Found: 1}, s.Unrecorded)
			require.Equal(t, activities.Counts{Read: 1, Deleted: 1}, done.Counts)
			require.Empty(t, s.Profiles())
		})
	}
}

// What keeps an opt-out is recognised as its own write when its answer is lost.
func TestARollbackThatKeepsOptOutsKnowsItsOwnWrite(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 5)
	key := s.Sandboxes.Dynamics.Keys("contacts")[0]
	s.Edit(key, map[string]any{"donotbulkemail": false, "lastname": "Before"})
	s.Load()
	s.Edit(key, map[string]any{"donotbulkemail": true, "lastname": "After"})
	s.Delta()
	run := s.LastRun()
	_, err := s.Sandboxes.Faults.Add(kit.Rule{Service: "campaign", Method: http.MethodPatch, Action: kit.ResetAfter, Times: 1, Path: "/profile"})
	require.NoError(t, err)
	require.Equal(t, activities.Counts{Read: 1, Updated: 1}, s.Rollback(run).Counts)
	require.Equal(t, "Before", s.Sandboxes.Campaign.Profile(key)["lastName"])
	require.Equal(t, true, s.Sandboxes.Campaign.Profile(key)["blackListEmail"])

	// The ledger knows what Campaign holds: what changes next is written as a whole.
	s.Edit(key, map[string]any{"address1_city": "Nebelheim"})
	require.Equal(t, activities.Counts{Read: 1, Updated: 1}, s.Delta())
	require.Empty(t, s.Differences())
}

// Before-images that expire while they are used are kept until they are not.
func TestARollbackAtWorkKeepsItsBeforeImages(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 5)
	key := s.Sandboxes.Dynamics.Keys("contacts")[0]
	s.Load()
	s.Edit(key, map[string]any{"lastname": "After"})
	s.Delta()
	undone := s.LastRun()
	s.Runs++
	ref := activities.RunRef{Run: activities.RollbackPrefix(undone) + "20260102T030405.000Z", Table: s.Table.Name, Revision: s.Table.Revision(), Kind: activities.KindRollback, Undoes: undone}
	activitytest.Call[activities.OpenRunResult](s, s.Ingress.OpenRun, activities.OpenRunInput{RunRef: ref})
	pruner := &run.Pruner{Ledger: s.Ledger, Metrics: tally.NoopScope, Retention: run.Retention{BeforeImages: time.Nanosecond}}
	require.NoError(t, pruner.Prune(t.Context(), time.Now().Add(time.Second)))
	kept, err := s.Ledger.BeforeImages(t.Context(), undone, s.Table.Name, "", 0)
	require.NoError(t, err)
	require.Len(t, kept, 1)
	require.Equal(t, activities.Counts{Read: 1, Updated: 1}, s.RunPhases(ref, activities.PhaseUndo).Counts)

	require.NoError(t, pruner.Prune(t.Context(), time.Now().Add(time.Second)))
	kept, err = s.Ledger.BeforeImages(t.Context(), undone, s.Table.Name, "", 0)
	require.NoError(t, err)
	require.Empty(t, kept)
}

// A profile that a run created and that somebody has worked on since, in fields of
// which the mapping knows nothing, is not deleted.
func TestARollbackKeepsWhatSomebodyWorkedOn(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 3)
	key := s.Sandboxes.Dynamics.Keys("contacts")[0]
	s.Load()
	s.Sandboxes.Advance(time.Hour)
	s.EditProfile(key, `{"salutation":"a note"}`)
	require.Equal(t, activities.Counts{Read: 3, Deleted: 2, Quarantined: 1}, s.Rollback(s.LastRun()).Counts)
	require.Equal(t, "a note", s.Sandboxes.Campaign.Profile(key)["salutation"])
	left := s.ListQuarantine(activities.QuarantineListInput{Selection: activities.Selection{Run: activities.RollbackPrefix("contacts-1") + "2"}})
	require.Len(t, left.Records, 1)
	require.Contains(t, left.Records[0].Message, "in fields that the mapping does not know")
}

// What was in Campaign before a run, just as the run would have it, is not taken for
// the run's own, though its worker died with it in hand.
func TestWhatWasThereBeforeIsNotADeadWorkersOwn(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 5)
	s.Load()
	before := s.Profiles()
	again := s.Table
	again.Name = "again"
	other := s.With(again)
	other.Preflight()
	_, err := s.Ledger.BeginRun(t.Context(), ledger.Run{ID: "again-1", Flow: activities.FlowIngress, Table: "again", Kind: ledger.RunKind(activities.KindBackfill),
		Revision: again.Revision(), Started: time.Now().Add(time.Hour)})
	require.NoError(t, err)
	ref, _ := other.StageFirstPage(activities.KindBackfill, activities.PhaseScan)
	_, err = s.Ledger.OpenLane(t.Context(), ledger.LaneID{Run: ref.Run, Page: 1})
	require.NoError(t, err)
	require.NoError(t, s.Ingress.EndRun(t.Context(), activities.EndRunInput{RunRef: ref, State: string(ledger.RunCancelled), Drop: true}))
	require.Zero(t, other.Rollback(ref.Run).Counts)
	require.Equal(t, activities.UnrecordedWritesResult{Looked: 5, Found: 5}, other.Unrecorded)
	require.Equal(t, before, s.Profiles())
}

// What Campaign hides is not taken for gone.
func TestARollbackLeavesAloneWhatIsHidden(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 1)
	service := f.service(f.vehicle(f.Sandboxes.Dynamics.Keys("contacts")[0]))
	f.services.Load()
	require.True(t, f.Sandboxes.Campaign.Hidden("cusService", service))
	run := f.services.LastRun()
	require.Equal(t, activities.Counts{Read: 1, Quarantined: 1}, f.services.Rollback(run).Counts)
	require.Equal(t, "Hidden", f.services.LeftByRollback(run)[0].Code)
	f.vehicles.Load()
	require.Equal(t, activities.Counts{Read: 1, Deleted: 1}, f.services.Rollback(run).Counts)
	require.Nil(t, f.Sandboxes.Campaign.Record("cusService", service))
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
	s := activitytest.NewWorld(t, 1)
	s.Preflight()
	ref, _ := s.StageFirstPage(activities.KindInitial, activities.PhaseBaseline)
	ctx, cancel := context.WithCancel(t.Context())
	opts := s.IngressOptions
	opts.Target = cutOff{s.IngressOptions.Target.(*campaign.Client), cancel}
	doomed := ingress.New(opts)
	env := activitytest.NewEnv()
	env.SetWorkerOptions(worker.Options{BackgroundActivityContext: ctx})
	doomed.Register(env)
	_, err := env.ExecuteActivity(doomed.WriteLane, activities.LaneInput{RunRef: ref, Page: 1})
	require.Error(t, err)
	require.Len(t, s.Profiles(), 1)
	require.NoError(t, s.Ingress.EndRun(t.Context(), activities.EndRunInput{RunRef: ref, State: string(ledger.RunCancelled), Drop: true}))
	s.Rollback(ref.Run)
	require.Equal(t, 1, s.Unrecorded.Found)
	require.Empty(t, s.Profiles())
}

// What a run wrote to a field that was not mapped before is undone with the rest.
func TestARollbackUndoesFieldsThatAreNew(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 4)
	s.Load()
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	s.EditProfile(keys[0], `{"fax":"1234"}`)
	fax := func() (out []any) {
		for _, key := range keys {
			out = append(out, s.Sandboxes.Campaign.Profile(key)["fax"])
		}
		return out
	}
	before := fax()
	s.Table.Fields = append(s.Table.Fields, mapping.Field{From: "jobtitle", To: "fax", OnTooLong: "truncate"})
	for _, key := range keys[:2] {
		s.Edit(key, map[string]any{"jobtitle": "captain"})
	}
	s.Preflight()
	s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep)
	require.Equal(t, "captain", fax()[0])
	s.Rollback(s.LastRun())
	require.Equal(t, before, fax())
}

// An opt-out that was made in Campaign before its field was mapped stays, until
// somebody ends it in Dynamics.
func TestANewFieldEndsNoOptOut(t *testing.T) {
	t.Parallel()
	for _, clears := range []bool{false, true} {
		s := activitytest.NewWorld(t, 3)
		s.Table.ClearOptOuts = clears
		optOut := s.Table.Fields[5]
		require.Equal(t, "blackListEmail", optOut.To)
		s.Table.Fields = s.Table.Fields[:5]
		key := s.Sandboxes.Dynamics.Keys("contacts")[0]
		s.Edit(key, map[string]any{"donotbulkemail": false})
		s.Load()
		s.EditProfile(key, `{"blackListEmail":true}`)
		s.Table.Fields = append(s.Table.Fields, optOut)
		s.Preflight()
		planned, calls := s.Plan(activities.PlanInput{}), s.EngineCalls()
		require.Equal(t, int64(3), planned.Counts.Updated)
		s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep)
		require.Equal(t, planned.EngineCalls, s.EngineCalls()-calls)
		require.Equal(t, !clears, s.Sandboxes.Campaign.Profile(key)["blackListEmail"])
		s.Edit(key, map[string]any{"donotbulkemail": true})
		s.Delta()
		s.Edit(key, map[string]any{"donotbulkemail": false})
		s.Delta()
		require.Equal(t, false, s.Sandboxes.Campaign.Profile(key)["blackListEmail"])
	}
}

// A rollback does not delete a profile whose opt-out only Campaign knows of: the next load
// would make it again, and mailable.
func TestARollbackKeepsWhoOptedOutInCampaignSince(t *testing.T) {
	t.Parallel()
	for _, field := range []string{"blackListEmail", "blackListPhone"} {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			s := activitytest.NewWorld(t, 5)
			for _, id := range s.Sandboxes.Dynamics.Keys("contacts") {
				s.Edit(id, map[string]any{"donotbulkemail": false})
			}
			keys := s.Sandboxes.Dynamics.Keys("contacts")
			s.Edit(keys[1], map[string]any{"donotbulkemail": true})
			s.Load()
			s.EditProfile(keys[0], `{"`+field+`":true}`)
			s.Rollback(s.LastRun())
			require.Equal(t, true, s.Sandboxes.Campaign.Profile(keys[0])[field])
			require.Nil(t, s.Sandboxes.Campaign.Profile(keys[1]), "what Dynamics knows comes back with it")
		})
	}
}
