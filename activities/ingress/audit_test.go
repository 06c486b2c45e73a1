package ingress_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/internal/mapping"
	"causeway.dev/sandbox/kit"
	"causeway.dev/workflows"
)

// An audit finds what somebody did in Campaign, costs little when nothing was
// done, and after a repair both systems are in step again.
func TestAnAuditFindsAndRepairsWhatWasDoneInCampaign(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 2_300)
	s.Table.Erased = mapping.RestoreErased
	s.Load()
	before := s.EngineCalls()
	require.Equal(t, activities.AuditFindings{}, s.Audit("a1"))
	require.Equal(t, before+3, s.EngineCalls(), "one call per 1,000 records")

	keys := s.Sandboxes.Dynamics.Keys("contacts")
	s.EditProfile(keys[0], `{"lastName":"Somebody"}`)
	s.EditProfile(keys[1], `{"lastName":"Else","location":{"city":"Elsewhere"}}`)
	require.NoError(t, s.Sandboxes.Campaign.Delete("profile", keys[2]))
	s.InsertProfile(map[string]any{"externalId": "not-ours", "lastName": "Stray"})
	s.InsertProfile(map[string]any{"lastName": "Without a key"})

	before = s.EngineCalls()
	found := s.Audit("a2")
	require.Equal(t, int64(2), found.Changed)
	require.Equal(t, int64(1), found.Missing)
	require.Equal(t, int64(1), found.Stray, "a profile without a key is not looked at (R2.5)")
	require.Equal(t, []activities.PlanCount{{What: "lastName", Records: 2}, {What: "location.city", Records: 1}}, found.Fields)
	require.Equal(t, before+3+3, s.EngineCalls(), "one more for each record that differs")
	require.NotContains(t, fmt.Sprintf("%+v", found), "Somebody")

	plan := activitytest.Call[activities.PlanResult](s, s.Ingress.Plan, activities.PlanInput{Table: s.Table, AllNew: true, Baseline: true})
	require.False(t, plan.WouldWrite(), "nothing in Dynamics has changed")
	require.Equal(t, int64(3), s.ApplyFindings("a2"))
	require.Zero(t, s.ApplyFindings("a2"), "again changes nothing")
	require.Equal(t, "lost", s.Explain(keys[2]).State)
	repaired := s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep)
	require.Equal(t, activities.Counts{Read: 2_300, Created: 1, Updated: 2, Unchanged: 2_297}, repaired.Counts)
	require.ElementsMatch(t, []string{"not-ours is too many", " is too many"}, s.Differences(), "strays are left alone")
	again := s.Audit("a3")
	require.Equal(t, int64(1), again.Stray)
	require.Zero(t, again.Drifted())
}

// R11.8: a field whose updates are not applied belongs to Campaign.
func TestAnAuditLeavesFieldsOfCampaignAlone(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 5)
	no := false
	for i := range s.Table.Fields {
		if s.Table.Fields[i].To == "location.city" {
			s.Table.Fields[i].ApplyUpdates = &no
		}
	}
	s.Load()
	s.EditProfile(s.Sandboxes.Dynamics.Keys("contacts")[0], `{"location":{"city":"Elsewhere"}}`)
	require.Zero(t, s.Audit("a1").Drifted())
}

// What was written between the look and the correction is newer than the look.
func TestACorrectionDoesNotUndoALaterWrite(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 5)
	s.Load()
	key := s.Sandboxes.Dynamics.Keys("contacts")[0]
	s.EditProfile(key, `{"lastName":"Somebody"}`)
	require.Equal(t, int64(1), s.Audit("a1").Changed)
	s.Edit(key, map[string]any{"lastname": "Quibblethorn"})
	require.Equal(t, int64(1), s.Delta().Updated)
	require.Zero(t, s.ApplyFindings("a1"))
	require.Zero(t, s.Audit("a2").Drifted())
}

// An audit of a table that was never loaded says so.
func TestAnAuditOfNothingIsRefused(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 1)
	_, err := s.Env.ExecuteActivity(s.Ingress.OpenAudit, activities.AuditInput{Run: "a1", Table: s.Table})
	require.ErrorContains(t, err, "nothing of contacts was written to Campaign yet")
}

// Links are compared as far as they can be told; a parent deleted in Campaign by
// somebody hides its children, and the repair brings all of them back.
func TestAnAuditRepairsAFamily(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 2)
	v := f.vehicle(f.Sandboxes.Dynamics.Keys("contacts")[0])
	child := f.service(v)
	f.Load()
	f.vehicles.Load()
	f.services.Load()
	require.Zero(t, f.vehicles.Audit("v1").Drifted())
	require.Zero(t, f.services.Audit("s1").Drifted())

	require.NoError(t, f.Sandboxes.Campaign.Delete("cusVehicle", v))
	require.True(t, f.Sandboxes.Campaign.Hidden("cusService", child))
	require.Equal(t, int64(1), f.vehicles.Audit("v2").Missing)
	require.Equal(t, int64(1), f.services.Audit("s2").Missing)
	require.Equal(t, int64(1), f.vehicles.ApplyFindings("v2"))
	again := f.vehicles.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep)
	require.Equal(t, int64(1), again.Counts.Created)
	require.False(t, f.Sandboxes.Campaign.Hidden("cusService", child))
	require.Zero(t, f.services.Audit("s3").Drifted())
}

// An audit that failed, and was reset to the step that did, goes on and completes.
func TestAnAuditGoesOnAfterItFailed(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 20)
	s.Load()
	in := activities.AuditInput{Run: "audit-1", Table: s.Table}
	activitytest.Call[activities.OpenAuditResult](s, s.Ingress.OpenAudit, in)
	_, err := s.Env.ExecuteActivity("EndRun", activities.EndRunInput{RunRef: activities.RunRef{Run: in.Run, Table: "contacts", Kind: activities.KindAudit}, State: "FAILED", Reason: "x"})
	require.NoError(t, err)
	shown := activitytest.Call[activities.ShowRunResult](s, s.Operator.ShowRun, activities.ShowRunInput{Run: in.Run})
	require.Equal(t, "FAILED", shown.Info.State)
	require.EqualValues(t, 20, activitytest.Call[activities.AuditPagesResult](s, s.Ingress.AuditPages, in).Listed)
	require.Zero(t, activitytest.Call[activities.AuditFindings](s, s.Ingress.EndAudit, in))
	shown = activitytest.Call[activities.ShowRunResult](s, s.Operator.ShowRun, activities.ShowRunInput{Run: in.Run})
	require.Equal(t, "COMPLETED", shown.Info.State)
}

// An audit reads hundreds of records in one attempt; passing faults at every tenth
// of them must not make it begin again and again.
func TestAnAuditEndsDespitePassingFaults(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 200)
	s.Load()
	for _, key := range s.Sandboxes.Dynamics.Keys("contacts") {
		s.EditProfile(key, `{"lastName":"Somebody"}`)
	}
	_, err := s.Sandboxes.Faults.Add(kit.Rule{Service: "campaign", Method: "GET", Path: "/profile/", Action: kit.Respond, Status: 503,
		Body: `{"error_code":"503010","message":"Could not validate the oauth token"}`, Probability: 0.1, Seed: 1})
	require.NoError(t, err)
	require.Equal(t, int64(200), s.Audit("a1").Changed)
	require.Greater(t, s.Sandboxes.Faults.List()[0].Hits, 5)
}

// A key in another letter case is another key for Campaign. Two profiles then stand for
// one contact, and an audit must not say that both systems are in step.
func TestAnAuditReportsAKeyInAnotherLetterCase(t *testing.T) {
	t.Parallel()
	s := activitytest.NewWorld(t, 5)
	key := s.Sandboxes.Dynamics.Keys("contacts")[0]
	s.InsertProfile(map[string]any{"externalId": strings.ToUpper(key), "lastName": "Legacy"})
	s.InsertProfile(map[string]any{"externalId": "ABCDEFAB-1111-4222-8333-ABCDEFABCD01", "lastName": "Somebody else's"})
	s.Load()
	found := s.Audit("a1")
	require.EqualValues(t, 1, found.Duplicate)
	require.EqualValues(t, 1, found.Stray)
	require.Zero(t, found.Drifted())
	require.Contains(t, fmt.Sprint(found.Examples), strings.ToUpper(key))
	require.Zero(t, s.ApplyFindings("a1"), "it is left alone")
	require.False(t, workflows.AuditResult{Findings: found}.InStep())
	require.False(t, workflows.AuditResult{Findings: found}.Repairable())
	require.NoError(t, s.Sandboxes.Campaign.Delete("profile", strings.ToUpper(key)))
	require.Zero(t, s.Audit("a2").Duplicate)
}
