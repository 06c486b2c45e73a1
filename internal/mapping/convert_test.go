package mapping

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
)

// The conversion table of docs/protocol/campaign.md §10, cell by cell. R11.11, R11.12
func TestConversion(t *testing.T) {
	t.Parallel()
	const refused = "!"
	tests := []struct{ rule, from, to, value, want string }{
		{"boolean stays", "donotbulkemail", "blackList", `true`, `true`},
		{"boolean to integer", "donotbulkemail", "cusLong", `true`, `1`},
		{"boolean to float", "donotbulkemail", "cusDouble", `false`, `0`},
		{"boolean to string", "donotbulkemail", "cusText", `false`, `"false"`},
		{"boolean to enumeration by name", "donotbulkemail", "cusTier", `true`, `"true"`},
		{"boolean to enumeration by value", "donotbulkemail", "gender", `true`, `"male"`},
		{"boolean without a member", "donotbulkemail", "cusTier", `false`, refused + "no member"},
		{"boolean that is text", "donotbulkemail", "blackList", `"yes"`, refused + "not a boolean"},

		{"0 is false", "numberofchildren", "blackList", `0`, `false`},
		{"1 is true", "numberofchildren", "blackList", `1`, `true`},
		{"2 is no boolean", "numberofchildren", "blackList", `2`, refused + "0 or 1"},
		{"integer stays", "numberofchildren", "cusLong", `-3`, `-3`},
		{"8 bits", "numberofchildren", "cusByte", `127`, `127`},
		{"more than 8 bits", "numberofchildren", "cusByte", `128`, refused + "8 bits"},
		{"16 bits", "numberofchildren", "cusShort", `-32768`, `-32768`},
		{"more than 16 bits", "numberofchildren", "cusShort", `-32769`, refused + "16 bits"},
		{"32 bits", "versionnumber", "cusLong", `2147483647`, `2147483647`},
		{"more than 32 bits", "versionnumber", "cusLong", `2147483648`, refused + "32 bits"},
		{"64 bits, exactly", "versionnumber", "cusInt64", `9007199254740993`, `9007199254740993`},
		{"float up to 2^53", "versionnumber", "cusDouble", `9007199254740992`, `9007199254740992`},
		{"no float beyond 2^53", "versionnumber", "cusDouble", `9007199254740993`, refused + "2^53"},
		{"integer to string", "versionnumber", "cusText", `9007199254740993`, `"9007199254740993"`},
		{"integer to enumeration by value", "numberofchildren", "gender", `2`, `"female"`},
		{"integer is not matched by label or name", "numberofchildren", "cusTier", `0`, refused + "no member"},
		{"the invalid member is never written", "numberofchildren", "gender", `9`, refused + "no member"},

		{"money to float keeps its digits", "creditlimit", "cusDouble", `5000000.0000`, `5000000`},
		{"decimal to float", "exchangerate", "cusDouble", `0.1000000000`, `0.1`},
		{"double with an exponent", "latitude", "cusDouble", `1.50E-3`, `0.0015`},
		{"negative zero is zero", "latitude", "cusDouble", `-0.0`, `0`},
		{"decimal to string is the shortest", "creditlimit", "cusText", `-12.3400`, `"-12.34"`},
		{"more digits than a double has", "creditlimit", "cusText", `922337203685477.5807`, `"922337203685477.5807"`},
		{"integral decimal to integer", "creditlimit", "cusLong", `12.0000`, `12`},
		{"decimal with a fraction to integer", "creditlimit", "cusLong", `12.5000`, refused + "whole"},
		{"large decimal to 32 bits", "creditlimit", "cusLong", `3000000000.0`, refused + "32 bits"},

		{"instant to date", "createdon", "birthDate", `"2025-03-31T23:59:01Z"`, `"2025-03-31"`},
		{"instant to date-time", "createdon", "cusSeen", `"2025-03-31T21:59:01Z"`, `"2025-03-31 21:59:01.000Z"`},
		{"milliseconds stay", "createdon", "cusSeen", `"2025-03-31T21:59:01.1239Z"`, `"2025-03-31 21:59:01.123Z"`},
		{"an offset is brought to UTC", "createdon", "cusSeen", `"2025-01-01T00:30:00+02:00"`, `"2024-12-31 22:30:00.000Z"`},
		{"instant to string", "createdon", "cusText", `"2025-03-31T21:59:01Z"`, `"2025-03-31T21:59:01Z"`},
		{"literal time to date", "meetingtime", "birthDate", `"2025-03-31T23:30:00Z"`, `"2025-03-31"`},
		{"literal time keeps its digits", "meetingtime", "cusSeen", `"2025-03-31T23:30:00Z"`, `"2025-03-31 23:30:00.000Z"`},
		{"literal time to string", "meetingtime", "cusText", `"2025-03-31T23:30:00Z"`, `"2025-03-31T23:30:00Z"`},
		{"date stays", "birthdate", "birthDate", `"1985-08-17"`, `"1985-08-17"`},
		{"date to date-time is midnight UTC", "birthdate", "cusSeen", `"1985-08-17"`, `"1985-08-17 00:00:00.000Z"`},
		{"date to string", "birthdate", "cusText", `"1985-08-17"`, `"1985-08-17"`},
		{"a day that does not exist", "birthdate", "birthDate", `"2023-02-29"`, refused + "ISO 8601"},
		{"a leap day", "birthdate", "birthDate", `"2024-02-29"`, `"2024-02-29"`},

		{"text to boolean", "firstname", "blackList", `"true"`, `true`},
		{"digit to boolean", "firstname", "blackList", `"0"`, `false`},
		{"other text is no boolean", "firstname", "blackList", `"ja"`, refused + "true, false, 1 or 0"},
		{"numeric text to integer", "firstname", "cusLong", `"007"`, `7`},
		{"other text is no integer", "firstname", "cusLong", `"7 "`, refused + "whole"},
		{"numeric text to float", "firstname", "cusDouble", `"+1.50"`, `1.5`},
		{"a comma is no point", "firstname", "cusDouble", `"1,5"`, refused + "no number"},
		{"ISO text to date", "firstname", "birthDate", `"1985-08-17"`, `"1985-08-17"`},
		{"ISO text to date-time", "firstname", "cusSeen", `"1985-08-17 10:00"`, `"1985-08-17 10:00:00.000Z"`},
		{"other text is no date", "firstname", "birthDate", `"17.08.1985"`, refused + "ISO 8601"},
		{"text stays", "firstname", "cusText", `"Zoë \u00e9 \"q\" \\ \ud83d\ude00"`, `"Zoë é \"q\" \\ 😀"`},
		{"memo to memo has no limit", "description", "cusMemo", `"` + strings.Repeat("é", 400) + `"`, `"` + strings.Repeat("é", 400) + `"`},
		{"255 characters by default", "description", "cusText", `"` + strings.Repeat("é", 256) + `"`, refused + "at most 255"},
		{"text to enumeration by name", "firstname", "gender", `"female"`, `"female"`},
		{"text to enumeration by value", "firstname", "gender", `"2"`, `"female"`},
		{"text to enumeration by label", "firstname", "gender", `"Not specified"`, `"unknown"`},
		{"unmatched text is an error, not a default", "firstname", "gender", `"divers"`, refused + "no member"},

		{"two-option choice to boolean", "statecode", "blackList", `1`, `true`},
		{"choice to integer", "gendercode", "cusByte", `2`, `2`},
		{"choice to float", "statuscode", "cusDouble", `2`, `2`},
		{"choice to string is its label", "gendercode", "cusText", `2`, `"Female"`},
		{"choice to enumeration by label", "gendercode", "gender", `2`, `"female"`},
		{"an option that metadata does not list", "gendercode", "cusText", `3`, refused + "metadata"},
		{"several choices are joined", "interests", "cusText", `"2,3, 8"`, `"Golf; Tennis; Chess"`},
		{"an unlisted one among several", "interests", "cusText", `"2,4"`, refused + "metadata"},

		{"lookup", "parentcustomerid", "cusText", `"6F1D0C2A-1111-2222-3333-444455556666"`, `"` + contactID + `"`},
		{"owner", "ownerid", "cusText", `"{6F1D0C2A-1111-2222-3333-444455556666}"`, `"` + contactID + `"`},
		{"lookup by property name", "_accountid_value", "cusText", `"` + contactID + `"`, `"` + contactID + `"`},
		{"text that is no id", "accountid", "cusText", `"x"`, refused + "GUID"},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			t.Parallel()
			got, err := mapOne(t, table(Field{From: tt.from, To: tt.to}), tt.value)
			if want, bad := strings.CutPrefix(tt.want, refused); bad {
				require.Contains(t, fieldError(t, err).Detail, want)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
		})
	}
}

// R11.13: every pair that the table marks as impossible is refused when the
// mapping is checked.
func TestImpossiblePairs(t *testing.T) {
	t.Parallel()
	tests := map[string][]string{
		"donotbulkemail":   {"birthDate", "cusSeen"},
		"numberofchildren": {"birthDate", "cusSeen"},
		"versionnumber":    {"birthDate", "cusSeen"},
		"creditlimit":      {"blackList", "birthDate", "cusSeen", "gender", "cusTier"},
		"exchangerate":     {"blackList", "birthDate", "cusSeen", "gender", "cusTier"},
		"latitude":         {"blackList", "birthDate", "cusSeen", "gender", "cusTier"},
		"createdon":        {"blackList", "cusByte", "cusLong", "cusDouble", "gender", "cusTier"},
		"meetingtime":      {"blackList", "cusLong", "cusDouble", "gender"},
		"birthdate":        {"blackList", "cusLong", "cusDouble", "gender"},
		"gendercode":       {"blackList", "birthDate", "cusSeen"},
		"statecode":        {"birthDate", "cusSeen"},
		"statuscode":       {"blackList", "birthDate", "cusSeen"},
		"interests":        {"blackList", "cusLong", "cusDouble", "birthDate", "cusSeen", "gender"},
		"ownerid":          {"blackList", "cusLong", "cusDouble", "birthDate", "cusSeen", "gender"},
		"contactid":        {"blackList", "cusLong", "cusDouble", "birthDate", "cusSeen", "gender"},
	}
	for from, targets := range tests {
		for _, to := range targets {
			t.Run(from+" to "+to, func(t *testing.T) {
				t.Parallel()
				_, err := Resolve(table(Field{From: "firstname", To: "firstName"}, Field{From: from, To: to}), contacts(), profile())
				problems, ok := err.(Problems)
				require.True(t, ok)
				require.Len(t, problems, 1)
				require.Equal(t, "ingress.tables.contacts.fields[1]", problems[0].Path)
				require.Contains(t, problems[0].Got, from)
				require.Contains(t, problems[0].Got, to)
				require.NotEmpty(t, problems[0].Want)
				require.NotEmpty(t, problems[0].Remedy)
			})
		}
	}
}

// docs/protocol/integration.md §26: an empty column clears the field, in the way of its
// type. An enumeration gets its unset member.
func TestEmptyClears(t *testing.T) {
	t.Parallel()
	tests := []struct{ from, to, want string }{
		{"firstname", "firstName", `""`},
		{"firstname", "cusLong", `0`},
		{"birthdate", "birthDate", `""`},
		{"createdon", "cusSeen", `""`},
		{"creditlimit", "cusDouble", `0`},
		{"donotbulkemail", "blackList", `false`},
		{"gendercode", "gender", `"unknown"`},
		{"firstname", "cusTier", `"none"`},
		{"ownerid", "cusText", `""`},
	}
	for _, tt := range tests {
		for _, value := range []string{`null`, `""`} {
			got, err := mapOne(t, table(Field{From: tt.from, To: tt.to}), value)
			require.NoError(t, err)
			require.Equal(t, tt.want, got, "%s to %s", tt.from, tt.to)
		}
	}
}

// A requested column that is missing in the row must not clear anything.
func TestMissingColumnIsRefused(t *testing.T) {
	t.Parallel()
	m := mapperFor(t, table(Field{From: "firstname", To: "firstName"}))
	_, err := m.Map([]byte(`{"contactid":"` + contactID + `"}`))
	bad := fieldError(t, err)
	require.Equal(t, "firstname", bad.From)
	require.Contains(t, bad.Detail, "does not carry the column")
}

// docs/protocol/campaign.md §10: lengths count Unicode characters.
func TestTooLong(t *testing.T) {
	t.Parallel()
	five, six := `"ÄÖÜß😀"`, `"ÄÖÜß😀x"`

	got, err := mapOne(t, table(Field{From: "firstname", To: "salutation"}), five)
	require.NoError(t, err)
	require.Equal(t, five, got)

	_, err = mapOne(t, table(Field{From: "firstname", To: "salutation", OnTooLong: Reject}), six)
	bad := fieldError(t, err)
	require.Equal(t, apierr.ReasonTooLong, bad.Reason)
	require.Equal(t, "firstname -> salutation: text too long, want at most 5 characters; shorten it in Dynamics or set on_too_long: truncate", bad.Error())

	m := mapperFor(t, table(Field{From: "firstname", To: "salutation", OnTooLong: Truncate}))
	p, err := m.Map(row("firstname", six))
	require.NoError(t, err)
	require.JSONEq(t, `{"externalId":"`+contactID+`","salutation":`+five+`}`, string(p.Body()))
	require.Equal(t, []string{"salutation"}, p.Truncated())
}

// Labels are cut or refused like any other text.
func TestTooLongLabel(t *testing.T) {
	t.Parallel()
	_, err := mapOne(t, table(Field{From: "gendercode", To: "salutation"}), `2`)
	require.Equal(t, apierr.ReasonTooLong, fieldError(t, err).Reason)
	got, err := mapOne(t, table(Field{From: "gendercode", To: "salutation", OnTooLong: Truncate}), `2`)
	require.NoError(t, err)
	require.Equal(t, `"Femal"`, got)
}

// R14.4: technical values send the number instead of the label.
func TestTechnicalValues(t *testing.T) {
	t.Parallel()
	tests := []struct{ from, to, value, want string }{
		{"gendercode", "cusText", `2`, `"2"`},
		{"gendercode", "gender", `2`, `"female"`},
		{"gendercode", "cusText", `77`, `"77"`},
		{"interests", "cusText", `"2, 8"`, `"2,8"`},
	}
	for _, tt := range tests {
		one := table(Field{From: tt.from, To: tt.to})
		one.TechnicalValues = true
		got, err := mapOne(t, one, tt.value)
		require.NoError(t, err)
		require.Equal(t, tt.want, got)
	}
}

// docs/protocol/integration.md §26: the date of an instant is taken in the mapping's
// zone, with daylight saving. A date has no zone.
func TestDateInZone(t *testing.T) {
	t.Parallel()
	tests := []struct{ from, zone, value, want string }{
		{"createdon", "Europe/Paris", `"2025-03-31T21:59:59Z"`, `"2025-03-31"`},
		{"createdon", "Europe/Paris", `"2025-03-31T22:00:00Z"`, `"2025-04-01"`},
		{"createdon", "Europe/Paris", `"2025-01-31T22:30:00Z"`, `"2025-01-31"`},
		{"createdon", "Europe/Paris", `"2025-01-31T23:00:00Z"`, `"2025-02-01"`},
		{"createdon", "Pacific/Kiritimati", `"2025-01-31T10:00:00Z"`, `"2025-02-01"`},
		{"createdon", "Etc/GMT+12", `"2025-02-01T11:59:00Z"`, `"2025-01-31"`},
		{"createdon", "", `"2025-02-01T00:00:00Z"`, `"2025-02-01"`},
		{"firstname", "Europe/Paris", `"2025-03-31T22:00:00Z"`, `"2025-04-01"`},
		{"firstname", "Europe/Paris", `"2025-03-31"`, `"2025-03-31"`},
	}
	for _, tt := range tests {
		got, err := mapOne(t, table(Field{From: tt.from, To: "birthDate", TimeZone: tt.zone}), tt.value)
		require.NoError(t, err)
		require.Equal(t, tt.want, got, "%s in %s", tt.value, tt.zone)
	}
}

// R10.9: an id has one form, whatever form it had in the row.
func TestMapKey(t *testing.T) {
	t.Parallel()
	m := mapperFor(t, table(Field{From: "firstname", To: "firstName"}))
	require.Equal(t, contactID, m.MapKey("{6F1D0C2A-1111-2222-3333-444455556666}"))
	require.Equal(t, contactID, m.MapKey(contactID))
	for _, key := range []string{`null`, `""`, `"no id"`, `7`} {
		_, err := m.Map([]byte(`{"contactid":` + key + `,"firstname":"a"}`))
		require.Equal(t, "contactid", fieldError(t, err).From)
	}
}

func TestMapRefusesWhatIsNoRow(t *testing.T) {
	t.Parallel()
	m := mapperFor(t, table(Field{From: "firstname", To: "firstName"}))
	for _, raw := range []string{``, `[]`, `"x"`, `{"contactid":`, `null`} {
		_, err := m.Map([]byte(raw))
		fieldError(t, err)
	}
}
