package mapping

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Payload is what one record should hold, or holds, in Campaign: the mapped fields by
// dotted name, each with the JSON literal that goes over the wire. It is immutable,
// so several goroutines may use it.
type Payload struct {
	paths     []string // sorted; shared with the mapper that made it
	spans     []span   // the literal of each path within canonical
	canonical []byte
	mapper    *Mapper // nil when parsed
	observed  bool    // read from Campaign, not mapped from Dynamics
	truncated []string
}

// span is a half-open range of bytes.
type span struct{ from, to int }

// Canonical returns the payload as a flat JSON object, sorted by field:
// {"email":"a","location.city":"b"}. Equal payloads have equal bytes. This is
// the form the ledger keeps. The caller must not change it.
func (p *Payload) Canonical() []byte { return p.canonical }

// Fingerprint is a 16-byte hash of Canonical.
func (p *Payload) Fingerprint() []byte {
	sum := sha256.Sum256(p.canonical)
	return sum[:16]
}

// Body returns the nested object that creates the record, key included:
// {"email":"a","location":{"city":"b"}}.
func (p *Payload) Body() []byte {
	w := nestedWriter{dst: make([]byte, 0, len(p.canonical)+16)}
	for i := range p.paths {
		literal := p.literal(i)
		if len(literal) == 2 && strings.HasSuffix(p.paths[i], linkKey) {
			continue // an empty link: a new record has none that it could clear
		}
		w.put(p.paths[i], literal)
	}
	return w.close()
}

// Truncated lists the Campaign fields for which text was cut to fit, as their
// mapping allows.
func (p *Payload) Truncated() []string { return p.truncated }

// Diff returns the nested object that turns last into p, and the sorted names of the
// fields in it; nil when there is nothing to write. The key field and fields that
// only last has are left out. If FromTarget made last, a value that Campaign stores
// in another form counts as equal.
func (p *Payload) Diff(last *Payload) (body []byte, changed []string) {
	w := nestedWriter{}
	p.differences(last, func(i int) bool {
		changed = append(changed, p.paths[i])
		w.put(p.paths[i], p.literal(i))
		return true
	})
	if changed == nil {
		return nil, nil
	}
	return w.close(), changed
}

// differences calls found with the index of each field of p that last lacks or
// holds differently, until found returns false.
func (p *Payload) differences(last *Payload, found func(i int) bool) {
	m, key := p.mapper, ""
	if m == nil {
		m = last.mapper
	}
	if m != nil {
		key = m.targetKey
	}
	lenient := p.observed || last.observed
	j := 0
	for i, path := range p.paths {
		if path == key {
			continue
		}
		for j < len(last.paths) && last.paths[j] < path {
			j++
		}
		if j < len(last.paths) && last.paths[j] == path {
			a, b := p.literal(i), last.literal(j)
			if bytes.Equal(a, b) || lenient && m != nil && m.sameStored(path, a, b) {
				continue
			}
		}
		if !found(i) {
			return
		}
	}
}

// search finds a field among sorted ones.
func search(paths []string, path string) (int, bool) { return slices.BinarySearch(paths, path) }

// withLiteralsOf returns p with the literals of other in the given fields. A field is
// taken over if other has it and when holds for its literal. If nothing differs, p
// itself comes back.
func (p *Payload) withLiteralsOf(other *Payload, fields []int, when func(literal []byte) bool) *Payload {
	var taken map[int][]byte
	for _, i := range fields {
		j, found := search(other.paths, p.paths[i])
		if !found {
			continue
		}
		if literal := other.literal(j); !bytes.Equal(literal, p.literal(i)) && when(literal) {
			if taken == nil {
				taken = make(map[int][]byte, len(fields))
			}
			taken[i] = literal
		}
	}
	if taken == nil {
		return p
	}
	out := &Payload{mapper: p.mapper, observed: p.observed, paths: p.paths, spans: make([]span, len(p.spans)),
		canonical: make([]byte, 0, len(p.canonical)+32), truncated: p.truncated}
	for i, path := range p.paths {
		sep := byte(',')
		if i == 0 {
			sep = '{'
		}
		out.canonical = append(appendString(append(out.canonical, sep), path), ':')
		literal, ok := taken[i]
		if !ok {
			literal = p.literal(i)
		}
		start := len(out.canonical)
		out.canonical = append(out.canonical, literal...)
		out.spans[i] = span{start, len(out.canonical)}
	}
	out.canonical = append(out.canonical, '}')
	return out
}

// literal is the JSON literal of field i.
func (p *Payload) literal(i int) []byte {
	s := p.spans[i]
	return p.canonical[s.from:s.to:s.to]
}

// ParsePayload reads what Canonical wrote. It also accepts another order of fields
// and other forms of numbers, and makes them canonical. It fails on anything but a
// flat object of text, numbers and booleans with distinct fields. The error holds no
// part of the data.
func ParsePayload(canonical []byte) (*Payload, error) {
	p := &Payload{
		paths: make([]string, 0, 16), spans: make([]span, 0, 16),
		canonical: append(make([]byte, 0, len(canonical)), '{'),
	}
	sorted, err := true, error(nil)
	valid := scanObject(string(canonical), func(key string, v token) {
		if err != nil {
			return
		}
		path := strings.ToValidUTF8(key, "\uFFFD")
		if n := len(p.paths); n > 0 {
			p.canonical = append(p.canonical, ',')
			sorted = sorted && p.paths[n-1] < path
		}
		p.canonical = append(appendString(p.canonical, path), ':')
		start := len(p.canonical)
		out, ok := appendScalar(p.canonical, v.result())
		switch {
		case !ok:
			err = fmt.Errorf("stored payload: field %d is not text, a number or a boolean", len(p.paths)+1)
		case !validPath(path):
			err = fmt.Errorf("stored payload: field %d has no usable name", len(p.paths)+1)
		}
		p.canonical = out
		p.paths, p.spans = append(p.paths, path), append(p.spans, span{start, len(out)})
	})
	if !valid {
		return nil, errors.New("stored payload: want a valid JSON object")
	}
	if err != nil {
		return nil, err
	}
	p.canonical = append(p.canonical, '}')
	if !sorted {
		p.sort()
	}
	if err := distinctPaths(p.paths); err != nil {
		return nil, err
	}
	return p, nil
}

// sort puts the fields of a parsed payload in order.
func (p *Payload) sort() {
	order := make([]int, len(p.paths))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return strings.Compare(p.paths[a], p.paths[b]) })
	out := &Payload{canonical: append(make([]byte, 0, len(p.canonical)), '{')}
	for n, i := range order {
		if n > 0 {
			out.canonical = append(out.canonical, ',')
		}
		out.canonical = append(appendString(out.canonical, p.paths[i]), ':')
		start := len(out.canonical)
		out.canonical = append(out.canonical, p.literal(i)...)
		out.paths, out.spans = append(out.paths, p.paths[i]), append(out.spans, span{start, len(out.canonical)})
	}
	out.canonical = append(out.canonical, '}')
	p.paths, p.spans, p.canonical = out.paths, out.spans, out.canonical
}

// validPath says whether each dotted part of a field's name has at least one character.
func validPath(path string) bool {
	return path != "" && path[0] != '.' && path[len(path)-1] != '.' && !strings.Contains(path, "..")
}

// distinctPaths refuses a field named twice, and one that is also the parent of another.
func distinctPaths(sorted []string) error {
	for i, path := range sorted {
		if i > 0 && sorted[i-1] == path {
			return errors.New("stored payload: a field occurs twice")
		}
		for dot := strings.LastIndexByte(path, '.'); dot > 0; dot = strings.LastIndexByte(path[:dot], '.') {
			if _, found := slices.BinarySearch(sorted, path[:dot]); found {
				return errors.New("stored payload: a field is both a value and a parent")
			}
		}
	}
	return nil
}

// nestedWriter writes dotted fields, given in sorted order, as nested objects.
type nestedWriter struct {
	dst  []byte
	open []string // parents of the last field, outermost first
	some bool     // the innermost open object has a member
}

// put writes one field.
func (w *nestedWriter) put(path string, literal []byte) {
	if len(w.dst) == 0 {
		w.dst = append(w.dst, '{')
	}
	rest, depth := path, 0
	for {
		dot := strings.IndexByte(rest, '.')
		if dot < 0 || depth >= len(w.open) || w.open[depth] != rest[:dot] {
			break
		}
		rest, depth = rest[dot+1:], depth+1
	}
	for len(w.open) > depth {
		w.dst, w.open, w.some = append(w.dst, '}'), w.open[:len(w.open)-1], true
	}
	for dot := strings.IndexByte(rest, '.'); dot >= 0; dot = strings.IndexByte(rest, '.') {
		w.name(rest[:dot])
		w.dst, w.some = append(w.dst, '{'), false
		w.open = append(w.open, rest[:dot])
		rest = rest[dot+1:]
	}
	w.name(rest)
	w.dst = append(w.dst, literal...)
}

// name starts a member of the innermost object.
func (w *nestedWriter) name(name string) {
	if w.some {
		w.dst = append(w.dst, ',')
	}
	w.dst, w.some = append(appendString(w.dst, name), ':'), true
}

// close ends all open objects and returns what was written.
func (w *nestedWriter) close() []byte {
	if len(w.dst) == 0 {
		w.dst = append(w.dst, '{')
	}
	for range w.open {
		w.dst = append(w.dst, '}')
	}
	return append(w.dst, '}')
}
