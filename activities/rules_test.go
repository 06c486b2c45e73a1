package activities_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/internal/mapping"
)

// load checks the mapping and runs the initial load.
func (s *spine) load() activities.SaveWatermarkResult {
	s.t.Helper()
	s.start()
	return s.pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp)
}

// edit changes a contact in Dynamics.
func (s *spine) edit(id string, values map[string]any) {
	s.t.Helper()
	require.NoError(s.t, s.boxes.Dynamics.Update("contacts", id, values))
}

// seed adds a profile as a Campaign user would.
func (s *spine) seed(profile map[string]any) {
	s.t.Helper()
	body, err := json.Marshal(profile)
	require.NoError(s.t, err)
	require.NoError(s.t, s.boxes.Campaign.Insert("profile", body))
}

func (s *spine) delta() activities.Counts {
	s.t.Helper()
	out := s.pass(activities.KindDelta, activities.PhaseDelta)
	require.Equal(s.t, "COMPLETED", out.State)
	return out.Counts
}

// R13.1, R13.5, R13.8, R13.12: what does not match costs no call; what stops
// matching stays as it was.
func TestAFilterKeepsWhatNoLongerMatches(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 40)
	keys := s.boxes.Dynamics.Keys("contacts")
	for _, key := range keys {
		s.edit(key, map[string]any{"jobtitle": "staff"})
	}
	for _, key := range keys[:30] {
		s.edit(key, map[string]any{"jobtitle": "customer"})
	}
	s.table.Filter = mapping.Filter{Where: []mapping.Condition{{Column: "jobtitle", Is: "equals", Value: "customer"}}} // R13.2: not mapped
	first := s.load()
	require.Equal(t, activities.Counts{Read: 80, Created: 30, Unchanged: 30, Filtered: 20}, first.Counts, "the catch-up reads every edited record again")
	require.Equal(t, int64(30), s.engineCalls())

	s.edit(keys[35], map[string]any{"address1_city": "Elsewhere"})
	require.Equal(t, activities.Counts{Read: 1, Filtered: 1}, s.delta())
	require.Equal(t, int64(30), s.engineCalls(), "R13.8")

	before := s.boxes.Campaign.Profile(keys[0])
	s.edit(keys[0], map[string]any{"jobtitle": "staff", "address1_city": "Elsewhere"})
	require.Equal(t, activities.Counts{Read: 1, Filtered: 1}, s.delta())
	require.Equal(t, before, s.boxes.Campaign.Profile(keys[0]), "R13.5")

	s.edit(keys[0], map[string]any{"jobtitle": "customer"})
	s.edit(keys[35], map[string]any{"jobtitle": "customer"})
	require.Equal(t, activities.Counts{Read: 2, Created: 1, Updated: 1}, s.delta())
	require.Equal(t, int64(32), s.engineCalls())

	again := s.pass(activities.KindBackfill, activities.PhaseScan) // R13.12
	require.Equal(t, activities.Counts{Read: 40, Unchanged: 31, Filtered: 9}, again.Counts)
	require.Equal(t, int64(32), s.engineCalls())

	require.True(t, s.boxes.Dynamics.Delete("contacts", keys[36]))
	require.Equal(t, activities.Counts{Read: 1, Unchanged: 1}, s.delta())
	require.Equal(t, int64(32), s.engineCalls(), "a record that Campaign never had is not deleted there")
}

// R13.6, R13.7, R13.9.
func TestAFilterDeletesWhatNoLongerMatches(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 10)
	off := false
	s.table.Fields[1].ApplyUpdates = &off // lastname
	s.table.Filter = mapping.Filter{DeleteUnmatched: true, Where: []mapping.Condition{{Column: "jobtitle", Is: "not_equals", Value: "left"}}}
	keys := s.boxes.Dynamics.Keys("contacts")
	s.edit(keys[9], map[string]any{"jobtitle": "left"})
	s.seed(map[string]any{"externalId": keys[9], "lastName": "Foreign"})
	s.load()
	require.NotNil(t, s.boxes.Campaign.Profile(keys[9]), "R13.7: not ours, so it stays")

	calls := s.engineCalls()
	s.edit(keys[0], map[string]any{"jobtitle": "left", "lastname": "Newname"})
	require.Equal(t, activities.Counts{Read: 1, Deleted: 1}, s.delta())
	require.Nil(t, s.boxes.Campaign.Profile(keys[0]))
	require.Equal(t, calls+1, s.engineCalls())
	s.edit(keys[0], map[string]any{"address1_city": "Elsewhere"})
	require.Equal(t, activities.Counts{Read: 1, Filtered: 1}, s.delta(), "deleted once")

	s.edit(keys[0], map[string]any{"jobtitle": nil})
	require.Equal(t, activities.Counts{Read: 1, Created: 1}, s.delta())
	require.Equal(t, "Newname", s.boxes.Campaign.Profile(keys[0])["lastName"], "R13.9: all fields, also those without updates")
}

// R15.3: a changed filter calls for a new look at every record, which costs only
// what differs.
func TestAChangedFilterIsAppliedToAllRecords(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 20)
	s.load()
	keys := s.boxes.Dynamics.Keys("contacts")
	for _, key := range keys[:5] {
		s.edit(key, map[string]any{"jobtitle": "left"})
	}
	s.delta()
	calls := s.engineCalls()
	s.table.Filter = mapping.Filter{DeleteUnmatched: true, Where: []mapping.Condition{{Column: "jobtitle", Is: "not_equals", Value: "left"}}}
	checked := call[activities.PreflightResult](s, s.in.Preflight, activities.PreflightInput{Table: s.table})
	require.True(t, checked.NeedsBaseline)
	out := s.pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep)
	require.Equal(t, int64(10), out.Counts.Parked, "deletes of a run are counted first; the catch-up reads them again")
	require.Empty(t, out.Approvals)
	require.Equal(t, activities.Counts{Read: 5, Deleted: 5}, s.delta())
	require.Equal(t, calls+5, s.engineCalls())
	require.Equal(t, int64(15), s.boxes.Campaign.Count("profile"))
}

// R11.7, R11.8, R11.9, R16.6.
func TestFieldsWithoutUpdates(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 10)
	off := false
	s.table.Fields[1].ApplyUpdates = &off // lastname
	s.load()
	key := s.boxes.Dynamics.Keys("contacts")[0]
	city := func(id string) any { return s.boxes.Campaign.Profile(id)["location"].(map[string]any)["city"] }
	was := s.boxes.Campaign.Profile(key)["lastName"]

	s.edit(key, map[string]any{"lastname": "Newname", "address1_city": "Nebelheim"})
	require.Equal(t, activities.Counts{Read: 1, Updated: 1}, s.delta())
	require.Equal(t, was, s.boxes.Campaign.Profile(key)["lastName"], "R11.8")
	require.Equal(t, "Nebelheim", city(key), "R11.7")
	calls := s.engineCalls()
	s.edit(key, map[string]any{"lastname": "Othername"})
	require.Equal(t, activities.Counts{Read: 1, Unchanged: 1}, s.delta())
	require.Equal(t, calls, s.engineCalls(), "what is not propagated costs nothing")

	added, err := s.boxes.Dynamics.Insert("contacts", map[string]any{"lastname": "Quibblethorn"})
	require.NoError(t, err)
	s.delta()
	require.Equal(t, "Quibblethorn", s.boxes.Campaign.Profile(added)["lastName"], "R11.9")

	out := s.pass(activities.KindBackfill, activities.PhaseScan)
	require.Equal(t, activities.Counts{Read: 11, Updated: 1, Unchanged: 10}, out.Counts)
	require.Equal(t, "Othername", s.boxes.Campaign.Profile(key)["lastName"], "R16.6")

	s.edit(key, map[string]any{"lastname": "Latername"})
	s.delta()
	require.NoError(t, s.boxes.Campaign.Delete("profile", key))
	s.edit(key, map[string]any{"address1_city": "Elsewhere"})
	s.delta()
	require.Equal(t, "Latername", s.boxes.Campaign.Profile(key)["lastName"], "created again, so written")
}

// R2.5, R2.6, R2.7: who has the key is adopted, nobody else is touched.
func TestOwnership(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 5)
	keys := s.boxes.Dynamics.Keys("contacts")
	for _, key := range keys {
		s.edit(key, map[string]any{"donotbulkemail": false, "lastname": "Brandt"})
	}
	s.edit(keys[2], map[string]any{"donotbulkemail": true})
	s.seed(map[string]any{"externalId": "crm-17", "lastName": "Foreign"})
	for i, optedOut := range []bool{true, false, false} {
		s.seed(map[string]any{"externalId": keys[i], "lastName": "Old", "blackListEmail": optedOut, "fax": "1"})
	}
	out := s.load()
	require.Equal(t, int64(2), out.Counts.Created)
	require.Equal(t, int64(3), out.Counts.Updated)
	require.Equal(t, "Foreign", s.boxes.Campaign.Profile("crm-17")["lastName"], "R2.5")
	require.Equal(t, "Brandt", s.boxes.Campaign.Profile(keys[0])["lastName"], "R2.7")
	require.Equal(t, "1", s.boxes.Campaign.Profile(keys[0])["fax"], "what is not mapped stays")
	for i, want := range []bool{true, false, true} {
		require.Equal(t, want, s.boxes.Campaign.Profile(keys[i])["blackListEmail"], "an opt-out survives adoption, record %d", i)
	}
	require.Equal(t, int64(6), s.boxes.Campaign.Count("profile"), "R2.6: not doubled")

	s.edit(keys[0], map[string]any{"address1_city": "Elsewhere"})
	s.delta()
	require.Equal(t, true, s.boxes.Campaign.Profile(keys[0])["blackListEmail"], "and every change of another field")
	s.edit(keys[0], map[string]any{"donotbulkemail": true})
	s.delta()
	s.edit(keys[0], map[string]any{"donotbulkemail": false})
	s.delta()
	require.Equal(t, false, s.boxes.Campaign.Profile(keys[0])["blackListEmail"], "until somebody ends it in Dynamics")
}

// The same, where the operator says that Dynamics decides.
func TestOptOutsCanBeCleared(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 1)
	s.table.ClearOptOuts = true
	key := s.boxes.Dynamics.Keys("contacts")[0]
	s.edit(key, map[string]any{"donotbulkemail": false})
	s.seed(map[string]any{"externalId": key, "blackListEmail": true})
	s.load()
	require.Equal(t, false, s.boxes.Campaign.Profile(key)["blackListEmail"])
}

// R12.3, R16.8: replacements apply to loads, changes and replays alike.
func TestReplacementsAreApplied(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 6)
	keys := s.boxes.Dynamics.Keys("contacts")
	for i, key := range keys {
		s.edit(key, map[string]any{"address1_city": fmt.Sprintf("Town %d", i%2)})
	}
	s.table.Fields[4].Replace = map[string]string{"Town 1": "Nebelheim"}
	s.load()
	city := func(id string) any { return s.boxes.Campaign.Profile(id)["location"].(map[string]any)["city"] }
	require.Equal(t, "Town 0", city(keys[0]))
	require.Equal(t, "Nebelheim", city(keys[1]))
	calls := s.engineCalls()
	s.edit(keys[1], map[string]any{"address1_city": "Nebelheim"})
	require.Equal(t, activities.Counts{Read: 1, Unchanged: 1}, s.delta(), "R12.6: compared after replacement")
	s.pass(activities.KindBackfill, activities.PhaseScan)
	require.Equal(t, calls, s.engineCalls())
}

// Campaign's data policies change what is written (smartCase, email). What comes
// back is the same value: neither a replay, nor an adoption, nor an audit takes
// it for a difference, so nothing is written over and over.
func TestDataPoliciesCauseNoWrites(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 3)
	keys := s.boxes.Dynamics.Keys("contacts")
	for i, key := range keys {
		s.edit(key, map[string]any{"firstname": "ANNA maria", "lastname": "von DER berg", "emailaddress1": fmt.Sprintf("Anna.%d@Example.TEST", i), "donotbulkemail": false})
	}
	s.load()
	require.Equal(t, "Anna Maria", s.boxes.Campaign.Profile(keys[0])["firstName"], "smartCase is at work")
	calls := s.engineCalls()
	require.Equal(t, activities.Counts{Read: 3, Unchanged: 3}, s.pass(activities.KindBackfill, activities.PhaseScan).Counts)
	s.edit(keys[1], map[string]any{"jobtitle": "captain"}) // not mapped
	require.Equal(t, activities.Counts{Read: 1, Unchanged: 1}, s.delta())
	require.Equal(t, calls, s.engineCalls())
	require.Zero(t, s.audit("a1").Drifted())

	// A ledger that knows nothing meets what Campaign made of it.
	again := newSpine(t, 0)
	id := again.insert("contacts", map[string]any{"firstname": "ANNA maria", "lastname": "von DER berg", "emailaddress1": "Anna.9@Example.TEST"})
	again.seed(map[string]any{"externalId": id, "firstName": "Anna Maria", "lastName": "Von Der Berg", "email": "anna.9@example.test"})
	out := again.load()
	require.Equal(t, activities.Counts{Read: 2, Unchanged: 2}, out.Counts, "the catch-up reads it again")
	require.Zero(t, again.boxes.Campaign.WriteCounts("profile", id).Updates)

	// Another case in Dynamics is a change like any other: one call, once.
	s.edit(keys[0], map[string]any{"firstname": "Anna Maria"})
	require.Equal(t, activities.Counts{Read: 1, Updated: 1}, s.delta())
	require.Zero(t, s.pass(activities.KindBackfill, activities.PhaseScan).Counts.Updated)
}
