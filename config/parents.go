package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"causeway.dev/internal/mapping"
)

// maxChain is how many tables links may chain (R17.2).
const maxChain = 3

// parents checks that links lead to mappings of this configuration, in no circle and not
// through too many tables.
func (v *validator) parents(tables map[string]mapping.Table) {
	names := slices.Sorted(maps.Keys(tables))
	for _, name := range names {
		path := "ingress.tables." + name
		for i, f := range tables[name].Fields {
			if _, known := tables[f.Parent]; f.Parent != "" && !known {
				v.add(fmt.Sprintf("%s.fields[%d].parent", path, i), short(f.Parent), "a mapping of this configuration: "+strings.Join(names, ", "), didYouMean(f.Parent, names))
			}
		}
		chain := longestChain(tables, name, nil)
		switch {
		case len(chain) > 1 && chain[0] == chain[len(chain)-1]:
			v.add(path+".fields", "links in a circle: "+strings.Join(chain, " -> "), "links that lead to a table without parents", "remove parent from one of the pairs")
		case len(chain) > maxChain:
			v.add(path+".fields", fmt.Sprintf("links over %d tables: %s", len(chain), strings.Join(chain, " -> ")), fmt.Sprintf("at most %d", maxChain), "remove parent from one of the pairs")
		}
	}
}

// longestChain follows the parents of a mapping; it ends with name again when
// they lead back to it.
func longestChain(tables map[string]mapping.Table, name string, before []string) []string {
	chain := append(slices.Clone(before), name)
	if slices.Contains(before, name) {
		return chain
	}
	longest := chain
	for _, f := range tables[name].Fields {
		if _, known := tables[f.Parent]; !known {
			continue
		}
		found := longestChain(tables, f.Parent, chain)
		if found[0] == found[len(found)-1] {
			return found
		}
		if last := found[len(found)-1]; slices.Contains(found[:len(found)-1], last) {
			continue // a circle further up, reported there
		}
		if len(found) > len(longest) {
			longest = found
		}
	}
	return longest
}

// ParentsFirst orders the names of mappings so that each comes behind the ones
// it links to.
func (c *Config) ParentsFirst() []string {
	names := slices.Sorted(maps.Keys(c.Ingress.Tables))
	depth := make(map[string]int, len(names))
	for _, name := range names {
		depth[name] = len(longestChain(c.Ingress.Tables, name, nil))
	}
	slices.SortStableFunc(names, func(a, b string) int { return depth[a] - depth[b] })
	return names
}

// unlinked says whether personal data of a mapping is out of reach of a privacy
// delete: no chain of links leads to the profile (R17.10, R17.11).
func unlinked(tables map[string]mapping.Table, name string) bool {
	if tables[name].Campaign.Resource == "profile" {
		return false
	}
	for _, f := range tables[name].Fields {
		if _, known := tables[f.Parent]; known && f.Parent != name && !unlinked(tables, f.Parent) {
			return false
		}
	}
	return true
}
