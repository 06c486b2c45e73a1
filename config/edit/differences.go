package edit

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"causeway.dev/config"
	"causeway.dev/internal/mapping"
)

// Differences says in words what two configurations say differently: mappings that are
// new, gone or changed, then settings. Nothing of a secret is said but that it refers to
// something else. A nil one is a configuration that had problems.
func Differences(before, after *config.Config) []Difference {
	switch {
	case before == nil && after == nil:
		return nil
	case before == nil:
		return []Difference{{Kind: mapping.Changed, Sentence: "The configuration can be read now; it had problems"}}
	case after == nil:
		return []Difference{{Kind: mapping.Changed, Sentence: "The configuration has problems now"}}
	}
	out := tables(before, after)
	b, a := *before, *after
	b.Ingress.Tables, a.Ingress.Tables = nil, nil
	walk(nil, reflect.ValueOf(b), reflect.ValueOf(a), func(path Path, was, is reflect.Value) {
		out = append(out, difference(path, was, is))
	})
	return out
}

// tables compares the mappings.
func tables(before, after *config.Config) []Difference {
	var out []Difference
	all := maps.Clone(before.Ingress.Tables)
	if all == nil {
		all = map[string]mapping.Table{}
	}
	maps.Copy(all, after.Ingress.Tables)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		was, had := before.Ingress.Tables[name]
		is, has := after.Ingress.Tables[name]
		path := TablePath(name).String()
		switch {
		case !had:
			out = append(out, Difference{Path: path, Kind: mapping.Added, After: pairOf(is), Sentence: fmt.Sprintf("Mapping %s (%s) is new", name, pairOf(is))})
		case !has:
			out = append(out, Difference{Path: path, Kind: mapping.Removed, Before: pairOf(was), Sentence: fmt.Sprintf("Mapping %s (%s) is gone", name, pairOf(was))})
		default:
			was.OptOuts, is.OptOuts = nil, nil // they are settings of opt_out
			for _, d := range mapping.Differences(was, is) {
				d.Sentence = "Mapping " + name + ": " + d.Sentence
				out = append(out, d)
			}
		}
	}
	return out
}

func pairOf(t mapping.Table) string { return t.Dynamics.Table + " -> " + t.Campaign.Resource }

// walk visits the settings that differ.
func walk(path Path, was, is reflect.Value, visit func(Path, reflect.Value, reflect.Value)) {
	if was.Kind() == reflect.Struct {
		for i := range was.NumField() {
			if name := yamlName(was.Type().Field(i)); name != "" {
				walk(path.And(name), was.Field(i), is.Field(i), visit)
			}
		}
		return
	}
	if !reflect.DeepEqual(was.Interface(), is.Interface()) && !(was.Kind() == reflect.Slice && was.Len()+is.Len() == 0) {
		visit(path, was, is)
	}
}

func difference(path Path, was, is reflect.Value) Difference {
	d := Difference{Path: path.String(), Kind: mapping.Changed, Before: shown(was), After: shown(is)}
	if _, secret := is.Interface().(config.Secret); secret {
		d.Before, d.After = "", ""
		d.Sentence = d.Path + " refers to another secret now"
		return d
	}
	d.Sentence = fmt.Sprintf("%s is now %s; it was %s", d.Path, orEmpty(d.After), orEmpty(d.Before))
	return d
}

func orEmpty(s string) string {
	if s == "" {
		return "empty"
	}
	return s
}

// shown is a setting as it is written.
func shown(v reflect.Value) string {
	switch value := v.Interface().(type) {
	case string:
		return value
	case time.Duration:
		return duration(value)
	}
	n, err := ofValue(v)
	if err != nil {
		return ""
	}
	if n.kind == scalar {
		return strings.Trim(n.scalar, `"`)
	}
	if len(n.items)+len(n.pairs) == 0 {
		return ""
	}
	return n.flow()
}
