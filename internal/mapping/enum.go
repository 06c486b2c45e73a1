package mapping

import (
	"maps"
	"slices"
)

// invalidMember is what Campaign shows for a stored value that is not in the list.
// It is read as unset and never written (docs/protocol/campaign.md §3).
const invalidMember = "__Invalid_value__"

// memberIndex maps what a member of an enumeration may be called to the JSON literal
// of its name. Keys are "n:" and its name, "v:" and its value, "l:" and its label. A
// value or label that two members share is left out, because it names neither.
func (f *PlanField) memberIndex() map[string]string {
	if !f.Target.isEnum() {
		return nil
	}
	index := make(map[string]string, 3*len(f.Values))
	add := func(key, literal string) {
		if had, taken := index[key]; taken && had != literal {
			literal = ""
		}
		index[key] = literal
	}
	for _, name := range slices.Sorted(maps.Keys(f.Values)) {
		if name == invalidMember {
			continue
		}
		literal := string(appendString(nil, name))
		add("n:"+name, literal)
		add("v:"+f.Values[name].Value, literal)
		add("l:"+f.Values[name].Label, literal)
	}
	maps.DeleteFunc(index, func(_, literal string) bool { return literal == "" })
	return index
}

// member returns the member for the first candidate that is a name, else a value,
// else a label. A boolean column never matches by label.
func (f *field) member(candidates ...string) ([]byte, *refusal) {
	for _, text := range candidates {
		for _, by := range []string{"n:", "v:", "l:"} {
			if by == "l:" && f.Source == FromBoolean {
				continue
			}
			if literal, ok := f.members[by+text]; ok {
				return []byte(literal), nil
			}
		}
	}
	return nil, unmatched
}

// clearLiteral is what an empty Dynamics column writes: "" for text and times, 0 for
// numbers, false for booleans. For an enumeration it is the unset member: the one
// with value 0 or "", else the one called none or unknown, else "".
func (f *PlanField) clearLiteral() string {
	switch {
	case f.Target == ToBoolean:
		return "false"
	case f.Target == ToFloat || f.Target.bits() != 0:
		return "0"
	case !f.Target.isEnum():
		return `""`
	}
	unset := ""
	if f.Target == ToNumericEnum {
		unset = "0"
	}
	names := slices.Sorted(maps.Keys(f.Values))
	for _, name := range names {
		if name != invalidMember && f.Values[name].Value == unset {
			return string(appendString(nil, name))
		}
	}
	for _, name := range []string{"none", "unknown"} {
		if _, ok := f.Values[name]; ok {
			return string(appendString(nil, name))
		}
	}
	return `""`
}
