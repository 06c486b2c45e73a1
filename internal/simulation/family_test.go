package simulation

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"causeway.dev/activities"
	"causeway.dev/internal/mapping"
	sandboxcampaign "causeway.dev/sandbox/campaign"
	sandboxdataverse "causeway.dev/sandbox/dataverse"
)

// kin is a custom table whose records name a parent.
type kin struct {
	table    string // mapping
	entity   string // in Dynamics
	resource string // in Campaign
	parent   string // mapping of what it names
	lookup   string // that names it
	to       string // what names it in Campaign
	prefix   string // of its keys
}

// kinds are vehicles of contacts, and what vehicles have. A vehicle without its profile is
// visible, and goes with it. A service without its vehicle is hidden, and stays. Campaign
// refuses a warranty without its vehicle, and it goes with it.
var kinds = []*kin{
	{"vehicles", "new_vehicle", "cusVehicle", contacts, "new_contactid", "ProfileExternalId", "c0ffee01"},
	{"services", "new_service", "cusService", "vehicles", "new_vehicleid", "VehicleExternalId", "c0ffee02"},
	{"warranties", "new_warranty", "cusWarranty", "vehicles", "new_vehicleid", "vehicle", "c0ffee03"},
}

// nameLength is what Campaign takes; Dynamics takes more.
const nameLength = 20

func kinOf(table string) *kin {
	for _, k := range kinds {
		if k.table == table {
			return k
		}
	}
	return nil
}

// set is the entity set of a kin.
func (k *kin) set() string { return k.entity + "s" }

// setOf is the entity set that a mapping reads.
func setOf(table string) string {
	if k := kinOf(table); k != nil {
		return k.set()
	}
	return table
}

// resourceOf is the resource that a mapping writes.
func resourceOf(table string) string {
	if k := kinOf(table); k != nil {
		return k.resource
	}
	return "profile"
}

func familyTables() []sandboxdataverse.Table {
	var out []sandboxdataverse.Table
	for _, k := range kinds {
		target := "contact"
		if p := kinOf(k.parent); p != nil {
			target = p.entity
		}
		out = append(out, sandboxdataverse.WithSystemColumns(sandboxdataverse.Table{LogicalName: k.entity, EntitySet: k.set(), Key: k.entity + "id", Name: "new_name", Tracked: true,
			Columns: []sandboxdataverse.Column{
				{Name: "new_name", Type: "String", MaxLength: 100},
				{Name: k.lookup, Type: "Lookup", OnDelete: sandboxdataverse.Cascade, Targets: []sandboxdataverse.Target{{Table: target, Nav: k.lookup}}},
			}}))
	}
	return out
}

func familyResources() []sandboxcampaign.Resource {
	text := func(name string, length int) sandboxcampaign.Field {
		return sandboxcampaign.Field{Name: name, Type: sandboxcampaign.String, ResType: "string", Length: length}
	}
	resource := func(k *kin, link sandboxcampaign.Field, join sandboxcampaign.Join) sandboxcampaign.Resource {
		return sandboxcampaign.Resource{Name: k.resource, Label: k.resource, Schema: "cus:" + strings.TrimPrefix(k.resource, "cus"), Key: "externalId",
			Fields: []sandboxcampaign.Field{text("externalId", 50), text("name", nameLength), link}, Joins: []sandboxcampaign.Join{join}}
	}
	vehicle := kinds[0].resource
	return []sandboxcampaign.Resource{
		resource(kinds[0], text(kinds[0].to, 50), sandboxcampaign.Join{Column: kinds[0].to, Target: "profile", OnDelete: sandboxcampaign.Cascade}),
		resource(kinds[1], text(kinds[1].to, 50), sandboxcampaign.Join{Column: kinds[1].to, Target: vehicle, Cardinality: sandboxcampaign.One}),
		resource(kinds[2], sandboxcampaign.Field{Name: kinds[2].to, Type: sandboxcampaign.Link, ResType: "link", Target: vehicle},
			sandboxcampaign.Join{Link: kinds[2].to, Target: vehicle, Cardinality: sandboxcampaign.One, OnDelete: sandboxcampaign.Cascade}),
	}
}

func (k *kin) mapping() activities.Table {
	return activities.Table{
		Name: k.table, ApplyDeletes: true, Dynamics: mapping.SourceTable{Table: k.entity}, Campaign: mapping.TargetTable{Resource: k.resource, Key: "externalId"},
		Fields: []mapping.Field{{From: k.lookup, To: k.to, Parent: k.parent}, {From: "new_name", To: "name"}},
	}
}

// linked is a record that names a parent.
type linked struct {
	*kin
	key string
}

// parentOf is what a record of Dynamics names; "" is nothing.
func (w *world) parentOf(k *kin, key string) string {
	parent, _ := w.dynamics.Row(k.set(), key)["_"+k.lookup+"_value"].(string)
	return parent
}

// editFamily is somebody at work on records that name others. The first one brings their
// flows about, all at once, so that children may come before their parents.
func (w *world) editFamily(rng *rand.Rand) {
	if w.family == nil {
		for _, k := range kinds {
			f := w.tableFlow(k.table, k.mapping())
			w.family = append(w.family, f)
			w.running.Go(f.run)
		}
	}
	var of []linked
	for _, k := range kinds {
		for _, key := range w.dynamics.Keys(k.set()) {
			of = append(of, linked{k, key})
		}
	}
	if under := w.linkedUnderWay(); len(under) > 0 && rng.IntN(2) == 0 {
		of = under
	}
	switch n := rng.IntN(10); {
	case len(of) == 0 || n == 0:
		if rng.IntN(2) == 0 {
			w.add("")
		}
		for range 1 + rng.IntN(3) {
			w.come(rng, kinds[0], "")
		}
		w.come(rng, kinds[1], "")
		w.come(rng, kinds[2], "")
	case n < 4:
		w.come(rng, kinds[rng.IntN(len(kinds))], "")
	default:
		w.editLinked(rng, of[rng.IntN(len(of))])
	}
}

// linkedUnderWay lists the linked records that are named at a seam.
func (w *world) linkedUnderWay() []linked {
	var out []linked
	for _, k := range kinds {
		for _, key := range w.underWay(w.dynamics.Keys(k.set())) {
			out = append(out, linked{k, key})
		}
	}
	return out
}

func (w *world) editLinked(rng *rand.Rand, r linked) {
	w.made++
	switch n := rng.IntN(22); {
	case n < 5:
		w.rename(r, fmt.Sprintf("Name%d", w.made))
	case n < 11:
		w.move(r, w.anyParent(rng, r.kin))
	case n < 13:
		w.goes(r)
	case n < 16: // one that is gone comes back, with its id
		for _, key := range w.born[r.set()] {
			if w.dynamics.Row(r.set(), key) == nil {
				w.come(rng, r.kin, key)
				return
			}
		}
	case n < 18: // a Campaign user
		if w.campaign.Record(r.resource, r.key) != nil {
			must(w.campaign.Delete(r.resource, r.key))
			w.gone[r.key] = true
			w.note("  Campaign: %s erased", r.key)
		}
	case n < 20:
		w.rename(r, fmt.Sprintf("Name%d, which is too long", w.made))
	default:
		w.orphan(rng, r)
	}
}

func (w *world) rename(r linked, name string) {
	w.note("  Dynamics: %s is %s", r.key, name)
	must(w.dynamics.Update(r.set(), r.key, map[string]any{"new_name": name}))
}

// anyParent picks one; "" is none. What a vehicle has is never of none: Campaign would hide
// it for good.
func (w *world) anyParent(rng *rand.Rand, k *kin) string {
	keys := w.dynamics.Keys(setOf(k.parent))
	if len(keys) == 0 || k.parent == contacts && rng.IntN(6) == 0 {
		return ""
	}
	return keys[rng.IntN(len(keys))]
}

func (k *kin) bind(parent string) any {
	if parent == "" {
		return nil
	}
	return "/" + setOf(k.parent) + "(" + parent + ")"
}

func (w *world) move(r linked, parent string) {
	if parent == "" && r.parent != contacts {
		return
	}
	w.note("  Dynamics: %s goes to %q", r.key, parent)
	must(w.dynamics.Update(r.set(), r.key, map[string]any{r.lookup + "@odata.bind": r.bind(parent)}))
}

// come creates a record; "" is a new key.
func (w *world) come(rng *rand.Rand, k *kin, key string) {
	w.made++
	if key == "" {
		key = fmt.Sprintf("%s-0000-4000-8000-%012d", k.prefix, w.made)
	}
	values := map[string]any{k.entity + "id": key, "new_name": fmt.Sprintf("Name%d", w.made)}
	parent := w.anyParent(rng, k)
	if parent == "" && k.parent != contacts {
		return
	}
	if parent != "" {
		values[k.lookup+"@odata.bind"] = k.bind(parent)
	}
	w.note("  Dynamics: %s created, of %q", key, parent)
	_, err := w.dynamics.Insert(k.set(), values)
	must(err)
	if !slices.Contains(w.born[k.set()], key) {
		w.born[k.set()] = append(w.born[k.set()], key)
	}
}

// goes deletes a record, and Dynamics deletes those that name it.
func (w *world) goes(r linked) {
	w.note("  Dynamics: %s deleted", r.key)
	w.dynamics.Delete(r.set(), r.key)
}

// orphan deletes the vehicle of a record, or the contact of a vehicle, after those that name
// it went to somebody else.
func (w *world) orphan(rng *rand.Rand, r linked) {
	parent := w.parentOf(r.kin, r.key)
	if parent == "" {
		return
	}
	for _, k := range kinds {
		for _, key := range w.dynamics.Keys(k.set()) {
			if k.parent != r.parent || w.parentOf(k, key) != parent {
				continue
			}
			to := w.anyParent(rng, k)
			if to == parent {
				to = "" // what a vehicle has goes with it
			}
			w.move(linked{k, key}, to)
		}
	}
	w.note("  Dynamics: %s deleted", parent)
	w.dynamics.Delete(setOf(r.parent), parent)
	if r.parent == contacts {
		w.deleted = append(w.deleted, parent)
		w.goneOnce[parent] = true
		w.forgets(parent)
	}
}

// mendFamily gives names that Campaign takes, and touches what waits for a change: records
// that a user of Campaign deleted, and those that a rollback was the last to write.
func (w *world) mendFamily() {
	for _, k := range kinds {
		back := map[string]string{}
		if w.family != nil {
			back = w.rolledBack(k.table)
		}
		for _, key := range w.dynamics.Keys(k.set()) {
			name, _ := w.dynamics.Row(k.set(), key)["new_name"].(string)
			_, undone := back[key]
			if len(name) > nameLength || undone || w.gone[key] && w.campaign.Record(k.resource, key) == nil {
				w.made++
				w.rename(linked{k, key}, fmt.Sprintf("Name%d", w.made))
			}
		}
		// One that a rollback brought back although it is gone in Dynamics comes for good.
		var keys []string
		for key := range back {
			if w.dynamics.Row(k.set(), key) == nil {
				keys = append(keys, key)
			}
		}
		slices.Sort(keys)
		for _, key := range keys {
			w.come(rand.New(rand.NewPCG(1, 1)), k, key) //nolint:gosec // any parent will do
		}
	}
}
