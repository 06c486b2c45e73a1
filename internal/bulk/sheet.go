// Package bulk writes mapped records into files that a Campaign import workflow loads,
// brings them to the file server, and reads the files in which the workflow says what
// became of each row (docs/protocol/import-files.md). It only knows rows and files: which
// records a part holds, and when it may be written, is its caller's to know.
package bulk

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"causeway.dev/internal/mapping"
	"causeway.dev/internal/optout"
)

// The first two columns of each file. The workflow loads them, writes them to no field,
// and passes them on to its results.
const (
	fileColumn = "causeway_file"
	rowColumn  = "causeway_row"
)

// linkKey ends the field of a link that names its target.
const linkKey = ".PKey"

// Sheet is the layout of the files of one mapping. It may be used by several goroutines.
type Sheet struct {
	columns []string
	fields  []mapping.PlanField // by column, without the first two
	at      map[string]int      // field to its place in fields
	optOuts map[string]bool     // fields that no file holds
	key     string
}

// NewSheet lays out the files of a plan. It fails with everything in the mapping that a
// file cannot do:
//
//   - clear_opt_outs: a file never holds the value of an opt-out, so it clears none;
//   - apply_updates: false, because an import updates the records that exist;
//   - two fields whose columns would have the same name.
func NewSheet(plan *mapping.Plan) (*Sheet, error) {
	s := &Sheet{columns: []string{fileColumn, rowColumn}, at: map[string]int{}, optOuts: map[string]bool{}}
	var bad []error
	for _, f := range plan.Fields {
		if optout.Canonical(f.To) != "" {
			s.optOuts[f.To] = true
			if plan.Table.ClearOptOuts {
				bad = append(bad, fmt.Errorf("%s -> %s: a file never clears an opt-out; load this table by REST, or set clear_opt_outs to false for the load", f.From, f.To))
			}
			continue
		}
		if f.SkipUpdates {
			bad = append(bad, fmt.Errorf("%s -> %s: an import also updates, which apply_updates forbids; load this table by REST", f.From, f.To))
		}
		column := strings.ReplaceAll(strings.TrimSuffix(f.To, linkKey), ".", "_")
		if slices.Contains(s.columns, column) {
			bad = append(bad, fmt.Errorf("%s -> %s: another field has the column %s already", f.From, f.To, column))
		}
		if f.Key {
			s.key = f.To
		}
		s.at[f.To] = len(s.fields)
		s.columns, s.fields = append(s.columns, column), append(s.fields, f)
	}
	if s.key == "" {
		bad = append(bad, errors.New("the plan has no key field"))
	}
	if err := errors.Join(bad...); err != nil {
		return nil, fmt.Errorf("%s cannot be loaded by file: %w", plan.Table.Name, err)
	}
	return s, nil
}

// Columns are the header of each file.
func (s *Sheet) Columns() []string { return slices.Clone(s.columns) }

// ByREST is why a record does not go into a file. It is no failure: REST writes it.
type ByREST struct {
	Field  string // of Campaign
	Reason string // in general terms, never the value
}

func (e *ByREST) Error() string { return e.Field + ": " + e.Reason }

// fill appends the values of a record to a row that has the first two. Its error is a
// *ByREST, or says that the payload was not mapped by the plan of the sheet.
func (s *Sheet) fill(row []string, p *mapping.Payload) ([]string, error) {
	row = slices.Grow(row, len(s.fields))
	first := len(row)
	row = row[:first+len(s.fields)]
	filled := 0
	var bad error
	gjson.ParseBytes(p.Canonical()).ForEach(func(name, v gjson.Result) bool {
		if s.optOuts[name.Str] {
			if v.Type != gjson.False && v.Raw != "0" && v.Raw != `""` {
				bad = &ByREST{name.Str, "the record opts out, which a file does not say"}
			}
			return bad == nil
		}
		i, ok := s.at[name.Str]
		if !ok {
			bad = fmt.Errorf("the record has the field %s, which the sheet lacks", name.Str)
			return false
		}
		text, reason := written(&s.fields[i], v)
		if reason == "" && name.Str == s.key && text == "" {
			reason = "the key is empty"
		}
		if reason != "" {
			bad = &ByREST{name.Str, reason}
		}
		row[first+i] = text
		filled++
		return bad == nil
	})
	if bad == nil && filled != len(s.fields) {
		bad = fmt.Errorf("the record has %d of the %d fields of the sheet", filled, len(s.fields))
	}
	return row, bad
}

// wireTime is a date-time as REST takes it. A file holds it without the milliseconds.
var wireTime = regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.000Z$`)

// written is the form that a literal has in a file. reason is set when a file cannot hold
// the value so that every instance reads it alike.
func written(f *mapping.PlanField, v gjson.Result) (text, reason string) {
	text = v.String()
	switch f.Target {
	case mapping.ToBoolean:
		switch v.Type {
		case gjson.True:
			return "1", ""
		case gjson.False:
			return "0", ""
		}
		return "", "the value is not a boolean"
	case mapping.ToDateTime:
		if text != "" && !wireTime.MatchString(text) {
			return "", "the time has a part of a second"
		}
		return strings.TrimSuffix(text, ".000Z"), ""
	case mapping.ToEnum, mapping.ToNumericEnum:
		if text == "" {
			return "", ""
		}
		member, ok := f.Values[text]
		if !ok {
			return "", "the value is no member of the enumeration"
		}
		return member.Value, ""
	case mapping.ToText, mapping.ToLink:
		switch {
		case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }):
			return "", "the text has line breaks or other control characters"
		case text != strings.TrimSpace(text):
			return "", "the text begins or ends with blanks"
		}
		return text, ""
	}
	if v.Type == gjson.Number {
		text = v.Raw
	}
	if strings.ContainsAny(text, "eE+") {
		return "", "the number has an exponent"
	}
	return text, ""
}
