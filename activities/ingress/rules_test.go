package ingress_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/internal/mapping"
)

// R13.1, R13.5, R13.8, R13.12: what does not match costs no call; what stops
// matching stays as it was.
func TestAFilterKeepsWhatNoLongerMatches(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 40)
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	for _, key := range keys {
		s.Edit(key, map[string]any{"jobtitle": "staff"})
	}
	for _, key := range keys[:30] {
		s.Edit(key, map[string]any{"jobtitle": "customer"})
	}
	s.Table.Filter = mapping.Filter{Where: []mapping.Condition{{Column: "jobtitle", Is: "equals", Value: "customer"}}} // R13.2: not mapped
	first := s.Load()
	require.Equal(t, activities.Counts{Read: 80, Created: 30, Unchanged: 30, Filtered: 20}, first.Counts, "the catch-up reads every edited record again")
	require.Equal(t, int64(30), s.EngineCalls())

	s.Edit(keys[35], map[string]any{"address1_city": "Elsewhere"})
	require.Equal(t, activities.Counts{Read: 1, Filtered: 1}, s.Delta())
	require.Equal(t, int64(30), s.EngineCalls(), "R13.8")

	before := s.Sandboxes.Campaign.Profile(keys[0])
	s.Edit(keys[0], map[string]any{"jobtitle": "staff", "address1_city": "Elsewhere"})
	require.Equal(t, activities.Counts{Read: 1, Filtered: 1}, s.Delta())
	require.Equal(t, before, s.Sandboxes.Campaign.Profile(keys[0]), "R13.5")

	s.Edit(keys[0], map[string]any{"jobtitle": "customer"})
	s.Edit(keys[35], map[string]any{"jobtitle": "customer"})
	require.Equal(t, activities.Counts{Read: 2, Created: 1, Updated: 1}, s.Delta())
	require.Equal(t, int64(32), s.EngineCalls())

	again := s.Pass(activities.KindBackfill, activities.PhaseScan) // R13.12
	require.Equal(t, activities.Counts{Read: 40, Unchanged: 31, Filtered: 9}, again.Counts)
	require.Equal(t, int64(32), s.EngineCalls())

	require.True(t, s.Sandboxes.Dynamics.Delete("contacts", keys[36]))
	require.Equal(t, activities.Counts{Read: 1, Unchanged: 1}, s.Delta())
	require.Equal(t, int64(32), s.EngineCalls(), "a record that Campaign never had is not deleted there")
}

// R13.6, R13.7, R13.9.
func TestAFilterDeletesWhatNoLongerMatches(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 10)
	off := false
	s.Table.Fields[1].ApplyUpdates = &off // lastname
	s.Table.Filter = mapping.Filter{DeleteUnmatched: true, Where: []mapping.Condition{{Column: "jobtitle", Is: "not_equals", Value: "left"}}}
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	s.Edit(keys[9], map[string]any{"jobtitle": "left"})
	s.InsertProfile(map[string]any{"externalId": keys[9], "lastName": "Foreign"})
	s.Load()
	require.NotNil(t, s.Sandboxes.Campaign.Profile(keys[9]), "R13.7: not ours, so it stays")

	calls := s.EngineCalls()
	s.Edit(keys[0], map[string]any{"jobtitle": "left", "lastname": "Newname"})
	require.Equal(t, activities.Counts{Read: 1, Deleted: 1}, s.Delta())
	require.Nil(t, s.Sandboxes.Campaign.Profile(keys[0]))
	require.Equal(t, calls+2, s.EngineCalls(), "a look at its opt-outs, and its delete")
	s.Edit(keys[0], map[string]any{"address1_city": "Elsewhere"})
	require.Equal(t, activities.Counts{Read: 1, Filtered: 1}, s.Delta(), "deleted once")

	s.Edit(keys[0], map[string]any{"jobtitle": nil})
	require.Equal(t, activities.Counts{Read: 1, Created: 1}, s.Delta())
	require.Equal(t, "Newname", s.Sandboxes.Campaign.Profile(keys[0])["lastName"], "R13.9: all fields, also those without updates")
}

// R15.3: a changed filter calls for a new look at every record, which costs only
// what differs.
func TestAChangedFilterIsAppliedToAllRecords(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 20)
	s.Load()
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	for _, key := range keys[:5] {
		s.Edit(key, map[string]any{"jobtitle": "left"})
	}
	s.Delta()
	calls := s.EngineCalls()
	s.Table.Filter = mapping.Filter{DeleteUnmatched: true, Where: []mapping.Condition{{Column: "jobtitle", Is: "not_equals", Value: "left"}}}
	checked := activitytest.Call[activities.PreflightResult](s, s.Ingress.Preflight, activities.PreflightInput{Table: s.Table})
	require.True(t, checked.NeedsBaseline)
	out := s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep)
	require.Equal(t, int64(10), out.Counts.Parked, "deletes of a run are counted first; the catch-up reads them again")
	require.Empty(t, out.Approvals)
	require.Equal(t, activities.Counts{Read: 5, Deleted: 5}, s.Delta())
	require.Equal(t, calls+10, s.EngineCalls(), "a look at the opt-outs of each, and its delete")
	require.Equal(t, int64(15), s.Sandboxes.Campaign.Count("profile"))
}

// R11.7, R11.8, R11.9, R16.6.
func TestFieldsWithoutUpdates(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 10)
	off := false
	s.Table.Fields[1].ApplyUpdates = &off // lastname
	s.Table.Erased = mapping.RestoreErased
	s.Load()
	key := s.Sandboxes.Dynamics.Keys("contacts")[0]
	city := func(id string) any { return s.Sandboxes.Campaign.Profile(id)["location"].(map[string]any)["city"] }
	was := s.Sandboxes.Campaign.Profile(key)["lastName"]

	s.Edit(key, map[string]any{"lastname": "Newname", "address1_city": "Nebelheim"})
	require.Equal(t, activities.Counts{Read: 1, Updated: 1}, s.Delta())
	require.Equal(t, was, s.Sandboxes.Campaign.Profile(key)["lastName"], "R11.8")
	require.Equal(t, "Nebelheim", city(key), "R11.7")
	calls := s.EngineCalls()
	s.Edit(key, map[string]any{"lastname": "Othername"})
	require.Equal(t, activities.Counts{Read: 1, Unchanged: 1}, s.Delta())
	require.Equal(t, calls, s.EngineCalls(), "what is not propagated costs nothing")

	added, err := s.Sandboxes.Dynamics.Insert("contacts", map[string]any{"lastname": "Quibblethorn"})
	require.NoError(t, err)
	s.Delta()
	require.Equal(t, "Quibblethorn", s.Sandboxes.Campaign.Profile(added)["lastName"], "R11.9")

	out := s.Pass(activities.KindBackfill, activities.PhaseScan)
	require.Equal(t, activities.Counts{Read: 11, Updated: 1, Unchanged: 10}, out.Counts)
	require.Equal(t, "Othername", s.Sandboxes.Campaign.Profile(key)["lastName"], "R16.6")

	s.Edit(key, map[string]any{"lastname": "Latername"})
	s.Delta()
	require.NoError(t, s.Sandboxes.Campaign.Delete("profile", key))
	s.Edit(key, map[string]any{"address1_city": "Elsewhere"})
	s.Delta()
	require.Equal(t, "Latername", s.Sandboxes.Campaign.Profile(key)["lastName"], "created again, so written")
}

// R2.5, R2.6, R2.7: who has the key is adopted, nobody else is touched.
func TestOwnership(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 5)
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	for _, key := range keys {
		s.Edit(key, map[string]any{"donotbulkemail": false, "lastname": "Brandt"})
	}
	s.Edit(keys[2], map[string]any{"donotbulkemail": true})
	s.InsertProfile(map[string]any{"externalId": "crm-17", "lastName": "Foreign"})
	for i, optedOut := range []bool{true, false, false} {
		s.InsertProfile(map[string]any{"externalId": keys[i], "lastName": "Old", "blackListEmail": optedOut, "fax": "1"})
	}
	out := s.Load()
	require.Equal(t, int64(2), out.Counts.Created)
	require.Equal(t, int64(3), out.Counts.Updated)
	require.Equal(t, "Foreign", s.Sandboxes.Campaign.Profile("crm-17")["lastName"], "R2.5")
	require.Equal(t, "Brandt", s.Sandboxes.Campaign.Profile(keys[0])["lastName"], "R2.7")
	require.Equal(t, "1", s.Sandboxes.Campaign.Profile(keys[0])["fax"], "what is not mapped stays")
	for i, want := range []bool{true, false, true} {
		require.Equal(t, want, s.Sandboxes.Campaign.Profile(keys[i])["blackListEmail"], "an opt-out survives adoption, record %d", i)
	}
	require.Equal(t, int64(6), s.Sandboxes.Campaign.Count("profile"), "R2.6: not doubled")

	s.Edit(keys[0], map[string]any{"address1_city": "Elsewhere"})
	s.Delta()
	require.Equal(t, true, s.Sandboxes.Campaign.Profile(keys[0])["blackListEmail"], "and every change of another field")
	s.Edit(keys[0], map[string]any{"donotbulkemail": true})
	s.Delta()
	s.Edit(keys[0], map[string]any{"donotbulkemail": false})
	s.Delta()
	require.Equal(t, false, s.Sandboxes.Campaign.Profile(keys[0])["blackListEmail"], "until somebody ends it in Dynamics")
}

// The same, where the operator says that Dynamics decides.
func TestOptOutsCanBeCleared(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 1)
	s.Table.ClearOptOuts = true
	key := s.Sandboxes.Dynamics.Keys("contacts")[0]
	s.Edit(key, map[string]any{"donotbulkemail": false})
	s.InsertProfile(map[string]any{"externalId": key, "blackListEmail": true})
	s.Load()
	require.Equal(t, false, s.Sandboxes.Campaign.Profile(key)["blackListEmail"])
}

// R12.3, R16.8: replacements apply to loads, changes and replays alike.
func TestReplacementsAreApplied(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 6)
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	for i, key := range keys {
		s.Edit(key, map[string]any{"address1_city": fmt.Sprintf("Town %d", i%2)})
	}
	s.Table.Fields[4].Replace = map[string]string{"Town 1": "Nebelheim"}
	s.Load()
	city := func(id string) any { return s.Sandboxes.Campaign.Profile(id)["location"].(map[string]any)["city"] }
	require.Equal(t, "Town 0", city(keys[0]))
	require.Equal(t, "Nebelheim", city(keys[1]))
	calls := s.EngineCalls()
	s.Edit(keys[1], map[string]any{"address1_city": "Nebelheim"})
	require.Equal(t, activities.Counts{Read: 1, Unchanged: 1}, s.Delta(), "R12.6: compared after replacement")
	s.Pass(activities.KindBackfill, activities.PhaseScan)
	require.Equal(t, calls, s.EngineCalls())
}

// Campaign's data policies change what is written (smartCase, email). What comes
// back is the same value: neither a replay, nor an adoption, nor an audit takes
// it for a difference, so nothing is written over and over.
func TestDataPoliciesCauseNoWrites(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 3)
	keys := s.Sandboxes.Dynamics.Keys("contacts")
	for i, key := range keys {
		s.Edit(key, map[string]any{"firstname": "ANNA maria", "lastname": "von DER berg", "emailaddress1": fmt.Sprintf("Anna.%d@Example.TEST", i), "donotbulkemail": false})
	}
	s.Load()
	require.Equal(t, "Anna Maria", s.Sandboxes.Campaign.Profile(keys[0])["firstName"], "smartCase is at work")
	calls := s.EngineCalls()
	require.Equal(t, activities.Counts{Read: 3, Unchanged: 3}, s.Pass(activities.KindBackfill, activities.PhaseScan).Counts)
	s.Edit(keys[1], map[string]any{"jobtitle": "captain"}) // not mapped
	require.Equal(t, activities.Counts{Read: 1, Unchanged: 1}, s.Delta())
	require.Equal(t, calls, s.EngineCalls())
	require.Zero(t, s.Audit("a1").Drifted())

	// A ledger that knows nothing meets what Campaign made of it.
	again := activitytest.NewWorld(t, 0)
	id := again.InsertRow("contacts", map[string]any{"firstname": "ANNA maria", "lastname": "von DER berg", "emailaddress1": "Anna.9@Example.TEST"})
	again.InsertProfile(map[string]any{"externalId": id, "firstName": "Anna Maria", "lastName": "Von Der Berg", "email": "anna.9@example.test"})
	out := again.Load()
	require.Equal(t, activities.Counts{Read: 2, Unchanged: 2}, out.Counts, "the catch-up reads it again")
	require.Zero(t, again.Sandboxes.Campaign.WriteCounts("profile", id).Updates)

	// Another case in Dynamics is a change like any other: one call, once.
	s.Edit(keys[0], map[string]any{"firstname": "Anna Maria"})
	require.Equal(t, activities.Counts{Read: 1, Updated: 1}, s.Delta())
	require.Zero(t, s.Pass(activities.KindBackfill, activities.PhaseScan).Counts.Updated)
}
