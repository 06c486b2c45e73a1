package dataverse_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func (o *organisation) fetch(set, xml string) reply {
	o.Helper()
	return o.send("GET", set+"?fetchXml="+url.QueryEscape(xml), "", `Prefer: odata.include-annotations="*"`)
}

// A query in FetchXML: filter, order, links, and no empty columns.
func TestFetchXML(t *testing.T) {
	o := company(t)
	require.Equal(t, 204, o.send("PATCH", "contacts("+alice+")", `{"firstname":"Ann","donotemail":true}`).status)
	r := o.fetch("contacts", `<fetch><entity name="contact"><attribute name="firstname"/><attribute name="parentcustomerid"/>
		<order attribute="firstname" descending="true"/>
		<filter type="or"><condition attribute="firstname" operator="like" value="a%"/><condition attribute="donotemail" operator="eq" value="0"/></filter>
		<link-entity name="account" from="accountid" to="parentcustomerid" alias="company"><attribute name="name"/></link-entity>
		</entity></fetch>`)
	require.Equal(t, 200, r.status, r.body)
	require.Equal(t, `["Acme","Acme"]`, r.get(`value.#.company\.name`).Raw, r.body)
	require.Equal(t, "Ann", r.get("value.0.firstname").Str)
	require.Equal(t, acme, r.get("value.0._parentcustomerid_value").Str)
	require.False(t, r.get("value.1.firstname").Exists(), "empty columns are left out")
	require.Equal(t, bob, r.get("value.1.contactid").Str)

	r = o.fetch("contacts", `<fetch distinct="true" returntotalrecordcount="true"><entity name="contact"><attribute name="lastname"/>
		<link-entity name="task" from="regardingobjectid" to="contactid" link-type="inner"><filter><condition attribute="subject" operator="not-null"/></filter></link-entity></entity></fetch>`)
	require.Equal(t, `["`+alice+`"]`, r.get("value.#.contactid").Raw, r.body)
	require.EqualValues(t, 1, r.get(`@Microsoft\.Dynamics\.CRM\.totalrecordcount`).Int())
	r = o.fetch("contacts", `<fetch top="5"><entity name="contact"><link-entity name="task" from="regardingobjectid" to="contactid" link-type="outer" alias="t"><attribute name="subject" alias="todo"/></link-entity>
		<filter><condition attribute="contactid" operator="in"><value>{`+strings.ToUpper(alice)+`}</value><value>`+bob+`</value></condition></filter></entity></fetch>`)
	require.Len(t, r.get("value").Array(), 3, r.body)
	require.True(t, r.get("value.0.todo").Exists())
	for condition, want := range map[string]int{
		`attribute="firstname" operator="null"`: 1, `attribute="firstname" operator="ne" value="Ann"`: 1, `attribute="lastname" operator="begins-with" value="l"`: 2,
		`attribute="donotemail" operator="eq" value="true"`: 1, `attribute="lastname" operator="not-like" value="%x%"`: 2, `attribute="ownerid" operator="eq-userid"`: 0,
	} {
		r := o.fetch("contacts", `<fetch><entity name="contact"><filter><condition `+condition+`/></filter></entity></fetch>`)
		require.Len(t, r.get("value").Array(), want, condition+r.body)
	}
}

// Each page but the last has a cookie, whose inner part is encoded twice.
func TestPagesOfFetchXML(t *testing.T) {
	o := newOrganisation(t)
	require.NoError(t, o.SeedContacts(5, 1))
	query, seen, number := `<fetch count="2" page="1">`, map[string]bool{}, 1
	for {
		r := o.fetch("contacts", query+`<entity name="contact"><attribute name="lastname"/><order attribute="lastname"/></entity></fetch>`)
		require.Equal(t, 200, r.status, r.body)
		for _, key := range r.get("value.#.contactid").Array() {
			require.False(t, seen[key.Str])
			seen[key.Str] = true
		}
		cookie := r.get(`@Microsoft\.Dynamics\.CRM\.fetchxmlpagingcookie`).Str
		require.Equal(t, cookie != "", r.get(`@Microsoft\.Dynamics\.CRM\.morerecords`).Bool())
		if cookie == "" {
			break
		}
		_, rest, _ := strings.Cut(cookie, `pagingcookie="`)
		inner, _, _ := strings.Cut(rest, `"`)
		once, err := url.QueryUnescape(inner)
		require.NoError(t, err)
		twice, err := url.QueryUnescape(once)
		require.NoError(t, err)
		require.Contains(t, twice, "<contactid last=")
		number++
		require.Contains(t, cookie, `pagenumber="`+string(rune('0'+number))+`"`)
		query = `<fetch count="2" page="` + string(rune('0'+number)) + `" paging-cookie="` + strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(twice) + `">`
	}
	require.Len(t, seen, 5)
	require.NotContains(t, o.send("GET", "contacts?fetchXml="+url.QueryEscape(`<fetch count="2"><entity name="contact"/></fetch>`), "").body, "cookie", "annotations come when they are asked for")
}

func TestBadFetchXML(t *testing.T) {
	o := newOrganisation(t)
	entity := func(inner string) string { return `<fetch><entity name="contact">` + inner + `</entity></fetch>` }
	for query, code := range map[string]string{
		`<fetch><entity`: "0x80040201", `<query/>`: "0x80040201", `<fetch/>`: "0x80040201", `<fetch top="0"><entity name="contact"/></fetch>`: "0x80040201",
		`<fetch top="5" page="2"><entity name="contact"/></fetch>`: "0x80040201", `<fetch size="2"><entity name="contact"/></fetch>`: "0x80040201",
		`<fetch><entity name="task"/></fetch>`: "0x80060888", entity(`<attribute name="none"/>`): "0x80041103",
		entity(`<filter><condition attribute="none" operator="null"/></filter>`):                        "0x80041103",
		entity(`<filter><condition attribute="birthdate" operator="eq" value="soon"/></filter>`):        "0x80040203",
		entity(`<link-entity name="none" from="a" to="b"/>`):                                            "0x80040217",
		entity(`<link-entity name="account" from="accountid" to="parentcustomerid"><x/></link-entity>`): "0x80040201",
	} {
		o.refused(o.fetch("contacts", query), 400, code)
	}
	for _, query := range []string{
		`<fetch aggregate="true"><entity name="contact"/></fetch>`, entity(`<filter><condition attribute="createdon" operator="last-x-days" value="3"/></filter>`),
		entity(`<link-entity name="account" from="accountid" to="parentcustomerid" link-type="exists"/>`),
	} {
		o.refused(o.fetch("contacts", query), http.StatusNotImplemented, "0x80040216")
	}
	r := o.send("GET", "contacts?savedQuery="+alice, "")
	o.refused(r, 404, "0x80040217")
	require.Contains(t, r.body, "savedquery With Id = "+alice+" Does Not Exist")
	o.refused(o.send("GET", "contacts?userQuery=mine", ""), 400, "0x80060888")
}
