package reconcile_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"causeway.dev/internal/mapping"
	"causeway.dev/internal/reconcile"
)

const (
	loserID  = "6f1d0c2a-1111-2222-3333-444455556666"
	winnerID = "6f1d0c2a-1111-2222-3333-444455557777"
)

// people is the mapping of contacts; those whose name is "left" are filtered out.
func people(t testing.TB) reconcile.Rules {
	t.Helper()
	source := mapping.SourceSchema{Table: "contact", EntitySet: "contacts", Key: "contactid", Tracked: true, Columns: map[string]mapping.Column{
		"contactid": {Type: "Uniqueidentifier"}, "lastname": {Type: "String", MaxLength: 100}, "merged": {Type: "Boolean"}, "masterid": {Type: "Lookup", Targets: []string{"contact"}},
	}}
	target := mapping.TargetSchema{API: mapping.DefaultAPI, Resource: "profile", Fields: map[string]mapping.TargetField{
		"externalId": {Type: "string", ResType: "string", Length: 50}, "lastName": {Type: "string", ResType: "string", Length: 100}, "blackListEmail": {Type: "boolean", ResType: "boolean"},
	}}
	plan, err := mapping.Resolve(mapping.Table{
		Name: "contacts", Dynamics: mapping.SourceTable{Table: "contact"}, Campaign: mapping.TargetTable{Resource: "profile", Key: "externalId"},
		Filter: mapping.Filter{Where: []mapping.Condition{{Column: "lastname", Is: "not_equals", Value: "left"}}},
		Fields: []mapping.Field{{From: "lastname", To: "lastName"}},
	}, source, target)
	require.NoError(t, err)
	require.Subset(t, plan.Select, []string{"merged", "_masterid_value"}, "they are read though nobody maps them")
	m, err := plan.Mapper()
	require.NoError(t, err)
	return reconcile.Rules{Mapper: m}
}

func person(name string, merged bool) []byte {
	winner := "null"
	if merged {
		winner = fmt.Sprintf("%q", winnerID)
	}
	return fmt.Appendf(nil, `{"contactid":%q,"lastname":%q,"merged":%v,"_masterid_value":%s}`, loserID, name, merged, winner)
}

// No loser of a merge keeps or gets a profile where such profiles are deleted, whatever
// else is true of it; where they are kept, the merge changes nothing.
func TestAMergedContactHasNoProfile(t *testing.T) {
	t.Parallel()
	base := people(t)
	rapid.Check(t, func(t *rapid.T) {
		r := base
		r.DeleteMerged, r.DeleteUnmatched, r.ApplyDeletes = rapid.Bool().Draw(t, "delete merged"), rapid.Bool().Draw(t, "delete unmatched"), rapid.Bool().Draw(t, "apply deletes")
		r.LeaveErased, r.Replay = rapid.Bool().Draw(t, "leave erased"), rapid.Bool().Draw(t, "replay")
		var k reconcile.Known
		if rapid.Bool().Draw(t, "held") {
			p, err := r.Mapper.Map(person("Before", false))
			require.NoError(t, err)
			k = reconcile.Known{Payload: p.Canonical(), Fingerprint: p.Fingerprint()}
		} else {
			k.Lost = rapid.Bool().Draw(t, "lost")
		}
		name := rapid.SampledFrom([]string{"Before", "After", "left"}).Draw(t, "name")
		f := reconcile.Facts{Guard: rapid.SampledFrom([]reconcile.Guard{reconcile.GuardAllows, reconcile.GuardForbids}).Draw(t, "guard")}
		if rapid.Bool().Draw(t, "erased") {
			f.Target = reconcile.Target{Asked: true}
		}
		decide := func(merged bool) reconcile.Action {
			e, err := r.Read(&k, "2", person(name, merged))
			require.NoError(t, err)
			require.Equal(t, merged && r.DeleteMerged || name == "left" && r.DeleteUnmatched, r.Deletes(false, person(name, merged)))
			return r.Decide(&k, &e, &f)
		}
		a := decide(true)
		switch {
		case !r.DeleteMerged:
			require.Equal(t, decide(false).Kind, a.Kind)
		case !k.Held():
			require.Equal(t, reconcile.LeaveOut, a.Kind)
		case f.Guard == reconcile.GuardForbids && !f.Target.Asked:
			require.Equal(t, reconcile.HoldBack, a.Kind, "it counts for the delete guard")
		default:
			require.Equal(t, reconcile.Delete, a.Kind)
			require.Equal(t, reconcile.WasMerged, a.Why)
			require.Equal(t, f.Target.Asked, a.Done)
		}
	})
}

// A record that somebody deleted in Campaign comes back with its next change, and is
// known to have done so; where it is to stay deleted, nothing brings it back.
func TestAnErasedRecord(t *testing.T) {
	t.Parallel()
	base := people(t)
	p, err := base.Mapper.Map(person("Before", false))
	require.NoError(t, err)
	gone := reconcile.Facts{Target: reconcile.Target{Asked: true}}
	for name, c := range map[string]struct {
		known reconcile.Known
		facts reconcile.Facts
	}{
		"an update finds nothing":         {reconcile.Known{Payload: p.Canonical(), Fingerprint: p.Fingerprint()}, gone},
		"it is known to have been erased": {reconcile.Known{Lost: true}, reconcile.Facts{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for leave, want := range map[bool]reconcile.Action{
				false: {Kind: reconcile.Create, Why: reconcile.LostInTarget},
				true:  {Kind: reconcile.LeaveOut, Why: reconcile.Erased},
			} {
				r := base
				r.LeaveErased = leave
				e, err := r.Read(&c.known, "2", person("After", false))
				require.NoError(t, err)
				a := r.Decide(&c.known, &e, &c.facts)
				require.Equal(t, want, reconcile.Action{Kind: a.Kind, Why: a.Why})
			}
		})
	}
}
