package ingress_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/activities/ingress"
	"causeway.dev/internal/mapping"
	"causeway.dev/sandbox/kit"
)

// A user of Campaign deletes a vehicle, and Dynamics deletes its service: Campaign hides it,
// and answers that it is not there. It would show again with the vehicle.
func TestADeleteOfAChildWaitsForAParentThatSomebodyErased(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 1)
	v := f.vehicle("")
	s := f.service(v)
	f.vehicles.Load()
	f.services.Load()
	require.NoError(t, f.Sandboxes.Campaign.Delete("cusVehicle", v))
	require.True(t, f.Sandboxes.Campaign.Hidden("cusService", s))
	require.True(t, f.Sandboxes.Dynamics.Delete("new_services", s))
	require.Equal(t, activities.Counts{Read: 1, Parked: 1}, f.services.Delta())
	calls := f.EngineCalls()
	require.Zero(t, f.services.Delta(), "it is not asked again until the vehicle is there")
	require.Equal(t, calls, f.EngineCalls())

	require.NoError(t, f.Sandboxes.Dynamics.Update("new_vehicles", v, map[string]any{"new_name": "Coupé"}))
	require.Equal(t, activities.Counts{Read: 1, Created: 1}, f.vehicles.Delta())
	require.Equal(t, int64(1), f.services.Delta().Deleted)
	require.Nil(t, f.Sandboxes.Campaign.Record("cusService", s))
}

// A service that somebody deleted in Campaign is gone where its vehicle is there.
func TestADeleteOfAChildThatSomebodyErasedIsDone(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 1)
	s := f.service(f.vehicle(""))
	f.vehicles.Load()
	f.services.Load()
	require.NoError(t, f.Sandboxes.Campaign.Delete("cusService", s))
	require.True(t, f.Sandboxes.Dynamics.Delete("new_services", s))
	require.Equal(t, activities.Counts{Read: 1, Deleted: 1}, f.services.Delta())
}

// Campaign created a service whose answer was lost, and hides it, as its vehicle has not come.
// Then Dynamics deletes the service. The vehicle must not bring it back.
func TestAHiddenChildWhoseAnswerWasLostIsDeletedWhenItsParentComes(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 1)
	v := f.vehicle("")
	s := f.service(v)
	_, err := f.Sandboxes.Faults.Add(kit.Rule{Service: "campaign", Method: http.MethodPost, Path: "/cusService", Action: kit.ResetAfter, Times: 1})
	require.NoError(t, err)
	require.Equal(t, activities.Counts{Read: 2, Parked: 2}, f.services.Load().Counts, "read again by the catch-up")
	require.True(t, f.Sandboxes.Campaign.Hidden("cusService", s))
	require.True(t, f.Sandboxes.Dynamics.Delete("new_services", s))
	require.Equal(t, activities.Counts{Read: 1, Parked: 1}, f.services.Delta())

	f.vehicles.Load()
	require.Equal(t, activities.Counts{Read: 1, Deleted: 1}, f.services.Delta())
	require.Nil(t, f.Sandboxes.Campaign.Record("cusService", s))
	require.Zero(t, f.services.Delta())
}

// The same, where Dynamics brings the service back before its vehicle comes.
func TestAHiddenChildThatComesBackIsAdopted(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 1)
	v := f.vehicle("")
	s := f.service(v)
	_, err := f.Sandboxes.Faults.Add(kit.Rule{Service: "campaign", Method: http.MethodPost, Path: "/cusService", Action: kit.ResetAfter, Times: 1})
	require.NoError(t, err)
	f.services.Load()
	require.True(t, f.Sandboxes.Dynamics.Delete("new_services", s))
	f.services.Delta()
	_, err = f.Sandboxes.Dynamics.Insert("new_services", map[string]any{"new_serviceid": s, "new_name": "Tyres", "new_vehicleid@odata.bind": "/new_vehicles(" + v + ")"})
	require.NoError(t, err)
	require.Equal(t, activities.Counts{Read: 1, Parked: 1}, f.services.Delta())
	f.vehicles.Load()
	require.Equal(t, int64(1), f.services.Delta().Read)
	require.Equal(t, "Tyres", f.Sandboxes.Campaign.Record("cusService", s)["name"])
}

// The same, where Dynamics gives the service to another vehicle, which is there, before it
// deletes it. What Campaign hides still names the vehicle that has not come.
func TestAHiddenChildThatWentToAnotherParentIsDeletedWhenTheFirstComes(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 1)
	there := f.vehicle("")
	f.vehicles.Load()
	v := f.vehicle("")
	s := f.service(v)
	_, err := f.Sandboxes.Faults.Add(kit.Rule{Service: "campaign", Method: http.MethodPost, Path: "/cusService", Action: kit.ResetAfter, Times: 1})
	require.NoError(t, err)
	f.services.Load()
	require.True(t, f.Sandboxes.Campaign.Hidden("cusService", s))
	require.NoError(t, f.Sandboxes.Dynamics.Update("new_services", s, map[string]any{"new_vehicleid@odata.bind": "/new_vehicles(" + there + ")"}))
	require.Equal(t, activities.Counts{Read: 1, Parked: 1}, f.services.Delta())
	require.True(t, f.Sandboxes.Dynamics.Delete("new_services", s))
	require.Equal(t, activities.Counts{Read: 1, Parked: 1}, f.services.Delta())

	f.vehicles.Delta()
	require.Equal(t, activities.Counts{Read: 1, Deleted: 1}, f.services.Delta())
	require.Nil(t, f.Sandboxes.Campaign.Record("cusService", s))
}

// An audit does not take a hidden child for one that is gone: when its vehicle is created anew,
// it shows again, and Dynamics may have deleted it meanwhile.
func TestAnAuditRepairDoesNotForgetAHiddenChild(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 1)
	v := f.vehicle("")
	s, stays, erased := f.service(v), f.service(v), f.service(v)
	f.vehicles.Load()
	f.services.Load()
	require.NoError(t, f.Sandboxes.Campaign.Delete("cusService", erased))
	require.NoError(t, f.Sandboxes.Campaign.Delete("cusVehicle", v))
	require.Equal(t, int64(3), f.services.Audit("s1").Missing)
	require.Zero(t, f.services.ApplyFindings("s1"), "nobody knows whether they are gone or hidden")
	require.True(t, f.Sandboxes.Dynamics.Delete("new_services", s))
	require.Equal(t, activities.Counts{Read: 1, Parked: 1}, f.services.Delta())

	require.NoError(t, f.Sandboxes.Dynamics.Update("new_vehicles", v, map[string]any{"new_name": "Coupé"}))
	require.Equal(t, int64(1), f.vehicles.Delta().Created)
	f.services.Delta()
	require.Nil(t, f.Sandboxes.Campaign.Record("cusService", s))
	require.NotNil(t, f.Sandboxes.Campaign.Record("cusService", stays))
	require.NotNil(t, f.Sandboxes.Campaign.Record("cusService", erased), "it was gone, and comes back")
}

// With erased: leave, a hidden child is not one that somebody deleted in Campaign.
func TestAHiddenChildIsNotTakenForErased(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 1)
	f.services.Table.Erased = mapping.LeaveErased
	v := f.vehicle("")
	s := f.service(v)
	f.vehicles.Load()
	f.services.Load()
	require.NoError(t, f.Sandboxes.Campaign.Delete("cusVehicle", v))
	require.NoError(t, f.Sandboxes.Dynamics.Update("new_services", s, map[string]any{"new_name": "Tyres"}))
	require.Equal(t, activities.Counts{Read: 1, Parked: 1}, f.services.Delta())
	require.NoError(t, f.Sandboxes.Dynamics.Update("new_vehicles", v, map[string]any{"new_name": "Coupé"}))
	require.Equal(t, int64(1), f.vehicles.Delta().Created)
	f.services.Delta()
	require.Equal(t, "Tyres", f.Sandboxes.Campaign.Record("cusService", s)["name"])
}

// A profile is created, and the ledger does not learn of it. Its vehicle is written, and goes
// with the profile when somebody deletes that in Campaign. Then the profile is created once
// more, for the first time by the ledger.
func TestAChildComesBackWithAParentWhoseFirstCreationNobodyKnows(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 1)
	f.Load()
	contact := f.InsertRow("contacts", map[string]any{"lastname": "New"})
	ref, _ := f.StageFirstPage(activities.KindDelta, activities.PhaseDelta)
	_, err := f.Sandboxes.Faults.Add(kit.Rule{Service: "campaign", Method: http.MethodPost, Path: "/profile", Action: kit.ResetAfter, Times: 1})
	require.NoError(t, err)
	outage, err := f.Sandboxes.Faults.Add(kit.Rule{Service: "campaign", Method: http.MethodGet, Path: "/profile", Action: kit.Respond, Status: 503})
	require.NoError(t, err)
	_, err = f.Env.ExecuteActivity(f.Ingress.WriteLane, activities.LaneInput{RunRef: ref, Page: 1})
	require.Error(t, err)
	require.NotNil(t, f.Sandboxes.Campaign.Profile(contact))
	f.Sandboxes.Faults.Clear(outage)
	v := f.vehicle(contact)
	f.vehicles.Load()
	require.NoError(t, f.Sandboxes.Campaign.Delete("profile", contact))
	require.Nil(t, f.Sandboxes.Campaign.Record("cusVehicle", v), "Campaign's cascade")

	_, err = f.Env.ExecuteActivity(f.Ingress.WriteLane, activities.LaneInput{RunRef: ref, Page: 1})
	require.NoError(t, err)
	require.NotNil(t, f.Sandboxes.Campaign.Profile(contact))
	f.vehicles.Delta()
	require.NotNil(t, f.Sandboxes.Campaign.Record("cusVehicle", v))
}

// A service was created behind a vehicle that has not come, for a run that was given up before
// the answer. Then Dynamics gives the service to a vehicle that is there. Its key is taken, and
// only the doubt, which is not due yet, knows what hides it.
func TestALateCreateThatIsHiddenWaitsForTheParentItNames(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 1)
	net := &heldUp{Target: f.IngressOptions.Target}
	o := f.IngressOptions
	o.Target = net
	f.services.Ingress, f.services.Env = ingress.New(o), activitytest.NewEnv()
	f.services.Register()
	there := f.vehicle("")
	f.vehicles.Load()
	f.services.Load()
	v := f.vehicle("")
	s := f.service(v)
	ref, _ := f.services.StageFirstPage(activities.KindDelta, activities.PhaseDelta)
	net.hold(100)
	_, err := f.services.Env.ExecuteActivity(f.services.Ingress.WriteLane, activities.LaneInput{RunRef: ref, Page: 1})
	require.Error(t, err)
	_, err = f.services.Env.ExecuteActivity(f.services.Ingress.EndRun, activities.EndRunInput{RunRef: ref, State: "CANCELLED", Drop: true})
	require.NoError(t, err)
	net.hold(0)
	net.deliver()
	require.True(t, f.Sandboxes.Campaign.Hidden("cusService", s))
	require.NoError(t, f.Sandboxes.Dynamics.Update("new_services", s, map[string]any{"new_vehicleid@odata.bind": "/new_vehicles(" + there + ")"}))
	require.Equal(t, activities.Counts{Read: 1, Parked: 1}, f.services.Delta())

	f.vehicles.Delta()
	f.services.Delta()
	require.Equal(t, there, f.Sandboxes.Campaign.Record("cusService", s)["VehicleExternalId"])
}
