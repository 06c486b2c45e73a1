package activities_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/sandbox/kit"
)

// audit runs a whole audit, as the workflow does.
func (s *spine) audit(run string) activities.AuditFindings {
	s.t.Helper()
	in := activities.AuditInput{Run: run, Table: s.table}
	call[activities.OpenAuditResult](s, s.in.OpenAudit, in)
	for more := true; more; {
		more = call[activities.AuditPagesResult](s, s.in.AuditPages, in).More
	}
	for more, after := true, ""; more; {
		got := call[activities.AuditMissingResult](s, s.in.AuditMissing, activities.AuditMissingInput{AuditInput: in, After: after})
		more, after = got.More, got.After
	}
	return call[activities.AuditFindings](s, s.in.EndAudit, in)
}

// correct tells the ledger what an audit found.
func (s *spine) correct(run string) int64 {
	s.t.Helper()
	return call[activities.ApplyFindingsResult](s, s.in.ApplyFindings, activities.ApplyFindingsInput{Table: s.table.Name, Run: run}).Corrected
}

// An audit finds what somebody did in Campaign, costs little when nothing was
// done, and after a repair both systems are in step again.
func TestAnAuditFindsAndRepairsWhatWasDoneInCampaign(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 2_300)
	s.load()
	before := s.engineCalls()
	require.Equal(t, activities.AuditFindings{}, s.audit("a1"))
	require.Equal(t, before+3, s.engineCalls(), "one call per 1,000 records")

	keys := s.boxes.Dynamics.Keys("contacts")
	s.editProfile(keys[0], `{"lastName":"Somebody"}`)
	s.editProfile(keys[1], `{"lastName":"Else","location":{"city":"Elsewhere"}}`)
	require.NoError(t, s.boxes.Campaign.Delete("profile", keys[2]))
	s.seed(map[string]any{"externalId": "not-ours", "lastName": "Stray"})
	s.seed(map[string]any{"lastName": "Without a key"})

	before = s.engineCalls()
	found := s.audit("a2")
	require.Equal(t, int64(2), found.Changed)
	require.Equal(t, int64(1), found.Missing)
	require.Equal(t, int64(1), found.Stray, "a profile without a key is not looked at (R2.5)")
	require.Equal(t, []activities.PlanCount{{What: "lastName", Records: 2}, {What: "location.city", Records: 1}}, found.Fields)
	require.Equal(t, before+3+3, s.engineCalls(), "one more for each record that differs")
	require.NotContains(t, fmt.Sprintf("%+v", found), "Somebody")

	plan := call[activities.PlanResult](s, s.in.Plan, activities.PlanInput{Table: s.table, AllNew: true, Baseline: true})
	require.False(t, plan.WouldWrite(), "nothing in Dynamics has changed")
	require.Equal(t, int64(3), s.correct("a2"))
	require.Zero(t, s.correct("a2"), "again changes nothing")
	require.Equal(t, "lost", s.explain(keys[2]).State)
	repaired := s.pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep)
	require.Equal(t, activities.Counts{Read: 2_300, Created: 1, Updated: 2, Unchanged: 2_297}, repaired.Counts)
	require.ElementsMatch(t, []string{"not-ours is too many", " is too many"}, s.differences(), "strays are left alone")
	again := s.audit("a3")
	require.Equal(t, int64(1), again.Stray)
	require.Zero(t, again.Drifted())
}

// R11.8: a field whose updates are not applied belongs to Campaign.
func TestAnAuditLeavesFieldsOfCampaignAlone(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 5)
	no := false
	for i := range s.table.Fields {
		if s.table.Fields[i].To == "location.city" {
			s.table.Fields[i].ApplyUpdates = &no
		}
	}
	s.load()
	s.editProfile(s.boxes.Dynamics.Keys("contacts")[0], `{"location":{"city":"Elsewhere"}}`)
	require.Zero(t, s.audit("a1").Drifted())
}

// What was written between the look and the correction is newer than the look.
func TestACorrectionDoesNotUndoALaterWrite(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 5)
	s.load()
	key := s.boxes.Dynamics.Keys("contacts")[0]
	s.editProfile(key, `{"lastName":"Somebody"}`)
	require.Equal(t, int64(1), s.audit("a1").Changed)
	s.edit(key, map[string]any{"lastname": "Quibblethorn"})
	require.Equal(t, int64(1), s.delta().Updated)
	require.Zero(t, s.correct("a1"))
	require.Zero(t, s.audit("a2").Drifted())
}

// An audit of a table that was never loaded says so.
func TestAnAuditOfNothingIsRefused(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 1)
	_, err := s.env.ExecuteActivity(s.in.OpenAudit, activities.AuditInput{Run: "a1", Table: s.table})
	require.ErrorContains(t, err, "nothing of contacts was written to Campaign yet")
}

// Links are compared as far as they can be told; a parent deleted in Campaign by
// somebody hides its children, and the repair brings all of them back.
func TestAnAuditRepairsAFamily(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 2)
	v := f.vehicle(f.boxes.Dynamics.Keys("contacts")[0])
	child := f.service(v)
	f.load()
	f.vehicles.load()
	f.services.load()
	require.Zero(t, f.vehicles.audit("v1").Drifted())
	require.Zero(t, f.services.audit("s1").Drifted())

	require.NoError(t, f.boxes.Campaign.Delete("cusVehicle", v))
	require.True(t, f.boxes.Campaign.Hidden("cusService", child))
	require.Equal(t, int64(1), f.vehicles.audit("v2").Missing)
	require.Equal(t, int64(1), f.services.audit("s2").Missing)
	require.Equal(t, int64(1), f.vehicles.correct("v2"))
	again := f.vehicles.pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep)
	require.Equal(t, int64(1), again.Counts.Created)
	require.False(t, f.boxes.Campaign.Hidden("cusService", child))
	require.Zero(t, f.services.audit("s3").Drifted())
}

// An audit that failed, and was reset to the step that did, goes on and completes.
func TestAnAuditGoesOnAfterItFailed(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 20)
	s.load()
	in := activities.AuditInput{Run: "audit-1", Table: s.table}
	call[activities.OpenAuditResult](s, s.in.OpenAudit, in)
	_, err := s.env.ExecuteActivity("EndRun", activities.EndRunInput{RunRef: activities.RunRef{Run: in.Run, Table: "contacts", Kind: activities.KindAudit}, State: "FAILED", Reason: "x"})
	require.NoError(t, err)
	shown := call[activities.ShowRunResult](s, s.op.ShowRun, activities.ShowRunInput{Run: in.Run})
	require.Equal(t, "FAILED", shown.Info.State)
	require.EqualValues(t, 20, call[activities.AuditPagesResult](s, s.in.AuditPages, in).Listed)
	require.Zero(t, call[activities.AuditFindings](s, s.in.EndAudit, in))
	shown = call[activities.ShowRunResult](s, s.op.ShowRun, activities.ShowRunInput{Run: in.Run})
	require.Equal(t, "COMPLETED", shown.Info.State)
}

// An audit reads hundreds of records in one attempt; passing faults at every tenth
// of them must not make it begin again and again.
func TestAnAuditEndsDespitePassingFaults(t *testing.T) {
	t.Parallel()
	s := newSpine(t, 200)
	s.load()
	for _, key := range s.boxes.Dynamics.Keys("contacts") {
		s.editProfile(key, `{"lastName":"Somebody"}`)
	}
	_, err := s.boxes.Faults.Add(kit.Rule{Service: "campaign", Method: "GET", Path: "/profile/", Action: kit.Respond, Status: 503,
		Body: `{"error_code":"503010","message":"Could not validate the oauth token"}`, Probability: 0.1, Seed: 1})
	require.NoError(t, err)
	require.Equal(t, int64(200), s.audit("a1").Changed)
	require.Greater(t, s.boxes.Faults.List()[0].Hits, 5)
}
