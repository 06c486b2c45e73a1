package reconcile_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/mapping"
	"causeway.dev/internal/reconcile"
)

const vehicle = "6f1d0c2a-1111-2222-3333-444455556666"

// A vehicle names its owner, which hides it while missing, and its garage, without
// which Campaign refuses it.
var (
	owner  = mapping.Link{Table: "contacts", Key: "aaaaaaaa-0000-0000-0000-000000000001"}
	seller = mapping.Link{Table: "contacts", Key: "aaaaaaaa-0000-0000-0000-000000000002"}
	garage = mapping.Link{Table: "garages", Key: "bbbbbbbb-0000-0000-0000-000000000001", Required: true}
)

// car is a row of Dynamics, and what Campaign holds of one.
type car struct {
	Name, Plate, Status string
	Owner, Garage       string
	OptedOut            bool
}

var beetle = car{Name: "Beetle", Plate: "A 1", Owner: owner.Key, Garage: garage.Key}

// but returns the car with a change.
func (c car) but(change func(*car)) car {
	change(&c)
	return c
}

func (c car) row() []byte {
	return fmt.Appendf(nil, `{"new_vehicleid":%q,"new_name":%q,"new_plate":%q,"new_status":%q,"_new_ownerid_value":%s,"_new_garageid_value":%s,"donotbulkemail":%v}`,
		vehicle, c.Name, c.Plate, c.Status, orNull(c.Owner), orNull(c.Garage), c.OptedOut)
}

// stored is the car as Campaign shows it.
func (c car) stored() []byte {
	link := `{"PKey":"@abc"}` // which record it names cannot be told
	if c.Garage == "" {
		link = "{}"
	}
	return fmt.Appendf(nil, `{"externalId":%q,"name":%q,"plate":%q,"owner":%q,"garage":%s,"blackListEmail":%v}`, vehicle, c.Name, c.Plate, c.Owner, link, c.OptedOut)
}

func orNull(id string) string {
	if id == "" {
		return "null"
	}
	return fmt.Sprintf("%q", id)
}

// cars is the mapping of the fixtures: the plate is written once, and cars that left
// are filtered out.
func cars(t testing.TB, fields ...mapping.Field) reconcile.Rules {
	t.Helper()
	held := false
	source := mapping.SourceSchema{Table: "new_vehicle", EntitySet: "new_vehicles", Key: "new_vehicleid", Tracked: true, Columns: map[string]mapping.Column{
		"new_vehicleid": {Type: "Uniqueidentifier"}, "new_name": {Type: "String", MaxLength: 100}, "new_plate": {Type: "String", MaxLength: 100},
		"new_status": {Type: "String", MaxLength: 100}, "donotbulkemail": {Type: "Boolean", TrueLabel: "Yes", FalseLabel: "No"},
		"new_ownerid": {Type: "Lookup", Targets: []string{"contact"}}, "new_garageid": {Type: "Lookup", Targets: []string{"new_garage"}},
	}}
	target := mapping.TargetSchema{API: mapping.DefaultAPI, Resource: "cusVehicle", Fields: map[string]mapping.TargetField{
		"externalId": {Type: "string", ResType: "string", Length: 50}, "name": {Type: "string", ResType: "string", Length: 20}, "plate": {Type: "string", ResType: "string", Length: 20},
		"colour": {Type: "string", ResType: "string", Length: 20}, "owner": {Type: "string", ResType: "string", Length: 50}, "garage": {Type: "link", ResType: "link"}, "blackListEmail": {Type: "boolean", ResType: "boolean"},
	}}
	plan, err := mapping.Resolve(mapping.Table{
		Name: "vehicles", Dynamics: mapping.SourceTable{Table: "new_vehicle"}, Campaign: mapping.TargetTable{Resource: "cusVehicle", Key: "externalId"},
		Filter: mapping.Filter{Where: []mapping.Condition{{Column: "new_status", Is: "not_equals", Value: "left"}}},
		Fields: append([]mapping.Field{{From: "new_name", To: "name"}, {From: "new_plate", To: "plate", ApplyUpdates: &held}, {From: "donotbulkemail", To: "blackListEmail"},
			{From: "new_ownerid", To: "owner", Parent: "contacts"}, {From: "new_garageid", To: "garage", Parent: "garages"}}, fields...),
	}, source, target)
	require.NoError(t, err)
	m, err := plan.Mapper()
	require.NoError(t, err)
	return reconcile.Rules{Mapper: m, ApplyDeletes: true}
}

// written is a record that the ledger has as last written.
func written(t require.TestingT, r *reconcile.Rules, c car) reconcile.Known {
	p, err := r.Mapper.Map(c.row())
	require.NoError(t, err)
	return reconcile.Known{Payload: p.Canonical(), Fingerprint: p.Fingerprint()}
}

// shows is that Campaign was asked and holds a car.
func shows(t require.TestingT, r *reconcile.Rules, c car) reconcile.Target {
	p, err := r.Mapper.FromTarget(c.stored())
	require.NoError(t, err)
	return reconcile.Target{Asked: true, Payload: p}
}

// shown is that Campaign was asked and shows nothing.
var shownNothing = reconcile.Target{Asked: true}

// there and missing answer whether a parent is missing.
var there = reconcile.Parents{Asked: true}

func missing(link mapping.Link) reconcile.Parents {
	return reconcile.Parents{Asked: true, Missing: true, Link: link}
}

var garageThere = map[mapping.Link]bool{garage: true}
