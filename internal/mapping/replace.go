package mapping

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// resolveReplace converts the existing values of a pair's replacements to the form
// that raw gives, and checks that the new values fit the Campaign field.
func (r *resolver) resolveReplace(path string, f Field, p *PlanField, column Column) {
	if len(f.Replace) == 0 {
		return
	}
	out := make(map[string]string, len(f.Replace))
	check := field{PlanField: *p, members: p.memberIndex()}
	for _, existing := range slices.Sorted(maps.Keys(f.Replace)) {
		value, at := f.Replace[existing], path+".replace."+existing
		if p.Source == FromMultiChoice && existing != "" {
			// Options are replaced one by one, so the whole text is checked when mapped.
		} else if _, bad := check.constant(value); bad != nil {
			r.add(at, strconv.Quote(value), "a value of "+f.To+": "+bad.detail, "change the new value")
			continue
		}
		for _, raw := range r.existing(at, existing, p, column) {
			if _, taken := out[raw]; taken {
				r.add(at, strconv.Quote(existing)+", the same value as another entry", "one replacement for each existing value", "remove one of the two") // R12.7
				continue
			}
			out[raw] = value
		}
	}
	p.Replace = out
}

// existing returns the raw values that an entry replaces. Options that share a label
// are replaced alike.
func (r *resolver) existing(at, text string, p *PlanField, column Column) []string {
	if text == "" {
		return []string{""}
	}
	if p.Source == FromChoice || p.Source == FromMultiChoice {
		var out []string
		if p.Technical {
			if n, err := strconv.Atoi(text); err == nil {
				if _, known := column.Options[n]; known {
					return []string{strconv.Itoa(n)}
				}
			}
			r.add(at, strconv.Quote(text), "a number of "+p.From+" ("+optionNumbers(column)+"), since technical_values is on", "use one of the numbers") // R12.8
			return nil
		}
		for _, n := range optionsOf(column, text) {
			out = append(out, strconv.Itoa(n))
		}
		if out == nil {
			r.unknownOption(at, text, p.From, column)
		}
		return out
	}
	raw, ok := rawText(p.Source, column, text)
	if !ok {
		r.add(at, strconv.Quote(text), rawForm(p.Source), "use a value that "+p.From+" can have")
		return nil
	}
	return []string{raw}
}

func (r *resolver) unknownOption(path, text, column string, c Column) {
	labels := slices.Sorted(maps.Values(c.Options))
	r.add(path, strconv.Quote(text), "an option of "+column+": "+strings.Join(labels, ", "), didYouMean(text, labels))
}

// optionsOf finds the options that have a label, sorted.
func optionsOf(c Column, label string) []int {
	var out []int
	for n, l := range c.Options {
		if l == label {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// rawText converts a value that an operator wrote to the form that raw gives.
func rawText(kind SourceKind, c Column, text string) (string, bool) {
	switch kind {
	case FromBoolean:
		switch {
		case strings.EqualFold(text, "true") || text == "1" || c.TrueLabel != "" && text == c.TrueLabel:
			return "true", true
		case strings.EqualFold(text, "false") || text == "0" || c.FalseLabel != "" && text == c.FalseLabel:
			return "false", true
		}
		return "", false
	case FromInteger, FromDecimal:
		out, ok := appendDecimal(nil, text)
		return string(out), ok
	case FromInstant, FromLiteralTime, FromDate:
		m, ok := parseMoment(text)
		if ok {
			m, ok = m.utc()
		}
		return string(m.appendISO(nil)), ok
	case FromID, FromLookup:
		out, ok := appendGUID(nil, text)
		return string(out), ok
	}
	return text, true
}

// rawForm describes what rawText accepts.
func rawForm(kind SourceKind) string {
	switch kind {
	case FromBoolean:
		return "true or false"
	case FromInteger, FromDecimal:
		return "a number"
	case FromInstant, FromLiteralTime, FromDate:
		return "a date or time such as 2026-03-29 or 2026-03-29T01:00:00Z"
	}
	return "an id such as 6f1d0c2a-1111-2222-3333-444455556666"
}

// raw writes a row's value in the form by which replacements are found: text as it
// is, other values in canonical form.
func (f *field) raw(dst []byte, v gjson.Result) []byte {
	switch f.Source {
	case FromInteger, FromDecimal:
		if out, ok := appendDecimal(dst, v.Raw); ok {
			return out
		}
	case FromInstant, FromLiteralTime, FromDate:
		if m, ok := parseMoment(v.Str); ok {
			if m, ok = m.utc(); ok {
				return m.appendISO(dst)
			}
		}
	case FromID, FromLookup:
		if out, ok := appendGUID(dst, v.Str); ok {
			return out
		}
	case FromText:
		return append(dst, v.Str...)
	}
	return append(dst, v.Raw...)
}

// constant returns the Campaign literal of a replacement's new value.
func (f *field) constant(text string) ([]byte, *refusal) {
	if text == "" {
		return []byte(f.clearLiteral()), nil
	}
	from := *f
	from.Source, from.TimeZone = FromText, ""
	convert, err := from.text()
	if err != nil {
		return nil, invalid("a field that takes no text")
	}
	out, bad := convert(nil, gjson.Result{Type: gjson.String, Str: text})
	if bad == cut {
		return nil, from.tooLong()
	}
	return out, bad
}

// replacing returns a converter that tries the replacements of a field before its
// conversion (R12.6).
func (f *field) replacing(convert converter) (converter, error) {
	if f.Source == FromMultiChoice {
		if value, ok := f.Replace[""]; ok {
			literal, bad := f.constant(value)
			if bad != nil {
				return nil, fmt.Errorf("replacement of %s: %s", f.From, bad.detail)
			}
			f.empty = string(literal)
		}
		return convert, nil // multiChoice replaces each option by itself
	}
	literals := make(map[string][]byte, len(f.Replace))
	for existing, value := range f.Replace {
		literal, bad := f.constant(value)
		if bad != nil {
			return nil, fmt.Errorf("replacement of %s: %s", f.From, bad.detail)
		}
		literals[existing] = literal
	}
	if literal, ok := literals[""]; ok {
		f.empty = string(literal)
	}
	return func(dst []byte, v gjson.Result) ([]byte, *refusal) {
		var store [64]byte
		if literal, ok := literals[string(f.raw(store[:0], v))]; ok {
			return append(dst, literal...), nil
		}
		return convert(dst, v)
	}, nil
}
