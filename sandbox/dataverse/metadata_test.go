package dataverse_test

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

// Definitions are found by name and by id, which stays the same, and filtered and expanded
// with the options of the documentation.
func TestQueriesOfDefinitions(t *testing.T) {
	o := newOrganisation(t)
	def := o.send("GET", "EntityDefinitions(LogicalName='contact')?$select=LogicalName", "")
	id := def.get("MetadataId").Str
	require.Equal(t, id, newOrganisation(t).send("GET", "EntityDefinitions(LogicalName='contact')", "").get("MetadataId").Str)
	o = newOrganisation(t)
	require.Equal(t, "contact", o.send("GET", "EntityDefinitions("+id+")", "").get("LogicalName").Str)
	columns := func(filter string) string {
		r := o.send("GET", "EntityDefinitions("+id+")/Attributes?$select=LogicalName&$filter="+url.PathEscape(filter), "")
		require.Equal(t, 200, r.status, r.body)
		require.Contains(t, r.get(`@odata\.context`).Str, "$metadata#EntityDefinitions('contact')/Attributes(LogicalName)")
		return r.get("value.#.LogicalName").Raw
	}
	require.Equal(t, `["emailaddress1","emailaddress2","emailaddress3"]`, columns("startswith(LogicalName,'emailaddress')"))
	require.Equal(t, `["statecode","statuscode"]`, columns("AttributeType eq Microsoft.Dynamics.CRM.AttributeTypeCode'State' or AttributeType eq Microsoft.Dynamics.CRM.AttributeTypeCode'Status'"))
	require.Equal(t, `["contactid"]`, columns("IsPrimaryId eq true and (RequiredLevel/Value ne Microsoft.Dynamics.CRM.AttributeRequiredLevel'ApplicationRequired')"))
	one := o.send("GET", "EntityDefinitions("+id+")/Attributes(LogicalName='lastname')", "")
	require.Equal(t, "String", one.get("AttributeType").Str, one.body)
	again := o.send("GET", "EntityDefinitions("+id+")/Attributes("+one.get("MetadataId").Str+")/Microsoft.Dynamics.CRM.StringAttributeMetadata?$select=MaxLength", "")
	require.EqualValues(t, 50, again.get("MaxLength").Int(), again.body)
	lookup := o.send("GET", "EntityDefinitions(LogicalName='contact')/Attributes(LogicalName='parentcustomerid')/Microsoft.Dynamics.CRM.LookupAttributeMetadata", "")
	require.Equal(t, `["account","contact"]`, lookup.get("Targets").Raw, lookup.body)
	r := o.send("GET", "EntityDefinitions(LogicalName='account')?$select=LogicalName&$expand=Attributes($select=LogicalName;$filter=LogicalName%20eq%20'name'),OneToManyRelationships($select=SchemaName)", "")
	require.Equal(t, `["name"]`, r.get("Attributes.#.LogicalName").Raw, r.body)
	require.Contains(t, r.get("OneToManyRelationships.#.SchemaName").Raw, "contact_customer_accounts")

	r = o.send("GET", "RelationshipDefinitions(SchemaName='contact_customer_accounts')", "")
	require.Equal(t, "contact", r.get("ReferencingEntity").Str, r.body)
	require.Equal(t, "contact_customer_accounts", o.send("GET", "RelationshipDefinitions("+r.get("MetadataId").Str+")", "").get("SchemaName").Str)
	require.Equal(t, "[]", o.send("GET", "GlobalOptionSetDefinitions", "").get("value").Raw)
	o.refused(o.send("GET", "GlobalOptionSetDefinitions(Name='none')", ""), 404, "0x80060888")
	for _, filter := range []string{"LogicalName", "LogicalName has 'x'", "(LogicalName eq 'x'", "near(LogicalName,'x')"} {
		o.refused(o.send("GET", "EntityDefinitions?$filter="+url.PathEscape(filter), ""), 400, "0x80060888")
	}
	o.refused(o.send("GET", "EntityDefinitions?$top=1", ""), 400, "0x80060888")
	o.refused(o.send("POST", "EntityDefinitions", "{}"), http.StatusNotImplemented, "0x80040216")
}

// $metadata is CSDL in which every type that is named exists.
func TestCSDL(t *testing.T) {
	o := newOrganisation(t)
	r := o.send("GET", "$metadata", "")
	require.Equal(t, 200, r.status)
	require.Equal(t, "application/xml", r.header.Get("Content-Type"))
	type property struct {
		Name string `xml:",attr"`
		Type string `xml:",attr"`
	}
	var doc struct {
		Types []struct {
			Name        string     `xml:",attr"`
			Properties  []property `xml:"Property"`
			Navigations []property `xml:"NavigationProperty"`
		} `xml:"DataServices>Schema>EntityType"`
		Sets []struct {
			Name string `xml:",attr"`
		} `xml:"DataServices>Schema>EntityContainer>EntitySet"`
	}
	require.NoError(t, xml.Unmarshal([]byte(r.body), &doc), r.body)
	known := map[string]bool{}
	for _, one := range doc.Types {
		require.False(t, known["mscrm."+one.Name])
		known["mscrm."+one.Name], known["Collection(mscrm."+one.Name+")"] = true, true
	}
	contact := false
	for _, one := range doc.Types {
		names := map[string]bool{}
		for _, p := range append(one.Properties, one.Navigations...) {
			require.False(t, names[p.Name], one.Name+"."+p.Name)
			names[p.Name] = true
		}
		for _, n := range one.Navigations {
			require.True(t, known[n.Type], n.Type)
		}
		contact = contact || one.Name == "contact" && names["parentcustomerid_account"] && names["_parentcustomerid_value"] && names["Contact_Tasks"]
	}
	require.True(t, contact)
	require.NotEmpty(t, doc.Sets)
}

// $count behind a delta token counts the changes since.
func TestCountOfChanges(t *testing.T) {
	o := newOrganisation(t)
	require.NoError(t, o.SeedContacts(3, 1))
	link := o.send("GET", "contacts?$select=lastname", "", "Prefer: odata.track-changes").get(`@odata\.deltaLink`).Str
	u, err := url.Parse(link)
	require.NoError(t, err)
	token := "contacts/$count?$deltatoken=" + url.QueryEscape(u.Query().Get("$deltatoken"))
	require.Equal(t, "0", o.send("GET", token, "").body)
	require.True(t, o.Delete("contacts", o.Keys("contacts")[0]))
	require.NoError(t, o.Update("contacts", o.Keys("contacts")[0], map[string]any{"lastname": "A"}))
	require.NoError(t, o.Update("contacts", o.Keys("contacts")[0], map[string]any{"lastname": "B"}))
	require.Equal(t, "2", o.send("GET", token, "").body)
	o.refused(o.send("GET", "contacts/$count?$deltatoken=x", ""), 400, "0x80060888")
	o.refused(o.send("GET", "contacts/$count?$orderby=lastname", ""), 400, "0x80060888")
}

// Numbers are ordered as numbers.
func TestOrderOfNumbers(t *testing.T) {
	o := newOrganisation(t)
	for _, n := range []int{10, 9, 100} {
		_, err := o.Insert("contacts", map[string]any{"numberofchildren": n})
		require.NoError(t, err)
	}
	require.Equal(t, "[9,10,100]", o.send("GET", "contacts?$select=numberofchildren&$orderby=numberofchildren", "").get("value.#.numberofchildren").Raw)
}
