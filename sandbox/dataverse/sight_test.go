package dataverse_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"causeway.dev/sandbox/dataverse"
)

const (
	us      = "0a11ce00-0000-4000-8000-000000000001"
	sales   = "0a11ce00-0000-4000-8000-000000000002"
	root    = "0a11ce00-0000-4000-8000-00000000000b"
	branch  = "0a11ce00-0000-4000-8000-0000000000d1"
	dealer  = "0a11ce00-0000-4000-8000-0000000000d2"
	dan     = "44444444-4444-4444-8444-444444444445"
	hidden  = "is missing prvReadContact privilege"
	unitOf  = "businessunitid@odata.bind"
	ownedBy = "ownerid@odata.bind"
)

// branches has alice, who is ours, bob, who belongs to a colleague, and carol and dan, who
// belong to a dealer of a branch below and to its team.
func branches(t *testing.T) *organisation {
	t.Helper()
	o := newOrganisation(t)
	add := func(set string, values map[string]any) {
		_, err := o.Insert(set, values)
		require.NoError(t, err)
	}
	add("businessunits", map[string]any{"businessunitid": branch, "name": "Branch", "parentbusinessunitid@odata.bind": "/businessunits(" + root + ")"})
	add("systemusers", map[string]any{"systemuserid": dealer, "fullname": "Dealer", unitOf: "/businessunits(" + branch + ")"})
	add("teams", map[string]any{"teamid": dan, "name": "Dealers", unitOf: "/businessunits(" + branch + ")"})
	add("accounts", map[string]any{"accountid": acme, "name": "Acme", ownedBy: "/systemusers(" + dealer + ")"})
	for key, owner := range map[string]string{alice: "systemusers(" + us, bob: "systemusers(" + sales, carol: "systemusers(" + dealer, dan: "teams(" + dan} {
		add("contacts", map[string]any{"contactid": key, "lastname": key[:1], ownedBy: "/" + owner + ")", "parentcustomerid_account@odata.bind": "/accounts(" + acme + ")"})
	}
	return o
}

// Row DV-D2: a role shows the rows of its user, of the user's business unit, of those
// below it, or all of them. Nothing says that there are more.
func TestARoleShowsLess(t *testing.T) {
	o := branches(t)
	fetch := url.QueryEscape(`<fetch><entity name="contact"><attribute name="lastname"/></entity></fetch>`)
	joined := url.QueryEscape(`<fetch><entity name="account"><link-entity name="contact" from="parentcustomerid" to="accountid"><attribute name="lastname" alias="l"/></link-entity></entity></fetch>`)
	for depth, want := range map[string]string{"Basic": `["1"]`, "Local": `["1","2"]`, "Deep": `["1","2","3","4"]`, "Global": `["1","2","3","4"]`} {
		o.SetPrivilege("prvReadContact", depth)
		seen := strings.Count(want, ",") + 1
		r := o.send("GET", "contacts?$select=lastname&$count=true", "")
		require.Equal(t, want, r.get("value.#.lastname").Raw, depth+r.body)
		require.EqualValues(t, seen, r.get(`@odata\.count`).Int())
		require.Equal(t, want, o.send("GET", "contacts?$select=lastname&$filter=lastname%20ne%20'x'", "").get("value.#.lastname").Raw)
		require.Equal(t, fmt.Sprint(seen), o.send("GET", "contacts/$count", "").body)
		require.Equal(t, want, o.send("GET", "contacts?fetchXml="+fetch, "").get("value.#.lastname").Raw)
		require.Equal(t, want, o.send("GET", "accounts?fetchXml="+joined, "").get("value.#.l").Raw)
		require.Equal(t, want, o.send("GET", "accounts("+acme+")?$expand=contact_customer_accounts($select=lastname)", "").get("contact_customer_accounts.#.lastname").Raw)
		require.Equal(t, want, o.send("GET", "accounts("+acme+")/contact_customer_accounts?$select=lastname", "").get("value.#.lastname").Raw)
		require.Len(t, o.send("GET", "accounts("+acme+")/contact_customer_accounts/$ref", "").get("value").Array(), seen)
		r = o.send("GET", "RetrieveTotalRecordCount(EntityNames=@p1)?@p1=['contact']", "")
		require.EqualValues(t, 4, r.get("EntityRecordCountCollection.Values.0").Int(), "row DV-D5")
	}
	o.ResetPrivileges()
	require.Equal(t, branch, o.send("GET", "contacts("+dan+")", "").get("_owningbusinessunit_value").Str, "a team has a business unit, too")
	require.Equal(t, 200, o.send("GET", "teams?$top=1", "").status)
	o.SetPrivilege("prvReadAccount", "Basic")
	require.Equal(t, "null", o.send("GET", "contacts("+alice+")?$expand=parentcustomerid_account", "").get("parentcustomerid_account").Raw)
	o.refused(o.send("GET", "contacts("+alice+")/parentcustomerid_account", ""), 403, "0x80040220")
	o.ResetPrivileges()
	require.Len(t, o.send("GET", "contacts", "").get("value").Array(), 4)
}

// Rows DV-D1, DV-D3 and DV-D4: one row that the role hides is refused, and changes are told
// to nobody who does not read the whole table.
func TestWhatARoleHidesIsRefused(t *testing.T) {
	o := branches(t)
	whole := o.send("GET", "contacts?$select=lastname", "", "Prefer: odata.track-changes").get(`@odata\.deltaLink`).Str
	o.SetPrivilege("prvReadContact", "Local")
	require.Equal(t, 200, o.send("GET", "contacts("+bob+")", "").status)
	for _, path := range []string{"contacts(" + carol + ")", "contacts(" + carol + ")/lastname", "contacts(" + carol + ")/Contact_Tasks", "contacts(" + carol + ")/parentcustomerid_account", whole} {
		r := o.send("GET", path, "")
		o.refused(r, 403, "0x80040220")
		require.Contains(t, r.get("error.message").Str, hidden)
	}
	o.refused(o.send("GET", "contacts", "", "Prefer: odata.track-changes"), 403, "0x80040220")
	u, err := url.Parse(whole)
	require.NoError(t, err)
	o.refused(o.send("GET", "contacts/$count?$deltatoken="+url.QueryEscape(u.Query().Get("$deltatoken")), ""), 403, "0x80040220")
	o.SetHiddenStatus(http.StatusNotFound)
	o.refused(o.send("GET", "contacts("+carol+")", ""), 404, "0x80040217")

	o.SetPrivilege("prvReadContact", "")
	for _, path := range []string{"contacts", "contacts/$count", "contacts(" + alice + ")", "accounts?$expand=contact_customer_accounts", "contacts?fetchXml=" + url.QueryEscape(`<fetch><entity name="contact"/></fetch>`)} {
		r := o.send("GET", path, "")
		o.refused(r, 403, "0x80040220")
		require.Contains(t, r.get("error.message").Str, hidden, path)
	}
	require.EqualValues(t, 4, o.Count("contacts"))
}

// The admin port changes the role and the version, and gives back those of the start.
func TestTheRoleOnTheAdminPort(t *testing.T) {
	o := branches(t)
	admin := httptest.NewServer(o.AdminHandler())
	defer admin.Close()
	do := func(method, path, body string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, admin.URL+path, strings.NewReader(body))
		require.NoError(t, err)
		res, err := admin.Client().Do(req)
		require.NoError(t, err)
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(text)
	}
	status, text := do("POST", "/privileges", `{"name":"prvReadContact","depth":"Local","hidden_status":404}`)
	require.Equal(t, 204, status, text)
	require.Len(t, o.send("GET", "contacts", "").get("value").Array(), 2)
	o.refused(o.send("GET", "contacts("+carol+")", ""), 404, "0x80040217")
	_, text = do("GET", "/privileges", "")
	require.JSONEq(t, `{"changed":{"prvreadcontact":"Local"},"hidden_status":404}`, text)
	for _, body := range []string{`{}`, `{"name":"prvReadNothing","depth":"Local"}`, `{"name":"prvReadContact","depth":"Some"}`, `{"name":"prvReadContact","hidden_status":500}`, `{"privilege":"x"}`, `x`} {
		status, text = do("POST", "/privileges", body)
		require.Equal(t, 400, status, body)
		require.Contains(t, text, "error")
	}
	status, _ = do("DELETE", "/privileges", "")
	require.Equal(t, 204, status)
	require.Len(t, o.send("GET", "contacts", "").get("value").Array(), 4)

	status, _ = do("POST", "/version", `{"version":"9.1.0.1"}`)
	require.Equal(t, 204, status)
	require.Equal(t, "9.1.0.1", o.send("GET", "RetrieveVersion()", "").get("Version").Str)
	_, text = do("GET", "/version", "")
	require.JSONEq(t, `{"version":"9.1.0.1"}`, text)
	status, _ = do("POST", "/version", `{}`)
	require.Equal(t, 400, status)
}

// Row DV-N1: an activity regards an account as well as a contact.
func TestActivitiesOfAnAccount(t *testing.T) {
	o := newOrganisation(t, func(op *dataverse.Options) { op.ActivityMovesContact = true })
	_, err := o.Insert("accounts", map[string]any{"accountid": acme, "name": "Acme"})
	require.NoError(t, err)
	for _, nav := range []string{"regardingobjectid_account_task", "regardingobjectid_account"} {
		r := o.send("POST", "tasks", `{"subject":"Call","`+nav+`@odata.bind":"/accounts(`+acme+`)"}`, "Prefer: return=representation")
		require.Equal(t, 201, r.status, r.body)
		require.Equal(t, acme, r.get("_regardingobjectid_value").Str)
	}
	o.refused(o.send("POST", "tasks", `{"regardingobjectid_account@odata.bind":"/contacts(`+acme+`)"}`), 400, "0x80048d19")
	r := o.send("GET", "accounts("+acme+")?$expand=Account_Tasks($select=subject),Account_ActivityPointers($select=subject)", "")
	require.Len(t, r.get("Account_Tasks").Array(), 2, r.body)
	require.Len(t, r.get("Account_ActivityPointers").Array(), 2)
	r = o.send("GET", "tasks?$expand=regardingobjectid_account_task($select=name)&$top=1", "", `Prefer: odata.include-annotations="*"`)
	require.Equal(t, "Acme", r.get("value.0.regardingobjectid_account_task.name").Str, r.body)
	require.Equal(t, "account", r.get(`value.0._regardingobjectid_value@Microsoft\.Dynamics\.CRM\.lookuplogicalname`).Str)
	require.Zero(t, o.Count("contacts"), "an account is no contact")
	require.Equal(t, 204, o.send("DELETE", "accounts("+acme+")", "").status)
	require.Zero(t, o.Count("tasks"), "they go with the account")
}

// Row DV-M3: columns may share a global option set.
func TestGlobalOptionSets(t *testing.T) {
	colours := []dataverse.Option{{Value: 1, Label: "Red"}, {Value: 2, Label: "Blue"}}
	o := newOrganisation(t, func(op *dataverse.Options) {
		op.CustomTables = append(op.CustomTables, dataverse.WithSystemColumns(dataverse.Table{LogicalName: "acme_car", EntitySet: "acme_cars", Key: "acme_carid", Name: "acme_name", Columns: []dataverse.Column{
			{Name: "acme_name", Type: "String", MaxLength: 20}, {Name: "acme_body", Type: "Picklist", Options: colours, Global: "acme_colour"}, {Name: "acme_roof", Type: "Picklist", Options: colours, Global: "acme_colour"},
		}}))
	})
	r := o.send("GET", "GlobalOptionSetDefinitions", "")
	require.Len(t, r.get("value").Array(), 1, r.body)
	r = o.send("GET", "GlobalOptionSetDefinitions(Name='acme_colour')", "")
	require.Equal(t, `["Red","Blue"]`, r.get("Options.#.Label.UserLocalizedLabel.Label").Raw, r.body)
	require.True(t, r.get("IsGlobal").Bool())
	require.Equal(t, r.body, o.send("GET", "GlobalOptionSetDefinitions("+r.get("MetadataId").Str+")", "").body)
	of := o.send("GET", "EntityDefinitions(LogicalName='acme_car')/Attributes/Microsoft.Dynamics.CRM.PicklistAttributeMetadata?$select=LogicalName&$expand=OptionSet,GlobalOptionSet($select=Name)", "")
	require.Equal(t, `["acme_colour","acme_colour"]`, of.get("value.#.GlobalOptionSet.Name").Raw, of.body)
	require.Equal(t, `[null,null]`, of.get("value.#.OptionSet").Raw)
	o.refused(o.send("POST", "acme_cars", `{"acme_roof":3}`), 400, "0x8004431a")
}
