package edit

import "causeway.dev/internal/mapping"

// Field is one pair of a mapping.
type Field = mapping.Field

// MaxFields is the most pairs that any mapping may have.
const MaxFields = mapping.MaxFields

// TableDifferences says in words what two states of one mapping say differently.
func TableDifferences(before, after mapping.Table) []Difference {
	return mapping.Differences(before, after)
}

// MergeTables takes up in one mapping what two people changed of the same one, and names
// what both changed in different ways; theirs is in the result there.
func MergeTables(base, mine, theirs mapping.Table) (merged mapping.Table, clashes []string) {
	return mapping.Merge(base, mine, theirs)
}
