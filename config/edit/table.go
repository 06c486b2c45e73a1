package edit

import (
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"causeway.dev/internal/mapping"
)

// TablePath leads to a mapping.
func TablePath(name string) Path { return At("ingress", "tables", name) }

// SetTable makes a mapping say what t says, with as few edits as there are differences.
// What t leaves at its default is left as it is written.
func (d *Draft) SetTable(name string, t mapping.Table) error {
	path := TablePath(name)
	if !d.has(path) {
		return fmt.Errorf("there is no mapping %s", name)
	}
	at, _, err := d.holder(path).text.find(path)
	if err != nil {
		return err
	}
	var old mapping.Table
	_ = at.node.Decode(&old) // what does not fit is left out, and set
	return d.section(path, reflect.ValueOf(old), reflect.ValueOf(t))
}

// AddTable adds a mapping. Its file is one of the configuration, or a new one that a
// pattern under include matches; with "" it is a new one where a pattern allows it, and
// the main file elsewhere.
func (d *Draft) AddTable(name string, t mapping.Table, file string) error {
	path := TablePath(name)
	if d.has(path) {
		return fmt.Errorf("there is a mapping %s already", name)
	}
	if file == "" {
		file = d.ownFile(name)
	}
	whole, err := of(t)
	if err != nil {
		return err
	}
	for _, f := range d.files {
		if f.path != filepath.Clean(file) && f.path != file {
			continue
		}
		data, err := f.text.set(path, whole, before)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", f.path, path, err)
		}
		next, err := f.text.checked(data, put(meaning(f.text.root), path, whole.meaning(), false))
		if err != nil {
			return fmt.Errorf("%s: %s %w", f.path, path, err)
		}
		f.text = next
		return nil
	}
	for i := len(path) - 1; i >= 0; i-- {
		whole = nest(path[i], whole)
	}
	begun, err := parse([]byte(strings.TrimPrefix(whole.block(0, "\n"), "\n") + "\n"))
	if err != nil {
		return err
	}
	d.add(file, begun)
	return nil
}

// ownFile is a file for a new mapping: mappings/NAME.yaml where mappings/*.yaml is included.
func (d *Draft) ownFile(name string) string {
	main := d.files[0]
	at, rest, err := main.text.find(At("include"))
	if err != nil || len(rest) > 0 || at.node == nil {
		return main.path
	}
	for _, pattern := range at.node.Content {
		dir, base := filepath.Split(pattern.Value)
		if strings.Count(base, "*") != 1 || strings.ContainsAny(dir, "*?[") || strings.ContainsAny(base, "?[") {
			continue
		}
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(filepath.Dir(main.path), dir)
		}
		return filepath.Join(dir, strings.Replace(base, "*", name, 1))
	}
	return main.path
}

// RemoveTable takes a mapping out of its file, which stays.
func (d *Draft) RemoveTable(name string) error {
	if !d.has(TablePath(name)) {
		return fmt.Errorf("there is no mapping %s", name)
	}
	return d.Remove(TablePath(name))
}

// ApplyUpdates switches apply_updates of every pair of a mapping.
func (d *Draft) ApplyUpdates(name string, on bool) error {
	path := TablePath(name).And("fields")
	at, rest, err := d.holder(path).text.find(path)
	if err != nil || len(rest) > 0 || at.node == nil || at.node.Kind != yaml.SequenceNode {
		return fmt.Errorf("there is no mapping %s with fields", name)
	}
	for i := range at.node.Content {
		if err := d.ApplyUpdate(name, i, on); err != nil {
			return err
		}
	}
	return nil
}

// ApplyUpdate switches apply_updates of one pair of a mapping.
func (d *Draft) ApplyUpdate(name string, field int, on bool) error {
	path := TablePath(name).And("fields", field, "apply_updates")
	if on {
		return d.Remove(path) // it is the default
	}
	return d.Set(path, false)
}

// section makes what is written at a path say what is, where it differs from what was.
func (d *Draft) section(path Path, was, is reflect.Value) error {
	for i := range is.NumField() {
		name, f := yamlName(is.Type().Field(i)), is.Type().Field(i)
		if name == "" {
			continue
		}
		if err := d.setting(path.And(name), fallback(f), was.Field(i), is.Field(i)); err != nil {
			return err
		}
	}
	return nil
}

// setting is section for one entry; def is its default.
func (d *Draft) setting(path Path, def string, was, is reflect.Value) error {
	switch {
	case reflect.DeepEqual(was.Interface(), is.Interface()), usual(was, def) && usual(is, def):
		return nil
	case is.IsZero() || (is.Kind() == reflect.Slice || is.Kind() == reflect.Map) && is.Len() == 0 || is.Kind() == reflect.Pointer && usual(is, def):
		if is.Kind() == reflect.Bool && d.aLine(path) {
			return d.Set(path, false) // its comment stays
		}
		return d.Remove(path)
	case !d.has(path):
		return d.Set(path, is.Interface())
	case is.Kind() == reflect.Struct:
		return d.section(path, was, is)
	case is.Kind() == reflect.Map:
		return d.entries(path, was, is)
	case is.Kind() == reflect.Slice:
		return d.list(path, was, is)
	}
	return d.Set(path, is.Interface())
}

// usual says that a value is nothing, or the default.
func usual(v reflect.Value, def string) bool {
	if v.IsZero() {
		return true
	}
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	return v.Kind() != reflect.Struct && def != "" && fmt.Sprint(v.Interface()) == def
}

// aLine says that a setting is written on a line of its own.
func (d *Draft) aLine(path Path) bool {
	at, rest, err := d.holder(path).text.find(path)
	return err == nil && len(rest) == 0 && at.node != nil && !at.flow
}

// entries is section for names of the operator's.
func (d *Draft) entries(path Path, was, is reflect.Value) error {
	names := map[string]bool{}
	for _, v := range []reflect.Value{was, is} {
		for _, key := range v.MapKeys() {
			names[key.String()] = true
		}
	}
	for _, set := range []bool{true, false} { // first what is new, so that no section is empty in between
		for _, name := range slices.Sorted(maps.Keys(names)) {
			before, after := was.MapIndex(reflect.ValueOf(name)), is.MapIndex(reflect.ValueOf(name))
			var err error
			switch {
			case set && after.IsValid() && (!before.IsValid() || !reflect.DeepEqual(before.Interface(), after.Interface())):
				err = d.Set(path.And(name), after.Interface())
			case !set && !after.IsValid():
				err = d.Remove(path.And(name))
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// list is section for lists: entries that stay are changed where they stand.
func (d *Draft) list(path Path, was, is reflect.Value) error {
	match := inOrder(matches(was, is))
	kept := map[int]bool{}
	for i, from := range match {
		if from < 0 {
			continue
		}
		kept[from] = true
		at := path.And(from)
		var err error
		if is.Index(i).Kind() == reflect.Struct {
			err = d.section(at, was.Index(from), is.Index(i))
		} else if !reflect.DeepEqual(was.Index(from).Interface(), is.Index(i).Interface()) {
			err = d.Set(at, is.Index(i).Interface())
		}
		if err != nil {
			return err
		}
	}
	if len(kept) == 0 {
		return d.Set(path, is.Interface())
	}
	for i := was.Len() - 1; i >= 0; i-- {
		if !kept[i] {
			if err := d.Remove(path.And(i)); err != nil {
				return err
			}
		}
	}
	for i, from := range match {
		if from < 0 {
			if err := d.Insert(path, i, is.Index(i).Interface()); err != nil {
				return err
			}
		}
	}
	return nil
}

// matches says for each entry which one it was, -1 for a new one.
func matches(was, is reflect.Value) []int {
	if before, ok := was.Interface().([]mapping.Field); ok {
		return mapping.MatchFields(before, is.Interface().([]mapping.Field))
	}
	out, taken := make([]int, is.Len()), map[int]bool{}
	for i := range out {
		out[i] = -1
		for j := range was.Len() {
			if !taken[j] && reflect.DeepEqual(was.Index(j).Interface(), is.Index(i).Interface()) {
				out[i], taken[j] = j, true
				break
			}
		}
	}
	for i := range out { // what stands in the place of one that is gone is that, changed
		if out[i] < 0 && i < was.Len() && !taken[i] {
			out[i], taken[i] = i, true
		}
	}
	return out
}

// inOrder keeps the most entries that stand in the order that they had.
func inOrder(match []int) []int {
	best, from := make([]int, len(match)), make([]int, len(match))
	last := -1
	for i, m := range match {
		from[i] = -1
		if m < 0 {
			continue
		}
		best[i] = 1
		for j := range i {
			if match[j] >= 0 && match[j] < m && best[j]+1 > best[i] {
				best[i], from[i] = best[j]+1, j
			}
		}
		if last < 0 || best[i] > best[last] {
			last = i
		}
	}
	out := slices.Repeat([]int{-1}, len(match))
	for i := last; i >= 0; i = from[i] {
		out[i] = match[i]
	}
	return out
}
