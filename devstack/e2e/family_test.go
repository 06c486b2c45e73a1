package e2e

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"causeway.dev/internal/operator"
	"causeway.dev/sandbox/kit"
	"causeway.dev/sandbox/stack"
	"causeway.dev/workflows"
)

// familyTables maps vehicles of contacts and services of vehicles, with both link
// cardinalities, a filter that deletes, and a replacement.
const familyTables = `
    vehicles:
      dynamics: {table: new_vehicle}
      campaign: {resource: cusVehicle, key: externalId}
      apply_deletes: true
      filter: {where: [{column: new_leased, is: not_equals, value: "true"}], delete_unmatched: true}
      fields:
        - {from: new_contactid, to: ProfileExternalId, parent: contacts}
        - {from: new_name, to: name}
        - {from: new_price, to: price}
        - {from: new_fuel, to: fuel, replace: {Diesel: Petrol}}
    services:
      dynamics: {table: new_service}
      campaign: {resource: cusService, key: externalId}
      apply_deletes: true
      fields:
        - {from: new_vehicleid, to: VehicleExternalId, parent: vehicles}
        - {from: new_name, to: name}
        - {from: new_mileage, to: mileage}
`

func newFamilyWorld(t *testing.T, contacts int) *world {
	return newWorld(t, worldOptions{contacts: contacts, pageSize: 200,
		stack: func(o *stack.Options) { o.SeedFile = filepath.Join("..", "..", "sandbox", "testdata", "vehicles.yaml") },
		yaml:  func(s string) string { return strings.Replace(s, "\ntelemetry:", familyTables+"telemetry:", 1) },
	})
}

// startTable starts a flow other than the one of contacts.
func (w *world) startTable(table string) {
	w.t.Helper()
	id := workflows.TableFlow(w.cfg.Instance, table).WorkflowID()
	start := w.client.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
		ID: id, TaskQueue: workflows.QueueMain, WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
	}, workflows.TypeTableSync, workflows.TableSyncInput{Instance: w.cfg.Instance, Table: table})
	var st workflows.Status
	handle, err := w.client.UpdateWithStartWorkflow(w.t.Context(), client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: start,
		UpdateOptions: client.UpdateWorkflowOptions{WorkflowID: id, UpdateName: workflows.UpdateStart,
			WaitForStage: client.WorkflowUpdateStageCompleted, Args: []any{operator.StartRequest(w.cfg, table, "test")}},
	})
	require.NoError(w.t, err)
	require.NoError(w.t, handle.Get(w.t.Context(), &st))
	require.NotEqual(w.t, workflows.StateFailed, st.State, st.Reason)
}

var fuels = map[float64]string{1: "Petrol", 2: "Petrol", 3: "Electric"}

// familyDifferences computes what Campaign must hold of vehicles and services, without
// the product's code. A service whose vehicle Campaign lacks is hidden there, so it
// cannot be compared.
func (w *world) familyDifferences() []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	text := func(v any) string { s, _ := v.(string); return s }
	num := func(v any) float64 { f, _ := strconv.ParseFloat(fmt.Sprint(v), 64); return f } // nothing is 0
	vehicles := map[string]bool{}
	w.boxes.Dynamics.Each("new_vehicles", func(id string, row map[string]any) bool {
		if row["new_leased"] == true {
			return true
		}
		vehicles[id] = true
		got := w.boxes.Campaign.Record("cusVehicle", id)
		fuel := "unknown"
		if f, known := fuels[num(row["new_fuel"])]; known {
			fuel = f
		}
		switch {
		case got == nil:
			add("vehicle %s is missing", id)
		case text(got["name"]) != text(row["new_name"]), num(got["price"]) != num(row["new_price"]), got["fuel"] != fuel,
			text(got["ProfileExternalId"]) != text(row["_new_contactid_value"]):
			add("vehicle %s is %v, want %v", id, got, row)
		}
		return true
	})
	w.boxes.Campaign.Each("cusVehicle", func(id string, _ map[string]any) bool {
		if !vehicles[id] {
			add("vehicle %s is too many", id)
		}
		return true
	})
	services := map[string]bool{}
	w.boxes.Dynamics.Each("new_services", func(id string, row map[string]any) bool {
		services[id] = true
		if !vehicles[text(row["_new_vehicleid_value"])] {
			return true
		}
		got := w.boxes.Campaign.Record("cusService", id)
		switch {
		case got == nil || w.boxes.Campaign.Hidden("cusService", id):
			add("service %s is missing", id)
		case text(got["name"]) != text(row["new_name"]), num(got["mileage"]) != num(row["new_mileage"]),
			text(got["VehicleExternalId"]) != text(row["_new_vehicleid_value"]):
			add("service %s is %v, want %v", id, got, row)
		}
		return true
	})
	w.boxes.Campaign.Each("cusService", func(id string, _ map[string]any) bool {
		if !services[id] && !w.boxes.Campaign.Hidden("cusService", id) {
			add("service %s is too many", id)
		}
		return true
	})
	return append(out, w.differences(5)...)
}

// The oracle checks linked tables with random edits on both systems, faults, kills and
// expired links. At rest the systems agree, and nothing is in quarantine.
func TestLinkedTablesComeToRestAsTheOracleSays(t *testing.T) {
	t.Parallel()
	w := newFamilyWorld(t, 300)
	rng := rand.New(rand.NewPCG(9, 1))
	contacts := w.ids()
	bind := func(set, id string) string { return "/" + set + "(" + id + ")" }
	var vehicles, services []string
	insert := func(set string, values map[string]any) string {
		id, err := w.boxes.Dynamics.Insert(set, values)
		require.NoError(t, err)
		return id
	}
	vehicle := func() {
		vehicles = append(vehicles, insert("new_vehicles", map[string]any{"new_name": fmt.Sprint("Brougham ", rng.IntN(50)), "new_fuel": 1 + rng.IntN(3),
			"new_price": rng.IntN(1000), "new_leased": rng.IntN(5) == 0, "new_contactid@odata.bind": bind("contacts", contacts[rng.IntN(len(contacts)/2)])}))
	}
	service := func() {
		v := vehicles[rng.IntN(len(vehicles))]
		if w.boxes.Dynamics.Row("new_vehicles", v) == nil {
			return
		}
		services = append(services, insert("new_services", map[string]any{"new_name": fmt.Sprint("Brakes ", rng.IntN(50)), "new_mileage": rng.IntN(100_000),
			"new_vehicleid@odata.bind": bind("new_vehicles", v)}))
	}
	for range 400 {
		vehicle()
	}
	for range 800 {
		service()
	}
	update := func(set, id string, values map[string]any) { _ = w.boxes.Dynamics.Update(set, id, values) } // it may be deleted
	random := func() {
		switch rng.IntN(11) {
		case 0:
			vehicle()
		case 1:
			service()
		case 2:
			update("new_vehicles", vehicles[rng.IntN(len(vehicles))], map[string]any{"new_price": rng.IntN(1000)})
		case 3: // in and out of the filter
			update("new_vehicles", vehicles[rng.IntN(len(vehicles))], map[string]any{"new_leased": rng.IntN(2) == 0})
		case 4:
			update("new_services", services[rng.IntN(len(services))], map[string]any{"new_name": fmt.Sprint("Oil ", rng.IntN(50))})
		case 5: // another vehicle
			v := vehicles[rng.IntN(len(vehicles))]
			if w.boxes.Dynamics.Row("new_vehicles", v) != nil {
				update("new_services", services[rng.IntN(len(services))], map[string]any{"new_vehicleid@odata.bind": bind("new_vehicles", v)})
			}
		case 6:
			w.boxes.Dynamics.Delete("new_services", services[rng.IntN(len(services))])
		case 7: // deletes its services with it
			w.boxes.Dynamics.Delete("new_vehicles", vehicles[rng.IntN(len(vehicles))])
		case 8:
			update("contacts", contacts[rng.IntN(len(contacts)/2)], map[string]any{"address1_city": fmt.Sprint("Nebelheim ", rng.IntN(50))})
		case 9: // an edit in Campaign; it does nothing while the record is not there yet
			_ = w.boxes.Campaign.Update("profile", contacts[rng.IntN(len(contacts)/2)], []byte(`{"lastName":"Somebody"}`))
			_ = w.boxes.Campaign.Update("cusVehicle", vehicles[rng.IntN(len(vehicles))], []byte(`{"price":1}`))
		case 10:
			_ = w.boxes.Campaign.Delete("cusService", services[rng.IntN(len(services))])
			_ = w.boxes.Campaign.Delete("profile", contacts[rng.IntN(len(contacts)/2)])
		}
	}
	for _, rule := range []kit.Rule{
		{Service: "campaign", Action: kit.Respond, Status: 503, Body: `{"error_code":"503010","message":"Could not validate the oauth token"}`, Probability: 0.03, Seed: 1, Path: "/cus"},
		{Service: "campaign", Action: kit.ResetAfter, Probability: 0.02, Seed: 2, Path: "/cus"},
	} {
		_, err := w.boxes.Faults.Add(rule)
		require.NoError(t, err)
	}
	w.boxes.Campaign.SetLatency(3 * time.Millisecond)
	p := w.startWorker()
	for _, table := range []string{"services", "vehicles", "contacts"} { // children first
		if table == "contacts" {
			w.startFlow()
			continue
		}
		w.startTable(table)
	}
	for round := range 6 {
		mark := w.engineCalls()
		for range 40 {
			random()
		}
		require.Eventually(t, func() bool { return w.engineCalls() > mark+20 }, settleWithin, 5*time.Millisecond)
		switch round {
		case 1, 3, 4:
			p.kill()
			p = w.startWorker()
		case 2:
			_, err := w.boxes.Faults.Add(kit.Rule{Service: "dataverse", Action: kit.Named, Name: "expired_delta_link", Status: 410, Times: 2})
			require.NoError(t, err)
		}
	}
	// A contact whose vehicles and services go with it.
	w.remove(contacts[0])
	// What was done in Campaign is put right by audits; one that meets a change on
	// its way leaves the record to the next.
	require.Eventually(t, func() bool {
		return w.boxes.Campaign.Count("cusVehicle") > 200 && w.boxes.Campaign.Count("cusService") > 200
	}, settleWithin, 100*time.Millisecond)
	for until, same := time.Now().Add(2*settleWithin), false; !same; {
		require.True(t, time.Now().Before(until), "audits go on finding something; worker log:\n%s", w.tail())
		same = true
		for _, table := range []string{"contacts", "vehicles", "services"} {
			got := w.audited(w.audit(table, true))
			t.Logf("%s: %+v, %+v", table, got.Findings, got.Source.Counts)
			same = got.InStep() && same
		}
	}
	var diff []string
	if !assert.Eventually(t, func() bool {
		diff = w.familyDifferences()
		return len(diff) == 0
	}, 2*settleWithin, 200*time.Millisecond) {
		require.FailNow(t, "not in step", "differences: %v\nworker log:\n%s", diff[:min(len(diff), 10)], w.tail())
	}
	require.Empty(t, w.quarantine().Records)
	w.balanced()
	w.noPersonalData()
}
