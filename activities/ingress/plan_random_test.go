package ingress_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"causeway.dev/activities"
	"causeway.dev/activities/activitytest"
	"causeway.dev/internal/mapping"
)

// Over random prior states, with links, filters, refused, waiting and undone
// records, a plan is what the following run does: counts and engine calls. What a
// run holds back until its deletes are counted goes with the next pass.
func TestAPlanOfAnyState(t *testing.T) {
	t.Parallel()
	for seed := range activitytest.RandomSchedules(16) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 21))
			f := newFamily(t, 10)
			f.Table.Fields[0].OnTooLong = "" // firstname: refused by the mapping
			f.Table.Filter = mapping.Filter{DeleteUnmatched: rng.IntN(2) == 0, Where: []mapping.Condition{{Column: "jobtitle", Is: "not_equals", Value: "left"}}}
			w := f.warranty()
			applies := rng.IntN(3) > 0 // alike, for Campaign deletes vehicles with their profile, and warranties with their vehicle
			f.Table.ApplyDeletes, f.vehicles.Table.ApplyDeletes, w.Table.ApplyDeletes = applies, applies, applies
			flows := []*activitytest.World{f.World, f.vehicles, f.services, w}
			contacts := f.Sandboxes.Dynamics.Keys("contacts")
			pick := func(set string) string {
				if keys := f.Sandboxes.Dynamics.Keys(set); len(keys) > 0 {
					return keys[rng.IntN(len(keys))]
				}
				return ""
			}
			for _, key := range contacts[:3] {
				f.InsertProfile(map[string]any{"externalId": key, "lastName": "Before", "blackListEmail": rng.IntN(2) == 0})
			}
			edit := func() {
				switch key := pick("contacts"); rng.IntN(9) {
				case 0, 1, 2:
					f.Edit(key, map[string]any{"firstname": []string{"Ann", "Ben", longName}[rng.IntN(3)], "jobtitle": []any{nil, "left", "captain"}[rng.IntN(3)], "donotbulkemail": rng.IntN(2) == 0})
				case 3:
					if f.Table.Filter.DeleteUnmatched {
						key = ""
					}
					f.vehicle([]string{"", key}[rng.IntN(2)])
				case 4, 5:
					if v := pick("new_vehicles"); v != "" {
						f.service(v)
					}
				case 6:
					if c := pick("new_services"); c != "" {
						require.NoError(t, f.Sandboxes.Dynamics.Update("new_services", c, map[string]any{"new_name": fmt.Sprint("Tyres ", rng.IntN(3)), "new_vehicleid@odata.bind": "/new_vehicles(" + pick("new_vehicles") + ")"}))
					}
				case 7:
					if v := pick("new_vehicles"); v != "" && !f.Table.Filter.DeleteUnmatched {
						require.NoError(t, f.Sandboxes.Dynamics.Update("new_vehicles", v, map[string]any{"new_name": fmt.Sprint("Brougham ", rng.IntN(3)), "new_contactid@odata.bind": "/contacts(" + key + ")"}))
					}
				case 8:
					set := []string{"contacts", "new_vehicles", "new_services"}[rng.IntN(3)]
					if k := pick(set); k != "" && len(f.Sandboxes.Dynamics.Keys("contacts")) > 4 {
						f.Sandboxes.Dynamics.Delete(set, k)
					}
				}
			}
			loaded, last := map[*activitytest.World]bool{}, map[*activitytest.World]string{}
			for range 25 {
				for range 1 + rng.IntN(4) {
					edit()
				}
				switch s := flows[rng.IntN(len(flows))]; {
				case !loaded[s]:
					s.Load()
					loaded[s], last[s] = true, s.LastRun()
				case rng.IntN(6) == 0 && last[s] != "":
					s.Rollback(last[s])
					last[s] = ""
				case rng.IntN(4) == 0:
					s.ReleaseQuarantined(activities.Release{})
				default:
					s.Delta()
					last[s] = s.LastRun()
				}
				if rng.IntN(3) > 0 {
					continue
				}
				// What is next is planned, for any table.
				s := flows[rng.IntN(len(flows))]
				if loaded[s] {
					s.DeltaUntilQuiet()
				}
				for range rng.IntN(4) {
					edit()
				}
				f.Sandboxes.Clock.Advance(10 * time.Minute) // the catch-up finds nothing
				in := activities.PlanInput{Baseline: rng.IntN(2) == 0}
				s.Preflight()
				plan := s.Plan(in)
				calls := s.EngineCalls()
				var run activities.SaveWatermarkResult
				switch plan.Run {
				case "replay":
					run = s.Pass(activities.KindBackfill, activities.PhaseScan)
				case "new baseline":
					run = s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp, activities.PhaseSweep)
				default:
					run = s.Pass(activities.KindInitial, activities.PhaseBaseline, activities.PhaseCatchUp)
				}
				loaded[s] = true
				held, err := f.Ledger.Ready(t.Context(), s.Table.Name, 0)
				require.NoError(t, err)
				heldCalls := int64(len(held))
				for _, e := range held {
					if s == f.World && !e.Deleted { // left by the filter: its opt-outs are looked at first
						heldCalls++
					}
				}
				want, got := plan.Counts, run.Counts
				got.Deleted, got.Parked = got.Deleted+int64(len(held)), got.Parked-int64(len(held))
				if s == f.services { // which of the deleted ones Campaign hides, the ledger does not tell
					want.Deleted, want.Parked = 0, want.Deleted+want.Parked
					got.Deleted, got.Parked = 0, got.Deleted+got.Parked
				}
				require.Equal(t, want, got, "%s of %s", plan.Run, s.Table.Name)
				require.Equal(t, plan.EngineCalls, s.EngineCalls()-calls+heldCalls, "%s of %s", plan.Run, s.Table.Name)
			}
		})
	}
}
