package mapping

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// filtered is a mapping of one field with a filter.
func filtered(f Filter) Table {
	one := table(Field{From: "lastname", To: "lastName"})
	one.Filter = f
	return one
}

// excludes says whether a filter of one condition excludes a value.
func excludes(t testing.TB, w Condition, value string) bool {
	t.Helper()
	m := mapperFor(t, filtered(Filter{Where: []Condition{w}}))
	property := m.Select()[1]
	for _, p := range m.Select()[1:] {
		if strings.Contains(p, w.Column) {
			property = p
		}
	}
	rule, err := m.Excluded(row(property, value))
	require.NoError(t, err)
	return rule != ""
}

// R13.11: each comparison on each kind of column; R13.2: none of them is mapped;
// R13.10: on the values as Dynamics sends them.
func TestComparisons(t *testing.T) {
	t.Parallel()
	tests := []struct {
		column, is, value string
		holds, fails      []string
	}{
		{"firstname", "equals", "ann", []string{`"Ann"`, `"ANN"`}, []string{`"Anna"`, `null`, `""`}},
		{"firstname", "not_equals", "ann", []string{`"Anna"`, `null`, `""`}, []string{`"Ann"`}},
		{"firstname", "contains", "nn", []string{`"Anna"`, `"ANNE"`}, []string{`"Ada"`, `null`}},
		{"firstname", "begins_with", "an", []string{`"Anna"`, `"an"`}, []string{`"Joan"`, `"a"`, `null`}},
		{"firstname", "empty", "", []string{`null`, `""`}, []string{`"x"`, `" "`}},
		{"firstname", "not_empty", "", []string{`"x"`}, []string{`null`, `""`}},
		{"numberofchildren", "equals", "2", []string{`2`}, []string{`3`, `null`}},
		{"numberofchildren", "not_equals", "2", []string{`3`, `null`}, []string{`2`}},
		{"numberofchildren", "greater", "2", []string{`3`}, []string{`2`, `null`}},
		{"numberofchildren", "greater_or_equal", "2", []string{`3`, `2`}, []string{`1`, `null`}},
		{"numberofchildren", "less", "2", []string{`1`, `-5`}, []string{`2`, `null`}},
		{"numberofchildren", "less_or_equal", "2", []string{`1`, `2`}, []string{`3`, `null`}},
		{"numberofchildren", "empty", "", []string{`null`}, []string{`0`}},
		{"creditlimit", "equals", "10.5", []string{`10.5000`}, []string{`10.5001`}},
		{"creditlimit", "greater", "9007199254740993", []string{`9007199254740994`}, []string{`9007199254740993`, `9007199254740992`}},
		{"donotbulkemail", "equals", "true", []string{`true`}, []string{`false`, `null`}},
		{"donotbulkemail", "equals", "Do Not Allow", []string{`true`}, []string{`false`}},
		{"donotbulkemail", "not_equals", "true", []string{`false`, `null`}, []string{`true`}},
		{"gendercode", "equals", "Male", []string{`1`}, []string{`2`, `null`}},
		{"gendercode", "equals", "1", []string{`1`}, []string{`2`}},
		{"gendercode", "not_equals", "Male", []string{`2`, `null`}, []string{`1`}},
		{"gendercode", "not_empty", "", []string{`1`}, []string{`null`}},
		{"statecode", "equals", "Active", []string{`0`}, []string{`1`}},
		{"interests", "contains", "Tennis", []string{`"2,3"`, `"3"`}, []string{`"2,8"`, `null`}},
		{"interests", "equals", "Tennis; Golf", []string{`"2,3"`, `"3,2"`}, []string{`"2,3,8"`, `"3"`}},
		{"interests", "not_equals", "Golf", []string{`"2,3"`, `null`}, []string{`"2"`}},
		{"birthdate", "less", "2000-01-01", []string{`"1999-12-31"`}, []string{`"2000-01-01"`, `null`}},
		{"birthdate", "equals", "2000-02-29", []string{`"2000-02-29"`}, []string{`"2000-03-01"`}},
		{"createdon", "greater_or_equal", "2026-03-29T01:00:00+02:00", []string{`"2026-03-28T23:00:00Z"`}, []string{`"2026-03-28T22:59:59Z"`}},
		{"createdon", "equals", "2026-03-29", []string{`"2026-03-29T23:59:59Z"`, `"2026-03-29T00:00:00Z"`}, []string{`"2026-03-30T00:00:00Z"`}},
		{"createdon", "greater", "2026-03-29", []string{`"2026-03-30T00:00:00Z"`}, []string{`"2026-03-29T23:59:59Z"`}},
		{"meetingtime", "less", "2026-03-29T02:30:00Z", []string{`"2026-03-29T02:29:59Z"`}, []string{`"2026-03-29T02:30:00Z"`}},
		{"ownerid", "equals", strings.ToUpper(contactID), []string{`"` + contactID + `"`}, []string{`"00000000-0000-0000-0000-000000000000"`, `null`}},
		{"ownerid", "not_equals", contactID, []string{`null`}, []string{`"` + contactID + `"`}},
	}
	for _, tc := range tests {
		t.Run(tc.column+" "+tc.is, func(t *testing.T) {
			t.Parallel()
			w := Condition{Column: tc.column, Is: tc.is, Value: tc.value}
			for _, v := range tc.holds {
				require.False(t, excludes(t, w, v), "%s should match", v)
			}
			for _, v := range tc.fails {
				require.True(t, excludes(t, w, v), "%s should not match", v)
			}
		})
	}
}

// R13.3, R13.4.
func TestConditionsAreCombined(t *testing.T) {
	t.Parallel()
	where := []Condition{{Column: "firstname", Is: "equals", Value: "ann"}, {Column: "numberofchildren", Is: "greater", Value: "1"}}
	for _, tc := range []struct {
		first    string
		children int
		all, any bool
	}{{"Ann", 2, true, true}, {"Ann", 1, false, true}, {"Bea", 2, false, true}, {"Bea", 1, false, false}} {
		raw := fmt.Appendf(nil, `{"contactid":%q,"lastname":"x","firstname":%q,"numberofchildren":%d}`, contactID, tc.first, tc.children)
		for match, want := range map[string]bool{"": tc.all, "all": tc.all, "any": tc.any} {
			rule, err := mapperFor(t, filtered(Filter{Match: match, Where: where})).Excluded(raw)
			require.NoError(t, err)
			require.Equal(t, want, rule == "", "%s %+v: %s", match, tc, rule)
		}
		rule, err := mapperFor(t, filtered(Filter{})).Excluded(raw)
		require.NoError(t, err)
		require.Empty(t, rule, "no filter")
	}
}

func TestARuleIsNamedWithoutTheValue(t *testing.T) {
	t.Parallel()
	m := mapperFor(t, filtered(Filter{Where: []Condition{{Column: "emailaddress1", Is: "equals", Value: marker}}}))
	rule, err := m.Excluded(row("emailaddress1", `"ann@example.test"`))
	require.NoError(t, err)
	require.Equal(t, "filter.where[0]: emailaddress1 equals", rule)
	_, err = m.Excluded(row("other", `1`))
	require.Equal(t, "filter.where[0]: emailaddress1 equals", fieldError(t, err).From, "a row without the column is refused, not left out")
}

func TestFiltersThatCannotWork(t *testing.T) {
	t.Parallel()
	const at = "ingress.tables.contacts.filter."
	tests := map[string]struct {
		filter Filter
		want   string
	}{
		"comparison": {Filter{Where: []Condition{{Column: "firstname", Is: "greater", Value: "a"}}},
			at + "where[0].is: got greater for firstname, a column of type String, want equals, not_equals, contains, begins_with, empty, not_empty; choose another comparison"},
		"misspelt": {Filter{Where: []Condition{{Column: "firstname", Is: "equal", Value: "a"}}},
			at + `where[0].is: got "equal", want equals, not_equals, greater, greater_or_equal, less, less_or_equal, contains, begins_with, empty, not_empty; did you mean equals?`},
		"column": {Filter{Where: []Condition{{Column: "firstnam", Is: "empty"}}},
			at + `where[0].column: got "firstnam", want a column of contact; did you mean firstname?`},
		"number": {Filter{Where: []Condition{{Column: "numberofchildren", Is: "less", Value: "two"}}},
			at + `where[0].value: got "two", want a number; compare numberofchildren with such a value`},
		"date": {Filter{Where: []Condition{{Column: "birthdate", Is: "less", Value: "1.1.2000"}}},
			at + `where[0].value: got "1.1.2000", want a date or time such as 2026-03-29 or 2026-03-29T01:00:00Z; compare birthdate with such a value`},
		"option": {Filter{Where: []Condition{{Column: "gendercode", Is: "equals", Value: "Femal"}}},
			at + `where[0].value: got "Femal", want an option of gendercode: Female, Male; did you mean Female?`},
		"a value too many": {Filter{Where: []Condition{{Column: "gendercode", Is: "empty", Value: "x"}}},
			at + `where[0].value: got "x" with empty, want no value; remove it`},
		"a value missing": {Filter{Where: []Condition{{Column: "gendercode", Is: "equals"}}},
			at + `where[0].value: got nothing, want a value to compare with; for an empty column use is: empty`},
		"match": {Filter{Match: "or", Where: []Condition{{Column: "gendercode", Is: "empty"}}},
			at + `match: got "or", want all or any`},
		"nothing to match": {Filter{DeleteUnmatched: true},
			at + `where: got no conditions, want at least one; add a condition or remove the filter`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, problemsOf(t, filtered(tc.filter), contacts(), profile()), tc.want)
		})
	}
}

// The filter is compared with a second implementation of R13, which reads the values
// with Go's own decoders.
func TestFilterAgainstAReference(t *testing.T) {
	t.Parallel()
	numbers := rapid.IntRange(-3, 3)
	rapid.Check(t, func(t *rapid.T) {
		f := Filter{Match: rapid.SampledFrom([]string{"", "all", "any"}).Draw(t, "match")}
		for range rapid.IntRange(1, 4).Draw(t, "conditions") {
			w := Condition{}
			switch rapid.IntRange(0, 2).Draw(t, "kind") {
			case 0:
				w = Condition{Column: "firstname", Is: rapid.SampledFrom([]string{"equals", "not_equals", "contains", "begins_with", "empty", "not_empty"}).Draw(t, "is"),
					Value: rapid.StringMatching(`[abÄ]{1,2}`).Draw(t, "value")}
			case 1:
				w = Condition{Column: "numberofchildren", Is: rapid.SampledFrom(append([]string{"empty", "not_empty"}, comparisons[:6]...)).Draw(t, "is"), Value: fmt.Sprint(numbers.Draw(t, "value"))}
			case 2:
				day := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC).Add(time.Duration(numbers.Draw(t, "value")) * 6 * time.Hour)
				w = Condition{Column: "createdon", Is: rapid.SampledFrom(comparisons[:6]).Draw(t, "is"), Value: day.Format(time.RFC3339)}
			}
			if w.Is == "empty" || w.Is == "not_empty" {
				w.Value = ""
			}
			f.Where = append(f.Where, w)
		}
		in := map[string]any{"contactid": contactID, "lastname": "x", "firstname": nil, "numberofchildren": nil, "createdon": nil}
		if rapid.Bool().Draw(t, "has text") {
			in["firstname"] = rapid.StringMatching(`[abÄäB]{0,3}`).Draw(t, "text")
		}
		if rapid.Bool().Draw(t, "has number") {
			in["numberofchildren"] = numbers.Draw(t, "number")
		}
		if rapid.Bool().Draw(t, "has time") {
			in["createdon"] = time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC).Add(time.Duration(numbers.Draw(t, "time")) * 6 * time.Hour).Format(time.RFC3339)
		}
		raw, err := json.Marshal(in)
		require.NoError(t, err)
		plan, err := Resolve(filtered(f), contacts(), profile())
		require.NoError(t, err)
		m, err := plan.Mapper()
		require.NoError(t, err)
		rule, err := m.Excluded(raw)
		require.NoError(t, err)
		require.Equal(t, reference(f, in), rule == "", "%+v on %s", f, raw)
	})
}

// reference decides whether a record is propagated.
func reference(f Filter, in map[string]any) bool {
	held := 0
	for _, w := range f.Where {
		if refHolds(w, in[w.Column]) {
			held++
		}
	}
	if f.Match == "any" {
		return held > 0 || len(f.Where) == 0
	}
	return held == len(f.Where)
}

func refHolds(w Condition, v any) bool {
	blank := v == nil || v == ""
	switch {
	case w.Is == "empty":
		return blank
	case w.Is == "not_empty":
		return !blank
	case blank:
		return w.Is == "not_equals"
	}
	order := 0
	switch v := v.(type) {
	case int:
		var n int
		_, _ = fmt.Sscan(w.Value, &n)
		order = v - n
	case string:
		if w.Column == "createdon" {
			a, _ := time.Parse(time.RFC3339, v)
			b, _ := time.Parse(time.RFC3339, w.Value)
			order = a.Compare(b)
			break
		}
		have, want := strings.ToLower(v), strings.ToLower(w.Value)
		switch w.Is {
		case "contains":
			return len(strings.SplitN(have, want, 2)) == 2
		case "begins_with":
			return strings.TrimPrefix(have, want) != have
		}
		order = strings.Compare(have, want)
	}
	return map[string]bool{
		"equals": order == 0, "not_equals": order != 0, "greater": order > 0,
		"greater_or_equal": order >= 0, "less": order < 0, "less_or_equal": order <= 0,
	}[w.Is]
}
