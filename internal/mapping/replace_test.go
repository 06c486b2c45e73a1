package mapping

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// replacing is a mapping of one pair with replacements.
func replacing(from, to string, replace map[string]string, technical bool) Table {
	one := table(Field{From: from, To: to, Replace: replace})
	one.TechnicalValues = technical
	return one
}

func TestReplacements(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, from, to  string
		replace         map[string]string
		technical       bool
		value, expected string
	}{
		{"R12.3 text", "firstname", "cusText", map[string]string{"#00FF00": "green"}, false, `"#00FF00"`, `"green"`},
		{"R12.3 number to text", "numberofchildren", "cusText", map[string]string{"1": "F"}, false, `1`, `"F"`},
		{"R12.5 another value passes", "firstname", "cusText", map[string]string{"#00FF00": "green"}, false, `"#00ff00"`, `"#00ff00"`},
		{"R12.6 before conversion: text that is no number becomes one", "firstname", "cusLong", map[string]string{"many": "99"}, false, `"many"`, `99`},
		{"R12.6 before conversion: a number beyond the field", "numberofchildren", "cusByte", map[string]string{"4000": "127"}, false, `4000`, `127`},
		{"R12.8 the label of a choice", "gendercode", "cusText", map[string]string{"Male": "M"}, false, `1`, `"M"`},
		{"R12.8 the number of a choice", "gendercode", "cusText", map[string]string{"1": "M"}, true, `1`, `"M"`},
		{"R12.8 the label, though a number is written", "gendercode", "cusLong", map[string]string{"Female": "7"}, false, `2`, `7`},
		{"R12.4 a choice to a member", "statecode", "cusTier", map[string]string{"Active": "gold", "Inactive": "none"}, false, `1`, `"none"`},
		{"R12.4 a boolean", "donotbulkemail", "cusText", map[string]string{"true": "no mail"}, false, `true`, `"no mail"`},
		{"R12.4 a boolean by its label", "donotbulkemail", "cusText", map[string]string{"Allow": "mail"}, false, `false`, `"mail"`},
		{"a boolean turned round", "donotbulkemail", "blackList", map[string]string{"true": "false", "false": "true"}, false, `true`, `false`},
		{"options of a multi-select choice", "interests", "cusText", map[string]string{"Tennis": "Racket"}, false, `"2,3,8"`, `"Golf; Racket; Chess"`},
		{"an option left out", "interests", "cusText", map[string]string{"Tennis": ""}, false, `"2,3,8"`, `"Golf; Chess"`},
		{"numbers of a multi-select choice", "interests", "cusText", map[string]string{"3": "T"}, true, `"2,3"`, `"2,T"`},
		{"money whatever its zeros", "creditlimit", "cusText", map[string]string{"10.50": "basic"}, false, `10.5000`, `"basic"`},
		{"an instant however written", "createdon", "cusText", map[string]string{"1900-01-01T00:00:00+00:00": "never"}, false, `"1900-01-01T00:00:00Z"`, `"never"`},
		{"a date to a date", "birthdate", "birthDate", map[string]string{"1900-01-01": "1970-01-01"}, false, `"1900-01-01"`, `"1970-01-01"`},
		{"an id of any case", "ownerid", "cusText", map[string]string{"{6F1D0C2A-1111-2222-3333-444455556666}": "me"}, false, `"` + contactID + `"`, `"me"`},
		{"an empty column", "firstname", "cusText", map[string]string{"": "unknown"}, false, `null`, `"unknown"`},
		{"an empty number", "numberofchildren", "cusLong", map[string]string{"": "-1"}, false, `null`, `-1`},
		{"to nothing", "firstname", "cusText", map[string]string{"n/a": ""}, false, `"n/a"`, `""`},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := mapOne(t, replacing(tc.from, tc.to, tc.replace, tc.technical), tc.value)
			require.NoError(t, err)
			require.Equal(t, tc.expected, got)
		})
	}
}

// An empty Campaign field differs from the replacement of an empty column.
func TestAnEmptyFieldIsNotItsReplacement(t *testing.T) {
	t.Parallel()
	m := mapperFor(t, replacing("firstname", "cusText", map[string]string{"": "unknown"}, false))
	want, err := m.Map(row("firstname", "null"))
	require.NoError(t, err)
	held, err := m.FromTarget([]byte(`{"externalId":"` + contactID + `","cusText":""}`))
	require.NoError(t, err)
	require.False(t, m.Equivalent(want, held))
}

func TestReplacementsThatCannotWork(t *testing.T) {
	t.Parallel()
	const at = `ingress.tables.contacts.fields[0].replace`
	tests := map[string]struct {
		one  Table
		want string
	}{
		"R12.8 a number where labels count": {replacing("gendercode", "cusText", map[string]string{"1": "M"}, false),
			at + `.1: got "1", want an option of gendercode: Female, Male`},
		"R12.8 a label where numbers count": {replacing("gendercode", "cusText", map[string]string{"Male": "M"}, true),
			at + `.Male: got "Male", want a number of gendercode (1, 2), since technical_values is on; use one of the numbers`},
		"a misspelt label": {replacing("gendercode", "cusText", map[string]string{"Mail": "M"}, false),
			at + `.Mail: got "Mail", want an option of gendercode: Female, Male; did you mean Male?`},
		"R12.7 one value twice": {replacing("creditlimit", "cusText", map[string]string{"1": "a", "1.0": "b"}, false),
			at + `.1.0: got "1.0", the same value as another entry, want one replacement for each existing value; remove one of the two`},
		"a new value that does not fit": {replacing("firstname", "cusLong", map[string]string{"many": "lots"}, false),
			at + `.many: got "lots", want a value of cusLong: not a whole number; change the new value`},
		"no member": {replacing("statecode", "cusTier", map[string]string{"Active": "silver", "Inactive": "none"}, false),
			at + `.Active: got "silver", want a value of cusTier: no member of the enumeration matches; want a name, value or label of it; change the new value`},
		"too long": {replacing("firstname", "salutation", map[string]string{"a": "Excellency"}, false),
			at + `.a: got "Excellency", want a value of salutation: text too long, want at most 5 characters; shorten it in Dynamics or set on_too_long: truncate; change the new value`},
		"no number": {replacing("numberofchildren", "cusText", map[string]string{"two": "2"}, false),
			at + `.two: got "two", want a number; use a value that numberofchildren can have`},
		"itself": {replacing("firstname", "cusText", map[string]string{"a": "a"}, false),
			at + `.a: got a value that replaces itself, want another value; remove the entry`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, problemsOf(t, tc.one, contacts(), profile()), tc.want)
		})
	}
}

// R12.1, R12.2: a replacement belongs to a pair. There is none for a column that is not
// mapped, and a change of it changes the revision.
func TestReplacementsArePartOfTheRevision(t *testing.T) {
	t.Parallel()
	without := replacing("firstname", "cusText", nil, false)
	with := replacing("firstname", "cusText", map[string]string{"a": "b"}, false)
	require.NotEqual(t, without.Revision(), with.Revision())
	require.Equal(t, without.Revision(), replacing("firstname", "cusText", map[string]string{}, false).Revision())
}

func TestLowerCase(t *testing.T) {
	t.Parallel()
	got, err := mapOne(t, table(Field{From: "emailaddress1", To: "email", LowerCase: true}), `"Ann.ÄRGER@Example.Test"`)
	require.NoError(t, err)
	require.Equal(t, `"ann.ärger@example.test"`, got)
	require.Contains(t, problemsOf(t, table(Field{From: "numberofchildren", To: "cusText", LowerCase: true}), contacts(), profile()),
		"ingress.tables.contacts.fields[0].lower_case: got true for integer to text, want lower case only where text becomes text; remove lower_case")
}

// R11.7, R11.8, R11.9.
func TestKeepLeavesFieldsWithoutUpdatesAsTheyWere(t *testing.T) {
	t.Parallel()
	off := false
	m := mapperFor(t, table(Field{From: "firstname", To: "firstName", ApplyUpdates: &off}, Field{From: "lastname", To: "lastName"}, Field{From: "description", To: "cusMemo", ApplyUpdates: &off}))
	mapped := func(first, last, memo string) *Payload {
		p, err := m.Map([]byte(`{"contactid":"` + contactID + `","firstname":"` + first + `","lastname":"` + last + `","description":"` + memo + `"}`))
		require.NoError(t, err)
		return p
	}
	before, now := mapped("Ann", "Brandt", "x"), mapped("Anna", "Berg", "y")
	body, changed := m.KeepSkipped(now, before).Diff(before)
	require.Equal(t, []string{"lastName"}, changed)
	require.JSONEq(t, `{"lastName":"Berg"}`, string(body))

	// A field that was not mapped before is written, as at a creation.
	older, err := ParsePayload([]byte(`{"externalId":"` + contactID + `","firstName":"Ann","lastName":"Brandt"}`))
	require.NoError(t, err)
	kept := m.KeepSkipped(now, older)
	require.JSONEq(t, `{"externalId":"`+contactID+`","firstName":"Ann","lastName":"Berg","cusMemo":"y"}`, string(kept.Canonical()))
	again, err := ParsePayload(kept.Canonical())
	require.NoError(t, err)
	require.Equal(t, string(kept.Canonical()), string(again.Canonical()), "the canonical form")
	require.Same(t, now, m.KeepSkipped(now, now), "nothing to keep costs nothing")
}

func TestKeepOptOuts(t *testing.T) {
	t.Parallel()
	m := mapperFor(t, table(Field{From: "donotbulkemail", To: "blackList"}, Field{From: "firstname", To: "firstName"}))
	tests := []struct{ dynamics, campaign, want string }{
		{"false", "true", "true"}, {"true", "false", "true"}, {"false", "false", "false"}, {"true", "true", "true"}, {"null", "true", "true"},
	}
	for _, tc := range tests {
		p, err := m.Map([]byte(`{"contactid":"` + contactID + `","firstname":"Ann","donotbulkemail":` + tc.dynamics + `}`))
		require.NoError(t, err)
		held, err := m.FromTarget([]byte(`{"externalId":"` + contactID + `","firstName":"Old","blackList":` + tc.campaign + `}`))
		require.NoError(t, err)
		require.JSONEq(t, `{"externalId":"`+contactID+`","firstName":"Ann","blackList":`+tc.want+`}`, string(m.KeepOptOuts(p, held).Canonical()), "%+v", tc)
	}
}
