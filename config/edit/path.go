package edit

import (
	"fmt"
	"strconv"
	"strings"
)

// Path leads to a setting: names of sections, and places in lists. A name may hold any
// character, as the existing value of a replacement may.
type Path []any

// At is the path over names (string) and places (int): At("ingress", "tables", "contacts",
// "fields", 3, "to").
func At(steps ...any) Path { return steps }

// ParsePath reads a path as problems write it: ingress.tables.contacts.fields[3].to. It
// cannot name what has a dot or a bracket in it; use At there.
func ParsePath(s string) (Path, error) {
	var out Path
	for _, part := range strings.Split(s, ".") {
		name, places, listed := strings.Cut(part, "[")
		if name == "" {
			return nil, fmt.Errorf("got %q, want a path such as ingress.lanes", s)
		}
		out = append(out, name)
		if !listed {
			continue
		}
		for _, place := range strings.Split(places, "[") {
			digits, closed := strings.CutSuffix(place, "]")
			i, err := strconv.Atoi(digits)
			if !closed || err != nil || i < 0 {
				return nil, fmt.Errorf("got %q, want a path such as include[0]", s)
			}
			out = append(out, i)
		}
	}
	return out, nil
}

// String is the path as problems write it.
func (p Path) String() string {
	var b strings.Builder
	for _, step := range p {
		switch s := step.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", s)
		default:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			fmt.Fprint(&b, s)
		}
	}
	return b.String()
}

// And is a longer path; p stays as it is.
func (p Path) And(steps ...any) Path { return append(p[:len(p):len(p)], steps...) }
