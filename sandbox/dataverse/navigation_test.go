package dataverse_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

const acme = "44444444-4444-4444-8444-444444444444"

// company has alice and bob at an account, and two tasks that regard alice.
func company(t *testing.T) *organisation {
	t.Helper()
	o := newOrganisation(t)
	_, err := o.Insert("accounts", map[string]any{"accountid": acme, "name": "Acme"})
	require.NoError(t, err)
	for _, key := range []string{alice, bob} {
		_, err := o.Insert("contacts", map[string]any{"contactid": key, "lastname": "L", "parentcustomerid_account@odata.bind": "/accounts(" + acme + ")"})
		require.NoError(t, err)
	}
	for _, subject := range []string{"Call", "Write"} {
		_, err := o.Insert("tasks", map[string]any{"subject": subject, "regardingobjectid_contact_task@odata.bind": "/contacts(" + alice + ")"})
		require.NoError(t, err)
	}
	return o
}

func TestExpand(t *testing.T) {
	o := company(t)
	r := o.send("GET", "contacts("+alice+")?$select=lastname&$expand=parentcustomerid_account($select=name),Contact_Tasks($select=subject;$filter=contains(subject,%27a%27);$orderby=subject%20desc;$top=1)", "")
	require.Equal(t, 200, r.status, r.body)
	require.Equal(t, "Acme", r.get("parentcustomerid_account.name").Str)
	require.Equal(t, acme, r.get("parentcustomerid_account.accountid").Str)
	require.Equal(t, `["Call"]`, r.get("Contact_Tasks.#.subject").Raw, r.body)
	require.Contains(t, r.get(`Contact_Tasks@odata\.nextLink`).Str, "/contacts("+alice+")/Contact_Tasks?$select=subject")
	require.Contains(t, r.get(`@odata\.context`).Str, "#contacts(lastname,parentcustomerid_account(name),Contact_Tasks(subject))/$entity")

	r = o.send("GET", "contacts?$select=lastname&$expand=parentcustomerid_contact($select=lastname),parentcustomerid_account", "")
	require.Equal(t, gjson.Null, r.get("value.0.parentcustomerid_contact").Type, r.body)
	require.Equal(t, "Acme", r.get("value.1.parentcustomerid_account.name").Str)
	r = o.send("GET", "accounts?$expand=contact_customer_accounts($select=lastname)", "")
	require.Len(t, r.get("value.0.contact_customer_accounts").Array(), 2, r.body)
	r = o.send("GET", "contacts("+alice+")?$expand=owninguser($select=fullname),createdby($select=fullname),Contact_ActivityPointers($select=subject)", "")
	require.Equal(t, "Sales", r.get("owninguser.fullname").Str, r.body)
	require.Equal(t, "Sales", r.get("createdby.fullname").Str)
	require.Len(t, r.get("Contact_ActivityPointers").Array(), 2)

	o.refused(o.send("GET", "contacts?$expand=parentcustomerid", ""), 400, "0x80060888")
	o.refused(o.send("GET", "contacts?$expand=Contact_Tasks($select=none)", ""), 400, "0x80060888")
	o.refused(o.send("GET", "contacts?$expand=parentcustomerid_account($top=1)", ""), 400, "0x80060888")
	o.refused(o.send("GET", "contacts?$expand=", ""), 400, "0x80060888")
	o.refused(o.send("GET", "contacts?$expand=Contact_Tasks($expand=ownerid)", ""), http.StatusNotImplemented, "0x80040216")
}

// A URL may go on below a row: to a column, a lookup or a collection.
func TestPathsBelowARow(t *testing.T) {
	o := company(t)
	at := "contacts(" + alice + ")/"
	r := o.send("GET", at+"lastname", "")
	require.Equal(t, "L", r.get("value").Str, r.body)
	require.Equal(t, o.url+api+"/$metadata#contacts("+alice+")/lastname", r.get(`@odata\.context`).Str)
	require.Equal(t, "L", o.send("GET", at+"lastname/$value", "").body)
	require.Equal(t, http.StatusNoContent, o.send("GET", at+"firstname", "").status)
	require.Equal(t, acme, o.send("GET", at+"_parentcustomerid_value", "").get("value").Str)
	require.Equal(t, "Acme", o.send("GET", at+"parentcustomerid_account?$select=name", "").get("name").Str)
	require.Equal(t, http.StatusNoContent, o.send("GET", at+"parentcustomerid_contact", "").status)
	require.Equal(t, o.url+api+"/accounts("+acme+")", o.send("GET", at+"parentcustomerid_account/$ref", "").get(`@odata\.id`).Str)
	r = o.send("GET", at+"Contact_Tasks?$select=subject&$filter="+url.PathEscape("subject eq 'Write'")+"&$count=true", "")
	require.Equal(t, `["Write"]`, r.get("value.#.subject").Raw, r.body)
	require.EqualValues(t, 1, r.get(`@odata\.count`).Int())
	require.Equal(t, "2", o.send("GET", at+"Contact_Tasks/$count", "").body)
	require.Len(t, o.send("GET", at+"Contact_Tasks/$ref", "").get("value").Array(), 2)
	o.refused(o.send("GET", at+"nothing", ""), 404, "0x8006088a")
	o.refused(o.send("GET", "contacts("+carol+")/lastname", ""), 404, "0x80040217")
	o.refused(o.send("GET", "contacts("+carol+")/Contact_Tasks", ""), 404, "0x80040217")
	o.refused(o.send("GET", at+"Microsoft.Dynamics.CRM.RetrievePrincipalAccess()", ""), http.StatusNotImplemented, "0x80040216")
}

func TestReferences(t *testing.T) {
	o := company(t)
	parent := func(key string) any { return o.Row("contacts", key)["_parentcustomerid_value"] }
	ref := `{"@odata.id":"` + o.url + api + `/contacts(` + bob + `)"}`
	require.Equal(t, 204, o.send("PUT", "contacts("+alice+")/parentcustomerid_contact/$ref", ref).status)
	require.Equal(t, bob, parent(alice))
	require.Equal(t, 204, o.send("DELETE", "contacts("+alice+")/parentcustomerid_contact/$ref", "").status)
	require.Nil(t, parent(alice))
	require.Equal(t, 204, o.send("DELETE", "accounts("+acme+")/contact_customer_accounts("+bob+")/$ref", "").status)
	require.Nil(t, parent(bob))
	o.refused(o.send("DELETE", "accounts("+acme+")/contact_customer_accounts("+bob+")/$ref", ""), 404, "0x80040217")
	require.Equal(t, 204, o.send("POST", "accounts("+acme+")/contact_customer_accounts/$ref", ref).status)
	require.Equal(t, acme, parent(bob))
	require.Equal(t, 204, o.send("DELETE", "accounts("+acme+")/contact_customer_accounts/$ref?$id="+o.url+api+"/contacts("+bob+")", "").status)
	require.Nil(t, parent(bob))
	o.refused(o.send("PUT", "contacts("+alice+")/parentcustomerid_account/$ref", ref), 400, "0x80048d19")
	o.refused(o.send("PUT", "contacts("+alice+")/parentcustomerid_contact/$ref", `{}`), 400, "0x80048d19")
	o.refused(o.send("PUT", "contacts("+alice+")/createdby/$ref", `{"@odata.id":"systemusers(0a11ce00-0000-4000-8000-000000000002)"}`), 400, "0x80040203")
	o.refused(o.send("POST", "accounts("+acme+")/contact_customer_accounts/$ref", `{"@odata.id":"contacts(`+carol+`)"}`), 404, "0x80040217")
}

// The columns that say who wrote and who owns a row, and what a lookup names.
func TestWhoOwnsARow(t *testing.T) {
	const team, unit = "0a11ce00-0000-4000-8000-0000000000b1", "0a11ce00-0000-4000-8000-00000000000b"
	o := company(t)
	r := o.send("GET", "contacts("+alice+")?$select=_parentcustomerid_value,_ownerid_value,_owninguser_value,_owningteam_value,_owningbusinessunit_value,_createdby_value", "",
		`Prefer: odata.include-annotations="Microsoft.Dynamics.CRM.*,OData.Community.Display.V1.FormattedValue"`)
	require.Equal(t, 200, r.status, r.body)
	require.Equal(t, "account", r.get(`_parentcustomerid_value@Microsoft\.Dynamics\.CRM\.lookuplogicalname`).Str)
	require.Equal(t, "parentcustomerid_account", r.get(`_parentcustomerid_value@Microsoft\.Dynamics\.CRM\.associatednavigationproperty`).Str)
	require.Equal(t, "Acme", r.get(`_parentcustomerid_value@OData\.Community\.Display\.V1\.FormattedValue`).Str)
	require.Equal(t, r.get("_ownerid_value").Str, r.get("_owninguser_value").Str)
	require.Equal(t, unit, r.get("_owningbusinessunit_value").Str)
	require.Equal(t, gjson.Null, r.get("_owningteam_value").Type)
	require.Contains(t, r.header.Get("Preference-Applied"), "odata.include-annotations=")

	require.Equal(t, 204, o.send("PATCH", "contacts("+alice+")", `{"ownerid@odata.bind":"/teams(`+team+`)"}`).status)
	r = o.send("GET", "contacts("+alice+")", "")
	require.Equal(t, team, r.get("_owningteam_value").Str)
	require.Equal(t, gjson.Null, r.get("_owninguser_value").Type)
	require.Equal(t, "team", o.send("GET", "contacts("+alice+")?$select=_ownerid_value", "", `Prefer: odata.include-annotations="*"`).get(`_ownerid_value@Microsoft\.Dynamics\.CRM\.lookuplogicalname`).Str)
	r = o.send("POST", "contacts", `{}`, "MSCRMCallerID: 0a11ce00-0000-4000-8000-000000000002", "Prefer: return=representation")
	require.Equal(t, "0a11ce00-0000-4000-8000-000000000001", r.get("_createdonbehalfby_value").Str)
	require.Equal(t, `["Sandbox"]`, o.send("GET", "businessunits?$select=name", "").get("value.#.name").Raw)
	require.Equal(t, 1, int(o.send("GET", "teams?$filter=_businessunitid_value%20eq%20"+unit, "").get("value.#").Int()))
	o.refused(o.send("POST", "teams", `{}`), 403, "0x80040220")
	view := o.send("GET", "activitypointers?$select=_owninguser_value&$top=1", "")
	require.Equal(t, "0a11ce00-0000-4000-8000-000000000002", view.get("value.0._owninguser_value").Str, view.body)
}
