package mapping

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// problemsOf resolves and returns the problems, one line each.
func problemsOf(t testing.TB, one Table, src SourceSchema, dst TargetSchema) []string {
	t.Helper()
	_, err := Resolve(one, src, dst)
	if err == nil {
		return nil
	}
	problems, ok := err.(Problems)
	require.True(t, ok, "want Problems, got %T", err)
	var lines []string
	for _, p := range problems {
		lines = append(lines, p.String())
	}
	return lines
}

func TestResolveNamesPathValueAndRemedy(t *testing.T) {
	t.Parallel()
	const at = "ingress.tables.contacts."
	name := Field{From: "firstname", To: "firstName"}
	tests := map[string]struct {
		edit func(*Table, *SourceSchema, *TargetSchema)
		want string
	}{
		"unknown column": { // R11.14
			func(m *Table, _ *SourceSchema, _ *TargetSchema) {
				m.Fields = []Field{{From: "emailadress1", To: "email"}}
			},
			at + `fields[0].from: got "emailadress1", want a column of contact; did you mean emailaddress1?`,
		},
		"unknown target field": { // R11.14
			func(m *Table, _ *SourceSchema, _ *TargetSchema) {
				m.Fields = []Field{name, {From: "lastname", To: "LastName"}}
			},
			at + `fields[1].to: got "LastName", want a field of profile; did you mean lastName?`,
		},
		"extension field on the basic API": {
			func(m *Table, _ *SourceSchema, d *TargetSchema) {
				d.API = "profileAndServices"
				m.Fields = []Field{{From: "lastname", To: "cusNickname"}}
			},
			at + `fields[0].to: got "cusNickname", want a field of profile; extension fields need api: profileAndServicesExt`,
		},
		"read-only target": { // R11.15
			func(m *Table, _ *SourceSchema, _ *TargetSchema) {
				m.Fields = []Field{{From: "numberofchildren", To: "age"}}
			},
			at + `fields[0].to: got "age", a read-only field, want a writable field; remove the pair or choose another target`,
		},
		"an item instead of a field in it": {
			func(m *Table, _ *SourceSchema, _ *TargetSchema) {
				m.Fields = []Field{{From: "firstname", To: "location"}}
			},
			at + `fields[0].to: got "location", a field of type item, want a field that holds a value; name a field inside it, such as location.city`,
		},
		"a link": {
			func(m *Table, _ *SourceSchema, _ *TargetSchema) {
				m.Fields = []Field{{From: "firstname", To: "orgUnit"}}
			},
			at + `fields[0].to: got "orgUnit", a link, without a parent, want parent: the mapping of the table that the lookup names; add parent, or map to the text field that Campaign joins`,
		},
		"a column without a value": {
			func(m *Table, _ *SourceSchema, _ *TargetSchema) {
				m.Fields = []Field{{From: "entityimage", To: "cusText"}}
			},
			at + `fields[0].from: got "entityimage", a column of type Image, want a column that holds a value; choose another column`,
		},
		"two columns for one field": { // R11.5
			func(m *Table, _ *SourceSchema, _ *TargetSchema) {
				m.Fields = []Field{name, {From: "lastname", To: "firstName"}}
			},
			at + `fields[1].to: got "firstName", which fields[0] feeds already, want one Dynamics column for each Campaign field; remove one of the two`,
		},
		"another column for the key": { // R10.1, R10.5
			func(m *Table, _ *SourceSchema, _ *TargetSchema) {
				m.Fields = []Field{{From: "emailaddress1", To: "externalId"}}
			},
			at + `fields[0].from: got "emailaddress1" for the key field externalId, want contactid, which feeds the key; remove the field or choose another target; the key pair needs no entry`,
		},
		"another key for profiles": { // R10.6
			func(m *Table, _ *SourceSchema, _ *TargetSchema) { m.Campaign.Key = "email"; m.Fields = []Field{name} },
			at + `campaign.key: got "email", want externalId for contact to profile; set key: externalId`,
		},
		"no key": { // R10.2
			func(m *Table, _ *SourceSchema, _ *TargetSchema) {
				m.Campaign.Key, m.Dynamics.Table = "", "lead"
				m.Fields = []Field{name}
			},
			at + `campaign.key: got nothing, want the Campaign text field that holds the Dynamics id; name a field declared as custom identification key`,
		},
		"a key that Campaign does not have": {
			func(m *Table, _ *SourceSchema, d *TargetSchema) {
				delete(d.Fields, "externalId")
				m.Fields = []Field{name}
			},
			at + `campaign.key: got "externalId", want a field of profile; names are case-sensitive; an extension field must be published in Campaign`,
		},
		"a key that is no text": { // R10.7
			func(m *Table, _ *SourceSchema, _ *TargetSchema) {
				m.Campaign.Key, m.Dynamics.Table = "cusLong", "lead"
				m.Fields = []Field{name}
			},
			at + `campaign.key: got "cusLong", a field of type number/long, want a text field; name a text field declared as custom identification key`,
		},
		"a key too short for an id": {
			func(m *Table, _ *SourceSchema, _ *TargetSchema) {
				m.Campaign.Key, m.Dynamics.Table = "salutation", "lead"
				m.Fields = []Field{name}
			},
			at + `campaign.key: got "salutation", a field of 5 characters, want at least 36 characters for an id; lengthen the field in Campaign or name another`,
		},
		"a table without change tracking": { // R3.10
			func(m *Table, s *SourceSchema, _ *TargetSchema) { s.Tracked = false; m.Fields = []Field{name} },
			at + `dynamics.table: got "contact", a table without change tracking, want a table with change tracking; enable Track changes in the table's settings in Dynamics, publish, and start again`,
		},
		"truncating what is no text": {
			func(m *Table, _ *SourceSchema, _ *TargetSchema) {
				m.Fields = []Field{{From: "createdon", To: "cusText", OnTooLong: Truncate}}
			},
			at + `fields[0].on_too_long: got truncate for instant to text, want truncate only where text becomes text; remove on_too_long`,
		},
		"an unknown policy": {
			func(m *Table, _ *SourceSchema, _ *TargetSchema) {
				m.Fields = []Field{{From: "firstname", To: "firstName", OnTooLong: "cut"}}
			},
			at + `fields[0].on_too_long: got "cut", want reject or truncate`,
		},
		"a time zone where none matters": {
			func(m *Table, _ *SourceSchema, _ *TargetSchema) {
				m.Fields = []Field{{From: "birthdate", To: "birthDate", TimeZone: "Europe/Paris"}}
			},
			at + `fields[0].time_zone: got "Europe/Paris" for date to date, want a time zone only where an instant becomes a date; remove time_zone`,
		},
		"an unknown time zone": {
			func(m *Table, _ *SourceSchema, _ *TargetSchema) {
				m.Fields = []Field{{From: "createdon", To: "birthDate", TimeZone: "Europe/Lutetia"}}
			},
			at + `fields[0].time_zone: got "Europe/Lutetia", want an IANA time zone such as Europe/Paris`,
		},
		"a choice of which no option matches": {
			func(m *Table, s *SourceSchema, _ *TargetSchema) {
				s.Columns["gendercode"] = Column{Type: "Picklist", Options: map[int]string{1: "Mann", 2: "Frau"}}
				m.Fields = []Field{{From: "gendercode", To: "gender"}}
			},
			at + `fields[0]: got gendercode, of which the option labels match no member of gender, want at least one option that is a name, value or label of: __Invalid_value__, female, male, unknown; set technical_values the other way, or rename the options on one side`,
		},
		"no fields": {
			func(m *Table, _ *SourceSchema, _ *TargetSchema) { m.Fields = nil },
			at + `fields: got no fields, want 1 to 1000`,
		},
	}
	for rule, tt := range tests {
		t.Run(rule, func(t *testing.T) {
			t.Parallel()
			one, src, dst := table(), contacts(), profile()
			tt.edit(&one, &src, &dst)
			require.Equal(t, []string{tt.want}, problemsOf(t, one, src, dst))
		})
	}
}

func TestResolveReportsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	one := table(
		Field{From: "nosuch", To: "email"}, Field{From: "firstname", To: "nosuch"},
		Field{From: "latitude", To: "birthDate"}, Field{From: "nosuch", To: "nosuch2"}, Field{},
	)
	src := contacts()
	src.Tracked = false
	var paths []string
	_, err := Resolve(one, src, profile())
	for _, p := range err.(Problems) {
		paths = append(paths, p.Path)
	}
	const at = "ingress.tables.contacts."
	require.ElementsMatch(t, []string{
		at + "dynamics.table", at + "fields[0].from", at + "fields[1].to", at + "fields[2]",
		at + "fields[3].from", at + "fields[3].to", at + "fields[4].from", at + "fields[4].to",
	}, paths)
}

// R9.10: a custom entity may have 50 columns, not 51. Contacts have no such limit.
func TestFieldLimit(t *testing.T) {
	t.Parallel()
	dst, one := profile(), table()
	for i := range 57 {
		name := fmt.Sprintf("cusField%d", i)
		dst.Fields[name] = TargetField{Type: "string", ResType: "string"}
		one.Fields = append(one.Fields, Field{From: "firstname", To: name}) // R11.6: one column may feed several fields
	}
	require.Empty(t, problemsOf(t, one, contacts(), dst))

	one.Dynamics.Table = "new_vehicle"
	one.Fields = one.Fields[:51]
	limit := func(p Problem) bool { return p.Path == "ingress.tables.contacts.fields" }
	problems := one.Check()
	at := slices.IndexFunc(problems, limit)
	require.GreaterOrEqual(t, at, 0)
	require.Equal(t, "at most 50", problems[at].Want)
	one.Fields = one.Fields[:50]
	require.False(t, slices.ContainsFunc(one.Check(), limit))
}

// R10.1, R10.5: the key pair is part of every mapping, whether it is listed or not.
func TestKeyPairIsAdded(t *testing.T) {
	t.Parallel()
	implicit := mapperFor(t, table(Field{From: "firstname", To: "firstName"}))
	explicit := mapperFor(t, table(Field{From: "contactid", To: "externalId"}, Field{From: "firstname", To: "firstName"}))
	for _, m := range []*Mapper{implicit, explicit} {
		p, err := m.Map(row("firstname", `"Ann"`))
		require.NoError(t, err)
		require.Equal(t, `{"externalId":"`+contactID+`","firstName":"Ann"}`, string(p.Body()))
	}
}

func TestSelect(t *testing.T) {
	t.Parallel()
	m := mapperFor(t, table(Field{From: "ownerid", To: "cusText"}, Field{From: "firstname", To: "lastName"}, Field{From: "firstname", To: "firstName"}))
	require.Equal(t, []string{"contactid", "_ownerid_value", "firstname", "modifiedon", "statecode"}, m.Select())
	m.Select()[0] = "changed"
	require.Equal(t, "contactid", m.Select()[0])
}

// A plan is stored by revision. It maps the same after a round trip, whatever happened
// to the metadata.
func TestPlanRoundTrip(t *testing.T) {
	t.Parallel()
	one := table(Field{From: "gendercode", To: "gender"}, Field{From: "createdon", To: "birthDate", TimeZone: "Europe/Paris"})
	plan, err := Resolve(one, contacts(), profile())
	require.NoError(t, err)
	data, err := json.Marshal(plan)
	require.NoError(t, err)
	var again Plan
	require.NoError(t, json.Unmarshal(data, &again))
	require.Equal(t, *plan, again)
	require.Equal(t, one.Revision(), again.Revision())

	m, err := again.Mapper()
	require.NoError(t, err)
	p, err := m.Map([]byte(`{"contactid":"` + contactID + `","gendercode":1,"createdon":"2025-03-31T22:00:00Z"}`))
	require.NoError(t, err)
	require.JSONEq(t, `{"externalId":"`+contactID+`","gender":"male","birthDate":"2025-04-01"}`, string(p.Body()))
}

// A plan that Resolve did not make is refused.
func TestMapperRefusesForeignPlans(t *testing.T) {
	t.Parallel()
	key := PlanField{From: "id", Property: "id", To: "key", Key: true, Source: FromID, Target: ToText}
	tests := map[string][]PlanField{
		"no key":       {{From: "a", Property: "a", To: "a", Source: FromText, Target: ToText}},
		"out of order": {key, {From: "a", Property: "a", To: "a", Source: FromText, Target: ToText}},
		"unknown kind": {key, {From: "a", Property: "a", To: "z", Source: "colour", Target: ToText}},
		"unknown zone": {key, {From: "a", Property: "a", To: "z", Source: FromInstant, Target: ToDate, TimeZone: "Nowhere"}},
	}
	for name, fields := range tests {
		_, err := (&Plan{Fields: fields}).Mapper()
		require.Error(t, err, name)
	}
}

// R8.14: equal mappings have equal revisions.
func TestRevision(t *testing.T) {
	t.Parallel()
	base := table(Field{From: "firstname", To: "firstName"})
	require.Regexp(t, `^[0-9a-f]{12}$`, base.Revision())

	same := table(Field{From: "firstname", To: "firstName", OnTooLong: Reject, TimeZone: "UTC"})
	same.Campaign.API = ""
	require.Equal(t, base.Revision(), same.Revision(), "defaults written out mean the same")
	require.Equal(t, Reject, same.Fields[0].OnTooLong, "the mapping itself is not changed")

	edits := []func(*Table){
		func(m *Table) { m.Name = "people" },
		func(m *Table) { m.Dynamics.Table = "lead" },
		func(m *Table) { m.Campaign.Resource = "cusLead" },
		func(m *Table) { m.ApplyDeletes = true },
		func(m *Table) { m.TechnicalValues = true },
		func(m *Table) { m.Fields[0].OnTooLong = Truncate },
		func(m *Table) { m.Fields = append(m.Fields, Field{From: "lastname", To: "lastName"}) },
	}
	seen := map[string]bool{base.Revision(): true}
	for _, edit := range edits {
		other := table(Field{From: "firstname", To: "firstName"})
		edit(&other)
		require.False(t, seen[other.Revision()])
		seen[other.Revision()] = true
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	names := []string{"emailaddress1", "emailaddress2", "firstname", "lastname"}
	require.Equal(t, "emailaddress1", Nearest("emailadress1", names))
	require.Equal(t, "firstname", Nearest("FirstName", names))
	require.Equal(t, "lastname", Nearest("lsatname", names))
	require.Empty(t, Nearest("telephone", names))
	require.Empty(t, Nearest("x", nil))
}
