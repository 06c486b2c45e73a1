package dataverse_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/internal/apierr"
	"causeway.dev/internal/dataverse"
)

const definition = `{"@odata.context":"x","LogicalName":"contact","EntitySetName":"contacts","PrimaryIdAttribute":"contactid","PrimaryNameAttribute":"fullname",
 "ChangeTrackingEnabled":true,"IsActivity":false,"IsOptimisticConcurrencyEnabled":true,
 "Attributes":[
  {"LogicalName":"contactid","AttributeType":"Uniqueidentifier","AttributeTypeName":{"Value":"UniqueidentifierType"},"IsValidForCreate":true,"IsValidForUpdate":false,"IsValidForRead":true,"RequiredLevel":{"Value":"SystemRequired"},"AttributeOf":null},
  {"LogicalName":"lastname","AttributeType":"String","AttributeTypeName":{"Value":"StringType"},"IsValidForCreate":true,"IsValidForUpdate":true,"IsValidForRead":true,"RequiredLevel":{"Value":"ApplicationRequired"}},
  {"LogicalName":"birthdate","AttributeType":"DateTime","AttributeTypeName":{"Value":"DateTimeType"},"IsValidForRead":true},
  {"LogicalName":"gendercode","AttributeType":"Picklist","AttributeTypeName":{"Value":"PicklistType"},"IsValidForRead":true},
  {"LogicalName":"gendercodename","AttributeType":"Virtual","AttributeTypeName":{"Value":"VirtualType"},"AttributeOf":"gendercode"},
  {"LogicalName":"acme_topics","AttributeType":"Virtual","AttributeTypeName":{"Value":"MultiSelectPicklistType"},"IsValidForRead":true},
  {"LogicalName":"statecode","AttributeType":"State","AttributeTypeName":{"Value":"StateType"},"IsValidForUpdate":true},
  {"LogicalName":"statuscode","AttributeType":"Status","AttributeTypeName":{"Value":"StatusType"}},
  {"LogicalName":"donotemail","AttributeType":"Boolean"},
  {"LogicalName":"parentcustomerid","AttributeType":"Customer","AttributeTypeName":{"Value":"CustomerType"}},
  {"LogicalName":"ownerid","AttributeType":"Owner","AttributeTypeName":{"Value":"OwnerType"}}],
 "Keys":[{"LogicalName":"acme_profilekey","KeyAttributes":["acme_profileid"],"EntityKeyIndexStatus":"Active"},
  {"LogicalName":"acme_both","KeyAttributes":["a","b"],"EntityKeyIndexStatus":"Pending"}],
 "ManyToOneRelationships":[
  {"SchemaName":"contact_customer_accounts","ReferencingAttribute":"parentcustomerid","ReferencedEntity":"account","ReferencingEntityNavigationPropertyName":"parentcustomerid_account"},
  {"SchemaName":"contact_customer_contacts","ReferencingAttribute":"parentcustomerid","ReferencedEntity":"contact","ReferencingEntityNavigationPropertyName":"parentcustomerid_contact"},
  {"SchemaName":"acme_c","ReferencingAttribute":"acme_campaignid","ReferencedEntity":"acme_campaign","ReferencingEntityNavigationPropertyName":"acme_CampaignId"}]}`

func label(s string) string {
	return `{"LocalizedLabels":[{"Label":"` + s + `","LanguageCode":1033}],"UserLocalizedLabel":{"Label":"` + s + `","LanguageCode":1033}}`
}

var castReplies = map[string]string{
	"String":              `{"LogicalName":"lastname","MaxLength":50},{"LogicalName":"unlisted","MaxLength":1}`,
	"DateTime":            `{"LogicalName":"birthdate","Format":"DateOnly","DateTimeBehavior":{"Value":"DateOnly"}}`,
	"Picklist":            `{"LogicalName":"gendercode","OptionSet":{"Options":[{"Value":1,"Label":` + label("Male") + `},{"Value":2,"Label":{"LocalizedLabels":[{"Label":"Frau"}],"UserLocalizedLabel":null}},{"Value":3,"Label":{}}]},"GlobalOptionSet":null}`,
	"MultiSelectPicklist": `{"LogicalName":"acme_topics","OptionSet":null,"GlobalOptionSet":{"Options":[{"Value":100000001,"Label":` + label("News") + `}]}}`,
	"State":               `{"LogicalName":"statecode","OptionSet":{"Options":[{"Value":0,"Label":` + label("Active") + `},{"Value":1,"Label":` + label("Inactive") + `}]}}`,
	"Status":              `{"LogicalName":"statuscode","OptionSet":{"Options":[{"Value":1,"State":0,"Label":` + label("Active") + `},{"Value":2,"State":1,"Label":` + label("Inactive") + `}]}}`,
	"Boolean":             `{"LogicalName":"donotemail","OptionSet":{"TrueOption":{"Value":1,"Label":` + label("Do Not Allow") + `},"FalseOption":{"Value":0,"Label":` + label("Allow") + `}}}`,
	"Lookup":              `{"LogicalName":"parentcustomerid","Targets":["account","contact"]},{"LogicalName":"ownerid","Targets":["systemuser","team"]}`,
}

// describe answers for a table definition and the casts of its columns.
func describe(doc string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, cast, ok := strings.Cut(r.URL.Path, "/Attributes/Microsoft.Dynamics.CRM.")
		if !ok {
			answer(200, doc)(w, r)
			return
		}
		answer(200, `{"value":[`+castReplies[strings.TrimSuffix(cast, "AttributeMetadata")]+`]}`)(w, r)
	}
}

func TestEntityDescribesATable(t *testing.T) {
	t.Parallel()
	want := &dataverse.Entity{
		LogicalName: "contact", EntitySetName: "contacts", PrimaryIdAttribute: "contactid", PrimaryNameAttribute: "fullname",
		ChangeTrackingEnabled: true, OptimisticConcurrency: true,
		Attributes: map[string]dataverse.Attribute{
			"contactid":        {LogicalName: "contactid", Type: "Uniqueidentifier", Readable: true, Creatable: true, Required: "SystemRequired"},
			"lastname":         {LogicalName: "lastname", Type: "String", MaxLength: 50, Readable: true, Creatable: true, Updatable: true, Required: "ApplicationRequired"},
			"birthdate":        {LogicalName: "birthdate", Type: "DateTime", DateTimeBehavior: "DateOnly", Readable: true},
			"gendercode":       {LogicalName: "gendercode", Type: "Picklist", Options: map[int]string{1: "Male", 2: "Frau", 3: "3"}, Readable: true},
			"acme_topics":      {LogicalName: "acme_topics", Type: "MultiSelectPicklist", Options: map[int]string{100000001: "News"}, Readable: true},
			"statecode":        {LogicalName: "statecode", Type: "State", Options: map[int]string{0: "Active", 1: "Inactive"}, Updatable: true},
			"statuscode":       {LogicalName: "statuscode", Type: "Status", Options: map[int]string{1: "Active", 2: "Inactive"}, StateOf: map[int]int{1: 0, 2: 1}},
			"donotemail":       {LogicalName: "donotemail", Type: "Boolean", TrueLabel: "Do Not Allow", FalseLabel: "Allow"},
			"parentcustomerid": {LogicalName: "parentcustomerid", Type: "Customer", Targets: []string{"account", "contact"}},
			"ownerid":          {LogicalName: "ownerid", Type: "Owner", Targets: []string{"systemuser", "team"}},
		},
		Keys: []dataverse.AlternateKey{
			{LogicalName: "acme_profilekey", Columns: []string{"acme_profileid"}, Active: true}, {LogicalName: "acme_both", Columns: []string{"a", "b"}},
		},
		ManyToOne: []dataverse.Relationship{
			{SchemaName: "contact_customer_accounts", Column: "parentcustomerid", Target: "account", Navigation: "parentcustomerid_account"},
			{SchemaName: "contact_customer_contacts", Column: "parentcustomerid", Target: "contact", Navigation: "parentcustomerid_contact"},
			{SchemaName: "acme_c", Column: "acme_campaignid", Target: "acme_campaign", Navigation: "acme_CampaignId"},
		},
	}
	for name, doc := range map[string]string{"the object": definition, "in a list of one": `{"value":[` + definition + `]}`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := record(t, describe(doc))
			got, err := rec.client(t, nil).Entity(t.Context(), "contact")
			require.NoError(t, err)
			require.Equal(t, want, got)
			sent := rec.all()
			require.True(t, strings.HasPrefix(sent[0].URI, api+"/EntityDefinitions(LogicalName='contact')?$select=LogicalName,"), sent[0].URI)
			for _, part := range []string{"Attributes($select=", "Keys($select=", "ManyToOneRelationships($select="} {
				require.Contains(t, sent[0].URI, part)
			}
			for _, s := range sent {
				require.NotContains(t, s.URI, " ")
			}
		})
	}
}

func TestNavigationDependsOnTheTarget(t *testing.T) {
	t.Parallel()
	e := &dataverse.Entity{LogicalName: "acme_emailevent", ManyToOne: []dataverse.Relationship{
		{Column: "regardingobjectid", Target: "contact", Navigation: "regardingobjectid_contact"},
		{Column: "regardingobjectid", Target: "contact", Navigation: "regardingobjectid_contact_acme_emailevent"},
		{Column: "regardingobjectid", Target: "contact", Navigation: "zzz"},
		{Column: "regardingobjectid", Target: "account", Navigation: "regardingobjectid_account"},
		{Column: "acme_campaignid", Target: "acme_campaign", Navigation: "acme_CampaignId"},
		{Column: "nameless", Target: "contact"},
	}}
	for _, tt := range []struct {
		column, target, want string
	}{
		{"regardingobjectid", "contact", "regardingobjectid_contact_acme_emailevent"}, // the table's own
		{"regardingobjectid", "account", "regardingobjectid_account"},
		{"acme_campaignid", "acme_campaign", "acme_CampaignId"}, // its case stays
		{"acme_campaignid", "contact", ""},
		{"nameless", "contact", ""},
	} {
		got, ok := e.Navigation(tt.column, tt.target)
		require.Equal(t, tt.want, got)
		require.Equal(t, tt.want != "", ok)
	}
}

func TestADefinitionThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		h      http.HandlerFunc
		reason string
	}{
		"unknown":                 {answer(404, `{"error":{"code":"0x80060888","message":"not in the MetadataCache"}}`), apierr.ReasonSchema},
		"unknown, without a code": {answer(404, `{"error":{"code":"","message":"x"}}`), apierr.ReasonNotFound},
		"not there, says nobody":  {answer(404, ``), apierr.ReasonConfig},
		"not allowed":             {answer(403, ``), apierr.ReasonPermission},
		"a page of HTML":          {answer(200, `<html>`), apierr.ReasonBadResponse},
		"broken off":              {describe(definition[:len(definition)-1]), apierr.ReasonBadResponse},
		"without an entity set":   {describe(`{"LogicalName":"contact"}`), apierr.ReasonBadResponse},
		"columns broken off":      {script(t, answer(200, definition), answer(200, `{"value":[`)), apierr.ReasonBadResponse},
		"columns missing":         {script(t, answer(200, definition), answer(200, `{}`)), apierr.ReasonBadResponse},
		"columns refused":         {script(t, answer(200, definition), answer(500, ``)), apierr.ReasonServiceFault},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := record(t, tt.h).client(t, nil).Entity(t.Context(), "contact")
			require.Equal(t, tt.reason, failure(t, err).Reason)
		})
	}
}

func TestATableNameIsEscaped(t *testing.T) {
	t.Parallel()
	rec := record(t, answer(404, ""))
	_, err := rec.client(t, nil).Entity(t.Context(), "o'x')/y?z")
	require.Error(t, err)
	require.True(t, strings.HasPrefix(rec.one(t).URI, api+"/EntityDefinitions(LogicalName='o%27%27x%27%27%29%2Fy%3Fz')?"), rec.one(t).URI)
}
