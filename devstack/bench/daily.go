package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"causeway.dev/activities"
	"causeway.dev/internal/operator"
	"causeway.dev/sandbox/campaign"
	"causeway.dev/sandbox/dataverse"
	"causeway.dev/sandbox/kit"
	"causeway.dev/sandbox/stack"
	"causeway.dev/workflows"
)

// plan runs causeway plan over the whole table.
func (r *rig) plan(ctx context.Context) (activities.PlanResult, error) {
	var out activities.PlanResult
	handle, err := r.client.ExecuteActivity(ctx, client.StartActivityOptions{
		ID: "plan", TaskQueue: workflows.QueueMain, ScheduleToCloseTimeout: time.Hour,
	}, activities.Plan, activities.PlanInput{Table: r.cfg.Ingress.Tables["contacts"]})
	if err == nil {
		err = handle.Get(ctx, &out)
	}
	return out, err
}

// daily measures the work on a table that is loaded: a plan that finds nothing to do, a
// delta, and a new baseline with the sweep for deleted records.
func daily(ctx context.Context, o options) (err error) {
	const deletes = 90 // fewer than need approval
	changes := min(10_000, o.million/10)
	r, err := newRig(ctx, rigOptions{contacts: o.million, synchronous: o.synchronous})
	if err != nil {
		return err
	}
	defer r.done(&err)
	if _, err := r.load(ctx); err != nil {
		return err
	}
	calls := r.boxes.Campaign.Calls().Engine()

	began := time.Now()
	predicted, err := r.plan(ctx)
	if err != nil {
		return err
	}
	took := time.Since(began)
	if predicted.Counts.Unchanged != int64(o.million) || r.boxes.Campaign.Calls().Engine() != calls {
		return fmt.Errorf("the plan found %+v and made %d calls, want %d unchanged and none", predicted.Counts, r.boxes.Campaign.Calls().Engine()-calls, o.million)
	}
	figure("plan, nothing changed", "%s, %.0f records/s, 0 engine calls", took.Round(100*time.Millisecond), float64(o.million)/took.Seconds())

	keys := r.boxes.Dynamics.Keys("contacts")
	for i, id := range keys[:changes] {
		if err := r.boxes.Dynamics.Update("contacts", id, map[string]any{"address1_city": fmt.Sprintf("Bench %d", i)}); err != nil {
			return err
		}
	}
	began = time.Now()
	if err := r.until(ctx, func() bool { return r.boxes.Campaign.Calls().Engine() >= calls+int64(changes) }); err != nil {
		return err
	}
	figure("changes among them, all in Campaign after", "%s (%d changes, %d engine calls)", time.Since(began).Round(10*time.Millisecond), changes, r.boxes.Campaign.Calls().Engine()-calls)

	for _, id := range keys[len(keys)-deletes:] {
		r.boxes.Dynamics.Delete("contacts", id)
	}
	if _, err := r.boxes.Faults.Add(kit.Rule{Service: "dataverse", Action: kit.Named, Name: "expired_delta_link", Status: 410, Times: 1}); err != nil {
		return err
	}
	first := ""
	run, err := r.wait(ctx, func(run workflows.RunSummary) bool {
		if first == "" {
			first = run.Run
		}
		return run.Kind == activities.KindInitial && run.Run != first && run.Counts.Read >= int64(o.million)-deletes && run.Start.After(began)
	})
	if err != nil {
		return err
	}
	if err := r.until(ctx, func() bool { return r.boxes.Campaign.Count("profile") == int64(o.million-deletes) }); err != nil {
		return err
	}
	figure("mark and sweep", "%s, %.0f records/s, %d deletes found", run.End.Sub(run.Start).Round(100*time.Millisecond), float64(o.million)/run.End.Sub(run.Start).Seconds(), deletes)
	return nil
}

// until polls the sandboxes until they are in a wanted state.
func (r *rig) until(ctx context.Context, done func() bool) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// kin is the configuration of tables whose records name records of others.
const kin = `
    vehicles:
      dynamics: {table: new_vehicle}
      campaign: {resource: cusvehicle, key: externalId}
      fields: [{from: new_name, to: name}]
    services:
      dynamics: {table: new_service}
      campaign: {resource: cusservice, key: externalId}
      fields: [{from: new_vehicleid, to: VehicleExternalId, parent: vehicles}, {from: new_name, to: name}]
    notes:
      dynamics: {table: new_note}
      campaign: {resource: cusnote, key: externalId}
      fields: [{from: new_vehicleid, to: vehicle, parent: vehicles}, {from: new_name, to: name}]
`

// children measures records that come before their parents, in random order. All must
// arrive in Campaign without an operator.
func children(ctx context.Context, o options) (err error) {
	r, err := newRig(ctx, rigOptions{contacts: 1, synchronous: o.synchronous, tables: kin, stack: family})
	if err != nil {
		return err
	}
	defer r.done(&err)
	random := rand.New(rand.NewPCG(1, 1))
	parents := make([]string, o.contacts/5)
	for i := range parents {
		if parents[i], err = r.boxes.Dynamics.Insert("new_vehicles", map[string]any{"new_name": fmt.Sprint("Brougham ", i)}); err != nil {
			return err
		}
	}
	for i := range o.contacts {
		set := []string{"new_services", "new_notes"}[i%2]
		if _, err := r.boxes.Dynamics.Insert(set, map[string]any{"new_name": fmt.Sprint("Brakes ", i),
			"new_vehicleid@odata.bind": "/new_vehicles(" + parents[random.IntN(len(parents))] + ")"}); err != nil {
			return err
		}
	}
	began := time.Now()
	for _, table := range []string{"services", "notes", "vehicles"} { // children first
		id := workflows.TableFlow(r.cfg.Instance, table).WorkflowID()
		handle, err := r.client.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
			StartWorkflowOperation: r.client.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
				ID: id, TaskQueue: workflows.QueueMain, WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
			}, workflows.TypeTableSync, workflows.TableSyncInput{Instance: r.cfg.Instance, Table: table}),
			UpdateOptions: client.UpdateWorkflowOptions{WorkflowID: id, UpdateName: workflows.UpdateStart, WaitForStage: client.WorkflowUpdateStageCompleted,
				Args: []any{operator.StartRequest(r.cfg, table, "bench")}},
		})
		if err == nil {
			err = handle.Get(ctx, nil)
		}
		if err != nil {
			return err
		}
	}
	total := int64(o.contacts + len(parents))
	if err := r.until(ctx, func() bool {
		return r.boxes.Campaign.Count("cusservice")+r.boxes.Campaign.Count("cusnote")+r.boxes.Campaign.Count("cusvehicle") == total
	}); err != nil {
		return err
	}
	took := time.Since(began)
	hidden := 0
	r.boxes.Campaign.Each("cusservice", func(id string, _ map[string]any) bool {
		if r.boxes.Campaign.Hidden("cusservice", id) {
			hidden++
		}
		return true
	})
	calls := r.boxes.Campaign.Calls().Engine()
	if hidden > 0 {
		return errors.New("some children are hidden although their parents are there")
	}
	figure("children and parents", "%d and %d in %s, %.2f engine calls per record", o.contacts, len(parents), took.Round(100*time.Millisecond), float64(calls)/float64(total))
	return nil
}

// family declares parents and two kinds of children. One kind is joined by a column with
// cardinality 1, so it is hidden without its parent. The other has a link object, so it
// is refused without its target.
func family(o *stack.Options) {
	for _, name := range []string{"vehicle", "service", "note"} {
		d := dataverse.Table{LogicalName: "new_" + name, EntitySet: "new_" + name + "s", Key: "new_" + name + "id", Name: "new_name", Tracked: true,
			Columns: []dataverse.Column{{Name: "new_name", Type: "String", MaxLength: 100}}}
		c := campaign.Resource{Name: "cus" + name, Label: name, Schema: "cus:" + name, Key: "externalId", Fields: []campaign.Field{
			{Name: "externalId", Type: campaign.String, ResType: "string", Length: 50}, {Name: "name", Type: campaign.String, ResType: "string", Length: 100}}}
		if name != "vehicle" {
			d.Columns = append(d.Columns, dataverse.Column{Name: "new_vehicleid", Type: "Lookup", Targets: []dataverse.Target{{Table: "new_vehicle", Nav: "new_vehicleid"}}})
		}
		switch name {
		case "service":
			c.Fields = append(c.Fields, campaign.Field{Name: "VehicleExternalId", Type: campaign.String, ResType: "string", Length: 50})
			c.Joins = []campaign.Join{{Column: "VehicleExternalId", Target: "cusvehicle", Cardinality: campaign.One}}
		case "note":
			c.Fields = append(c.Fields, campaign.Field{Name: "vehicle", Type: campaign.Link, ResType: "link", Target: "cusvehicle"})
			c.Joins = []campaign.Join{{Link: "vehicle", Target: "cusvehicle"}}
		}
		o.Tables, o.Resources = append(o.Tables, dataverse.WithSystemColumns(d)), append(o.Resources, c)
	}
}
