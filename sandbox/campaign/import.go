package campaign

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// fileTime is how the column definition of an import reads date-times, in UTC.
const fileTime = "2006-01-02 15:04:05"

// Importer is what the activities Load file, Reconciliation and Update data of a
// workflow do with the rows of a file (docs/protocol/import-files.md). These are no engine calls,
// because no API is used.
type Importer struct {
	s   *Server
	t   *table
	at  []int // by column: the field; -1 = loaded, but written to no field
	key int   // the column that reconciles
}

// Loaded is a row whose values have the types of their columns.
type Loaded struct {
	Key     string
	changes []change
	links   []change // not reconciled yet: their values are keys of the targets
}

// Importer returns an Importer into a resource. columns name the fields that their values
// go to, as the automatic linking of Update data finds them: a name of a column has an
// underscore in place of a dot. The values of a column named "" go nowhere. One of the
// columns must be the identification key.
func (s *Server) Importer(resource string, columns []string) (*Importer, error) {
	t, err := s.table(resource)
	if err != nil {
		return nil, err
	}
	im := &Importer{s: s, t: t, at: make([]int, len(columns)), key: slices.Index(columns, t.Key)}
	if im.key < 0 {
		return nil, fmt.Errorf("resource %s: no column goes to its key %s", resource, t.Key)
	}
	for i, name := range columns {
		im.at[i] = -1
		if name == "" {
			continue
		}
		at := slices.IndexFunc(t.Fields, func(f Field) bool { return strings.ReplaceAll(f.Name, ".", "_") == name })
		if at < 0 || t.Fields[at].ReadOnly || t.Fields[at].Type == Collection {
			return nil, fmt.Errorf("resource %s: %q is no field that can be updated", resource, name)
		}
		im.at[i] = at
	}
	return im, nil
}

// Load converts a row as the column definitions say, with the error processing "Reject
// the line". An empty text is NULL. values must have a text for each column.
func (im *Importer) Load(values []string) (Loaded, error) {
	row := Loaded{Key: values[im.key]}
	for i, text := range values {
		if im.at[i] < 0 {
			continue
		}
		f := &im.t.Fields[im.at[i]]
		if f.Type == Link {
			row.links = append(row.links, change{im.at[i], text})
			continue
		}
		text, ok := f.loaded(text)
		if !ok {
			return row, fmt.Errorf("the value of column %d does not have the type of its column", i+1)
		}
		value, bad := im.t.check(f, gjson.Result{Type: gjson.String, Str: text}, false)
		if bad != nil {
			return row, fmt.Errorf("column %d: %w", i+1, bad.err())
		}
		row.changes = append(row.changes, change{im.at[i], value})
	}
	return row, nil
}

// loaded turns the form of a file into that of the API. A file holds what enumerations
// store, 0 or 1 for booleans, and date-times without milliseconds and zone.
func (f *Field) loaded(text string) (string, bool) {
	switch {
	case text == "":
	case f.Type == Boolean:
		return text, text == "0" || text == "1"
	case f.Type == Datetime:
		at, err := time.Parse(fileTime, text)
		return at.Format(wireTime), err == nil && at.Format(fileTime) == text
	case f.Type == Enumeration && f.Stored != nil:
		at := slices.Index(f.Stored, text)
		if at < 0 || at >= len(f.Values) {
			return "", false
		}
		return f.Values[at], true
	case f.Type == Enumeration:
		at, err := strconv.Atoi(text)
		if err != nil || at < 0 || at >= len(f.Values) || strconv.Itoa(at) != text {
			return "", false
		}
		return f.Values[at], true
	}
	return text, true
}

// Known says that a record has the row's key: Reconciliation.
func (im *Importer) Known(row Loaded) bool {
	_, ok := im.t.find(row.Key)
	return ok
}

// errRefused is a row that leaves Update data through its transition for rejects.
var errRefused = errors.New("the row is refused")

// Write is Update data: it updates the record of a row that is known, where at least one
// value differs, and inserts one that is not.
func (im *Importer) Write(row Loaded, known bool) error {
	changes := slices.Clone(row.changes)
	for _, l := range row.links {
		id, bad := im.s.resolve(im.t.Fields[l.field].Target, l.value)
		if bad != nil {
			return errors.Join(errRefused, bad.err())
		}
		changes = append(changes, change{l.field, id})
	}
	now := im.s.o.Clock.Now()
	if row.Key == "" {
		return errRefused
	}
	if !known {
		bad := im.t.complete(changes)
		if bad == nil {
			_, bad = im.t.insert(changes, now, false)
		}
		return refusal(bad)
	}
	found, ok := im.t.find(row.Key)
	if !ok {
		return errRefused // deleted since it was reconciled
	}
	if v, ok := im.t.read(found); ok {
		values := make([]string, len(im.t.Fields))
		unpack(v.data, values)
		if !slices.ContainsFunc(changes, func(c change) bool { return values[c.field] != c.value }) {
			return nil
		}
	}
	return refusal(im.t.update(address{found, row.Key, true}, changes, now, false))
}

func refusal(bad *problem) error {
	if bad == nil {
		return nil
	}
	return errors.Join(errRefused, bad.err())
}
