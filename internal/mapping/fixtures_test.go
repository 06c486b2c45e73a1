package mapping

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

const contactID = "6f1d0c2a-1111-2222-3333-444455556666"

// contacts is the source schema the tests map from.
func contacts() SourceSchema {
	return SourceSchema{
		Table: "contact", EntitySet: "contacts", Key: "contactid", Tracked: true,
		Columns: map[string]Column{
			"contactid":        {Type: "Uniqueidentifier"},
			"emailaddress1":    {Type: "String", MaxLength: 100},
			"firstname":        {Type: "String", MaxLength: 50},
			"lastname":         {Type: "String", MaxLength: 50},
			"description":      {Type: "Memo", MaxLength: 2000},
			"birthdate":        {Type: "DateTime", DateTimeBehavior: "DateOnly"},
			"createdon":        {Type: "DateTime", DateTimeBehavior: "UserLocal"},
			"modifiedon":       {Type: "DateTime", DateTimeBehavior: "UserLocal"},
			"meetingtime":      {Type: "DateTime", DateTimeBehavior: "TimeZoneIndependent"},
			"gendercode":       {Type: "Picklist", Options: map[int]string{1: "Male", 2: "Female"}},
			"statecode":        {Type: "State", Options: map[int]string{0: "Active", 1: "Inactive"}},
			"statuscode":       {Type: "Status", Options: map[int]string{1: "Active", 2: "Inactive"}},
			"interests":        {Type: "MultiSelectPicklist", Options: map[int]string{2: "Golf", 3: "Tennis", 8: "Chess"}},
			"donotbulkemail":   {Type: "Boolean", TrueLabel: "Do Not Allow", FalseLabel: "Allow"},
			"numberofchildren": {Type: "Integer"},
			"versionnumber":    {Type: "BigInt"},
			"creditlimit":      {Type: "Money"},
			"exchangerate":     {Type: "Decimal"},
			"latitude":         {Type: "Double"},
			"ownerid":          {Type: "Owner"},
			"parentcustomerid": {Type: "Customer"},
			"accountid":        {Type: "Lookup"},
			"entityimage":      {Type: "Image"},
		},
	}
}

// profile is the target schema the tests map to.
func profile() TargetSchema {
	gender := map[string]EnumValue{
		"unknown": {Label: "Not specified", Value: "0"}, "male": {Label: "Male", Value: "1"}, "female": {Label: "Female", Value: "2"},
		"__Invalid_value__": {Label: "Invalid", Value: "9"},
	}
	return TargetSchema{
		API: DefaultAPI, Resource: "profile",
		Fields: map[string]TargetField{
			"externalId":    {Type: "string", ResType: "string", Length: 100},
			"email":         {Type: "string", ResType: "string", Length: 128, DataPolicy: "email"},
			"firstName":     {Type: "string", ResType: "string", Length: 30, DataPolicy: "smartCase"},
			"lastName":      {Type: "string", ResType: "string", Length: 50, DataPolicy: "smartCase"},
			"salutation":    {Type: "string", ResType: "string", Length: 5},
			"cusText":       {Type: "string", ResType: "string"},
			"cusMemo":       {Type: "string", ResType: "memo"},
			"birthDate":     {Type: "date", ResType: "date"},
			"cusSeen":       {Type: "date", ResType: "datetime"},
			"gender":        {Type: "enumeration", ResType: "byte", Values: gender},
			"cusTier":       {Type: "enumeration", ResType: "string", Values: map[string]EnumValue{"none": {Value: ""}, "gold": {Label: "Gold tier", Value: "G"}, "true": {Label: "Yes", Value: "1"}}},
			"blackList":     {Type: "boolean", ResType: "boolean"},
			"cusByte":       {Type: "number", ResType: "byte"},
			"cusShort":      {Type: "number", ResType: "short"},
			"cusLong":       {Type: "number", ResType: "long"},
			"cusInt64":      {Type: "number", ResType: "int64"},
			"cusDouble":     {Type: "number", ResType: "double"},
			"age":           {Type: "number", ResType: "long", ReadOnly: true},
			"location":      {Type: "item"},
			"location.city": {Type: "string", ResType: "string", Length: 80},
			"location.zip":  {Type: "string", ResType: "string", Length: 10},
			"orgUnit":       {Type: "link", ResType: "link"},
		},
	}
}

// table maps contacts to profiles with the given fields.
func table(fields ...Field) Table {
	return Table{
		Name: "contacts", Dynamics: SourceTable{Table: "contact"},
		Campaign: TargetTable{API: DefaultAPI, Resource: "profile", Key: "externalId"}, Fields: fields,
	}
}

// mapperFor resolves a table against the fixtures.
func mapperFor(t testing.TB, one Table) *Mapper {
	t.Helper()
	plan, err := Resolve(one, contacts(), profile())
	require.NoError(t, err)
	m, err := plan.Mapper()
	require.NoError(t, err)
	return m
}

// mapOne maps one value and returns the literal that the target gets.
func mapOne(t testing.TB, one Table, value string) (string, error) {
	t.Helper()
	m := mapperFor(t, one)
	f := one.Fields[0]
	p, err := m.Map(row(m.fields[m.index[f.To]].Property, value))
	if err != nil {
		return "", err
	}
	i := m.index[f.To]
	return string(p.literal(i)), nil
}

// row is a Dynamics row with a key and one more property.
func row(property, value string) []byte {
	return fmt.Appendf(nil, `{"@odata.etag":"W/\"1\"","contactid":%q,%q:%s}`, contactID, property, value)
}

// fieldError takes the FieldError out of an error.
func fieldError(t testing.TB, err error) *FieldError {
	t.Helper()
	bad, ok := errors.AsType[*FieldError](err)
	require.True(t, ok, "want a *FieldError, got %v", err)
	return bad
}
