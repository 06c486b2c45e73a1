package dataverse

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// check returns the literal that is stored for a value in a body, or why the column does
// not take it (§2.2).
func (t *table) check(c Column, v gjson.Result) ([]byte, *refusal) {
	if v.Type == gjson.Null {
		return nil, nil
	}
	invalid := &refusal{400, "0x80048d19", "Cannot convert the value of '" + c.Name + "' to the expected type."}
	switch c.Type {
	case "String", "Memo":
		if v.Type != gjson.String {
			return nil, invalid
		}
		if utf8.RuneCountInString(v.Str) > c.MaxLength {
			return nil, &refusal{400, "0x80044331", fmt.Sprintf("A validation error occurred.  The length of the '%s' attribute of the '%s' entity exceeded the maximum allowed length of '%d'.", c.Name, t.LogicalName, c.MaxLength)}
		}
		if v.Str == "" {
			return nil, nil
		}
	case "Boolean":
		if !v.IsBool() {
			return nil, invalid
		}
	case "Integer", "Picklist", "State", "Status":
		n, err := strconv.Atoi(v.Raw)
		if err != nil {
			return nil, invalid
		}
		if n > math.MaxInt32 || n < math.MinInt32 {
			return nil, invalid // it is no Edm.Int32
		}
		if c.Type == "Integer" && (c.Positive && n < 0 || n == math.MinInt32) {
			return nil, &refusal{400, "0x8004432f", fmt.Sprintf("A validation error occurred.  The value '%d' of '%s' on record of type '%s' is outside the valid range.", n, c.Name, t.LogicalName)}
		}
		if len(c.Options) > 0 && !slices.ContainsFunc(c.Options, func(o Option) bool { return o.Value == n }) {
			return nil, &refusal{400, "0x8004431a", fmt.Sprintf("A validation error occurred.  The value '%d' of '%s' on record of type '%s' is outside the valid range.", n, c.Name, t.LogicalName)}
		}
	case "MultiSelectPicklist":
		return c.multiSelect(v)
	case "Money", "Decimal", "Double":
		if v.Type != gjson.Number {
			return nil, invalid
		}
		if most := c.most(); v.Num > most || v.Num < -most {
			return nil, &refusal{400, "0x80044330", fmt.Sprintf("A validation error occurred.  The value '%s' of '%s' on record of type '%s' is outside the valid range.", v.Raw, c.Name, t.LogicalName)}
		}
	case "Uniqueidentifier":
		if !guidForm.MatchString(v.Str) {
			return nil, invalid
		}
		return []byte(`"` + strings.ToLower(v.Str) + `"`), nil
	case "DateTime":
		if c.Behavior == "DateOnly" {
			day, err := time.Parse(time.DateOnly, v.Str)
			if err != nil || v.Type != gjson.String {
				return nil, invalid
			}
			if day.Year() < 1753 {
				return nil, tooEarly(c)
			}
			break
		}
		at, err := time.Parse(time.RFC3339, v.Str)
		if err != nil {
			at, err = time.Parse("2006-01-02T15:04:05", v.Str) // without an offset it is UTC
		}
		if err != nil {
			return nil, invalid
		}
		if at.UTC().Year() < 1753 {
			return nil, tooEarly(c)
		}
		return []byte(at.UTC().Format(`"2006-01-02T15:04:05Z"`)), nil
	}
	return compact(v.Raw), nil
}

func tooEarly(c Column) *refusal {
	return &refusal{400, "0x80040203", "The date-time of '" + c.Name + "' is before the year 1753, the earliest that is supported."}
}

// most is the largest number of a column that has places after the point.
func (c Column) most() float64 {
	if c.Type == "Money" {
		return 922337203685477
	}
	return 100_000_000_000
}

// multiSelect reads "1, 3" and stores "1,3".
func (c Column) multiSelect(v gjson.Result) ([]byte, *refusal) {
	if v.Type != gjson.String {
		return nil, &refusal{400, "0x80048d19", "Cannot convert the value of '" + c.Name + "' to the expected type."}
	}
	if v.Str == "" {
		return nil, nil
	}
	var numbers []string
	for part := range strings.SplitSeq(v.Str, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || !slices.ContainsFunc(c.Options, func(o Option) bool { return o.Value == n }) {
			return nil, &refusal{400, "0x8004431a", "A validation error occurred.  A value of '" + c.Name + "' is outside the valid range."}
		}
		numbers = append(numbers, strconv.Itoa(n))
	}
	if len(numbers) > 150 {
		return nil, &refusal{400, "0x8004431a", "A validation error occurred.  '" + c.Name + "' has more than 150 values."}
	}
	return quote(strings.Join(numbers, ",")), nil
}

func compact(raw string) []byte {
	var b bytes.Buffer
	if json.Compact(&b, []byte(raw)) != nil {
		return []byte(raw)
	}
	return b.Bytes()
}
