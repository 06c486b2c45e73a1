package mapping

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// pairsOf lists a proposal as "from -> to".
func pairsOf(p *Proposal) []string {
	var out []string
	for _, f := range p.Table.Fields {
		out = append(out, f.From+" -> "+f.To)
	}
	return out
}

// doubtsOf finds the doubts about a Campaign field.
func doubtsOf(p *Proposal, to string) string {
	for i, f := range p.Table.Fields {
		if f.To == to {
			return strings.Join(p.Pairs[i].Doubts, "; ")
		}
	}
	return "not proposed"
}

// R11.2, R11.3, R11.4: fields of the two tables only, with their types, nested
// ones with dots.
func TestProposeContacts(t *testing.T) {
	t.Parallel()
	p := Propose("contacts", contacts(), profile())
	require.Equal(t, "externalId", p.Table.Campaign.Key)
	require.Empty(t, p.Key)
	require.Subset(t, pairsOf(p), []string{"birthdate -> birthDate", "emailaddress1 -> email", "firstname -> firstName", "gendercode -> gender", "lastname -> lastName"})
	require.Contains(t, p.Unused, "cusText")
	require.NotContains(t, p.Unused, "age", "read-only")
	require.NotContains(t, p.Unused, "orgUnit", "a link")
	require.Equal(t, "50 characters into 30: longer text is cut", doubtsOf(p, "firstName"))
	require.Empty(t, doubtsOf(p, "birthDate"))
	_, err := Resolve(p.Table, contacts(), profile())
	require.NoError(t, err)
}

func TestProposeCustomTables(t *testing.T) {
	t.Parallel()
	src := SourceSchema{Table: "new_vehicle", EntitySet: "new_vehicles", Key: "new_vehicleid", Tracked: true, Columns: map[string]Column{
		"new_vehicleid": {Type: "Uniqueidentifier"}, "new_name": {Type: "String", MaxLength: 300}, "new_plate_code": {Type: "String", MaxLength: 300},
		"new_seen": {Type: "DateTime", DateTimeBehavior: "UserLocal"}, "new_price": {Type: "Money"}, "new_fuel": {Type: "Picklist", Options: map[int]string{1: "Petrol", 2: "Coal"}},
		"new_contactid": {Type: "Lookup", Targets: []string{"contact"}}, "new_registraton": {Type: "String", MaxLength: 10}, "new_image": {Type: "Image"},
	}}
	dst := TargetSchema{API: DefaultAPI, Resource: "cusVehicle", Fields: map[string]TargetField{
		"vehicleId": {Type: "string", ResType: "string", Length: 50}, "name": {Type: "string", ResType: "string", Length: 100}, "plateCode": {Type: "string", ResType: "string", Length: 20},
		"cusSeen": {Type: "date", ResType: "date"}, "price": {Type: "number", ResType: "long"},
		"fuel":              {Type: "enumeration", ResType: "string", Values: map[string]EnumValue{"none": {}, "Petrol": {}}},
		"ProfileExternalId": {Type: "string", ResType: "string", Length: 50}, "registration": {Type: "string", ResType: "string", Length: 10},
		"image": {Type: "string", ResType: "string"}, "title": {Type: "string", ResType: "string", ReadOnly: true},
	}}
	p := Propose("vehicles", src, dst)
	require.Equal(t, "vehicleId", p.Table.Campaign.Key)
	require.Contains(t, p.Key, "guessed by its name")
	require.Equal(t, []string{"new_contactid -> ProfileExternalId", "new_seen -> cusSeen", "new_fuel -> fuel", "new_name -> name", "new_plate_code -> plateCode",
		"new_price -> price", "new_registraton -> registration"}, pairsOf(p))
	require.Equal(t, []string{"image"}, p.Unused)
	for to, want := range map[string]string{
		"name": "300 characters into 100: longer text is cut", "plateCode": "300 characters into 20: longer text is refused",
		"cusSeen": "set time_zone", "price": "decimals are refused", "fuel": "no member for Coal", "ProfileExternalId": "set parent to its mapping", "registration": "the names are only alike",
	} {
		require.Contains(t, doubtsOf(p, to), want)
	}
	text := string(p.YAML())
	require.Contains(t, text, "    key: vehicleId # doubtful: guessed by its name")
	require.Contains(t, text, "    - { from: new_name, to: name, on_too_long: truncate } # String(300) -> string; doubtful: 300 characters into 100: longer text is cut\n")
	require.Contains(t, text, "    # Campaign fields without a partner:\n    # - { from: , to: image }\n")
}

// Whatever the two models are, a proposal resolves, names each field once, and leaves
// none out.
func TestProposalsResolve(t *testing.T) {
	t.Parallel()
	names := rapid.SampledFrom([]string{"name", "city", "code", "price", "seen", "fuel", "plate", "names", "cities"})
	rapid.Check(t, func(t *rapid.T) {
		src := SourceSchema{Table: "new_thing", EntitySet: "new_things", Key: "new_thingid", Tracked: true, Columns: map[string]Column{"new_thingid": {Type: "Uniqueidentifier"}}}
		for range rapid.IntRange(0, 12).Draw(t, "columns") {
			kind := rapid.SampledFrom([]string{"String", "Integer", "Money", "DateTime", "Picklist", "Boolean", "Lookup", "Image"}).Draw(t, "type")
			src.Columns["new_"+names.Draw(t, "column")] = Column{Type: kind, MaxLength: rapid.IntRange(0, 300).Draw(t, "length"),
				Options: map[int]string{0: "a", 1: "b"}, Targets: []string{"contact"}}
		}
		dst := TargetSchema{API: DefaultAPI, Resource: "cusThing", Fields: map[string]TargetField{"externalId": {Type: "string", ResType: "string", Length: 50}}}
		for range rapid.IntRange(0, 12).Draw(t, "fields") {
			kind := rapid.SampledFrom([]TargetField{{Type: "string", ResType: "string", Length: 20}, {Type: "number", ResType: "long"}, {Type: "date", ResType: "date"},
				{Type: "boolean", ResType: "boolean"}, {Type: "link", ResType: "link"}, {Type: "string", ResType: "string", ReadOnly: true},
				{Type: "enumeration", ResType: "string", Values: map[string]EnumValue{"none": {}, "a": {}}}}).Draw(t, "kind")
			dst.Fields[names.Draw(t, "field")] = kind
		}
		p := Propose("things", src, dst)
		if len(p.Table.Fields) == 0 {
			return
		}
		_, err := Resolve(p.Table, src, dst)
		require.NoError(t, err)
		writable := 0
		for name, f := range dst.Fields {
			if _, ok := targetKind(f); ok && !f.ReadOnly && name != "externalId" {
				writable++
			}
		}
		require.Equal(t, writable, len(p.Table.Fields)+len(p.Unused), fmt.Sprint(p))
	})
}
