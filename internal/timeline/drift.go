package timeline

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// Same says that rows made by two plans of the same settings are alike.
func Same(a, b *Plan) bool { return reflect.DeepEqual(a.Targets, b.Targets) }

// Drift compares two plans of the same settings: what changed in the tables and does no
// harm, and the first change with which rows made by the earlier plan are refused.
func Drift(before, after *Plan) (changes []string, breaks string) {
	for _, one := range types {
		was, is := before.Targets[one.event], after.Targets[one.event]
		if was == nil || is == nil {
			continue
		}
		table := was.Table.Table
		switch {
		case was.EntitySet != is.EntitySet:
			return nil, fmt.Sprintf("the rows of %s were at %s and are at %s now", table, was.EntitySet, is.EntitySet)
		case was.Regarding != is.Regarding:
			return nil, fmt.Sprintf("%s named its contact by %s and does by %s now", table, was.Regarding, is.Regarding)
		}
		for _, column := range slices.Sorted(maps.Keys(is.Limits)) {
			if a, b := was.Limits[column], is.Limits[column]; a != b {
				changes = append(changes, fmt.Sprintf("%s.%s took %d characters and takes %d now", table, column, a, b))
			}
		}
	}
	return changes, ""
}
