package activities_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
)

func (s *spine) left(run string) []activities.QuarantinedRecord {
	s.t.Helper()
	return call[activities.QuarantineListResult](s, s.op.ListQuarantine, activities.QuarantineListInput{Selection: activities.Selection{Run: activities.RollbackPrefix(run) + fmt.Sprint(s.runs)}}).Records
}

// A parent goes after its children, and comes back before them; whoever asks in
// another order is told, and asks again.
func TestRollbacksOfParentsAndChildren(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 1)
	v, alone := f.vehicle(""), f.vehicle("")
	s := f.service(v)
	f.vehicles.load()
	vehiclesRun := f.vehicles.lastRun()
	f.services.load()
	servicesRun := f.services.lastRun()

	require.Equal(t, activities.Counts{Read: 2, Deleted: 1, Quarantined: 1}, f.vehicles.rollback(vehiclesRun).Counts)
	left := f.vehicles.left(vehiclesRun)
	require.Equal(t, v, left[0].ID)
	require.Equal(t, "HasChildren", left[0].Code)
	require.NotNil(t, f.boxes.Campaign.Record("cusVehicle", v))
	require.Nil(t, f.boxes.Campaign.Record("cusVehicle", alone))
	require.Equal(t, activities.Counts{Read: 1, Deleted: 1}, f.services.rollback(servicesRun).Counts)
	require.Nil(t, f.boxes.Campaign.Record("cusService", s))
	require.Equal(t, activities.Counts{Read: 2, Deleted: 2}, f.vehicles.rollback(vehiclesRun).Counts)
	require.Nil(t, f.boxes.Campaign.Record("cusVehicle", v))

	// Written again, deleted in Dynamics, and brought back.
	f.vehicles.pass(activities.KindBackfill, activities.PhaseScan)
	f.services.pass(activities.KindBackfill, activities.PhaseScan)
	require.True(t, f.boxes.Dynamics.Delete("new_vehicles", v)) // takes the service with it
	f.vehicles.delta()                                          // waits for the service
	require.Equal(t, activities.Counts{Read: 1, Deleted: 1}, f.services.delta())
	servicesRun = f.services.lastRun()
	require.Equal(t, activities.Counts{Read: 1, Deleted: 1}, f.vehicles.delta())
	vehiclesRun = f.vehicles.lastRun()
	require.Equal(t, activities.Counts{Read: 1, Quarantined: 1}, f.services.rollback(servicesRun).Counts)
	require.Equal(t, "Hidden", f.services.left(servicesRun)[0].Code, "Campaign would hide it without its vehicle")
	require.Nil(t, f.boxes.Campaign.Record("cusService", s))
	require.Equal(t, activities.Counts{Read: 1, Created: 1}, f.vehicles.rollback(vehiclesRun).Counts)
	require.Equal(t, activities.Counts{Read: 1, Created: 1}, f.services.rollback(servicesRun).Counts)
	require.False(t, f.boxes.Campaign.Hidden("cusService", s))
	require.Equal(t, v, f.boxes.Campaign.Record("cusService", s)["VehicleExternalId"])
}
