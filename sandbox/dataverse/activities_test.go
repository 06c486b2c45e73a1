package dataverse_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"causeway.dev/sandbox/dataverse"
)

const (
	opened = "adobe_emailopens"
	onOpen = "regardingobjectid_contact_adobe_emailopen@odata.bind"
	first  = "aaaaaaaa-0000-4000-8000-000000000001"
	second = "bbbbbbbb-0000-4000-8000-000000000002"
	third  = "cccccccc-0000-4000-8000-000000000003"
)

// withContacts is an organisation with two contacts.
func withContacts(t *testing.T, change ...func(*dataverse.Options)) *organisation {
	t.Helper()
	o := newOrganisation(t, change...)
	for _, id := range []string{alice, bob} {
		require.Equal(t, 204, o.send("POST", "contacts", `{"contactid":"`+id+`"}`).status)
	}
	return o
}

// log creates an activity under a chosen id, as §6.2 shows.
func (o *organisation) log(set, id, nav, contact string) reply {
	o.Helper()
	return o.send("PATCH", set+"("+id+")", `{"subject":"s","`+strings.TrimSuffix(nav, "@odata.bind")+`@odata.bind":"/contacts(`+contact+`)"}`, "If-None-Match: *")
}

// §6, §6.2: a row has the chosen id, the inherited columns, and its own.
func TestAnActivityIsCreatedOnceUnderItsID(t *testing.T) {
	o := withContacts(t)
	me := o.send("GET", "WhoAmI", "").get("UserId").Str
	body := `{"subject":"Campaign Name: C; Delivery Name: D","actualend":"2025-03-31T23:59:01+02:00","adobe_dateopened":"2025-03-31T21:59:01",
		"adobe_campaignname":"C","` + onOpen + `":"/contacts(` + alice + `)","ownerid@odata.bind":"/systemusers(` + me + `)"}`
	require.Equal(t, 204, o.send("PATCH", opened+"("+first+")", body, "If-None-Match: *").status)
	o.refused(o.send("PATCH", opened+"("+first+")", body, "If-None-Match: *"), 412, "0x80040237")
	row := o.send("GET", opened+"("+first+")", "")
	for path, want := range map[string]any{
		"activityid": first, "_regardingobjectid_value": alice, "_ownerid_value": me, "actualend": "2025-03-31T21:59:01Z", "adobe_dateopened": "2025-03-31T21:59:01Z",
		"statecode": 0.0, "statuscode": 1.0, "prioritycode": 1.0, "activitytypecode": "adobe_emailopen", "sortdate": nil, "_createdby_value": me,
	} {
		require.Equal(t, want, row.get(path).Value(), path)
	}
	require.Equal(t, 204, o.send("PATCH", opened+"("+first+")", `{"statecode":1,"statuscode":2}`, "If-Match: *").status)
	require.EqualValues(t, 1, o.send("GET", opened+"("+first+")", "").get("statecode").Int())
	require.Equal(t, 204, o.send("POST", "tasks", `{"subject":"`+strings.Repeat("x", 200)+`"}`).status)
	require.Len(t, o.Keys(opened), 1)
	o.refused(o.send("PATCH", "tasks("+first+")", `{}`), 412, "0x80040237")
	require.Len(t, o.Keys("tasks"), 1, "an id is one activity's, whatever its type")
}

// §6, §9: what an activity does not accept.
func TestBadActivities(t *testing.T) {
	o := withContacts(t)
	contact := `:"/contacts(` + alice + `)"`
	for name, c := range map[string]struct {
		body   string
		status int
		code   string
	}{
		"state on create":             {`{"statecode":1}`, 400, "0x80040203"},
		"a status of another state":   {`{"statuscode":2}`, 400, "0x80048408"},
		"its type":                    {`{"activitytypecode":"task"}`, 400, "0x80040203"},
		"an id of its own kind":       {`{"adobe_emailopenid":"` + first + `"}`, 400, "0x80048d19"},
		"a subject over 400":          {`{"subject":"` + strings.Repeat("x", 401) + `"}`, 400, "0x80044331"},
		"an address over 1000":        {`{"adobe_mirrorpageurl":"` + strings.Repeat("x", 1001) + `"}`, 400, "0x80044331"},
		"another kind's column":       {`{"adobe_trackingurl":"x"}`, 400, "0x80048d19"},
		"a time before 1753":          {`{"actualend":"1752-12-31T23:59:59Z"}`, 400, "0x80040203"},
		"a day":                       {`{"actualend":"2025-03-31"}`, 400, "0x80048d19"},
		"a negative duration":         {`{"actualdurationminutes":-1}`, 400, "0x8004432f"},
		"the lookup's own name":       {`{"regardingobjectid@odata.bind"` + contact + `}`, 400, "0x80048d19"},
		"another kind's navigation":   {`{"regardingobjectid_contact_task@odata.bind"` + contact + `}`, 400, "0x80048d19"},
		"navigation in small letters": {`{"Regardingobjectid_contact@odata.bind"` + contact + `}`, 400, "0x80048d19"},
		"the lookup's value":          {`{"_regardingobjectid_value":"` + alice + `"}`, 400, "0x80040203"},
		"a contact that is not there": {`{"` + onOpen + `":"/contacts(` + carol + `)"}`, 404, "0x80040217"},
		"an owner that is not there":  {`{"ownerid@odata.bind":"/systemusers(` + carol + `)"}`, 404, "0x80040217"},
		"an owner that is a contact":  {`{"ownerid@odata.bind"` + contact + `}`, 400, "0x80048d19"},
	} {
		t.Run(name, func(t *testing.T) {
			o.refused(o.send("PATCH", opened+"("+first+")", c.body, "If-None-Match: *"), c.status, c.code)
		})
	}
	o.refused(o.send("POST", "tasks", `{"subject":"`+strings.Repeat("x", 201)+`"}`), 400, "0x80044331")
	require.Zero(t, o.Count("activitypointers"))
	require.Equal(t, 204, o.log(opened, first, onOpen, alice).status)
	o.refused(o.send("PATCH", opened+"("+first+")", `{"activityid":"`+second+`"}`), 400, "0x80040203")

	o = withContacts(t, func(op *dataverse.Options) { op.BindStatus = 400 })
	o.refused(o.log(opened, first, onOpen, carol), 400, "0x80040217")
}

// §6.1: two navigation properties bind a contact; metadata names the table's own.
func TestTheRegardingNavigation(t *testing.T) {
	odd := dataverse.Activity(dataverse.Table{LogicalName: "acme_visit", EntitySet: "acme_visits", Columns: []dataverse.Column{
		{Name: "regardingobjectid", Type: "Lookup", Targets: []dataverse.Target{{Table: "contact", Nav: "regardingobjectid_new_Visit_contact"}}},
	}})
	o := withContacts(t, func(op *dataverse.Options) { op.CustomTables = append(op.CustomTables, odd) })
	for table, set := range map[string]string{"adobe_emailopen": opened, "task": "tasks", "acme_visit": "acme_visits"} {
		def := "EntityDefinitions(LogicalName='" + table + "')"
		query := url.PathEscape("ReferencedEntity eq 'contact' and ReferencingAttribute eq 'regardingobjectid'")
		list := o.send("GET", def+"/ManyToOneRelationships?$select=ReferencingAttribute,ReferencingEntityNavigationPropertyName&$filter="+query, "").get("value")
		require.Len(t, list.Array(), 1, list.Raw)
		nav := list.Get("0.ReferencingEntityNavigationPropertyName").Str
		require.False(t, list.Get("0.SchemaName").Exists())
		require.NotEqual(t, "regardingobjectid_contact", nav)
		for _, name := range []string{nav, "regardingobjectid_contact"} {
			made := o.send("POST", set, `{"`+name+`@odata.bind":"/contacts(`+alice+`)"}`, "Prefer: return=representation")
			require.Equal(t, 201, made.status, made.body)
			require.Equal(t, alice, made.get("_regardingobjectid_value").Str)
		}
		whole := o.send("GET", def+"?$expand=Attributes", "")
		require.True(t, whole.get("IsActivity").Bool())
		require.Equal(t, "activityid", whole.get("PrimaryIdAttribute").Str)
		require.Equal(t, "subject", whole.get("PrimaryNameAttribute").Str)
		require.Equal(t, "ApplicationRequired", whole.get(`Attributes.#(LogicalName=="subject").RequiredLevel.Value`).Str)
		require.False(t, whole.get(`Attributes.#(LogicalName=="statecode").IsValidForCreate`).Bool())
	}
	length := o.send("GET", "EntityDefinitions(LogicalName='adobe_emailurlclick')/Attributes(LogicalName='adobe_trackingurl')/Microsoft.Dynamics.CRM.StringAttributeMetadata", "")
	require.EqualValues(t, 2000, length.get("MaxLength").Int())
	require.False(t, o.send("GET", "EntityDefinitions(LogicalName='contact')", "").get("IsActivity").Bool())
	for _, filter := range []string{"contains(LogicalName,'a')", "Logicalname%20eq%20'contact'", "IsActivity%20gt%20true"} {
		o.refused(o.send("GET", "EntityDefinitions?$filter="+filter, ""), 400, "0x80060888")
	}
}

// §6: activitypointers shows the rows of every activity table, and accepts no writes.
func TestActivityPointersAreAView(t *testing.T) {
	o := withContacts(t)
	require.Equal(t, 204, o.log("adobe_emailsends", second, "regardingobjectid_contact", alice).status)
	require.Equal(t, 204, o.log(opened, first, onOpen, alice).status)
	require.Equal(t, 204, o.log("tasks", third, "regardingobjectid_contact_task", bob).status)

	one := o.send("GET", "activitypointers("+second+")", "")
	require.Equal(t, "adobe_emailsend", one.get("activitytypecode").Str, one.body)
	require.False(t, one.get("adobe_campaignname").Exists())
	require.Equal(t, o.send("GET", "adobe_emailsends("+second+")", "").get("versionnumber").Int(), one.get("versionnumber").Int())
	var ids []string
	link := o.url + api + "/activitypointers?$select=activityid"
	for link != "" {
		page := o.send("GET", link, "", "Prefer: odata.maxpagesize=1")
		page.get("value.#.activityid").ForEach(func(_, v gjson.Result) bool { ids = append(ids, v.Str); return true })
		link = page.get(`@odata\.nextLink`).Str
	}
	require.Equal(t, []string{first, second, third}, ids, "pages cross the tables in key order")
	mine := o.send("GET", "activitypointers?$count=true&$filter=_regardingobjectid_value%20eq%20"+alice+"&$orderby=activitytypecode%20desc", "")
	require.Equal(t, `["adobe_emailsend","adobe_emailopen"]`, mine.get("value.#.activitytypecode").Raw)
	require.EqualValues(t, 2, mine.get(`@odata\.count`).Int())
	require.Equal(t, "3", o.send("GET", "activitypointers/$count", "").body)
	require.Equal(t, "3", o.send("GET", `RetrieveTotalRecordCount(EntityNames=@p1)?@p1=["activitypointer"]`, "").get("EntityRecordCountCollection.Values.0").Raw)
	o.refused(o.send("GET", "activitypointers("+carol+")", ""), 404, "0x80040217")
	o.refused(o.send("GET", "activitypointers?$select=adobe_campaignname", ""), 400, "0x80060888")
	o.refused(o.send("GET", "activitypointers", "", "Prefer: odata.track-changes"), 400, "0x80072491")
	for _, w := range [][2]string{{"POST", "activitypointers"}, {"PATCH", "activitypointers(" + first + ")"}, {"DELETE", "activitypointers(" + first + ")"}} {
		o.refused(o.send(w[0], w[1], `{}`), 405, "0x80040800")
	}
	require.Equal(t, 204, o.send("DELETE", opened+"("+first+")", "").status)
	o.refused(o.send("GET", "activitypointers("+first+")", ""), 404, "0x80040217")
}

// §6.2: a contact's activities are deleted with it. A refused delete leaves them.
func TestDeletingAContactDeletesItsActivities(t *testing.T) {
	o := withContacts(t)
	o.log(opened, first, onOpen, alice)
	o.log(opened, second, onOpen, bob)
	o.log("tasks", third, "regardingobjectid_contact", alice)
	require.Equal(t, 204, o.send("DELETE", "contacts("+alice+")", "").status)
	require.Equal(t, []string{second}, o.Keys("activitypointers"))
	require.Empty(t, o.Regarding(alice))

	bad := multi("b1", []string{changeSet(operation("1", "DELETE", api+"/contacts("+bob+")", ""), operation("2", "POST", api+"/contacts", `{"gendercode":9}`))})
	require.Equal(t, 400, o.batch(bad).status)
	require.Len(t, o.Regarding(bob), 1)
}

// §6.2, trap 39: after a merge the activities regard the winner, which the loser names.
func TestMerge(t *testing.T) {
	o := withContacts(t)
	o.log(opened, first, onOpen, alice)
	link := o.send("GET", "contacts?$select=merged,_masterid_value,statecode", "", "Prefer: odata.track-changes").get(`@odata\.deltaLink`).Str
	require.NoError(t, o.Merge(bob, alice))
	row := o.send("GET", "contacts("+alice+")?$select=_masterid_value,merged,statecode,statuscode", "")
	require.Equal(t, bob, row.get("_masterid_value").Str)
	require.True(t, row.get("merged").Bool())
	require.Equal(t, []int64{1, 2}, []int64{row.get("statecode").Int(), row.get("statuscode").Int()})
	require.Equal(t, bob, o.send("GET", opened+"("+first+")", "").get("_regardingobjectid_value").Str)
	require.Equal(t, alice, o.send("GET", link, "").get("value.#(merged==true).contactid").Str, "a merge is an update in the delta")
	o.refused(o.send("PATCH", "contacts("+bob+")", `{"merged":true}`), 400, "0x80040203")
	o.refused(o.send("PATCH", "contacts("+bob+")", `{"masterid@odata.bind":"/contacts(`+alice+`)"}`), 400, "0x80040203")

	o.refused(o.send("DELETE", "contacts("+alice+")/masterid/$ref", ""), 400, "0x80040203")

	require.Error(t, o.Merge(bob, alice), "twice")
	require.Error(t, o.Merge(bob, bob))
	require.Error(t, o.Merge(bob, carol))
	require.Equal(t, 204, o.send("DELETE", "contacts("+bob+")", "").status)
	require.Equal(t, gjson.Null, o.send("GET", "contacts("+alice+")", "").get("_masterid_value").Type)
}

// §2.1, §2.3: users own rows. They cannot be written through the Web API.
func TestOwners(t *testing.T) {
	o := withContacts(t)
	users := o.send("GET", "systemusers?$select=fullname", "")
	require.Len(t, users.get("value").Array(), 2)
	sales := "0a11ce00-0000-4000-8000-000000000002"
	require.Equal(t, 204, o.send("PATCH", "contacts("+alice+")", `{"ownerid@odata.bind":"/systemusers(`+sales+`)"}`).status)
	require.Equal(t, sales, o.send("GET", "contacts("+alice+")", "").get("_ownerid_value").Str)
	require.Equal(t, 204, o.send("PATCH", "contacts("+alice+")", `{}`).status)
	require.Equal(t, sales, o.send("GET", "contacts("+alice+")", "").get("_ownerid_value").Str, "an update keeps the owner")
	require.Equal(t, 200, o.send("GET", "systemusers("+sales+")", "").status)
	require.Equal(t, 400, o.send("GET", "systemusers(systemuserid="+sales+")", "").status)
	for _, w := range [][2]string{{"POST", "systemusers"}, {"PATCH", "systemusers(" + sales + ")"}, {"DELETE", "systemusers(" + sales + ")"}} {
		o.refused(o.send(w[0], w[1], `{}`), 403, "0x80040220")
	}
}

// §6.2: it is not known whether a new activity changes the row version of its contact.
// An option chooses.
func TestWhetherAnActivityMovesItsContact(t *testing.T) {
	for _, moves := range []bool{false, true} {
		o := withContacts(t, func(op *dataverse.Options) { op.ActivityMovesContact = moves })
		link := o.send("GET", "contacts", "", "Prefer: odata.track-changes").get(`@odata\.deltaLink`).Str
		require.Equal(t, 204, o.log(opened, first, onOpen, alice).status)
		require.Equal(t, moves, len(o.send("GET", link, "").get("value").Array()) == 1)
	}
}

// §10: every opt-out can be written, and an update never creates a deleted row again.
func TestOptOutsAreWritable(t *testing.T) {
	o := withContacts(t)
	fresh := o.send("GET", "contacts("+alice+")", "")
	link := o.send("GET", "contacts?$select=donotemail", "", "Prefer: odata.track-changes").get(`@odata\.deltaLink`).Str
	for _, column := range []string{"donotemail", "donotbulkemail", "donotphone", "donotfax", "donotpostalmail", "donotbulkpostalmail", "donotsendmm", "followemail"} {
		before := fresh.get(column).Bool()
		require.Equal(t, column == "followemail", before, column)
		body := `{"` + column + `":` + map[bool]string{true: "false", false: "true"}[before] + `}`
		require.Equal(t, 204, o.send("PATCH", "contacts("+alice+")", body, "If-Match: *").status)
		require.Equal(t, !before, o.send("GET", "contacts("+alice+")", "").get(column).Bool(), column)
	}
	changes := o.send("GET", link, "").get("value")
	require.Len(t, changes.Array(), 1)
	require.True(t, changes.Get("0.donotemail").Bool())
	require.Equal(t, 204, o.send("DELETE", "contacts("+alice+")", "").status)
	o.refused(o.send("PATCH", "contacts("+alice+")", `{"donotemail":true}`, "If-Match: *"), 404, "0x80040217")
	require.Nil(t, o.Row("contacts", alice))
}
