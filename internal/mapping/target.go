package mapping

import (
	"bytes"
	"errors"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// FromTarget returns the mapped fields of a record that was read from Campaign, in
// the forms that Map writes. It serves for comparison and as a before-image. raw is
// the record's JSON object. A field that the record lacks counts as empty. An
// enumeration value that Campaign calls invalid counts as unset.
func (m *Mapper) FromTarget(raw []byte) (*Payload, error) {
	if !gjson.ValidBytes(raw) {
		return nil, errors.New("the record is not valid JSON")
	}
	root := gjson.ParseBytes(raw)
	if !root.IsObject() {
		return nil, errors.New("the record is not a JSON object")
	}
	held := make(map[string]gjson.Result, len(m.fields))
	m.collect(root, "", held)
	p := &Payload{mapper: m, observed: true, paths: m.paths, spans: make([]span, len(m.fields)), canonical: make([]byte, 0, m.sizeHint)}
	dst := append(p.canonical, '{')
	for i := range m.fields {
		f := &m.fields[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, f.prefix...)
		start := len(dst)
		dst = f.appendStored(dst, held[f.To])
		p.spans[i] = span{start, len(dst)}
	}
	p.canonical = append(dst, '}')
	return p, nil
}

// unknownLink stands for a link that Campaign holds. A read does not say to which
// record.
const unknownLink = `"?"`

// collect finds the mapped fields in a record, nested ones included.
func (m *Mapper) collect(object gjson.Result, prefix string, held map[string]gjson.Result) {
	object.ForEach(func(key, value gjson.Result) bool {
		path := prefix + key.Str
		if _, wanted := m.index[path]; wanted {
			held[path] = value
		} else if value.IsObject() && m.isParent(path) {
			m.collect(value, path+".", held)
		}
		return true
	})
}

// isParent says whether a mapped field lies below path.
func (m *Mapper) isParent(path string) bool {
	for _, p := range m.paths {
		if len(p) > len(path) && p[len(path)] == '.' && p[:len(path)] == path {
			return true
		}
	}
	return false
}

// appendStored writes a stored value in the form that Map would have given it. A
// value that does not fit the field's type stays as it is, so that it differs.
func (f *field) appendStored(dst []byte, v gjson.Result) []byte {
	if v.Type == gjson.Null || v.Type == gjson.String && v.Str == "" {
		return append(dst, f.clear...)
	}
	start := len(dst)
	switch {
	case f.Target == ToLink:
		// The PKey of a record differs at each read, so it does not identify one.
		return append(dst, unknownLink...)
	case f.Target == ToBoolean:
		switch v.Raw {
		case "0", `"0"`, `"false"`:
			return append(dst, "false"...)
		case "1", `"1"`, `"true"`:
			return append(dst, "true"...)
		}
	case f.Target == ToFloat || f.Target.bits() != 0:
		if v.Type == gjson.String {
			if out, ok := appendDecimal(dst, v.Str); ok {
				return out
			}
			dst = dst[:start]
		}
	case f.Target == ToDate || f.Target == ToDateTime:
		if m, ok := parseMoment(v.Str); ok {
			if m, ok = m.utc(); ok && f.Target == ToDate {
				return append(m.appendDate(append(dst, '"')), '"')
			} else if ok {
				return append(m.appendStamp(append(dst, '"')), '"')
			}
		}
	case f.Target.isEnum():
		if v.Str == invalidMember {
			return append(dst, f.clear...)
		}
		if literal, bad := f.member(v.String()); bad == nil {
			return append(dst, literal...)
		}
	case f.Target == ToText && v.Type != gjson.String && v.Type != gjson.JSON:
		return appendString(dst, v.Raw)
	}
	if out, ok := appendScalar(dst, v); ok {
		return out
	}
	// A nested object or list where a value is expected is kept as text, so that a
	// before-image loses nothing.
	return appendString(dst[:start], v.Raw)
}

// Equivalent says that a record which holds have needs no write to hold want. Every
// field but the key is the same, or is what Campaign makes of the wanted value.
func (m *Mapper) Equivalent(want, have *Payload) bool {
	same := true
	observed := *have
	observed.observed = true
	if observed.mapper == nil {
		observed.mapper = m
	}
	want.differences(&observed, func(int) bool {
		same = false
		return false
	})
	return same
}

// Drift compares a record as we last wrote it with what Campaign holds now. It
// returns last with Campaign's values in the fields that drifted, and their names.
//
// Three differences are no drift. Fields whose updates are not applied belong to
// Campaign. So does an opt-out that Campaign has, unless the mapping clears opt-outs.
// Of a link only its presence can be compared, since a read does not say to which
// record it leads.
func (m *Mapper) Drift(last, there *Payload) (*Payload, []string) {
	return m.DriftBy(last, there, nil)
}

// DriftBy is Drift where requests of ours may have had an effect late. sent is what each
// of them carried; nil stands for one of which that is not known. An opt-out that one of
// them carried is ours, and a link that one of them may have changed counts as drifted.
func (m *Mapper) DriftBy(last, there *Payload, sent []*Payload) (*Payload, []string) {
	var drifted []int
	var names []string
	for i, path := range last.paths {
		at, mapped := m.index[path]
		j, held := search(there.paths, path)
		if !mapped || !held || m.fields[at].Key || m.fields[at].SkipUpdates {
			continue
		}
		a, b := last.literal(i), there.literal(j)
		if bytes.Equal(a, b) || m.sameStored(path, a, b) {
			continue
		}
		if !m.clearsOptOuts && string(a) == "false" && string(b) == "true" && slices.Contains(m.optOuts, at) && !anySent(sent, path, func(s []byte) bool { return string(s) == "true" }) {
			continue
		}
		if f := &m.fields[at]; f.Target == ToLink && string(a) != f.clear && string(b) != f.clear && !anySent(sent, path, func(s []byte) bool { return !bytes.Equal(s, a) }) {
			continue
		}
		drifted, names = append(drifted, i), append(names, path)
	}
	return last.withLiteralsOf(there, drifted, func([]byte) bool { return true }), names
}

// anySent says whether one of the requests carried such a literal in a field. One of which
// nothing is known has an empty literal.
func anySent(sent []*Payload, path string, is func(literal []byte) bool) bool {
	return slices.ContainsFunc(sent, func(s *Payload) bool {
		if s == nil {
			return is(nil)
		}
		i, found := search(s.paths, path)
		return found && is(s.literal(i))
	})
}

// UnknownLinks names the fields in which a payload that FromTarget made has a link,
// without saying to which record.
func (m *Mapper) UnknownLinks(p *Payload) []string {
	var out []string
	for _, i := range m.links {
		if j, found := search(p.paths, m.fields[i].To); found && string(p.literal(j)) == unknownLink {
			out = append(out, m.fields[i].To)
		}
	}
	return out
}

// sameStored says whether Campaign stores both literals of a field alike. Numbers are
// stored as doubles. A data policy such as smartCase or email may change the case
// and the outer blanks of text.
func (m *Mapper) sameStored(path string, a, b []byte) bool {
	i, ok := m.index[path]
	if !ok {
		return false
	}
	f := &m.fields[i]
	switch {
	case f.Target == ToFloat:
		return sameNumber(a, b)
	case f.Target == ToText && f.Policy != "":
		return strings.EqualFold(content(a), content(b))
	}
	return false
}

// content is a string literal without quotes and outer blanks.
func content(literal []byte) string {
	return string(bytes.TrimSpace(bytes.Trim(literal, `"`)))
}
