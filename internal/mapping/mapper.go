package mapping

import (
	"fmt"
	"strings"
	"sync"
	"unsafe"

	"github.com/tidwall/gjson"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/optout"
)

// FieldError is a record that cannot be mapped. It names the rule, never the value.
type FieldError struct {
	From, To string
	Reason   string // apierr.ReasonTooLong or ReasonInvalidValue
	Detail   string // what was found and what is wanted, in general terms
	// Unlisted names what the metadata of the plan does not list, where it may by now: an
	// option or a member was added since. It is the same for the same missing option.
	Unlisted string
}

// Error gives one line.
func (e *FieldError) Error() string { return e.From + " -> " + e.To + ": " + e.Detail }

// Mapper applies a plan. It may be used by several goroutines.
type Mapper struct {
	selected  []string
	columns   map[string]int // Dynamics property to slot
	fields    []field        // sorted by Campaign field
	paths     []string       // the fields' names
	index     map[string]int // the same, to their place
	targetKey string
	sizeHint  int
	scratch   sync.Pool // *[]gjson.Result, one per column

	conditions    []condition  // of the filter
	any           bool         // one of them is enough
	skipUpdates   []int        // fields with apply_updates: false
	optOuts       []int        // fields that hold an opt-out
	clearsOptOuts bool         // the mapping may clear opt-outs that Campaign has
	links         []int        // fields that name a parent
	merges        bool         // rows say whether they were merged into another one
	attributes    []PlanOptOut // of the profile
}

// field is a PlanField that is ready to be applied.
type field struct {
	PlanField
	slot    int
	prefix  string // "to": with quotes and colon
	clear   string // literal of a field that holds nothing
	empty   string // literal written for an empty column
	members map[string]string
	convert converter
}

// Mapper prepares the plan for use. It fails only on a plan that Resolve did not make.
func (p *Plan) Mapper() (*Mapper, error) {
	m := &Mapper{
		selected: append([]string(nil), p.Select...),
		columns:  make(map[string]int),
		index:    make(map[string]int, len(p.Fields)),
		merges:   p.Merges, attributes: p.OptOuts,
	}
	for i, pf := range p.Fields {
		f := field{PlanField: pf, prefix: string(appendString(nil, pf.To)) + ":", clear: pf.clearLiteral(), members: pf.memberIndex()}
		f.empty = f.clear
		if i > 0 && p.Fields[i-1].To >= pf.To {
			return nil, fmt.Errorf("plan of %s: fields out of order at %s", p.Table.Name, pf.To)
		}
		f.slot = m.slot(pf.Property)
		convert, err := f.compile()
		if err == nil && len(pf.Replace) > 0 {
			convert, err = f.replacing(convert)
		}
		if err != nil {
			return nil, fmt.Errorf("plan of %s: %s -> %s: %w", p.Table.Name, pf.From, pf.To, err)
		}
		f.convert = convert
		if pf.Key {
			m.targetKey = pf.To
		}
		if pf.Parent != "" {
			m.links = append(m.links, i)
		}
		if pf.SkipUpdates {
			m.skipUpdates = append(m.skipUpdates, i)
		}
		if pf.Target == ToBoolean && isOptOut(pf.To) {
			m.optOuts = append(m.optOuts, i)
		}
		m.fields, m.paths = append(m.fields, f), append(m.paths, pf.To)
		m.index[pf.To] = i
		m.sizeHint += len(f.prefix) + 24
	}
	if m.targetKey == "" {
		return nil, fmt.Errorf("plan of %s: no key field", p.Table.Name)
	}
	m.clearsOptOuts = p.Table.ClearOptOuts
	m.any = p.Table.Filter.Match == MatchAny
	for i := range p.Conditions {
		c := &p.Conditions[i]
		holds, err := c.compile()
		if err != nil {
			return nil, fmt.Errorf("plan of %s: %w", p.Table.Name, err)
		}
		m.conditions = append(m.conditions, condition{rule: c.Rule, slot: m.slot(c.Property), holds: holds})
	}
	slots := len(m.columns)
	m.scratch.New = func() any { s := make([]gjson.Result, slots); return &s }
	return m, nil
}

// slot returns the place of a column in the scratch array. Each column has one,
// however many fields and conditions read it.
func (m *Mapper) slot(property string) int {
	slot, known := m.columns[property]
	if !known {
		slot = len(m.columns)
		m.columns[property] = slot
	}
	return slot
}

// Select lists the Dynamics properties a row must have: the key first, the others
// sorted. modifiedon and statecode are among them if the table has them.
func (m *Mapper) Select() []string { return append([]string(nil), m.selected...) }

// Map returns what Campaign should hold for one row. raw is the row's JSON object
// as Dynamics sent it, with every column of Select; annotations are ignored. An
// empty column clears the Campaign field. The error is a *FieldError for the
// first field, by Campaign name, that cannot be written.
func (m *Mapper) Map(raw []byte) (*Payload, error) {
	scratch := m.scratch.Get().(*[]gjson.Result)
	defer m.release(scratch)
	slots := *scratch
	if err := m.scan(raw, slots); err != nil {
		return nil, err
	}
	p := &Payload{
		mapper:    m,
		paths:     m.paths,
		spans:     make([]span, len(m.fields)),
		canonical: make([]byte, 0, m.sizeHint),
	}
	dst := p.canonical
	for i := range m.fields {
		f := &m.fields[i]
		if i == 0 {
			dst = append(dst, '{')
		} else {
			dst = append(dst, ',')
		}
		dst = append(dst, f.prefix...)
		start := len(dst)
		v := slots[f.slot]
		if v.Type == gjson.Null || v.Type == gjson.String && v.Str == "" {
			if bad := f.checkEmpty(v); bad != nil {
				return nil, bad.at(f)
			}
			dst = append(dst, f.empty...)
		} else {
			out, bad := f.convert(dst, v)
			if bad == cut {
				p.truncated = append(p.truncated, f.To)
			} else if bad != nil {
				err := bad.at(f)
				err.Unlisted = f.unlisted(bad, v)
				return nil, err
			}
			dst = out
		}
		p.spans[i] = span{start, len(dst)}
	}
	p.canonical = append(dst, '}')
	return p, nil
}

// KeepSkipped returns p with the values of last in the fields whose updates are not
// applied (apply_updates: false). A change may write no more than this; a creation or
// a replay writes all of p (R11.8). A field that last lacks keeps the value of p.
func (m *Mapper) KeepSkipped(p, last *Payload) *Payload {
	return p.withLiteralsOf(last, m.skipUpdates, func([]byte) bool { return true })
}

// SkipsUpdates says whether the mapping has fields whose updates are not applied.
func (m *Mapper) SkipsUpdates() bool { return len(m.skipUpdates) > 0 }

// KeepOptOuts returns p with every opt-out that held has, so that writing the result
// clears none.
func (m *Mapper) KeepOptOuts(p, held *Payload) *Payload {
	return p.withLiteralsOf(held, m.optOuts, func(literal []byte) bool { return string(literal) == "true" })
}

// HasNewFields says whether the mapping has fields that are missing in last, the
// payload in the ledger. They were added to the mapping since, so what Campaign holds
// in them is not known.
func (m *Mapper) HasNewFields(last *Payload) bool {
	for _, path := range m.paths {
		if _, found := search(last.paths, path); !found {
			return true
		}
	}
	return false
}

// FillNewFields fills the gaps that HasNewFields reports. there is the record as
// FromTarget read it. held is last, completed with the values of there. wish is p with
// the opt-outs that there has in the new fields, so that a new field clears none; a
// mapping with clear_opt_outs leaves p as it is.
func (m *Mapper) FillNewFields(p, last, there *Payload) (held, wish *Payload) {
	all := make([]int, len(m.paths))
	for i := range all {
		all[i] = i
	}
	held = there.withLiteralsOf(last, all, func([]byte) bool { return true })
	if m.clearsOptOuts {
		return held, p
	}
	var fresh []int
	for _, i := range m.optOuts {
		if _, found := search(last.paths, m.paths[i]); !found {
			fresh = append(fresh, i)
		}
	}
	return held, p.withLiteralsOf(there, fresh, func(literal []byte) bool { return string(literal) == "true" })
}

// isOptOut says that a field is an opt-out attribute of a profile, by any of its
// names (docs/protocol/campaign.md §3.1).
func isOptOut(to string) bool { return optout.Canonical(to) != "" }

// scan puts each wanted column of a row into its slot. The slot of a column that the
// row lacks has an empty Raw.
func (m *Mapper) scan(raw []byte, slots []gjson.Result) error {
	// Slots are read before Map returns, so they may share the row's memory.
	text := unsafe.String(unsafe.SliceData(raw), len(raw))
	valid := scanObject(text, func(key string, v token) {
		if slot, ok := m.columns[key]; ok {
			slots[slot] = v.result()
		}
	})
	if !valid {
		return &FieldError{From: "row", To: m.targetKey, Reason: apierr.ReasonInvalidValue, Detail: "the row is not a valid JSON object"}
	}
	return nil
}

// release empties a scratch array and gives it back. A filled one would keep its row
// in memory.
func (m *Mapper) release(scratch *[]gjson.Result) {
	clear(*scratch)
	m.scratch.Put(scratch)
}

// checkEmpty refuses an empty key. It also refuses a column that is missing in the
// row, because clearing the field for it would destroy data.
func (f *field) checkEmpty(v gjson.Result) *refusal {
	switch {
	case v.Raw == "":
		return missingColumn
	case f.Key:
		return emptyKey
	}
	return nil
}

// MapKey returns the Campaign key of a Dynamics id: its canonical form (R10.9).
// Text that is no id comes back in lower case.
func (m *Mapper) MapKey(sourceKey string) string {
	if out, ok := appendGUID(make([]byte, 0, 36), sourceKey); ok {
		return string(out)
	}
	return strings.ToLower(sourceKey)
}

// Parse is ParsePayload for a payload of this mapping. Diff then knows which field is
// the key.
func (m *Mapper) Parse(canonical []byte) (*Payload, error) {
	p, err := ParsePayload(canonical)
	if err != nil {
		return nil, err
	}
	p.mapper = m
	return p, nil
}
