package mapping

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTwoPeoplesEditsAreTakenUpTogether(t *testing.T) {
	off := false
	field := func(from, to string) Field { return Field{From: from, To: to} }
	base := Table{Name: "contacts", Fields: []Field{field("a", "A"), field("b", "B"), field("c", "C")}}
	with := func(change func(*Table)) Table {
		out := base
		out.Fields = append([]Field(nil), base.Fields...)
		change(&out)
		return out
	}
	for name, c := range map[string]struct {
		mine, theirs, want Table
		clashes            []string
	}{
		"different settings": {
			with(func(t *Table) { t.ApplyDeletes = true }), with(func(t *Table) { t.TechnicalValues = true }),
			with(func(t *Table) { t.ApplyDeletes, t.TechnicalValues = true, true }), nil,
		},
		"different pairs": {
			with(func(t *Table) { t.Fields[0].ApplyUpdates = &off }), with(func(t *Table) { t.Fields[2].LowerCase = true }),
			with(func(t *Table) { t.Fields[0].ApplyUpdates, t.Fields[2].LowerCase = &off, true }), nil,
		},
		"a pair each": {
			with(func(t *Table) { t.Fields = append(t.Fields, field("d", "D")) }), with(func(t *Table) { t.Fields = append(t.Fields, field("e", "E")) }),
			with(func(t *Table) { t.Fields = append(t.Fields, field("e", "E"), field("d", "D")) }), nil,
		},
		"one removed, another changed": {
			with(func(t *Table) { t.Fields = t.Fields[1:] }), with(func(t *Table) { t.Fields[1].LowerCase = true }),
			with(func(t *Table) { t.Fields = t.Fields[1:]; t.Fields[0].LowerCase = true }), nil,
		},
		"the same in both": {
			with(func(t *Table) { t.Fields[0].LowerCase = true }), with(func(t *Table) { t.Fields[0].LowerCase = true }),
			with(func(t *Table) { t.Fields[0].LowerCase = true }), nil,
		},
		"an order": {
			with(func(t *Table) { t.Fields = []Field{base.Fields[2], base.Fields[0], base.Fields[1]} }), with(func(t *Table) { t.Fields[0].LowerCase = true }),
			with(func(t *Table) {
				t.Fields[0].LowerCase = true
				t.Fields = []Field{base.Fields[2], t.Fields[0], base.Fields[1]}
			}), nil,
		},
		"the same pair in two ways": {
			with(func(t *Table) { t.Fields[0].From = "x" }), with(func(t *Table) { t.Fields[0].From = "y" }),
			with(func(t *Table) { t.Fields[0].From = "y" }), []string{"fields.A"},
		},
		"removed here, changed there": {
			with(func(t *Table) { t.Fields = t.Fields[1:] }), with(func(t *Table) { t.Fields[0].LowerCase = true }),
			with(func(t *Table) { t.Fields[0].LowerCase = true }), []string{"fields.A"},
		},
		"changed here, removed there": {
			with(func(t *Table) { t.Fields[0].LowerCase = true }), with(func(t *Table) { t.Fields = t.Fields[1:] }),
			with(func(t *Table) { t.Fields = t.Fields[1:] }), []string{"fields.A"},
		},
		"two filters": {
			with(func(t *Table) { t.Filter.Where = []Condition{{Column: "a", Is: "empty"}} }), with(func(t *Table) { t.Filter.Where = []Condition{{Column: "b", Is: "empty"}} }),
			with(func(t *Table) { t.Filter.Where = []Condition{{Column: "b", Is: "empty"}} }), []string{"filter"},
		},
		"the same field fed twice": {
			with(func(t *Table) { t.Fields = append(t.Fields, field("d", "D")) }), with(func(t *Table) { t.Fields = append(t.Fields, field("e", "D")) }),
			with(func(t *Table) { t.Fields = append(t.Fields, field("e", "D")) }), []string{"fields.D"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, clashes := Merge(base, c.mine, c.theirs)
			require.Equal(t, c.clashes, clashes)
			require.Equal(t, c.want.Revision(), got.Revision(), "%+v", got)
		})
	}
}
