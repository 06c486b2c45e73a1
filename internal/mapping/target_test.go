package mapping

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// everything is a mapping with each kind of target once.
func everything() Table {
	return table(
		Field{From: "emailaddress1", To: "email"}, Field{From: "firstname", To: "firstName"},
		Field{From: "birthdate", To: "birthDate"}, Field{From: "createdon", To: "cusSeen"},
		Field{From: "gendercode", To: "gender"}, Field{From: "donotbulkemail", To: "blackList"},
		Field{From: "numberofchildren", To: "cusLong"}, Field{From: "creditlimit", To: "cusDouble"},
		Field{From: "lastname", To: "location.city"}, Field{From: "description", To: "cusText"},
	)
}

const everythingRow = `{"contactid":"` + contactID + `","emailaddress1":"Ann@Example.test","firstname":"mcDonald","birthdate":"1985-08-17",
	"createdon":"2025-03-31T21:59:01Z","gendercode":2,"donotbulkemail":true,"numberofchildren":2,"creditlimit":12.3400,
	"lastname":"Paris","description":"d"}`

// Campaign's answer to a POST counts as equal to what was sent, in whatever form it was
// stored. Otherwise there would be a PATCH again and again (docs/protocol/campaign.md
// trap 20).
func TestWrittenEqualsRead(t *testing.T) {
	t.Parallel()
	m := mapperFor(t, everything())
	want, err := m.Map([]byte(everythingRow))
	require.NoError(t, err)
	tests := map[string]string{
		"as it was sent": string(want.Body()),
		"with everything Campaign adds and changes": `{"PKey":"@x","externalId":"` + contactID + `","email":"ann@example.test","firstName":"Mcdonald","birthDate":"1985-08-17",
			"cusSeen":"2025-03-31 21:59:01.000Z","gender":"female","blackList":true,"cusLong":2,"cusDouble":12.34,"cusText":"d","age":40,
			"location":{"city":"Paris","zip":"1","extra":{"deep":1}},"href":"https://mc.adobe.io/x","subscriptions":{"href":"y"}}`,
		"with numbers and booleans as text or otherwise written": `{"externalId":"` + contactID + `","email":"Ann@Example.test","firstName":"mcDonald","birthDate":"1985-08-17 00:00:00.000Z",
			"cusSeen":"2025-03-31T21:59:01Z","gender":"2","blackList":1,"cusLong":"2","cusDouble":1.2340e1,"cusText":"d","location":{"city":"Paris"}}`,
	}
	for name, stored := range tests {
		have, err := m.FromTarget([]byte(stored))
		require.NoError(t, err, name)
		require.True(t, m.Equivalent(want, have), name)
		body, _ := want.Diff(have)
		require.Nil(t, body, "%s: %s", name, body)
	}
}

// A real difference is found and sent, and nothing else with it.
func TestReadDiffers(t *testing.T) {
	t.Parallel()
	m := mapperFor(t, everything())
	want, err := m.Map([]byte(everythingRow))
	require.NoError(t, err)
	have, err := m.FromTarget([]byte(`{"externalId":"` + contactID + `","email":"old@example.test","firstName":"MCDONALD","birthDate":"",
		"cusSeen":"2025-03-31 21:59:01.000Z","gender":"__Invalid_value__","blackList":false,"cusLong":2,"cusDouble":12.35,"cusText":"D","location":{"city":"paris"}}`))
	require.NoError(t, err)
	require.False(t, m.Equivalent(want, have))
	body, changed := want.Diff(have)
	require.Equal(t, []string{"birthDate", "blackList", "cusDouble", "cusText", "email", "gender", "location.city"}, changed)
	require.JSONEq(t, `{"birthDate":"1985-08-17","blackList":true,"cusDouble":12.34,"cusText":"d","email":"Ann@Example.test","gender":"female","location":{"city":"Paris"}}`, string(body))
}

// Compared with what we wrote ourselves, every change counts, also one of case only.
func TestDiffWithTheLedgerIsExact(t *testing.T) {
	t.Parallel()
	m := mapperFor(t, table(Field{From: "firstname", To: "firstName"}))
	before, err := m.Map(row("firstname", `"ann"`))
	require.NoError(t, err)
	after, err := m.Map(row("firstname", `"Ann"`))
	require.NoError(t, err)
	body, _ := after.Diff(parse(t, string(before.Canonical())))
	require.Equal(t, `{"firstName":"Ann"}`, string(body))
}

// A before-image holds the fields of the record in forms that can be written back. An
// invalid enumeration value counts as unset, an absent or empty field as empty.
func TestBeforeImage(t *testing.T) {
	t.Parallel()
	m := mapperFor(t, everything())
	have, err := m.FromTarget([]byte(`{"externalId":"` + contactID + `","email":null,"gender":"__Invalid_value__","cusText":5,"firstName":"Ann","location":null,"blackList":"true"}`))
	require.NoError(t, err)
	require.Equal(t, `{"birthDate":"","blackList":true,"cusDouble":0,"cusLong":0,"cusSeen":"","cusText":"5","email":"","externalId":"`+contactID+`","firstName":"Ann","gender":"unknown","location.city":""}`,
		string(have.Canonical()))
	back, err := m.Parse(have.Canonical())
	require.NoError(t, err)
	want, err := m.Map([]byte(everythingRow))
	require.NoError(t, err)
	_, changed := back.Diff(want)
	require.NotContains(t, changed, "externalId")
	require.Len(t, changed, 9)

	for _, bad := range []string{``, `[]`, `{`} {
		_, err := m.FromTarget([]byte(bad))
		require.Error(t, err)
	}
}
