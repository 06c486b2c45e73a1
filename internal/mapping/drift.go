package mapping

import (
	"fmt"
	"maps"
	"slices"
)

// Drift lists changes of the data models between two resolutions of a mapping that
// do not prevent it from running: options of choices, lengths, members of
// enumerations. A change that prevents it is an error of Resolve.
func Drift(before, after *Plan) []string {
	was := map[string]PlanField{}
	for _, f := range before.Fields {
		was[f.From+" -> "+f.To] = f
	}
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, f := range after.Fields {
		pair := f.From + " -> " + f.To
		old, known := was[pair]
		if !known {
			continue
		}
		for _, n := range slices.Sorted(maps.Keys(f.Options)) {
			switch label, had := old.Options[n]; {
			case !had:
				add("%s: the choice has a new option %d, %q", pair, n, f.Options[n])
			case label != f.Options[n]:
				add("%s: option %d was %q and is %q now; records get the new label when they change or are replayed", pair, n, label, f.Options[n])
			}
		}
		for _, n := range slices.Sorted(maps.Keys(old.Options)) {
			if _, has := f.Options[n]; !has {
				add("%s: option %d, %q, is gone", pair, n, old.Options[n])
			}
		}
		if old.Length != f.Length {
			add("%s: the Campaign field took %d characters and takes %d now", pair, old.Length, f.Length)
		}
		for _, name := range slices.Sorted(maps.Keys(f.Values)) {
			if _, had := old.Values[name]; !had && len(old.Values) > 0 {
				add("%s: the enumeration has a new member %s", pair, name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(old.Values)) {
			if _, has := f.Values[name]; !has {
				add("%s: the enumeration has no member %s any more", pair, name)
			}
		}
	}
	return out
}
