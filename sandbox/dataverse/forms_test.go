package dataverse_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Libraries write batches in more forms than the documentation shows, and the service reads
// them: text before the first boundary, and headers that end at the boundary.
func TestFormsOfBatches(t *testing.T) {
	o := newOrganisation(t)
	_, err := o.Insert("contacts", map[string]any{"contactid": alice, "lastname": "A"})
	require.NoError(t, err)
	head := []string{"Content-Type: application/http", "Content-Transfer-Encoding:binary", ""}
	get := crlf(append(head, "GET "+api+"/contacts("+alice+")?$select=lastname HTTP/1.1", "Accept: application/json", "")...)
	bare := crlf(append(head, "DELETE "+api+"/contacts("+alice+")/lastname HTTP/1.1", "")...)
	for name, body := range map[string]string{
		"a preamble":                    "\r\n" + multi("b1", []string{get}),
		"text in the preamble":          "This is a batch.\r\n" + multi("b1", []string{get}),
		"headers up to the boundary":    multi("b1", []string{get, get}),
		"a relative path":               multi("b1", []string{strings.Replace(get, api+"/", "", 1)}),
		"a request line and nothing":    multi("b1", []string{get, bare}),
		"a change set of bodiless ones": multi("b1", []string{changeSet(strings.Replace(bare, "Content-Transfer", "Content-ID: 7\r\nContent-Transfer", 1))}),
		"a preamble in a change set":    multi("b1", []string{strings.Replace(changeSet(operation("1", "PATCH", api+"/contacts("+alice+")", `{}`)), "--c1", "\r\n--c1", 1)}),
	} {
		t.Run(name, func(t *testing.T) {
			r := o.batch(body)
			require.Equal(t, 200, r.status, r.body)
			require.NotContains(t, r.body, "HTTP/1.1 4")
		})
	}
}

// Content ids are unique within a change set, of which none may be empty or hold another.
func TestContentIDs(t *testing.T) {
	o := newOrganisation(t)
	create := operation("1", "POST", api+"/contacts", `{}`)
	r := o.batch(multi("b1", []string{changeSet(create, create)}))
	o.refused(r, 400, "0x80048d19")
	require.Contains(t, r.body, "The content ID '1' was found more than once")
	o.refused(o.batch(multi("b1", []string{changeSet(changeSet(create))})), 400, "0x80048d19")
	o.refused(o.batch("--b1--\r\n"), 400, "0x80048d19")
	require.Zero(t, o.Count("contacts"))

	r = o.batch(multi("b1", []string{changeSet(create), changeSet(create)}))
	require.Equal(t, 200, r.status, "another change set may use the id again")
	require.EqualValues(t, 2, o.Count("contacts"))
	r = o.batch(multi("b1", []string{changeSet(create, operation("2", "PUT", "$1/lastname", `{"value":"B"}`), operation("3", "DELETE", "/$1/firstname", ""))}))
	require.Equal(t, 200, r.status)
	require.Equal(t, 3, strings.Count(r.body, "HTTP/1.1 204"), r.body)
}

// Functions are called with brackets or without, with values inline or by aliases, in every
// version that is served.
func TestFunctions(t *testing.T) {
	o := newOrganisation(t)
	require.NoError(t, o.SeedContacts(3, 1))
	for _, version := range []string{"8.2", "9.0", "9.1", "9.2"} {
		r := o.send("GET", o.url+"/api/data/v"+version+"/WhoAmI()", "")
		require.Equal(t, 200, r.status, r.body)
		require.Equal(t, o.url+"/api/data/v"+version+"/$metadata#Microsoft.Dynamics.CRM.WhoAmIResponse", r.get(`@odata\.context`).Str)
		r = o.send("GET", o.url+"/api/data/v"+version+"/contacts?$select=lastname&$top=1", "")
		require.Equal(t, o.url+"/api/data/v"+version+"/$metadata#contacts(lastname)", r.get(`@odata\.context`).Str)
	}
	r := o.send("GET", o.url+"/api/data/v7/WhoAmI", "")
	o.refused(r, 400, "0x80060888")
	require.Contains(t, r.body, "Requested API Version 'v7' was not understood.")

	for _, path := range []string{
		"RetrieveTotalRecordCount(EntityNames=@p1)?@p1=['contact']", "RetrieveTotalRecordCount(EntityNames=['contact'])",
		"RetrieveTotalRecordCount(EntityNames=@names)?@names=%5B%22contact%22%5D",
	} {
		r := o.send("GET", path, "")
		require.Equal(t, 200, r.status, r.body)
		require.EqualValues(t, 3, r.get("EntityRecordCountCollection.Values.0").Int())
	}
	require.Regexp(t, `^9\.2\.`, o.send("GET", "RetrieveVersion()", "").get("Version").Str)
	o.refused(o.send("GET", "RetrieveTotalRecordCount(EntityNames=@p1)", ""), 400, "0x80060888")
	o.refused(o.send("GET", "RetrieveTotalRecordCount(EntityNames", ""), 400, "0x80060888")
	o.refused(o.send("GET", "NoSuchFunction()", ""), 404, "0x8006088a")
	r = o.send("GET", "RetrieveTimestamp()", "")
	o.refused(r, http.StatusNotImplemented, "0x80040216")
	require.Contains(t, r.body, "is not imitated by this sandbox")
	o.refused(o.send("POST", "PublishAllXml", ""), http.StatusNotImplemented, "0x80040216")
	require.Equal(t, 200, o.send("GET", "WhoAmI", "", "Authorization: bearer good").status, "the name of the scheme may be in any case")
}

func TestMergeAction(t *testing.T) {
	o := newOrganisation(t)
	for _, key := range []string{alice, bob} {
		_, err := o.Insert("contacts", map[string]any{"contactid": key})
		require.NoError(t, err)
	}
	contact := func(key string) string {
		return `{"@odata.type":"Microsoft.Dynamics.CRM.contact","contactid":"` + key + `"}`
	}
	body := `{"Target":` + contact(alice) + `,"Subordinate":` + contact(bob) + `,"UpdateContent":{"@odata.type":"Microsoft.Dynamics.CRM.contact","jobtitle":"Captain"},"PerformParentingChecks":false}`
	r := o.send("POST", "Merge", body)
	require.Equal(t, 204, r.status, r.body)
	require.Equal(t, "Captain", o.Row("contacts", alice)["jobtitle"])
	require.Equal(t, alice, o.Row("contacts", bob)["_masterid_value"])
	o.refused(o.send("POST", "Merge", body), 400, "0x80040203")
	o.refused(o.send("POST", "Merge", strings.ReplaceAll(body, ".contact", ".account")), http.StatusNotImplemented, "0x80040216")
	o.refused(o.send("POST", "Merge", `{}`), 400, "0x80048d19")
}

// A request in the name of another user counts as his. Unknown ids are refused.
func TestCallers(t *testing.T) {
	const sales, directory = "0a11ce00-0000-4000-8000-000000000002", "0a11ce00-0000-4000-8000-0000000000c2"
	o := newOrganisation(t)
	for _, header := range []string{"MSCRMCallerID: " + sales, "CallerObjectId: " + directory} {
		r := o.send("POST", "contacts", `{"lastname":"A"}`, header, "Prefer: return=representation")
		require.Equal(t, 201, r.status, r.body)
		require.Equal(t, sales, r.get("_modifiedby_value").Str)
		require.Equal(t, sales, r.get("_ownerid_value").Str)
		require.Equal(t, sales, o.send("GET", "WhoAmI()", "", header).get("UserId").Str)
	}
	r := o.batch(multi("b1", []string{operation("", "POST", api+"/contacts", `{"contactid":"`+alice+`"}`), changeSet(operation("1", "POST", api+"/contacts", `{"contactid":"`+bob+`"}`))}), "MSCRMCallerID: "+sales)
	require.Equal(t, 200, r.status, r.body)
	for _, key := range []string{alice, bob} {
		require.Equal(t, sales, o.Row("contacts", key)["_ownerid_value"])
	}
	before := o.Count("contacts")
	for _, method := range []string{"GET", "POST"} {
		o.refused(o.send(method, "contacts", `{}`, "MSCRMCallerID: "+carol), 404, "0x80040217")
		o.refused(o.send(method, "contacts", `{}`, "MSCRMCallerID: someone"), 400, "0x80060888")
		o.refused(o.send(method, "contacts", `{}`, "CallerObjectId: "+carol), 403, "0x80072560")
	}
	o.refused(o.batch(multi("b1", []string{operation("", "POST", api+"/contacts", `{}`)}), "MSCRMCallerID: "+carol), 404, "0x80040217")
	require.Equal(t, before, o.Count("contacts"))
}
