package dataverse_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"causeway.dev/sandbox/dataverse"
	"causeway.dev/sandbox/kit"
)

const (
	api   = "/api/data/v9.2"
	alice = "11111111-1111-4111-8111-111111111111"
	bob   = "22222222-2222-4222-8222-222222222222"
	carol = "33333333-3333-4333-8333-333333333333"
)

type everybody struct{}

func (everybody) Valid(token string) bool { return token == "good" }

// organisation is a server and a plain client of it.
type organisation struct {
	*testing.T
	*dataverse.Server
	faults *kit.Faults
	clock  *kit.Clock
	url    string
}

func newOrganisation(t *testing.T, change ...func(*dataverse.Options)) *organisation {
	t.Helper()
	o := &organisation{T: t, faults: &kit.Faults{}, clock: &kit.Clock{}}
	options := dataverse.Options{Clock: o.clock, Faults: o.faults, Tokens: everybody{}, CustomTables: []dataverse.Table{events()}}
	for _, c := range change {
		c(&options)
	}
	o.Server = dataverse.New(options)
	s := httptest.NewTLSServer(o.Server)
	t.Cleanup(s.Close)
	o.url = s.URL
	http.DefaultTransport.(*http.Transport).TLSClientConfig = s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	return o
}

// events is a custom table: an alternate key, a lookup, choices.
func events() dataverse.Table {
	return dataverse.Table{
		LogicalName: "acme_event", EntitySet: "acme_events", Key: "acme_eventid", Name: "acme_name", Tracked: true,
		Columns: []dataverse.Column{
			{Name: "acme_eventid", Type: "Uniqueidentifier"},
			{Name: "acme_name", Type: "String", MaxLength: 20},
			{Name: "acme_code", Type: "String", MaxLength: 20},
			{Name: "acme_contact", Type: "Lookup", Targets: []dataverse.Target{{Table: "contact", Nav: "acme_Contact"}}, OnDelete: dataverse.Cascade},
			{Name: "acme_topics", Type: "MultiSelectPicklist", Options: []dataverse.Option{{Value: 1, Label: "Sea"}, {Value: 2, Label: "Land"}}},
			{Name: "versionnumber", Type: "BigInt", ReadOnly: true},
		},
		AlternateKeys: []dataverse.AlternateKey{{Name: "acme_codekey", Columns: []string{"acme_code"}}},
	}
}

type reply struct {
	status int
	header http.Header
	body   string
}

func (r reply) get(path string) gjson.Result { return gjson.Get(r.body, path) }

// send makes a request; headers are name: value pairs.
func (o *organisation) send(method, path, body string, headers ...string) reply {
	o.Helper()
	if !strings.HasPrefix(path, "https://") {
		path = o.url + api + "/" + path
	}
	req, err := http.NewRequestWithContext(o.Context(), method, path, strings.NewReader(body))
	require.NoError(o, err)
	req.Header.Set("Authorization", "Bearer good")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(o, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	require.NoError(o, err)
	return reply{res.StatusCode, res.Header, string(data)}
}

func (o *organisation) refused(r reply, status int, code string) {
	o.Helper()
	require.Equal(o, status, r.status, r.body)
	require.Equal(o, code, r.get("error.code").Str, r.body)
	require.NotEmpty(o, r.get("error.message").Str)
}

// §5.1: what each method does to an existing row and to a missing one.
func TestWritesOfASingleRow(t *testing.T) {
	o := newOrganisation(t)
	made := o.send("POST", "contacts", `{"lastname":"A"}`)
	require.Equal(t, 204, made.status, made.body)
	require.Regexp(t, `^https://.*/api/data/v9\.2/contacts\([0-9a-f-]{36}\)$`, made.header.Get("OData-EntityId"))

	shown := o.send("POST", "contacts?$select=lastname", `{"contactid":"`+alice+`","lastname":"B"}`, "Prefer: return=representation")
	require.Equal(t, 201, shown.status)
	require.Empty(t, shown.header.Get("OData-EntityId"))
	require.Equal(t, alice, shown.get("contactid").Str)
	require.Equal(t, "B", shown.get("lastname").Str)
	require.False(t, shown.get("firstname").Exists())
	o.refused(o.send("POST", "contacts", `{"contactid":"`+alice+`"}`), 412, "0x80040237")

	require.Equal(t, 204, o.send("PATCH", "contacts("+bob+")", `{"lastname":"C"}`).status, "an upsert creates")
	o.refused(o.send("PATCH", "contacts("+bob+")", `{}`, "If-None-Match: *"), 412, "0x80040237")
	o.refused(o.send("PATCH", "contacts("+carol+")", `{}`, "If-Match: *"), 404, "0x80040217")
	require.Equal(t, 201, o.send("PATCH", "contacts("+carol+")", `{}`, "If-None-Match: *", "Prefer: return=representation").status)
	require.Equal(t, 200, o.send("PATCH", "contacts("+carol+")", `{"lastname":"D"}`, "Prefer: return=representation").status)

	tag := o.send("GET", "contacts("+bob+")", "").get("@odata\\.etag").Str
	require.Equal(t, 304, o.send("GET", "contacts("+bob+")", "", "If-None-Match: "+tag).status)
	require.Equal(t, 204, o.send("PATCH", "contacts("+bob+")", `{"lastname":"E"}`, "If-Match: "+tag).status)
	o.refused(o.send("PATCH", "contacts("+bob+")", `{"lastname":"F"}`, "If-Match: "+tag), 412, "0x80060882")
	o.refused(o.send("DELETE", "contacts("+bob+")", "", "If-Match: "+tag), 412, "0x80060882")
	require.Equal(t, 204, o.send("DELETE", "contacts("+bob+")", "").status)
	o.refused(o.send("DELETE", "contacts("+bob+")", ""), 404, "0x80040217")
	o.refused(o.send("GET", "contacts("+bob+")", ""), 404, "0x80040217")

	require.Equal(t, 204, o.send("PUT", "contacts("+alice+")/lastname", `{"value":"G"}`).status)
	require.Equal(t, "G", o.send("GET", "contacts("+alice+")", "").get("lastname").Str)
	require.Equal(t, 204, o.send("DELETE", "contacts("+alice+")/lastname", "").status)
	require.Equal(t, gjson.Null, o.send("GET", "contacts("+alice+")", "").get("lastname").Type)
}

// §2.2, §9: what a body must not hold.
func TestBadBodies(t *testing.T) {
	o := newOrganisation(t)
	for name, c := range map[string]struct {
		body, code string
	}{
		"no JSON":              {`{`, "0x80048d19"},
		"unknown column":       {`{"lastName":"x"}`, "0x80048d19"},
		"read-only":            {`{"fullname":"x"}`, "0x80040203"},
		"state on create":      {`{"statecode":1}`, "0x80040203"},
		"too long":             {`{"firstname":"` + strings.Repeat("x", 51) + `"}`, "0x80044331"},
		"no such option":       {`{"gendercode":9}`, "0x8004431a"},
		"wrong type":           {`{"donotemail":"yes"}`, "0x80048d19"},
		"no date":              {`{"birthdate":"1980-05-17T00:00:00Z"}`, "0x80048d19"},
		"lookup as a column":   {`{"_ownerid_value":"` + alice + `"}`, "0x80040203"},
		"bind of a non-lookup": {`{"lastname@odata.bind":"/contacts(` + alice + `)"}`, "0x80048d19"},
	} {
		t.Run(name, func(t *testing.T) { o.refused(o.send("POST", "contacts", c.body), 400, c.code) })
	}
	require.Zero(t, o.Count("contacts"))
	require.Equal(t, 204, o.send("PATCH", "contacts("+alice+")", `{}`).status)
	o.refused(o.send("PATCH", "contacts("+alice+")", `{"statecode":1,"statuscode":1}`), 400, "0x80048408")
	require.Equal(t, 204, o.send("PATCH", "contacts("+alice+")", `{"statecode":1,"statuscode":2}`).status)
}

// §5.3: alternate keys in URLs.
func TestAlternateKeys(t *testing.T) {
	o := newOrganisation(t)
	by := func(v string) string { return "acme_events(acme_code='" + v + "')" }
	made := o.send("PATCH", by("P-1"), `{"acme_name":"one"}`)
	require.Equal(t, 204, made.status, made.body)
	require.Contains(t, made.header.Get("OData-EntityId"), "acme_events(acme_code='P-1')", "the URL's key comes back")
	row := o.send("GET", by("P-1"), "")
	require.Equal(t, "P-1", row.get("acme_code").Str)
	require.Equal(t, 200, o.send("PATCH", by("P-1"), `{"acme_code":"other","acme_name":"two"}`, "Prefer: return=representation").status)
	require.Equal(t, "two", o.send("GET", by("P-1"), "").get("acme_name").Str, "key columns in the body are dropped")
	o.refused(o.send("GET", by("P-2"), ""), 404, "0x80060891")
	o.refused(o.send("PATCH", by("P-2"), `{}`, "If-Match: *"), 404, "0x80060891")
	o.refused(o.send("POST", "acme_events", `{"acme_code":"p-1"}`), 412, "0x80060892")
	o.refused(o.send("GET", "acme_events(acme_name='two')", ""), 400, "0x80060890")
	o.refused(o.send("GET", by(url.PathEscape("a+b")), ""), 400, "0x80060888")
	require.Equal(t, 204, o.send("PATCH", by(url.PathEscape("it''s")), `{}`).status)
	require.Equal(t, "it's", o.send("GET", by(url.PathEscape("it''s")), "").get("acme_code").Str)
	require.Equal(t, 204, o.send("DELETE", by("P-1"), "").status)
	require.Equal(t, 204, o.send("POST", "acme_events", `{"acme_code":"P-1"}`).status, "the key is free again")

	pending := events()
	pending.AlternateKeys[0].Status = "Pending"
	o = newOrganisation(t, func(op *dataverse.Options) { op.CustomTables = []dataverse.Table{pending} })
	o.refused(o.send("GET", by("P-1"), ""), 400, "0x80060890")
}

// §2.3: lookups are bound by navigation property; deleting cascades.
func TestLookups(t *testing.T) {
	o := newOrganisation(t)
	require.Equal(t, 204, o.send("POST", "contacts", `{"contactid":"`+alice+`"}`).status)
	for _, form := range []string{"/contacts(" + alice + ")", "contacts(" + alice + ")", o.url + api + "/contacts(" + alice + ")"} {
		made := o.send("POST", "acme_events", `{"acme_Contact@odata.bind":"`+form+`"}`, "Prefer: return=representation")
		require.Equal(t, 201, made.status, made.body)
		require.Equal(t, alice, made.get("_acme_contact_value").Str)
	}
	o.refused(o.send("POST", "acme_events", `{"acme_Contact@odata.bind":"/contacts(`+bob+`)"}`), 404, "0x80040217")
	o.refused(o.send("POST", "acme_events", `{"acme_contact@odata.bind":"/contacts(`+alice+`)"}`), 400, "0x80048d19")
	o.refused(o.send("POST", "acme_events", `{"acme_Contact@odata.bind":"/acme_events(`+alice+`)"}`), 400, "0x80048d19")
	key := o.Keys("acme_events")[0]
	require.Equal(t, 204, o.send("DELETE", "acme_events("+key+")/acme_Contact/$ref", "").status)
	require.Equal(t, gjson.Null, o.send("GET", "acme_events("+key+")", "").get("_acme_contact_value").Type)
	require.Equal(t, 204, o.send("DELETE", "contacts("+alice+")", "").status)
	require.Equal(t, []string{key}, o.Keys("acme_events"), "rows that hang on a deleted one go with it")
}

// §5.4: bulk actions are one transaction.
func TestBulkActions(t *testing.T) {
	o := newOrganisation(t)
	target := func(more string) string { return `{"@odata.type":"Microsoft.Dynamics.CRM.contact",` + more + `}` }
	action := "contacts/Microsoft.Dynamics.CRM."
	made := o.send("POST", action+"CreateMultiple", `{"Targets":[`+target(`"contactid":"`+alice+`"`)+`,`+target(`"lastname":"B"`)+`]}`)
	require.Equal(t, 200, made.status, made.body)
	require.Len(t, made.get("Ids").Array(), 2)
	version := o.Version()
	o.refused(o.send("POST", action+"CreateMultiple", `{"Targets":[`+target(`"lastname":"C"`)+`,`+target(`"gendercode":9`)+`]}`), 400, "0x8004431a")
	require.EqualValues(t, 2, o.Count("contacts"), "nothing of a refused action stays")
	require.Greater(t, o.Version(), version)

	require.Equal(t, 204, o.send("POST", action+"UpdateMultiple", `{"Targets":[`+target(`"contactid":"`+alice+`","lastname":"U"`)+`]}`).status)
	require.Equal(t, "U", o.Row("contacts", alice)["lastname"])
	o.refused(o.send("POST", action+"UpdateMultiple", `{"Targets":[`+target(`"contactid":"`+bob+`"`)+`]}`), 404, "0x80040217")
	o.refused(o.send("POST", action+"UpdateMultiple", `{"Targets":[{"contactid":"`+alice+`"}]}`), 400, "0x80048d19")
	require.Equal(t, 204, o.send("POST", action+"UpsertMultiple", `{"Targets":[`+target(`"contactid":"`+bob+`"`)+`,`+target(`"contactid":"`+alice+`","lastname":"V"`)+`]}`).status)
	require.EqualValues(t, 3, o.Count("contacts"))
	require.Equal(t, 204, o.send("POST", "acme_events/Microsoft.Dynamics.CRM.UpsertMultiple",
		`{"Targets":[{"@odata.type":"Microsoft.Dynamics.CRM.acme_event","@odata.id":"acme_events(acme_code='K')","acme_name":"k"}]}`).status)
	require.Equal(t, "k", o.send("GET", "acme_events(acme_code='K')", "").get("acme_name").Str)
	o.refused(o.send("POST", action+"DeleteMultiple", `{}`), 501, "0x80040216")
}

// §2.4: labels beside values, on request.
func TestFormattedValues(t *testing.T) {
	o := newOrganisation(t)
	o.send("POST", "acme_events", `{"acme_eventid":"`+alice+`","acme_topics":"1, 2"}`)
	o.send("POST", "contacts", `{"contactid":"`+alice+`","gendercode":2,"birthdate":"1980-05-07"}`)
	const prefer = `Prefer: odata.include-annotations="OData.Community.Display.V1.FormattedValue"`
	row := o.send("GET", "contacts("+alice+")?$select=gendercode,birthdate,donotemail", "", prefer)
	require.Equal(t, "Female", row.get(`gendercode@OData\.Community\.Display\.V1\.FormattedValue`).Str, row.body)
	require.Equal(t, "5/7/1980", row.get(`birthdate@OData\.Community\.Display\.V1\.FormattedValue`).Str)
	require.Equal(t, "Allow", row.get(`donotemail@OData\.Community\.Display\.V1\.FormattedValue`).Str)
	list := o.send("GET", "acme_events?$select=acme_topics", "", prefer)
	require.Equal(t, "1,2", list.get("value.0.acme_topics").Str)
	require.Equal(t, "Sea; Land", list.get(`value.0.acme_topics@OData\.Community\.Display\.V1\.FormattedValue`).Str)
	require.NotContains(t, o.send("GET", "acme_events", "").body, "FormattedValue")
}

// §8: definitions with what $expand asks for, and casts.
func TestMetadata(t *testing.T) {
	o := newOrganisation(t)
	def := o.send("GET", "EntityDefinitions(LogicalName='acme_event')?$select=LogicalName,EntitySetName&$expand=Keys($select=KeyAttributes,EntityKeyIndexStatus),ManyToOneRelationships", "")
	require.Equal(t, "acme_events", def.get("EntitySetName").Str)
	require.False(t, def.get("Attributes").Exists())
	require.Equal(t, "acme_code", def.get("Keys.0.KeyAttributes.0").Str)
	require.Equal(t, "Active", def.get("Keys.0.EntityKeyIndexStatus").Str)
	require.Equal(t, "acme_Contact", def.get("ManyToOneRelationships.0.ReferencingEntityNavigationPropertyName").Str)
	one := o.send("GET", "EntityDefinitions(LogicalName='contact')/Attributes(LogicalName='gendercode')/Microsoft.Dynamics.CRM.PicklistAttributeMetadata?$expand=OptionSet", "")
	require.Equal(t, "Male", one.get("OptionSet.Options.0.Label.UserLocalizedLabel.Label").Str)
	many := o.send("GET", "EntityDefinitions(LogicalName='acme_event')/Attributes/Microsoft.Dynamics.CRM.MultiSelectPicklistAttributeMetadata?$select=LogicalName&$expand=OptionSet", "")
	require.Equal(t, "acme_topics", many.get("value.0.LogicalName").Str)
	o.refused(o.send("GET", "EntityDefinitions(LogicalName='nothing')", ""), 404, "0x80060888")
	o.refused(o.send("GET", "EntityDefinitions(LogicalName='contact')?$expand=Nothing", ""), 400, "0x80060888")
	require.Equal(t, `["acme_event"]`, o.send("GET", "EntityDefinitions?$select=LogicalName&$filter=IsActivity%20eq%20false%20and%20SchemaName%20eq%20%27acme_event%27", "").get("value.#.LogicalName").Raw)
}

// §3, §4: pages, changes, tombstones, the expiry of a link.
func TestChangeTracking(t *testing.T) {
	o := newOrganisation(t)
	require.NoError(t, o.SeedContacts(25, 3))
	const track, size = "Prefer: odata.track-changes,odata.maxpagesize=10", "Prefer: odata.maxpagesize=10"
	page := o.send("GET", "contacts?$select=lastname", "", track)
	seen := map[string]bool{}
	pages := 0
	for ; ; page = o.send("GET", page.get(`@odata\.nextLink`).Str, "", size) {
		pages++
		for _, v := range page.get("value").Array() {
			seen[v.Get("contactid").Str] = true
		}
		if page.get(`@odata\.deltaLink`).Exists() {
			break
		}
		require.Len(t, page.get("value").Array(), 10)
	}
	require.Equal(t, 3, pages)
	require.Len(t, seen, 25)
	link := page.get(`@odata\.deltaLink`).Str
	keys := o.Keys("contacts")
	require.NoError(t, o.Update("contacts", keys[0], map[string]any{"lastname": "Z"}))
	require.True(t, o.Delete("contacts", keys[1]))
	changes := o.send("GET", link, "", size)
	require.Len(t, changes.get("value").Array(), 2)
	require.Equal(t, "Z", changes.get("value.0.lastname").Str)
	require.Equal(t, keys[1], changes.get("value.1.id").Str)
	require.Equal(t, "deleted", changes.get("value.1.reason").Str)
	require.True(t, strings.HasSuffix(changes.get(`value.1.@odata\.context`).Str, "#contacts/$deletedEntity"))
	require.Empty(t, o.send("GET", changes.get(`@odata\.deltaLink`).Str, "").get("value").Array())

	for _, option := range []string{"$filter=lastname eq 'x'", "$orderby=lastname", "$top=1"} {
		o.refused(o.send("GET", "contacts?"+strings.ReplaceAll(option, " ", "%20"), "", track), 400, "0x80060888")
	}
	o.clock.Advance(8 * 24 * time.Hour)
	o.refused(o.send("GET", link, ""), 400, "0x80044352")
	o.SetTracking("contacts", false)
	o.refused(o.send("GET", "contacts", "", track), 400, "0x80072491")
}

// §2.5, §9: options and filters.
func TestQueries(t *testing.T) {
	o := newOrganisation(t)
	for i, name := range []string{"Ann", "bob", "O'Brien"} {
		o.send("POST", "contacts", fmt.Sprintf(`{"lastname":"%s","numberofchildren":%d}`, name, i))
	}
	for filter, want := range map[string]int{
		"lastname eq 'ANN'": 1, "lastname eq 'O''Brien'": 1, "numberofchildren ge 1": 2, "not (numberofchildren ge 1)": 1,
		"contains(lastname,'b')": 2, "startswith(lastname,'o') and numberofchildren eq 2": 1, "firstname eq null": 3,
		`Microsoft.Dynamics.CRM.In(PropertyName='lastname',PropertyValues=["ann","bob"])`: 2,
	} {
		r := o.send("GET", "contacts?$count=true&$filter="+url.QueryEscape(filter), "")
		require.Equal(t, 200, r.status, r.body)
		require.Len(t, r.get("value").Array(), want, filter)
		require.EqualValues(t, want, r.get(`@odata\.count`).Int(), filter)
	}
	for _, query := range []string{"$filter=lastnam%20eq%20%27x%27", "$filter=lastname%20eq", "$filter=(lastname%20eq%20null", "$select=Lastname", "$orderby=lastname%20up", "$skip=1", "$top=0"} {
		o.refused(o.send("GET", "contacts?"+query, ""), 400, "0x80060888")
	}
	o.refused(o.send("GET", "Contacts", ""), 404, "0x8006088a")
	desc := o.send("GET", "contacts?$select=lastname&$orderby=lastname%20desc&$top=2", "")
	require.Equal(t, "O'Brien", desc.get("value.0.lastname").Str)
	require.Len(t, desc.get("value").Array(), 2)
	require.Equal(t, "3", o.send("GET", "contacts/$count", "").body)
}

// Row DV-L1, §7.1: the three limits, when they are on. §1.4: a request without a token.
func TestProtectionAndTokens(t *testing.T) {
	o := newOrganisation(t, func(op *dataverse.Options) { op.Protection = dataverse.Protection{Requests: 3} })
	for range 3 {
		require.Equal(t, 200, o.send("GET", "WhoAmI", "").status)
	}
	r := o.send("GET", "WhoAmI", "")
	o.refused(r, 429, "0x80072322")
	require.NotEmpty(t, r.header.Get("Retry-After"))
	o.clock.Advance(301 * time.Second)
	require.Equal(t, 200, o.send("GET", "WhoAmI", "").status)

	o = newOrganisation(t)
	for name, code := range map[string]string{"throttle_requests": "0x80072322", "throttle_time": "0x80072321", "throttle_concurrency": "0x80072326"} {
		_, err := o.faults.Add(kit.Rule{Service: "dataverse", Action: kit.Named, Name: name, Times: 1, Headers: map[string]string{"Retry-After": "7"}})
		require.NoError(t, err)
		r := o.send("GET", "WhoAmI", "")
		o.refused(r, 429, code)
		require.Equal(t, "7", r.header.Get("Retry-After"))
	}
	_, err := o.faults.Add(kit.Rule{Service: "dataverse", Action: kit.Named, Name: "plugin_abort", Times: 1})
	require.NoError(t, err)
	o.refused(o.send("POST", "contacts", `{}`), 400, "0x80040265")
	denied := o.send("GET", "WhoAmI", "", "Authorization: Bearer bad")
	require.Equal(t, 401, denied.status)
	require.Contains(t, denied.header.Get("WWW-Authenticate"), "authorization_uri=")
}

// Rows, versions, keys and tombstones come back from a snapshot.
func TestSaveAndLoad(t *testing.T) {
	dir := t.TempDir()
	o := newOrganisation(t)
	require.NoError(t, o.SeedContacts(5, 1))
	o.send("PATCH", "acme_events(acme_code='K')", `{"acme_Contact@odata.bind":"/contacts(`+o.Keys("contacts")[0]+`)"}`)
	link := o.send("GET", "contacts", "", "Prefer: odata.track-changes").get(`@odata\.deltaLink`).Str
	gone := o.Keys("contacts")[4]
	require.True(t, o.Delete("contacts", gone))
	require.NoError(t, o.Save(dir))

	again := newOrganisation(t)
	loaded, err := again.Load(dir)
	require.NoError(t, err)
	require.True(t, loaded)
	require.Equal(t, o.Keys("contacts"), again.Keys("contacts"))
	require.Equal(t, o.Version(), again.Version())
	_, query, _ := strings.Cut(link, "?")
	require.Equal(t, gone, again.send("GET", "contacts?"+query, "").get("value.0.id").Str)
	require.Equal(t, 200, again.send("GET", "acme_events(acme_code='K')", "").status)
	var v map[string]any
	require.NoError(t, json.Unmarshal([]byte(again.send("GET", "contacts("+again.Keys("contacts")[0]+")", "").body), &v))
}
