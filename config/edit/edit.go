// Package edit changes a configuration and the mapping files that it includes in place.
// Comments, order, quotes and every line that an edit is not about stay as they are,
// because bytes are put into the text that was read; the file is never written anew from
// what was understood of it. After each edit the text is read again: an edit that would
// say anything else than what was asked for is refused.
//
// A Draft is opened, edited, checked and saved. Nothing reaches the disk before Save, and
// nothing that "causeway config validate" would refuse.
package edit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"

	"causeway.dev/config"
	"causeway.dev/internal/mapping"
)

// Difference is one thing that an edit changes, in words.
type Difference = mapping.Difference

// Draft is a configuration that is being edited. It is for one goroutine.
type Draft struct {
	files  []*file // the main file first
	opened *config.Config
}

// file is one file as it was opened and as it is now.
type file struct {
	path   string
	isNew  bool
	opened []byte
	text   *text
}

// Open reads the configuration at path and the mapping files that it includes. A
// configuration with problems can be opened and mended, as long as its files are YAML.
func Open(path string) (*Draft, error) {
	return OpenWith(path, nil)
}

// OpenWith is Open with texts in place of files, by path: what a browser sends back of
// an edit that was begun before.
func OpenWith(path string, texts map[string][]byte) (*Draft, error) {
	opened, files, err := config.Read(path, texts)
	if _, problems := errors.AsType[*config.Problems](err); err != nil && !problems {
		return nil, err
	}
	d := &Draft{opened: opened}
	for _, path := range files {
		f := &file{path: path}
		if data, known := texts[path]; known {
			f.opened = data
		} else if f.opened, err = os.ReadFile(path); err != nil {
			return nil, fmt.Errorf("reading the configuration: %w", err)
		}
		if f.text, err = parse(f.opened); err != nil {
			return nil, fmt.Errorf("%s %w", path, err)
		}
		d.files = append(d.files, f)
	}
	return d, nil
}

// Check reads the draft as "causeway config validate" would: the configuration as it would
// be, or *config.Problems, each with the path that a page can show it at.
func (d *Draft) Check() (*config.Config, error) {
	c, _, err := config.Read(d.files[0].path, d.texts())
	return c, err
}

// Opened is the configuration as it was opened; nil when it had problems.
func (d *Draft) Opened() *config.Config { return d.opened }

func (d *Draft) texts() map[string][]byte {
	out := map[string][]byte{}
	for _, f := range d.files {
		out[f.path] = f.text.data
	}
	return out
}

// Set gives a setting a value: text, a number, a boolean, a duration, a list, a map or a
// struct of the configuration. Sections that are missing on the way are made. In a list,
// the place behind the last entry adds one. A secret's value is a reference to it.
func (d *Draft) Set(path Path, value any) error {
	n, err := of(value)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return d.edit(path, func(t *text) ([]byte, any, error) {
		data, err := t.set(path, n, before)
		return data, put(meaning(t.root), path, n.meaning(), false), err
	})
}

// Remove takes a setting out, so that its default counts, or an entry out of a list. What
// is not there stays so.
func (d *Draft) Remove(path Path) error {
	return d.edit(path, func(t *text) ([]byte, any, error) {
		data, err := t.remove(path)
		return data, put(meaning(t.root), path, nil, true), err
	})
}

// Insert adds an entry to a list, at place i; the entries from there on move.
func (d *Draft) Insert(list Path, i int, value any) error {
	n, err := of(value)
	if err != nil {
		return fmt.Errorf("%s: %w", list, err)
	}
	return d.edit(list, func(t *text) ([]byte, any, error) {
		at, rest, err := t.find(list)
		switch {
		case err != nil:
			return nil, nil, err
		case len(rest) > 0 || at.node == nil || at.node.Kind != yaml.SequenceNode:
			if i != 0 {
				return nil, nil, fmt.Errorf("there is no list with a place %d", i)
			}
			path := list.And(0)
			data, err := t.set(path, n, before)
			return data, put(meaning(t.root), path, n.meaning(), false), err
		case i < 0 || i > len(at.node.Content):
			return nil, nil, fmt.Errorf("there is no place %d", i)
		}
		items, _ := meaning(at.node).([]any)
		data, err := t.insertItem(at, i, n)
		return data, put(meaning(t.root), list, slices.Insert(slices.Clone(items), i, n.meaning()), false), err
	})
}

// edit changes the file that holds a setting, if it then says what it should.
func (d *Draft) edit(path Path, change func(*text) ([]byte, any, error)) error {
	f := d.holder(path)
	data, want, err := change(f.text)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", f.path, path, err)
	}
	next, err := f.text.checked(data, want)
	if err != nil {
		return fmt.Errorf("%s: %s %w", f.path, path, err)
	}
	f.text = next
	return nil
}

// holder is the file that holds a setting: the main file, unless it belongs to a mapping
// that stands in another one.
func (d *Draft) holder(path Path) *file {
	if len(path) >= 3 && path[0] == "ingress" && path[1] == "tables" {
		for _, f := range d.files {
			if _, rest, err := f.text.find(path[:3]); err == nil && len(rest) == 0 && f.text.root != nil {
				return f
			}
		}
	}
	return d.files[0]
}

// has tells whether a setting is written in the files.
func (d *Draft) has(path Path) bool {
	f := d.holder(path)
	_, rest, err := f.text.find(path)
	return err == nil && len(rest) == 0 && f.text.root != nil
}

// Change is one file that an edit changes.
type Change struct {
	Path   string // as the configuration names it
	Before []byte // nil for a new file
	After  []byte
}

// Changes are the files that the draft changes, with their whole text, such as for a
// download; none when it says what was opened.
func (d *Draft) Changes() []Change {
	var out []Change
	for _, f := range d.files {
		if f.isNew || string(f.opened) != string(f.text.data) {
			out = append(out, Change{Path: f.path, Before: f.opened, After: f.text.data})
		}
	}
	return out
}

// Differences says in words what the draft changes; *config.Problems when it cannot be
// read.
func (d *Draft) Differences() ([]Difference, error) {
	after, err := d.Check()
	if err != nil {
		return nil, err
	}
	return Differences(d.opened, after), nil
}

// Files are the files of the configuration, the main file first.
func (d *Draft) Files() []string {
	out := make([]string, len(d.files))
	for i, f := range d.files {
		out[i] = f.path
	}
	return out
}

// add begins a new file.
func (d *Draft) add(path string, t *text) {
	d.files = append(d.files, &file{path: filepath.Clean(path), isNew: true, text: t})
}

// Replace puts a whole text in place of a file, as a restore does. The file may be one
// that the configuration does not have at the moment.
func (d *Draft) Replace(path string, data []byte) error {
	t, err := parse(data)
	if err != nil {
		return fmt.Errorf("%s %w", path, err)
	}
	for _, f := range d.files {
		if f.path == path || f.path == filepath.Clean(path) {
			f.text = t
			return nil
		}
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s is there, and the configuration does not include it", path)
	}
	d.add(path, t)
	return nil
}
