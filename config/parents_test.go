package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/mapping"
)

// tablesOf makes mappings from lines such as "services: vehicles contacts".
func tablesOf(lines ...string) map[string]mapping.Table {
	out := map[string]mapping.Table{}
	for _, line := range lines {
		name, parents, _ := strings.Cut(line, ":")
		t := mapping.Table{Name: name, Dynamics: mapping.SourceTable{Table: "new_" + name},
			Campaign: mapping.TargetTable{Resource: "cus" + name, Key: "externalId"}, Fields: []mapping.Field{{From: "new_name", To: "name"}}}
		if name == "contacts" {
			t.Dynamics.Table, t.Campaign.Resource = "contact", "profile"
		}
		for i, p := range strings.Fields(parents) {
			t.Fields = append(t.Fields, mapping.Field{From: fmt.Sprintf("new_lookup%d", i), To: fmt.Sprintf("link%d", i), Parent: p})
		}
		out[name] = t
	}
	return out
}

func linkProblems(tables map[string]mapping.Table) []string {
	v := &validator{known: map[string]bool{}}
	v.ingress(Ingress{Tables: tables, Lanes: 8, ReadAhead: 2, PollEvery: 3e9})
	var out []string
	for _, p := range v.problems {
		out = append(out, p.String())
	}
	return out
}

// R17.1, R17.2, R17.3.
func TestLinksBetweenMappings(t *testing.T) {
	t.Parallel()
	require.Empty(t, linkProblems(tablesOf("contacts:", "vehicles: contacts", "services: vehicles", "notes:")), "linked and unlinked, three tables")
	for want, tables := range map[string][]string{
		`ingress.tables.parts.fields: got links over 4 tables: parts -> services -> vehicles -> contacts, want at most 3; remove parent from one of the pairs`: {"contacts:", "vehicles: contacts", "services: vehicles", "parts: services"},
		`ingress.tables.a.fields: got links in a circle: a -> b -> a, want links that lead to a table without parents; remove parent from one of the pairs`:    {"a: b", "b: a"},
		`ingress.tables.vehicles.fields[1].parent: got "contact", want a mapping of this configuration: contacts, vehicles; did you mean contacts?`:            {"contacts:", "vehicles: contact"},
		`ingress.tables.a.fields[1].parent: got "a", this mapping itself, want the mapping of another table; remove parent`:                                    {"a: a"},
		`ingress.tables.a.fields: got 6 links, want at most 5; remove parent from pairs that need not wait for a parent`:                                       {"b:", "a: b b b b b b"},
	} {
		require.Contains(t, linkProblems(tablesOf(tables...)), want)
	}
	require.Empty(t, linkProblems(tablesOf("b:", "a: b b b b b")), "five links are allowed")
}

// R9.10: the 21st table and the 51st column are refused, with the reason.
func TestLimitsOfAConfiguration(t *testing.T) {
	t.Parallel()
	wide := func(tables, columns int) map[string]mapping.Table {
		out := tablesOf("contacts:")
		for i := range tables {
			name := fmt.Sprintf("t%02d", i)
			t := tablesOf(name + ":")[name]
			t.Fields = nil
			for j := range columns {
				t.Fields = append(t.Fields, mapping.Field{From: fmt.Sprintf("new_c%d", j), To: fmt.Sprintf("c%d", j)})
			}
			out[name] = t
		}
		return out
	}
	require.Empty(t, linkProblems(wide(20, 50)))
	require.Contains(t, linkProblems(wide(21, 1)), "ingress.tables: got 21 mappings besides contact, want at most 20; move some to another instance")
	require.Contains(t, linkProblems(wide(1, 51)), "ingress.tables.t00.fields: got 51 fields, want at most 50; remove the fields that Campaign does not need")
}

func TestParentsFirst(t *testing.T) {
	t.Parallel()
	c := &Config{Ingress: Ingress{Tables: tablesOf("a-services: vehicles", "vehicles: contacts", "contacts:", "notes:")}}
	require.Equal(t, []string{"contacts", "notes", "vehicles", "a-services"}, c.ParentsFirst())
}

// R17.10, R17.11.
func TestAnUnlinkedResourceIsAWarning(t *testing.T) {
	t.Parallel()
	c := &Config{Ingress: Ingress{Tables: tablesOf("services: vehicles", "vehicles: contacts", "contacts:", "notes:")}}
	all := strings.Join(c.Warnings(), "\n")
	require.Contains(t, all, "ingress.tables.notes: got a resource without a link to the profile")
	for _, linked := range []string{"services", "vehicles", "contacts"} {
		require.NotContains(t, all, "ingress.tables."+linked)
	}
}
