package edit

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// node is a value that is to be written: section, list or the text of a scalar.
type node struct {
	pairs  []pair
	items  []node
	scalar string // as it is written, quoted where it has to be
	kind   kind
}

type kind int

const (
	scalar kind = iota
	section
	list
)

type pair struct {
	key   string
	value node
}

// of makes a node of a Go value: text, numbers, booleans, durations, lists, maps and the
// structs of the configuration, by their yaml tags. Pointers that are nil and what may be
// left out and is empty are left out.
func of(value any) (node, error) {
	if value == nil {
		return node{scalar: "null"}, nil
	}
	return ofValue(reflect.ValueOf(value))
}

func ofValue(v reflect.Value) (node, error) {
	if d, ok := v.Interface().(time.Duration); ok {
		return node{scalar: duration(d)}, nil
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return node{scalar: "null"}, nil
		}
		return ofValue(v.Elem())
	case reflect.String:
		return node{scalar: quote(v.String(), 0)}, nil
	case reflect.Bool:
		return node{scalar: strconv.FormatBool(v.Bool())}, nil
	case reflect.Int, reflect.Int32, reflect.Int64:
		return node{scalar: strconv.FormatInt(v.Int(), 10)}, nil
	case reflect.Float64:
		return node{scalar: strconv.FormatFloat(v.Float(), 'f', -1, 64)}, nil
	case reflect.Slice:
		out := node{kind: list}
		for i := range v.Len() {
			item, err := ofValue(v.Index(i))
			if err != nil {
				return node{}, err
			}
			out.items = append(out.items, item)
		}
		return out, nil
	case reflect.Map:
		return ofMap(v)
	case reflect.Struct:
		return ofStruct(v)
	}
	return node{}, fmt.Errorf("a %s cannot be written", v.Type())
}

func ofMap(v reflect.Value) (node, error) {
	out := node{kind: section}
	for _, key := range v.MapKeys() {
		value, err := ofValue(v.MapIndex(key))
		if err != nil {
			return node{}, err
		}
		out.pairs = append(out.pairs, pair{key.String(), value})
	}
	slices.SortFunc(out.pairs, func(a, b pair) int { return strings.Compare(a.key, b.key) })
	return out, nil
}

func ofStruct(v reflect.Value) (node, error) {
	out := node{kind: section}
	for i := range v.NumField() {
		name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		if name == "" || name == "-" || v.Field(i).IsZero() && strings.Contains(options, "omit") {
			continue
		}
		value, err := ofValue(v.Field(i))
		if err != nil {
			return node{}, err
		}
		out.pairs = append(out.pairs, pair{name, value})
	}
	return out, nil
}

// duration is as people write it: 5m rather than 5m0s.
func duration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// plain is text that every reader of YAML takes for that text, in brackets or not.
var plain = regexp.MustCompile(`^([A-Za-z_][\w./@+-]*(:[\w./@+-]+)*(//[\w./@+-]+)?( [A-Za-z_][\w./@+-]*)*|([0-9]+(h|m|s|ms))+)$`)

// words are plain and still not text.
var words = regexp.MustCompile(`(?i)^(true|false|yes|no|on|off|y|n|null|nan|inf)$`)

// quote writes text; style is the quote that stood there before, 0 for none.
func quote(s string, style byte) string {
	switch {
	case style == 0 && plain.MatchString(s) && !words.MatchString(s):
		return s
	case style == '\'' && !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' || r == 0x7f || r > 0xffff || r == 0x85 || r == '\u2028' || r == '\u2029' || r == '\ufeff'
	}):
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	var b strings.Builder
	e := json.NewEncoder(&b) // its escapes are YAML's as well
	e.SetEscapeHTML(false)
	_ = e.Encode(s)
	return strings.NewReplacer("\u007f", `\u007f`, "\u0085", `\u0085`, "\ufeff", `\ufeff`).Replace(strings.TrimSuffix(b.String(), "\n"))
}

// flow writes a node on one line.
func (n node) flow() string {
	var parts []string
	switch n.kind {
	case section:
		for _, p := range n.pairs {
			parts = append(parts, quote(p.key, 0)+": "+p.value.flow())
		}
		if parts == nil {
			return "{}"
		}
		return "{ " + strings.Join(parts, ", ") + " }"
	case list:
		for _, item := range n.items {
			parts = append(parts, item.flow())
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return n.scalar
}

// wide is the length from which a section or a list is written on lines of its own.
const wide = 100

// simple says that a node is written on one line.
func (n node) simple() bool {
	if n.kind == scalar || len(n.pairs)+len(n.items) == 0 {
		return true
	}
	for _, p := range n.pairs {
		if p.value.kind != scalar && p.key != "replace" {
			return false
		}
	}
	for _, item := range n.items {
		if item.kind != scalar {
			return false
		}
	}
	return len(n.flow()) <= wide
}

// block writes the entries of a node on lines of their own; none is broken off.
func (n node) block(indent int, nl string) string {
	var b strings.Builder
	pad := nl + strings.Repeat(" ", indent)
	for _, p := range n.pairs {
		b.WriteString(pad + quote(p.key, 0) + ":" + p.value.behind(indent+2, nl))
	}
	for _, item := range n.items {
		b.WriteString(pad + "-")
		if item.simple() || item.kind == list {
			b.WriteString(" " + item.flow())
			continue
		}
		b.WriteString(" " + strings.TrimLeft(item.block(indent+2, nl), " \r\n"))
	}
	return b.String()
}

// behind writes a node behind a key: on its line, or below it.
func (n node) behind(indent int, nl string) string {
	if n.simple() && (n.kind != section || len(n.pairs) == 0) {
		return " " + n.flow()
	}
	return n.block(indent, nl)
}
