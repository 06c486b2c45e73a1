package ingress_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
)

// A parent goes after its children, and comes back before them; whoever asks in
// another order is told, and asks again.
func TestRollbacksOfParentsAndChildren(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 1)
	v, alone := f.vehicle(""), f.vehicle("")
	s := f.service(v)
	f.vehicles.Load()
	vehiclesRun := f.vehicles.LastRun()
	f.services.Load()
	servicesRun := f.services.LastRun()

	require.Equal(t, activities.Counts{Read: 2, Deleted: 1, Quarantined: 1}, f.vehicles.Rollback(vehiclesRun).Counts)
	left := f.vehicles.LeftByRollback(vehiclesRun)
	require.Equal(t, v, left[0].ID)
	require.Equal(t, "HasChildren", left[0].Code)
	require.NotNil(t, f.Sandboxes.Campaign.Record("cusVehicle", v))
	require.Nil(t, f.Sandboxes.Campaign.Record("cusVehicle", alone))
	require.Equal(t, activities.Counts{Read: 1, Deleted: 1}, f.services.Rollback(servicesRun).Counts)
	require.Nil(t, f.Sandboxes.Campaign.Record("cusService", s))
	require.Equal(t, activities.Counts{Read: 2, Deleted: 2}, f.vehicles.Rollback(vehiclesRun).Counts)
	require.Nil(t, f.Sandboxes.Campaign.Record("cusVehicle", v))

	// Written again, deleted in Dynamics, and brought back.
	f.vehicles.Pass(activities.KindBackfill, activities.PhaseScan)
	f.services.Pass(activities.KindBackfill, activities.PhaseScan)
	require.True(t, f.Sandboxes.Dynamics.Delete("new_vehicles", v)) // takes the service with it
	f.vehicles.Delta()                                              // waits for the service
	require.Equal(t, activities.Counts{Read: 1, Deleted: 1}, f.services.Delta())
	servicesRun = f.services.LastRun()
	require.Equal(t, activities.Counts{Read: 1, Deleted: 1}, f.vehicles.Delta())
	vehiclesRun = f.vehicles.LastRun()
	require.Equal(t, activities.Counts{Read: 1, Quarantined: 1}, f.services.Rollback(servicesRun).Counts)
	require.Equal(t, "Hidden", f.services.LeftByRollback(servicesRun)[0].Code, "Campaign would hide it without its vehicle")
	require.Nil(t, f.Sandboxes.Campaign.Record("cusService", s))
	require.Equal(t, activities.Counts{Read: 1, Created: 1}, f.vehicles.Rollback(vehiclesRun).Counts)
	require.Equal(t, activities.Counts{Read: 1, Created: 1}, f.services.Rollback(servicesRun).Counts)
	require.False(t, f.Sandboxes.Campaign.Hidden("cusService", s))
	require.Equal(t, v, f.Sandboxes.Campaign.Record("cusService", s)["VehicleExternalId"])
}
