package ingress_test

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/internal/mapping"
	"causeway.dev/sandbox/stack"
)

// family is contacts, their vehicles, and services and warranties of these:
// joins by a text column of both cardinalities, and a link object.
type family struct {
	*activitytest.World
	vehicles, services *activitytest.World
}

func newFamily(t *testing.T, contacts int) *family {
	s := activitytest.NewWorld(t, contacts, func(o *stack.Options) { o.SeedFile = filepath.Join("..", "..", "sandbox", "testdata", "vehicles.yaml") })
	s.Table.Erased = mapping.RestoreErased // so that children come back with it
	custom := func(name, table, resource string, fields ...mapping.Field) *activitytest.World {
		return s.With(activities.Table{Name: name, ApplyDeletes: true, Dynamics: mapping.SourceTable{Table: table},
			Campaign: mapping.TargetTable{Resource: resource, Key: "externalId"}, Fields: append(fields, mapping.Field{From: "new_name", To: "name"})})
	}
	f := &family{World: s,
		vehicles: custom("vehicles", "new_vehicle", "cusVehicle", mapping.Field{From: "new_contactid", To: "ProfileExternalId", Parent: "contacts"},
			mapping.Field{From: "new_fuel", To: "fuel"}, mapping.Field{From: "new_price", To: "price"}),
		services: custom("services", "new_service", "cusService", mapping.Field{From: "new_vehicleid", To: "VehicleExternalId", Parent: "vehicles"}),
	}
	return f
}

func (f *family) vehicle(contact string) string {
	values := map[string]any{"new_name": "Brougham", "new_fuel": 3, "new_price": 12.5}
	if contact != "" {
		values["new_contactid@odata.bind"] = "/contacts(" + contact + ")"
	}
	return f.InsertRow("new_vehicles", values)
}

func (f *family) service(vehicle string) string {
	return f.InsertRow("new_services", map[string]any{"new_name": "Brakes", "new_vehicleid@odata.bind": "/new_vehicles(" + vehicle + ")"})
}

// R1.2, R10.7, R17.1, R17.5, R17.9: custom rows land with their links, also
// before their parents; none needs anybody.
func TestCustomEntitiesLandInAnyOrder(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 3)
	contact := f.Sandboxes.Dynamics.Keys("contacts")[0]
	v := f.vehicle(contact)
	s := f.service(v)
	alone := f.vehicle("")
	for _, child := range []*activitytest.World{f.services, f.vehicles, f.World} { // children first
		require.Equal(t, "COMPLETED", child.Load().State)
	}
	require.False(t, f.Sandboxes.Campaign.Hidden("cusService", s))
	require.Equal(t, v, f.Sandboxes.Campaign.Record("cusService", s)["VehicleExternalId"])
	got := f.Sandboxes.Campaign.Record("cusVehicle", v)
	require.Equal(t, contact, got["ProfileExternalId"])
	require.Equal(t, "Electric", got["fuel"])
	require.NotNil(t, f.Sandboxes.Campaign.Record("cusVehicle", alone))
	require.Equal(t, int64(3+2+1), f.EngineCalls())

	// docs/protocol/integration.md §26: another parent is an ordinary change of the joined column.
	other := f.Sandboxes.Dynamics.Keys("contacts")[1]
	require.NoError(t, f.Sandboxes.Dynamics.Update("new_vehicles", v, map[string]any{"new_contactid@odata.bind": "/contacts(" + other + ")"}))
	require.Equal(t, activities.Counts{Read: 1, Updated: 1}, f.vehicles.Delta())
	require.Equal(t, other, f.Sandboxes.Campaign.Record("cusVehicle", v)["ProfileExternalId"])
}

// R17.6, R17.7: a change of a hidden child waits, and lands when the parent has.
// R17.4: that a link hides records is said once, with what to prefer.
func TestChangesOfAHiddenChildWait(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 1)
	var log bytes.Buffer
	f.IngressOptions.Logger = slog.New(slog.NewTextHandler(&log, nil))
	f.services.IngressOptions = f.IngressOptions
	f.services, _ = f.services.WithBudget(0, activitytest.NewBudgetClock())
	v := f.vehicle(f.Sandboxes.Dynamics.Keys("contacts")[0])
	changed, deleted, quiet := f.service(v), f.service(v), f.service(v)
	f.services.Load()
	for _, s := range []string{changed, deleted, quiet} {
		require.True(t, f.Sandboxes.Campaign.Hidden("cusService", s))
	}
	require.NoError(t, f.Sandboxes.Dynamics.Update("new_services", changed, map[string]any{"new_name": "Tyres"}))
	require.True(t, f.Sandboxes.Dynamics.Delete("new_services", deleted))
	require.Equal(t, activities.Counts{Read: 2, Parked: 2}, f.services.Delta())
	require.NoError(t, f.Sandboxes.Dynamics.Update("new_services", changed, map[string]any{"new_name": "Tyres and oil"}))
	require.Equal(t, activities.Counts{Read: 1, Parked: 1}, f.services.Delta())

	f.vehicles.Load()
	require.Equal(t, activities.Counts{Read: 2, Updated: 1, Deleted: 1}, f.services.Delta(), "what waited, and nothing else")
	require.Equal(t, "Tyres and oil", f.Sandboxes.Campaign.Record("cusService", changed)["name"])
	require.Nil(t, f.Sandboxes.Campaign.Record("cusService", deleted))
	require.NotNil(t, f.Sandboxes.Campaign.Record("cusService", quiet))
	list := activitytest.Call[activities.QuarantineListResult](f.World, f.Operator.ListQuarantine, activities.QuarantineListInput{})
	require.Empty(t, list.Records, "no operator is needed")
	require.Equal(t, 1, strings.Count(log.String(), "prefer cardinality 0 or 1 for this link in Campaign"), log.String())
	require.Contains(t, log.String(), "table=services parent=vehicles")
}

// warranty is a mapping by link object: Campaign refuses it without its parent.
func (f *family) warranty() *activitytest.World {
	return f.With(activities.Table{Name: "warranties", ApplyDeletes: true, Dynamics: mapping.SourceTable{Table: "new_service"},
		Campaign: mapping.TargetTable{Resource: "cusWarranty", Key: "externalId"},
		Fields:   []mapping.Field{{From: "new_name", To: "name"}, {From: "new_vehicleid", To: "vehicle", Parent: "vehicles"}}})
}

// R17.1: a link object is written with the parent's key; without the parent
// nothing is sent at all.
func TestALinkObjectWaitsForItsParent(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 1)
	v := f.vehicle(f.Sandboxes.Dynamics.Keys("contacts")[0])
	s := f.service(v)
	w := f.warranty()
	first := w.Load()
	require.Positive(t, first.Counts.Parked)
	require.Equal(t, first.Counts.Read, first.Counts.Parked)
	require.Zero(t, f.EngineCalls())
	f.vehicles.Load()
	require.Equal(t, activities.Counts{Read: 1, Created: 1}, w.Delta())
	require.Equal(t, int64(2), f.EngineCalls())
	require.False(t, f.Sandboxes.Campaign.Hidden("cusWarranty", s))

	// To another vehicle, which is not there yet.
	later := f.vehicle("")
	require.NoError(t, f.Sandboxes.Dynamics.Update("new_services", s, map[string]any{"new_vehicleid@odata.bind": "/new_vehicles(" + later + ")"}))
	require.Equal(t, activities.Counts{Read: 1, Parked: 1}, w.Delta())
	f.vehicles.Delta()
	require.Equal(t, activities.Counts{Read: 1, Updated: 1}, w.Delta())
}

// R17: deletes children first. A parent's delete waits until its children's
// deletes have been carried out.
func TestChildrenAreDeletedFirst(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 2)
	v := f.vehicle(f.Sandboxes.Dynamics.Keys("contacts")[0])
	s := f.service(v)
	f.Load()
	f.vehicles.Load()
	f.services.Load()
	require.True(t, f.Sandboxes.Dynamics.Delete("new_vehicles", v)) // takes the service with it
	require.Equal(t, activities.Counts{Read: 1, Parked: 1}, f.vehicles.Delta())
	require.NotNil(t, f.Sandboxes.Campaign.Record("cusVehicle", v))
	require.Equal(t, activities.Counts{Read: 1, Deleted: 1}, f.services.Delta())
	require.Nil(t, f.Sandboxes.Campaign.Record("cusService", s))
	require.Equal(t, activities.Counts{Read: 1, Deleted: 1}, f.vehicles.Delta())
	require.Nil(t, f.Sandboxes.Campaign.Record("cusVehicle", v))
}

// 100,000 in the benches; here enough to cross pages and lanes, in random order.
func TestManyChildrenOfParentsInRandomOrder(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 0)
	random := rand.New(rand.NewPCG(1, 2))
	w := f.warranty()
	var vehicles, children []string
	for range 60 {
		vehicles = append(vehicles, f.vehicle(""))
	}
	for range 400 {
		children = append(children, f.service(vehicles[random.IntN(len(vehicles))]))
	}
	f.services.Load()
	w.Load()
	f.vehicles.Load()
	for range 3 {
		f.services.Delta()
		w.Delta()
	}
	for _, c := range children {
		require.False(t, f.Sandboxes.Campaign.Hidden("cusService", c))
		require.NotNil(t, f.Sandboxes.Campaign.Record("cusWarranty", c))
	}
	require.Equal(t, int64(60+2*400), f.EngineCalls(), "one engine call per record")
}

// R14.2, R17.7: a delete that is not applied still ends what waited of the record:
// nothing that Dynamics does not have any more is created.
func TestAWaitingChildThatIsDeletedIsNotCreated(t *testing.T) {
	t.Parallel()
	for _, applies := range []bool{true, false} {
		f := newFamily(t, 1)
		v := f.vehicle("")
		child := f.service(v)
		w := f.warranty()
		w.Table.ApplyDeletes = applies
		w.Load()
		require.True(t, f.Sandboxes.Dynamics.Delete("new_services", child))
		require.Equal(t, int64(1), w.Delta().Read)
		f.vehicles.Load()
		require.Zero(t, w.Delta())
		require.Nil(t, f.Sandboxes.Campaign.Record("cusWarranty", child))
	}
}

// The same, where the delta link that would have told of the delete has expired.
func TestAWaitingChildWhoseDeleteTheLinkLostIsNotCreated(t *testing.T) {
	t.Parallel()
	for _, applies := range []bool{true, false} {
		f := newFamily(t, 1)
		v := f.vehicle("")
		child, kept := f.service(v), f.service(v)
		w := f.warranty()
		w.Table.ApplyDeletes = applies
		w.Load()
		require.True(t, f.Sandboxes.Dynamics.Delete("new_services", child))
		w.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep)
		f.vehicles.Load()
		require.Equal(t, activities.Counts{Read: 1, Created: 1}, w.Delta())
		require.Nil(t, f.Sandboxes.Campaign.Record("cusWarranty", child))
		require.NotNil(t, f.Sandboxes.Campaign.Record("cusWarranty", kept))
	}
}

// A child that is created anew under another parent keeps that one from being
// deleted before it, and the earlier one from waiting for it.
func TestAChildCreatedAnewUnderAnotherParentIsKnownThere(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 1)
	before, after := f.vehicle(""), f.vehicle("")
	child := f.service(before)
	f.vehicles.Load()
	f.services.Load()
	require.NoError(t, f.Sandboxes.Campaign.Delete("cusService", child))
	require.NoError(t, f.Sandboxes.Dynamics.Update("new_services", child, map[string]any{"new_vehicleid@odata.bind": "/new_vehicles(" + after + ")"}))
	require.Equal(t, activities.Counts{Read: 1, Created: 1}, f.services.Delta())

	require.True(t, f.Sandboxes.Dynamics.Delete("new_vehicles", before))
	require.Equal(t, activities.Counts{Read: 1, Deleted: 1}, f.vehicles.Delta())
	require.True(t, f.Sandboxes.Dynamics.Delete("new_vehicles", after)) // takes the service along
	require.Equal(t, activities.Counts{Read: 1, Parked: 1}, f.vehicles.Delta())
	require.Equal(t, activities.Counts{Read: 1, Deleted: 1}, f.services.Delta())
	require.Equal(t, activities.Counts{Read: 1, Deleted: 1}, f.vehicles.Delta())
}

// R17.7: a hidden child that goes to a parent which is there waits for the one it
// had: until that comes, Campaign does not find it.
func TestAHiddenChildThatGoesToAnotherParentWaitsForTheFirst(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 1)
	there := f.vehicle("")
	f.vehicles.Load()
	late := f.vehicle("")
	child := f.service(late)
	f.services.Load()
	require.True(t, f.Sandboxes.Campaign.Hidden("cusService", child))
	require.NoError(t, f.Sandboxes.Dynamics.Update("new_services", child, map[string]any{"new_vehicleid@odata.bind": "/new_vehicles(" + there + ")"}))
	require.Equal(t, "wait", f.services.Explain(child).Live.Decision)
	require.Equal(t, activities.Counts{Read: 1, Parked: 1}, f.services.Delta())
	require.Equal(t, "vehicles/"+late, f.services.Explain(child).Waits.Parent)
	f.vehicles.Delta()
	require.Equal(t, activities.Counts{Read: 1, Updated: 1}, f.services.Delta())
	require.Equal(t, there, f.Sandboxes.Campaign.Record("cusService", child)["VehicleExternalId"])
}

// R13.6, R17: a parent that leaves the filter takes its children along in Campaign
// (cascade). When it comes back, so do they, and their children; what somebody
// changed in those that stayed is not touched. A parent that somebody deleted in
// Campaign brings them back too.
func TestChildrenComeBackWithTheirParent(t *testing.T) {
	t.Parallel()
	leaves := func(f *family, contact string) {
		f.Edit(contact, map[string]any{"jobtitle": "left"})
		require.Equal(t, activities.Counts{Read: 1, Deleted: 1}, f.Delta())
		f.Edit(contact, map[string]any{"jobtitle": "captain"})
		require.Equal(t, activities.Counts{Read: 1, Created: 1}, f.Delta())
	}
	deleted := func(f *family, contact string) {
		require.NoError(t, f.Sandboxes.Campaign.Delete("profile", contact))
		f.Edit(contact, map[string]any{"address1_city": "Nebelheim"})
		require.Equal(t, activities.Counts{Read: 1, Created: 1}, f.Delta())
	}
	for name, goesAndComes := range map[string]func(*family, string){"out of the filter and in": leaves, "deleted in Campaign": deleted} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFamily(t, 2)
			f.Table.Filter = mapping.Filter{DeleteUnmatched: true, Where: []mapping.Condition{{Column: "jobtitle", Is: "not_equals", Value: "left"}}}
			contacts := f.Sandboxes.Dynamics.Keys("contacts")
			v, other := f.vehicle(contacts[0]), f.vehicle(contacts[1])
			s, gone, edited := f.service(v), f.service(v), f.service(v)
			f.Load()
			f.vehicles.Load()
			f.services.Load()
			require.NoError(t, f.Sandboxes.Campaign.Update("cusService", edited, []byte(`{"name":"Somebody's"}`)))

			goesAndComes(f, contacts[0])
			require.Nil(t, f.Sandboxes.Campaign.Record("cusVehicle", v), "Campaign's cascade")
			require.True(t, f.Sandboxes.Campaign.Hidden("cusService", s))
			predicted := f.vehicles.Plan(activities.PlanInput{Baseline: true})
			require.Equal(t, activities.Counts{Read: 2, Created: 1, Unchanged: 1}, predicted.Counts)
			calls := f.EngineCalls()
			require.Equal(t, activities.Counts{Read: 1, Created: 1}, f.vehicles.Delta(), "nobody touched the vehicle")
			require.Equal(t, predicted.EngineCalls, f.EngineCalls()-calls)
			require.Equal(t, contacts[0], f.Sandboxes.Campaign.Record("cusVehicle", v)["ProfileExternalId"])
			require.NotNil(t, f.Sandboxes.Campaign.Record("cusVehicle", other))

			require.True(t, f.Sandboxes.Dynamics.Delete("new_services", gone))
			got := f.services.Delta()
			require.Equal(t, int64(1), got.Deleted)
			require.Equal(t, got.Read, got.Unchanged+got.Deleted, "%+v", got)
			require.False(t, f.Sandboxes.Campaign.Hidden("cusService", s))
			require.Nil(t, f.Sandboxes.Campaign.Record("cusService", gone))
			require.Equal(t, "Somebody's", f.Sandboxes.Campaign.Record("cusService", edited)["name"])
			for _, at := range []*activitytest.World{f.World, f.vehicles, f.services} {
				require.Zero(t, at.Delta(), "nothing is looked at twice")
			}
		})
	}
}

// A child that stayed, but without its link, is linked again.
func TestAChildIsLinkedAgain(t *testing.T) {
	t.Parallel()
	f := newFamily(t, 1)
	contact := f.Sandboxes.Dynamics.Keys("contacts")[0]
	v := f.vehicle(contact)
	f.Load()
	f.vehicles.Load()
	require.NoError(t, f.Sandboxes.Campaign.Update("cusVehicle", v, []byte(`{"ProfileExternalId":""}`)))
	require.NoError(t, f.Sandboxes.Campaign.Delete("profile", contact))
	f.Edit(contact, map[string]any{"address1_city": "Nebelheim"})
	require.Equal(t, activities.Counts{Read: 1, Created: 1}, f.Delta())
	predicted := f.vehicles.Plan(activities.PlanInput{Baseline: true})
	require.Equal(t, activities.Counts{Read: 1, Updated: 1}, predicted.Counts)
	calls := f.EngineCalls()
	require.Equal(t, activities.Counts{Read: 1, Updated: 1}, f.vehicles.Delta())
	require.Equal(t, predicted.EngineCalls, f.EngineCalls()-calls)
	require.Equal(t, contact, f.Sandboxes.Campaign.Record("cusVehicle", v)["ProfileExternalId"])
}
