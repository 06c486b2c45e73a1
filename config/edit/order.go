package edit

import (
	"reflect"
	"strings"

	"causeway.dev/config"
)

// before lists the keys that the documentation lists before the last one of a path, in its
// order; none where names are the operator's.
func before(path Path) []string {
	section := reflect.TypeFor[config.Config]()
	for _, step := range path[:len(path)-1] {
		section = inner(section, step)
		if section == nil {
			return nil
		}
	}
	if section.Kind() == reflect.Pointer {
		section = section.Elem()
	}
	if section.Kind() != reflect.Struct {
		return nil
	}
	var out []string
	for i := range section.NumField() {
		name := yamlName(section.Field(i))
		if name == path[len(path)-1] {
			return out
		}
		if name != "" {
			out = append(out, name)
		}
	}
	return nil
}

// inner is the type of what a step leads to; nil where there is none.
func inner(of reflect.Type, step any) reflect.Type {
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	switch of.Kind() {
	case reflect.Map, reflect.Slice:
		return of.Elem()
	case reflect.Struct:
		for i := range of.NumField() {
			if name := yamlName(of.Field(i)); name != "" && name == step {
				return of.Field(i).Type
			}
		}
	}
	return nil
}

// yamlName is the key of a field; "" when it has none.
func yamlName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	if name == "-" {
		return ""
	}
	return name
}

// fallback is the default that a field's tag names; "" for none.
func fallback(f reflect.StructField) string {
	for _, rule := range strings.Split(f.Tag.Get("jsonschema"), ",") {
		if value, ok := strings.CutPrefix(rule, "default="); ok {
			return value
		}
	}
	return ""
}
