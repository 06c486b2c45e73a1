package ingress_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/internal/mapping"
)

// Support asks why a record is as it is; each answer names the state, the rule
// and the run, and no value.
func TestExplain(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 8)
	s.Table.Filter = mapping.Filter{Where: []mapping.Condition{{Column: "jobtitle", Is: "not_equals", Value: "left"}}}
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	s.Edit(keys[1], map[string]any{"jobtitle": "left"})
	s.Edit(keys[2], map[string]any{"emailaddress1": "not-an-address"})
	s.InsertProfile(map[string]any{"externalId": keys[3], "lastName": "Old"})
	s.Load()
	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", keys[4]))
	s.Edit(keys[5], map[string]any{"jobtitle": "left"})
	s.Delta()

	written := s.Explain(strings.ToUpper(keys[0]))
	require.Equal(t, "written", written.State)
	require.True(t, written.Held)
	require.Equal(t, "contacts-1", written.LastRun)
	require.Equal(t, "contacts-1", written.Created)
	require.NotEmpty(t, written.Version)
	require.Equal(t, &activities.ExplainLive{InDynamics: true, Version: written.Version, InCampaign: true, Decision: "nothing", Why: "what Dynamics says has been written"}, written.Live)

	left := s.Explain(keys[1])
	require.Equal(t, "filtered", left.State)
	require.False(t, left.Held)
	require.Equal(t, "leave out", left.Live.Decision)
	require.Equal(t, "filter.where[0]: jobtitle not_equals", left.Live.Why)
	require.True(t, s.Explain(keys[5]).Held, "left out after it was written")

	refused := s.Explain(keys[2])
	require.Equal(t, "quarantined", refused.State)
	require.NotEmpty(t, refused.Quarantine.Message)
	require.NotContains(t, fmt.Sprintf("%+v %+v", refused, refused.Quarantine), "not-an-address")

	require.Contains(t, s.Explain(keys[3]).Meaning, "adopted")
	gone := s.Explain(keys[4])
	require.Equal(t, "deleted", gone.State)
	require.Equal(t, "neither system has it", gone.Live.Why)

	s.Edit(keys[0], map[string]any{"lastname": "Quibblethorn"})
	require.NoError(t, s.Sandboxes.Campaign.Update("profile", keys[6], []byte(`{"lastName":"Somebody"}`)))
	changed := s.Explain(keys[0])
	require.Equal(t, "update", changed.Live.Decision)
	require.Contains(t, changed.Live.Differences["lastName"], "-> text of 12")
	there := s.Explain(keys[6])
	require.Equal(t, "nothing", there.Live.Decision)
	require.Contains(t, there.Live.Why, "Campaign was changed since")
	require.Contains(t, there.Live.Differences, "lastName")

	nobody := s.Explain("00000000-0000-4000-8000-000000000000")
	require.Equal(t, "never seen", nobody.State)
	require.Equal(t, "neither system has it", nobody.Live.Why)
}

// What a rollback put back, what an operator gave up, and a change of what is not
// mapped are told from what was just written or refused.
func TestExplainWhatIsNotAsLastRead(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 3)
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	s.Load()

	s.Edit(keys[0], map[string]any{"description": "quibble"})
	s.Delta()
	read := s.Explain(keys[0])
	require.NotEqual(t, read.Version, read.Live.Version)
	require.Equal(t, "nothing", read.Live.Decision)
	require.Equal(t, "what Dynamics says has been written; what changed in Dynamics since version "+read.Version+" is not mapped", read.Live.Why)

	s.Edit(keys[1], map[string]any{"lastname": "Quibblethorn"})
	s.Delta()
	s.Rollback(s.LastRun())
	back := s.Explain(keys[1])
	require.Equal(t, "written", back.State)
	require.Contains(t, back.Meaning, "a rollback put back what Campaign held before")
	require.Equal(t, back.Version, back.Live.Version)
	require.Equal(t, "update", back.Live.Decision)
	require.Contains(t, back.Live.Why, "Dynamics has not changed since it was last read")

	s.Edit(keys[2], map[string]any{"emailaddress1": "not-an-address"})
	s.Delta()
	require.NotContains(t, s.Explain(keys[2]).Meaning, "discarded")
	activitytest.Call[activities.DiscardResult](s, s.Operator.DiscardQuarantined, activities.DiscardInput{Table: "contacts", Selection: activities.Selection{IDs: keys[2:]}, Discard: activities.Discard{By: "ada", Reason: "agreed", At: time.Now()}})
	given := s.Explain(keys[2])
	require.Contains(t, given.Meaning, "an operator discarded it")
	require.Equal(t, "agreed", given.Quarantine.Discarded.Reason)
}

// Why a record waits, and for whom.
func TestExplainWhatWaits(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 1)
	v := f.vehicle("")
	child := f.service(v)
	w := f.warranty()
	w.Load()
	waits := w.Explain(child)
	require.Equal(t, "parked", waits.State)
	require.Equal(t, "vehicles/"+v, waits.Waits.Parent)
	require.Equal(t, "wait", waits.Live.Decision)
	require.Contains(t, waits.Live.Why, "Campaign does not hold its parent yet; it goes on by itself when that is there: vehicles/"+v)
	f.vehicles.Load()
	require.True(t, w.Explain(child).Waits.Ready)
	require.Equal(t, "create", w.Explain(child).Live.Decision)

	s := activitytest.NewWorld(t, 150)
	s.Load()
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	for _, key := range keys[:120] {
		require.True(t, s.Sandboxes.Dynamics.Delete("contacts", key))
	}
	out := s.Pass(activities.KindDelta, activities.PhaseDelta)
	require.Contains(t, s.Explain(keys[0]).Waits.For, "causeway approve "+out.Approvals[0].Run)
}

// What would happen now depends on the relatives of a record.
func TestExplainLooksAtParentsAndChildren(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 1)
	v := f.vehicle("")
	changed, deleted, quiet, late := f.service(v), f.service(v), f.service(v), f.vehicle("")
	live := func(s *activitytest.World, id string) (string, string) {
		t.Helper()
		got := s.Explain(id).Live
		return got.Decision, got.Why
	}
	decides := func(s *activitytest.World, id, decision, why string) {
		t.Helper()
		d, w := live(s, id)
		require.Equal(t, decision, d, w)
		require.Contains(t, w, why)
	}
	decides(f.services, quiet, "create", "until its parent is there Campaign may hide it: vehicles/"+v)
	w := f.warranty()
	w.Preflight()
	decides(w, quiet, "wait", "vehicles/"+v)

	f.services.Load()
	require.NoError(t, f.Sandboxes.Dynamics.Update("new_services", changed, map[string]any{"new_name": "Tyres"}))
	require.True(t, f.Sandboxes.Dynamics.Delete("new_services", deleted))
	decides(f.services, quiet, "nothing", "Campaign hides it until its parent is there: vehicles/"+v)
	decides(f.services, changed, "wait", "vehicles/"+v)
	decides(f.services, deleted, "wait", "it is deleted then: vehicles/"+v)
	require.Equal(t, activities.Counts{Read: 2, Parked: 2}, f.services.Delta(), "as was said")

	f.vehicles.Load()
	decides(f.services, changed, "update", "Dynamics has changed since the last write")
	decides(f.services, deleted, "delete", "Dynamics does not have it any more")
	require.Equal(t, activities.Counts{Read: 2, Updated: 1, Deleted: 1}, f.services.Delta())

	require.True(t, f.Sandboxes.Dynamics.Delete("new_vehicles", v)) // takes its services along
	decides(f.vehicles, v, "wait", "records that name it are deleted first")
	decides(f.services, quiet, "delete", "")
	require.True(t, f.Sandboxes.Dynamics.Delete("new_vehicles", late))
	decides(f.vehicles, late, "delete", "")
}

// What somebody deleted in Campaign comes back with its next change, not before.
func TestExplainSaysWhenWhatIsGoneFromCampaignComesBack(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 3)
	s.Table.Erased = mapping.RestoreErased
	s.Load()
	key := s.Sandboxes.Dynamics.Keys("contacts")[0]
	require.NoError(t, s.Sandboxes.Campaign.Delete("profile", key))
	gone := s.Explain(key).Live
	require.Equal(t, "nothing", gone.Decision, gone.Why)
	require.Contains(t, gone.Why, "somebody deleted it in Campaign since")
	require.Zero(t, s.Pass(activities.KindBackfill, activities.PhaseScan).Counts.Created, "as was said")
	s.Edit(key, map[string]any{"address1_city": "Nebelheim"})
	require.Equal(t, "create", s.Explain(key).Live.Decision)
	require.Equal(t, activities.Counts{Read: 1, Created: 1}, s.Delta())
}

// What the filter deletes waits like any delete, while Campaign hides it.
func TestExplainWhatTheFilterDeletesAndCampaignHides(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 1)
	f.services.Table.Filter = mapping.Filter{DeleteUnmatched: true, Where: []mapping.Condition{{Column: "new_name", Is: "not_equals", Value: "left"}}}
	v := f.vehicle("")
	child := f.service(v)
	f.services.Load()
	require.NoError(t, f.Sandboxes.Dynamics.Update("new_services", child, map[string]any{"new_name": "left"}))
	live := f.services.Explain(child).Live
	require.Equal(t, "wait", live.Decision)
	require.Contains(t, live.Why, "it is deleted then: vehicles/"+v)
	require.Equal(t, activities.Counts{Read: 1, Parked: 1}, f.services.Delta(), "as was said")
	f.vehicles.Load()
	require.Equal(t, "delete", f.services.Explain(child).Live.Decision)
}

// A mapping that lost a field calls for no write.
func TestExplainAFieldThatLeftTheMapping(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 2)
	s.Load()
	key := s.Sandboxes.Dynamics.Keys("contacts")[0]
	s.Table.Fields = s.Table.Fields[1:]
	live := s.Explain(key).Live
	require.Equal(t, "nothing", live.Decision, live.Why)
	require.Equal(t, "what Dynamics says has been written", live.Why)
	require.Equal(t, activities.Counts{Read: 2, Unchanged: 2}, s.Plan(activities.PlanInput{}).Counts)
	s.Preflight()
	require.Equal(t, activities.Counts{Read: 2, Unchanged: 2}, s.Pass(activities.KindBackfill, activities.PhaseScan).Counts, "as was said")
}
