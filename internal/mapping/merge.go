package mapping

import (
	"cmp"
	"reflect"
	"slices"
)

// Merge takes up in one mapping what two people changed of the same one. Where both changed
// the same thing in different ways, theirs is in the result, and its path is among the
// clashes, as problems name it but without the name of the mapping. A filter is one thing.
func Merge(base, mine, theirs Table) (merged Table, clashes []string) {
	m := merging{}
	base, mine = base.normal(), mine.normal()
	merged, theirs = theirs, theirs.normal()
	merged.Dynamics = pick(&m, "dynamics", base.Dynamics, mine.Dynamics, theirs.Dynamics)
	merged.Campaign = pick(&m, "campaign", base.Campaign, mine.Campaign, theirs.Campaign)
	merged.ApplyDeletes = pick(&m, "apply_deletes", base.ApplyDeletes, mine.ApplyDeletes, theirs.ApplyDeletes)
	merged.TechnicalValues = pick(&m, "technical_values", base.TechnicalValues, mine.TechnicalValues, theirs.TechnicalValues)
	merged.ClearOptOuts = pick(&m, "clear_opt_outs", base.ClearOptOuts, mine.ClearOptOuts, theirs.ClearOptOuts)
	merged.Merged = pick(&m, "merged", base.Merged, mine.Merged, theirs.Merged)
	merged.Erased = pick(&m, "erased", base.Erased, mine.Erased, theirs.Erased)
	merged.Filter = pick(&m, "filter", base.Filter, mine.Filter, theirs.Filter)
	merged.Fields = m.fields(base.Fields, mine.Fields, theirs.Fields)
	return merged, m.clashes
}

type merging struct{ clashes []string }

// pick is what one of two people changed, or both in the same way.
func pick[T any](m *merging, path string, base, mine, theirs T) T {
	switch {
	case reflect.DeepEqual(mine, base), reflect.DeepEqual(mine, theirs):
		return theirs
	case reflect.DeepEqual(theirs, base):
		return mine
	}
	m.clashes = append(m.clashes, path)
	return theirs
}

// fields merges pair by pair. The order is that of whoever changed it, and theirs when both
// did.
func (m *merging) fields(base, mine, theirs []Field) []Field {
	ofMine, ofTheirs := followed(base, mine), followed(base, theirs)
	var out []Field
	placed := map[int]bool{} // of mine
	for at, f := range theirs {
		was := ofTheirs.was[at]
		if was < 0 { // theirs is new
			same := slices.IndexFunc(mine, func(g Field) bool { return g.To == f.To })
			if same >= 0 && ofMine.was[same] < 0 {
				placed[same] = true
				f = pick(m, "fields."+f.To, Field{}, mine[same], f)
			}
			out = append(out, f)
			continue
		}
		now, kept := ofMine.now[was]
		if !kept {
			if !reflect.DeepEqual(f, base[was]) {
				m.clashes = append(m.clashes, "fields."+f.To)
				out = append(out, f)
			}
			continue
		}
		placed[now] = true
		out = append(out, pick(m, "fields."+f.To, base[was], mine[now], f))
	}
	for at, f := range mine {
		switch was := ofMine.was[at]; {
		case placed[at]:
		case was < 0:
			if slices.ContainsFunc(out, func(g Field) bool { return g.To == f.To }) {
				m.clashes = append(m.clashes, "fields."+f.To)
				continue
			}
			out = append(out, f)
		case !reflect.DeepEqual(f, base[was]): // they removed what was changed here
			m.clashes = append(m.clashes, "fields."+f.To)
		}
	}
	if ordered(ofTheirs.was) && !ordered(ofMine.was) {
		place := map[string]int{}
		for at, f := range mine {
			place[f.To] = at + 1
		}
		slices.SortStableFunc(out, func(a, b Field) int {
			return cmp.Compare(cmp.Or(place[a.To], len(mine)+1), cmp.Or(place[b.To], len(mine)+1))
		})
	}
	return out
}

// following says which pair of a former list each one was, -1 for a new one, and where each
// former one is now.
type following struct {
	was []int
	now map[int]int
}

func followed(before, after []Field) following {
	f := following{MatchFields(before, after), map[int]int{}}
	for at, was := range f.was {
		if was >= 0 {
			f.now[was] = at
		}
	}
	return f
}

// ordered says that what was there stands in the order that it had.
func ordered(was []int) bool {
	return slices.IsSorted(slices.DeleteFunc(slices.Clone(was), func(n int) bool { return n < 0 }))
}
