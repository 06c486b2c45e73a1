package mapping

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// KindOf is the kind of value that a column holds; ok is false when no mapping can use it.
func KindOf(c Column) (kind SourceKind, ok bool) { return sourceKind(c) }

// TargetKindOf is the kind of value that a Campaign field takes; ok is false when it takes none
// by itself. With a parent a link takes the key of a record.
func TargetKindOf(f TargetField) (kind TargetKind, ok bool) {
	if f.Type == "link" {
		return ToLink, true
	}
	return targetKind(f)
}

// Takes lists the kinds of Campaign fields that a kind of column may be written to (R11.13).
func Takes(kind SourceKind) []TargetKind { return slices.Clone(targets[kind]) }

// Comparisons lists what a filter may ask of a kind of column (R13.11).
func Comparisons(kind SourceKind) []string {
	return append(slices.Clone(offered(kind)), isEmpty, isNotEmpty)
}

// Tried is what becomes of one field of a row.
type Tried struct {
	From, To string
	Property string   // the column's name in the row
	Send     []byte   // JSON literal; nil when it cannot be written
	Notes    []string // the rules that applied, without values
	Refusal  string   // why it cannot be written, without the value
}

// Try maps one row field by field and does not end at the first that cannot be written, as
// Map does. It says which rules applied. raw is as for Map.
func (m *Mapper) Try(raw []byte) ([]Tried, error) {
	scratch := m.scratch.Get().(*[]gjson.Result)
	defer m.release(scratch)
	slots := *scratch
	if err := m.scan(raw, slots); err != nil {
		return nil, err
	}
	out := make([]Tried, 0, len(m.fields))
	for i := range m.fields {
		f := &m.fields[i]
		v := slots[f.slot]
		one := Tried{From: f.From, To: f.To, Property: f.Property}
		if v.Type == gjson.Null || v.Type == gjson.String && v.Str == "" {
			_, replaced := f.Replace[""]
			switch bad := f.checkEmpty(v); {
			case bad != nil:
				one.Refusal = bad.detail
			case replaced:
				one.Send, one.Notes = []byte(f.empty), []string{"replaced: the column is empty"}
			default:
				one.Send, one.Notes = []byte(f.empty), []string{"the column is empty"}
			}
			out = append(out, one)
			continue
		}
		literal, bad := f.convert(nil, v)
		one.Notes = f.applied(v)
		switch {
		case bad == cut:
			one.Send, one.Notes = literal, append(one.Notes, "too long: cut to fit")
		case bad != nil:
			one.Refusal = bad.detail
		default:
			one.Send = literal
		}
		out = append(out, one)
	}
	return out, nil
}

// applied names the rules that a value met on its way.
func (f *field) applied(v gjson.Result) (notes []string) {
	replaced := false
	if f.Source == FromMultiChoice {
		for n := range strings.SplitSeq(v.Str, ",") {
			_, one := f.Replace[strings.TrimSpace(n)]
			replaced = replaced || one
		}
	} else {
		_, replaced = f.Replace[string(f.raw(nil, v))]
	}
	switch choice := f.Source == FromChoice || f.Source == FromMultiChoice; {
	case replaced:
		notes = append(notes, "replaced")
	case choice && f.Technical:
		notes = append(notes, "the number of the choice")
	case choice:
		notes = append(notes, "the label of the choice")
	}
	if f.LowerCase {
		notes = append(notes, "in lower case")
	}
	if f.Source == FromInstant && f.Target == ToDate {
		zone := f.TimeZone
		if zone == "" {
			zone = "UTC"
		}
		notes = append(notes, "the date in "+zone)
	}
	if f.SkipUpdates {
		notes = append(notes, "written when created or replayed only")
	}
	if f.Parent != "" {
		notes = append(notes, "names a record of "+f.Parent)
	}
	return notes
}
