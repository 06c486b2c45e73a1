package activities_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/mapping"
)

func (s *spine) explain(id string) activities.ExplainResult {
	s.t.Helper()
	return call[activities.ExplainResult](s, s.in.Explain, activities.ExplainInput{Table: s.table, ID: id, Live: true})
}

// Support asks why a record is as it is; each answer names the state, the rule
// and the run, and no value.
func TestExplain(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 8)
	s.table.Filter = mapping.Filter{Where: []mapping.Condition{{Column: "jobtitle", Is: "not_equals", Value: "left"}}}
	keys := s.boxes.Dynamics.Keys("contacts")
	s.edit(keys[1], map[string]any{"jobtitle": "left"})
	s.edit(keys[2], map[string]any{"emailaddress1": "not-an-address"})
	s.seed(map[string]any{"externalId": keys[3], "lastName": "Old"})
	s.load()
	require.True(t, s.boxes.Dynamics.Delete("contacts", keys[4]))
	s.edit(keys[5], map[string]any{"jobtitle": "left"})
	s.delta()

	written := s.explain(strings.ToUpper(keys[0]))
	require.Equal(t, "written", written.State)
	require.True(t, written.Held)
	require.Equal(t, "contacts-1", written.LastRun)
	require.Equal(t, "contacts-1", written.Created)
	require.NotEmpty(t, written.Version)
	require.Equal(t, &activities.ExplainLive{InDynamics: true, Version: written.Version, InCampaign: true, Decision: "nothing", Why: "what Dynamics says has been written"}, written.Live)

	left := s.explain(keys[1])
	require.Equal(t, "filtered", left.State)
	require.False(t, left.Held)
	require.Equal(t, "leave out", left.Live.Decision)
	require.Equal(t, "filter.where[0]: jobtitle not_equals", left.Live.Why)
	require.True(t, s.explain(keys[5]).Held, "left out after it was written")

	refused := s.explain(keys[2])
	require.Equal(t, "quarantined", refused.State)
	require.NotEmpty(t, refused.Quarantine.Message)
	require.NotContains(t, fmt.Sprintf("%+v %+v", refused, refused.Quarantine), "not-an-address")

	require.Contains(t, s.explain(keys[3]).Meaning, "adopted")
	gone := s.explain(keys[4])
	require.Equal(t, "deleted", gone.State)
	require.Equal(t, "neither system has it", gone.Live.Why)

	s.edit(keys[0], map[string]any{"lastname": "Quibblethorn"})
	require.NoError(t, s.boxes.Campaign.Update("profile", keys[6], []byte(`{"lastName":"Somebody"}`)))
	changed := s.explain(keys[0])
	require.Equal(t, "update", changed.Live.Decision)
	require.Contains(t, changed.Live.Differences["lastName"], "-> text of 12")
	there := s.explain(keys[6])
	require.Equal(t, "nothing", there.Live.Decision)
	require.Contains(t, there.Live.Why, "Campaign was changed since")
	require.Contains(t, there.Live.Differences, "lastName")

	nobody := s.explain("00000000-0000-4000-8000-000000000000")
	require.Equal(t, "never seen", nobody.State)
	require.Equal(t, "neither system has it", nobody.Live.Why)
}

// What a rollback put back, what an operator gave up, and a change of what is not
// mapped are told from what was just written or refused.
func TestExplainWhatIsNotAsLastRead(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 3)
	keys := s.boxes.Dynamics.Keys("contacts")
	s.load()

	s.edit(keys[0], map[string]any{"description": "quibble"})
	s.delta()
	read := s.explain(keys[0])
	require.NotEqual(t, read.Version, read.Live.Version)
	require.Equal(t, "nothing", read.Live.Decision)
	require.Equal(t, "what Dynamics says has been written; what changed in Dynamics since version "+read.Version+" is not mapped", read.Live.Why)

	s.edit(keys[1], map[string]any{"lastname": "Quibblethorn"})
	s.delta()
	s.rollback(s.lastRun())
	back := s.explain(keys[1])
	require.Equal(t, "written", back.State)
	require.Contains(t, back.Meaning, "a rollback put back what Campaign held before")
	require.Equal(t, back.Version, back.Live.Version)
	require.Equal(t, "update", back.Live.Decision)
	require.Contains(t, back.Live.Why, "Dynamics has not changed since it was last read")

	s.edit(keys[2], map[string]any{"emailaddress1": "not-an-address"})
	s.delta()
	require.NotContains(t, s.explain(keys[2]).Meaning, "discarded")
	call[activities.DiscardResult](s, s.op.DiscardQuarantined, activities.DiscardInput{Table: "contacts", Selection: activities.Selection{IDs: keys[2:]}, Discard: activities.Discard{By: "ada", Reason: "agreed", At: time.Now()}})
	given := s.explain(keys[2])
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
	w.load()
	waits := w.explain(child)
	require.Equal(t, "parked", waits.State)
	require.Equal(t, "vehicles/"+v, waits.Waits.Parent)
	require.Equal(t, "wait", waits.Live.Decision)
	require.Contains(t, waits.Live.Why, "Campaign does not hold its parent yet; it goes on by itself when that is there: vehicles/"+v)
	f.vehicles.load()
	require.True(t, w.explain(child).Waits.Ready)
	require.Equal(t, "create", w.explain(child).Live.Decision)

	s := newSpine(t, 150)
	s.load()
	keys := s.boxes.Dynamics.Keys("contacts")
	for _, key := range keys[:120] {
		require.True(t, s.boxes.Dynamics.Delete("contacts", key))
	}
	out := s.pass(activities.KindDelta, activities.PhaseDelta)
	require.Contains(t, s.explain(keys[0]).Waits.For, "causeway approve "+out.Approvals[0].Run)
}

// What would happen now depends on the relatives of a record.
func TestExplainLooksAtParentsAndChildren(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 1)
	v := f.vehicle("")
	changed, deleted, quiet, late := f.service(v), f.service(v), f.service(v), f.vehicle("")
	live := func(s *spine, id string) (string, string) {
		t.Helper()
		got := s.explain(id).Live
		return got.Decision, got.Why
	}
	decides := func(s *spine, id, decision, why string) {
		t.Helper()
		d, w := live(s, id)
		require.Equal(t, decision, d, w)
		require.Contains(t, w, why)
	}
	decides(f.services, quiet, "create", "until its parent is there Campaign may hide it: vehicles/"+v)
	w := f.warranty()
	w.start()
	decides(w, quiet, "wait", "vehicles/"+v)

	f.services.load()
	require.NoError(t, f.boxes.Dynamics.Update("new_services", changed, map[string]any{"new_name": "Tyres"}))
	require.True(t, f.boxes.Dynamics.Delete("new_services", deleted))
	decides(f.services, quiet, "nothing", "Campaign hides it until its parent is there: vehicles/"+v)
	decides(f.services, changed, "wait", "vehicles/"+v)
	decides(f.services, deleted, "wait", "it is deleted then: vehicles/"+v)
	require.Equal(t, activities.Counts{Read: 2, Parked: 2}, f.services.delta(), "as was said")

	f.vehicles.load()
	decides(f.services, changed, "update", "Dynamics has changed since the last write")
	decides(f.services, deleted, "delete", "Dynamics does not have it any more")
	require.Equal(t, activities.Counts{Read: 2, Updated: 1, Deleted: 1}, f.services.delta())

	require.True(t, f.boxes.Dynamics.Delete("new_vehicles", v)) // takes its services along
	decides(f.vehicles, v, "wait", "records that name it are deleted first")
	decides(f.services, quiet, "delete", "")
	require.True(t, f.boxes.Dynamics.Delete("new_vehicles", late))
	decides(f.vehicles, late, "delete", "")
}

// What somebody deleted in Campaign comes back with its next change, not before.
func TestExplainSaysWhenWhatIsGoneFromCampaignComesBack(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 3)
	s.load()
	key := s.boxes.Dynamics.Keys("contacts")[0]
	require.NoError(t, s.boxes.Campaign.Delete("profile", key))
	gone := s.explain(key).Live
	require.Equal(t, "nothing", gone.Decision, gone.Why)
	require.Contains(t, gone.Why, "somebody deleted it in Campaign since")
	require.Zero(t, s.pass(activities.KindBackfill, activities.PhaseScan).Counts.Created, "as was said")
	s.edit(key, map[string]any{"address1_city": "Nebelheim"})
	require.Equal(t, "create", s.explain(key).Live.Decision)
	require.Equal(t, activities.Counts{Read: 1, Created: 1}, s.delta())
}
